#include "capture_rss.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lj_log.h"

#define KEY_BYTES_USUAL	 40  /* if the driver does not report its key size */
#define RETA_USUAL	 128 /* if the driver does not report its RETA size */
#define FUNCTIONS_IP	 RTE_ETH_RSS_IP
#define FUNCTIONS_5TUPLE (RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP | RTE_ETH_RSS_SCTP)
#define FUNCTIONS_SCTP	 (RTE_ETH_RSS_NONFRAG_IPV4_SCTP | RTE_ETH_RSS_NONFRAG_IPV6_SCTP)

static uint64_t wanted_functions(const struct lj_rss_request *request)
{
	if (request->functions != 0)
		return request->functions;
	return request->mode == LJ_RSS_IP ? FUNCTIONS_IP : FUNCTIONS_5TUPLE;
}

void rss_ask(struct port_rss *rss, const struct lj_rss_request *request,
	     const struct rte_eth_dev_info *info, struct rte_eth_conf *conf)
{
	uint8_t usual = request->key_bytes > 0 ? request->key_bytes : KEY_BYTES_USUAL;
	uint8_t bytes = info->hash_key_size > 0 ? info->hash_key_size : usual;

	rss->request = *request;
	rss->functions = info->flow_type_rss_offloads & wanted_functions(request);
	if (bytes > LJ_RSS_KEY_MAX || rss->functions == 0)
		return;
	lj_rss_symmetric_key(rss->key, bytes);
	rss->key_bytes = bytes;
	conf->rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
	conf->rx_adv_conf.rss_conf = (struct rte_eth_rss_conf){
		.rss_key = rss->key,
		.rss_key_len = bytes,
		.rss_hf = rss->functions,
	};
	snprintf(rss->text, sizeof(rss->text), "RSS symmetric as requested");
}

static int read_key(uint16_t port, uint8_t *key)
{
	struct rte_eth_rss_conf have = {.rss_key = key, .rss_key_len = LJ_RSS_KEY_MAX};

	memset(key, 0, LJ_RSS_KEY_MAX);
	return rte_eth_dev_rss_hash_conf_get(port, &have);
}

/* Reads the key back. Some drivers (i40e) write it only at start, others (net_null) only by an
 * explicit update. 0 with the key in `key`, or the driver's -errno. */
static int settle_key(struct port_rss *rss, uint16_t port, uint8_t *key)
{
	struct rte_eth_rss_conf want = {rss->key, rss->key_bytes, rss->functions};
	int ret = read_key(port, key);

	if (ret == 0 && memcmp(key, rss->key, rss->key_bytes) != 0 &&
	    rte_eth_dev_rss_hash_update(port, &want) == 0)
		ret = read_key(port, key);
	return ret;
}

/* The last group of a table may be partial. */
static uint64_t mask_of(uint16_t entries, uint16_t group)
{
	uint16_t n = entries - group * RTE_ETH_RETA_GROUP_SIZE;

	return n < RTE_ETH_RETA_GROUP_SIZE ? RTE_BIT64(n) - 1 : UINT64_MAX;
}

/* Returns -EBADMSG, and leaves `model` unchanged, if an entry holds a queue that does not exist. */
static int read_reta(struct lj_rss *model, uint16_t port)
{
	struct rte_eth_rss_reta_entry64 groups[LJ_RETA_MAX / RTE_ETH_RETA_GROUP_SIZE];
	uint16_t reta[LJ_RETA_MAX];
	int ret;

	memset(groups, 0, sizeof(groups));
	for (uint16_t i = 0; i < model->reta_entries; i += RTE_ETH_RETA_GROUP_SIZE)
		groups[i / RTE_ETH_RETA_GROUP_SIZE].mask =
			mask_of(model->reta_entries, i / RTE_ETH_RETA_GROUP_SIZE);
	ret = rte_eth_dev_rss_reta_query(port, groups, model->reta_entries);
	for (uint16_t i = 0; i < model->reta_entries && ret == 0; i++) {
		reta[i] = groups[i / RTE_ETH_RETA_GROUP_SIZE].reta[i % RTE_ETH_RETA_GROUP_SIZE];
		if (reta[i] >= model->queues)
			ret = -EBADMSG;
	}
	for (uint16_t i = 0; i < model->reta_entries && ret == 0; i++)
		__atomic_store_n(&model->reta[i], reta[i], __ATOMIC_RELAXED);
	return ret;
}

static int write_reta(uint16_t port, uint16_t entries, const uint16_t *reta)
{
	struct rte_eth_rss_reta_entry64 groups[LJ_RETA_MAX / RTE_ETH_RETA_GROUP_SIZE];

	memset(groups, 0, sizeof(groups));
	for (uint16_t i = 0; i < entries; i++) {
		uint16_t group = i / RTE_ETH_RETA_GROUP_SIZE;

		groups[group].mask = mask_of(entries, group);
		groups[group].reta[i % RTE_ETH_RETA_GROUP_SIZE] = reta[i];
	}
	return rte_eth_dev_rss_reta_update(port, groups, entries);
}

