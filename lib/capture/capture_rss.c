#include "capture_rss.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lj_log.h"

#define KEY_BYTES_USUAL 40 /* of a driver that does not say */
#define FUNCTIONS	(RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP | RTE_ETH_RSS_SCTP)

/* The 16-bit pattern that makes Toeplitz symmetric (Woo and Park, 2012). */
static void symmetric_key(uint8_t *key, uint8_t bytes)
{
	for (uint8_t i = 0; i < bytes; i++)
		key[i] = i % 2 == 0 ? 0x6d : 0x5a;
}

void rss_ask(struct port_rss *rss, const struct rte_eth_dev_info *info, struct rte_eth_conf *conf)
{
	uint8_t bytes = info->hash_key_size > 0 ? info->hash_key_size : KEY_BYTES_USUAL;

	rss->functions = info->flow_type_rss_offloads & FUNCTIONS;
	if (bytes > RSS_KEY_MAX || rss->functions == 0)
		return;
	symmetric_key(rss->key, bytes);
	rss->key_bytes = bytes;
	conf->rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
	conf->rx_adv_conf.rss_conf = (struct rte_eth_rss_conf){
		.rss_key = rss->key,
		.rss_key_len = bytes,
		.rss_hf = rss->functions,
	};
	snprintf(rss->text, sizeof(rss->text), "RSS symmetric as asked");
}

static int read_key(uint16_t port, uint8_t *key)
{
	struct rte_eth_rss_conf have = {.rss_key = key, .rss_key_len = RSS_KEY_MAX};

	memset(key, 0, RSS_KEY_MAX);
	return rte_eth_dev_rss_hash_conf_get(port, &have);
}

/* Some drivers (i40e) write the key no earlier than at start, some (net_null) only when told once
 * more. */
int rss_verify(struct port_rss *rss, uint16_t port, const char *name, struct lj_error *err)
{
	struct rte_eth_rss_conf want = {rss->key, rss->key_bytes, rss->functions};
	uint8_t key[RSS_KEY_MAX];
	int ret;

	if (rss->key_bytes == 0)
		return 0;
	ret = read_key(port, key);
	if (ret == 0 && memcmp(key, rss->key, rss->key_bytes) != 0 &&
	    rte_eth_dev_rss_hash_update(port, &want) == 0)
		ret = read_key(port, key);
	if (ret != 0) {
		snprintf(rss->text, sizeof(rss->text),
			 "RSS symmetric as asked; the key cannot be read");
		lj_log(WARNING, "%s: %s\n", name, rss->text);
		return 0;
	}
	if (memcmp(key, rss->key, rss->key_bytes) != 0)
		return lj_error_set(err, EIO, name,
				    "the driver did not take the symmetric RSS key: the two "
				    "directions of a flow would reach different workers; use one "
				    "queue");
	snprintf(rss->text, sizeof(rss->text), "RSS symmetric, key read back");
	return 0;
}