static int deal_reta(uint16_t port, uint16_t entries, uint16_t queues)
{
	uint16_t reta[LJ_RETA_MAX];

	for (uint16_t i = 0; i < entries; i++)
		reta[i] = i % queues;
	return write_reta(port, entries, reta);
}

int rss_set_reta(struct port_rss *rss, uint16_t port, const uint16_t *reta, const char *name,
		 struct lj_error *err)
{
	struct lj_rss *model = &rss->model;
	uint16_t before[LJ_RETA_MAX];
	int ret;

	memcpy(before, model->reta, sizeof(before));
	ret = write_reta(port, model->reta_entries, reta);
	if (ret == 0)
		ret = read_reta(model, port);
	if (ret == 0 && memcmp(model->reta, reta, model->reta_entries * sizeof(*reta)) == 0)
		return 0;
	write_reta(port, model->reta_entries, before);
	read_reta(model, port);
	if (ret == 0 || ret == -EBADMSG)
		return lj_error_set(err, EIO, name,
				    "the driver does not accept another redirection table: it "
				    "reads back differently");
	return lj_error_set(err, -ret, name,
			    "the driver does not accept another redirection table: %s",
			    rte_strerror(-ret));
}

/* The number of queues that have an entry. */
static uint16_t queues_reached(const struct lj_rss *model)
{
	uint64_t seen = 0;

	for (uint16_t i = 0; i < model->reta_entries; i++)
		seen |= RTE_BIT64(model->reta[i]);
	return (uint16_t)__builtin_popcountll(seen);
}

/* Reads the device's RETA into the model, rewriting it if need be. NULL, or why it is unknown. */
static const char *settle_reta(struct port_rss *rss, uint16_t port, const char *name)
{
	struct rte_eth_dev_info info;
	struct lj_rss *model = &rss->model;
	int ret = rte_eth_dev_info_get(port, &info);

	if (ret != 0)
		return "the RETA cannot be read";
	if (info.reta_size > LJ_RETA_MAX ||
	    (info.reta_size > 0 && !rte_is_power_of_2(info.reta_size)))
		return "the RETA's size is not supported";
	if (info.reta_size > 0)
		model->reta_entries = info.reta_size;
	ret = read_reta(model, port);
	if (ret == 0 && queues_reached(model) == model->queues)
		return NULL;
	if (ret != 0 && ret != -EBADMSG)
		return "the RETA cannot be read";
	ret = deal_reta(port, model->reta_entries, model->queues);
	if (ret == 0)
		ret = read_reta(model, port);
	if (ret != 0 || queues_reached(model) < model->queues)
		lj_log(WARNING, "%s: the RETA leaves a queue without traffic\n", name);
	if (ret == -EBADMSG)
		return "the RETA contains queues that do not exist";
	return ret == 0 ? NULL : "the RETA cannot be read";
}

static int self_test(struct port_rss *rss, const char *name, struct lj_error *err)
{
	uint32_t parted = lj_rss_self_test(&rss->model, &rss->model);

	if (parted > 0)
		return lj_error_set(
			err, EIO, name,
			"RSS self-test: by the key and RETA read back, %u of %d "
			"tuples and their reverses go to different queues, so the two "
			"directions of a flow would reach different workers; use one queue",
			parted, LJ_RSS_TEST_PAIRS);
	snprintf(rss->text, sizeof(rss->text), "RSS symmetric, key read back, tested");
	rss->known = true;
	return 0;
}

int rss_verify(struct port_rss *rss, uint16_t port, uint16_t queues, const char *name,
	       struct lj_error *err)
{
	uint8_t key[LJ_RSS_KEY_MAX];
	const char *unknown;
	int ret;

	rss->known = false;
	if (rss->key_bytes == 0)
		return 0;
	ret = settle_key(rss, port, key);
	if (ret != 0) {
		snprintf(rss->text, sizeof(rss->text),
			 "RSS symmetric as requested; the key cannot be read");
		lj_log(WARNING, "%s: %s\n", name, rss->text);
		return 0;
	}
	if (memcmp(key, rss->key, rss->key_bytes) != 0)
		return lj_error_set(err, EIO, name,
				    "the driver did not take the symmetric RSS key: the two "
				    "directions of a flow would reach different workers; use one "
				    "queue");
	if (rss->request.by == LJ_RSS_BY_FLOW) {
		ret = rss_make_rules(port, rss->functions, name, err);
		if (ret != 0)
			return ret;
	}
	lj_rss_init(&rss->model, rss->request.mode, queues, rss->key_bytes, RETA_USUAL);
	lj_rss_set_key(&rss->model, key, rss->key_bytes);
	rss->model.sctp = rss->functions & FUNCTIONS_SCTP ? LJ_RSS_SCTP_PORTS
			  : rss->request.sctp_unhashed	  ? LJ_RSS_SCTP_UNHASHED
							  : LJ_RSS_SCTP_ADDRESSES;
	unknown = settle_reta(rss, port, name);
	if (unknown == NULL)
		return self_test(rss, name, err);
	snprintf(rss->text, sizeof(rss->text), "RSS symmetric, key read back; %s", unknown);
	return 0;
}
