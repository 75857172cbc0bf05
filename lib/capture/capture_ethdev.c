#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_ethdev.h>
#include <rte_malloc.h>
#include <rte_mbuf_dyn.h>

#include "lj_clock.h"
#include "lj_log.h"
#include "source.h"

#define RSS_KEY_MAX 64

struct port_source {
	struct source source;
	uint16_t port;
	struct rte_mempool *pool;
	int time_offset; /* of net_pcap's timestamp in the mbuf, in us; -1 when there is none */
	uint8_t leg;
	char driver[64];
	char rss[96]; /* for a person */
};

static uint16_t rx(struct lj_source *source, uint16_t queue, struct lj_burst *burst)
{
	struct port_source *s = (struct port_source *)source;
	uint64_t now_ns;

	burst->count = rte_eth_rx_burst(s->port, queue, burst->mbuf, LJ_BURST_MAX);
	if (burst->count == 0)
		return 0;
	now_ns = lj_clock_wall_ns(rte_rdtsc());
	for (uint16_t i = 0; i < burst->count; i++) {
		struct rte_mbuf *m = burst->mbuf[i];

		burst->time_ns[i] = now_ns;
		if (s->time_offset >= 0)
			burst->time_ns[i] =
				*RTE_MBUF_DYNFIELD(m, s->time_offset, rte_mbuf_timestamp_t *) *
				1000;
		burst->wire_bytes[i] = m->pkt_len;
		burst->leg[i] = s->leg;
	}
	return burst->count;
}

static int start(struct lj_source *source, struct lj_error *err)
{
	struct port_source *s = (struct port_source *)source;
	int ret = rte_eth_dev_start(s->port);

	if (ret != 0)
		return lj_error_set(err, -ret, source->name, "the port does not start: %s",
				    rte_strerror(-ret));
	/* net_pcap registers its timestamp when it starts. */
	if (strcmp(s->driver, "net_pcap") == 0)
		s->time_offset = rte_mbuf_dynfield_lookup(RTE_MBUF_DYNFIELD_TIMESTAMP_NAME, NULL);
	source->own_time = s->time_offset >= 0;
	return 0;
}

static void stop(struct lj_source *source)
{
	rte_eth_dev_stop(((struct port_source *)source)->port);
}

static int stats(struct lj_source *source, struct lj_source_stats *stats)
{
	struct rte_eth_stats eth;
	int ret = rte_eth_stats_get(((struct port_source *)source)->port, &eth);

	if (ret == 0)
		*stats = (struct lj_source_stats){eth.ipackets, eth.ibytes, eth.imissed,
						  eth.ierrors, eth.rx_nombuf};
	return ret;
}

static void describe(const struct lj_source *source, char *out, size_t size)
{
	const struct port_source *s = (const struct port_source *)source;
	struct rte_eth_link link = {0};

	rte_eth_link_get_nowait(s->port, &link);
	snprintf(out, size, "%s, link %s, %u Mbps, %u queue%s, %s", s->driver,
		 link.link_status ? "up" : "down", link.link_speed, source->queues,
		 source->queues == 1 ? "" : "s", s->rss);
}

static void close_source(struct lj_source *source)
{
	struct port_source *s = (struct port_source *)source;

	rte_eth_dev_close(s->port);
	rte_mempool_free(s->pool);
	free(s);
}

static const struct lj_source_ops ops = {"ethdev", rx, start, stop, stats, describe, close_source};

/* A PCI address as it is; of a vdev's arguments the name alone. */
static int find_port(const struct lj_port_config *config, uint16_t *port, struct lj_error *err)
{
	char name[RTE_ETH_NAME_MAX_LEN];

	snprintf(name, sizeof(name), "%.*s", (int)strcspn(config->name, ","), config->name);
	if (rte_eth_dev_get_port_by_name(name, port) == 0)
		return 0;
	return lj_error_set(err, ENODEV, config->name,
			    "no such port: DPDK has not probed it (is it bound to vfio-pci?)");
}

/* The 16-bit pattern that makes Toeplitz symmetric (Woo and Park, 2012). */
static void symmetric_key(uint8_t *key, uint8_t bytes)
{
	for (uint8_t i = 0; i < bytes; i++)
		key[i] = i % 2 == 0 ? 0x6d : 0x5a;
}

static void ask_for_rss(const struct rte_eth_dev_info *info, struct rte_eth_conf *conf,
			uint8_t *key)
{
	uint8_t bytes = info->hash_key_size > 0 ? info->hash_key_size : 40;

	if (bytes > RSS_KEY_MAX || info->flow_type_rss_offloads == 0)
		return;
	symmetric_key(key, bytes);
	conf->rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
	conf->rx_adv_conf.rss_conf = (struct rte_eth_rss_conf){
		.rss_key = key,
		.rss_key_len = bytes,
		.rss_hf = (RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP | RTE_ETH_RSS_SCTP) &
			  info->flow_type_rss_offloads,
	};
}

/* Drivers install a default key, asymmetric, without an error: only the key read back tells. */
static int verify_rss(struct port_source *s, const struct rte_eth_conf *conf, struct lj_error *err)
{
	uint8_t key[RSS_KEY_MAX];
	struct rte_eth_rss_conf have = {.rss_key = key, .rss_key_len = sizeof(key)};
	const struct rte_eth_rss_conf *want = &conf->rx_adv_conf.rss_conf;

	if (conf->rxmode.mq_mode != RTE_ETH_MQ_RX_RSS) {
		snprintf(s->rss, sizeof(s->rss), "no RSS: the source fills its queues itself");
		return 0;
	}
	if (rte_eth_dev_rss_hash_conf_get(s->port, &have) != 0) {
		snprintf(s->rss, sizeof(s->rss), "RSS symmetric as asked; the key cannot be read");
		lj_log(WARNING, "%s: %s\n", s->source.head.name, s->rss);
	} else if (memcmp(key, want->rss_key, want->rss_key_len) != 0) {
		return lj_error_set(err, EIO, s->source.head.name,
				    "the driver did not take the symmetric RSS key: the two "
				    "directions of a flow would reach different workers");
	} else {
		snprintf(s->rss, sizeof(s->rss), "RSS symmetric, key read back");
	}
	s->source.head.spreads = true;
	return 0;
}

/* A capability that is good to have; what the device lacks is no error. */
static void set_optional(struct port_source *s, const struct lj_port_config *config)
{
	const char *name = s->source.head.name;
	int ret;

	if (config->promiscuous) {
		ret = rte_eth_promiscuous_enable(s->port);
		if (ret != 0 && ret != -ENOTSUP)
			lj_log(WARNING, "%s: no promiscuous mode: %s\n", name, rte_strerror(-ret));
	}
	ret = rte_eth_dev_set_mtu(s->port, (uint16_t)config->mtu);
	if (ret != 0 && config->mtu != RTE_ETHER_MTU)
		lj_log(WARNING, "%s: MTU %u is not set: %s\n", name, config->mtu,
		       rte_strerror(-ret));
}

static int set_up_queues(struct port_source *s, const struct lj_port_config *config,
			 struct lj_error *err)
{
	uint16_t descriptors = config->descriptors, no_tx = 0;
	int socket = rte_eth_dev_socket_id(s->port);
	int ret = rte_eth_dev_adjust_nb_rx_tx_desc(s->port, &descriptors, &no_tx);
	char pool[RTE_MEMPOOL_NAMESIZE];

	if (ret != 0)
		return lj_error_set(err, -ret, config->name, "cannot have %u descriptors: %s",
				    config->descriptors, rte_strerror(-ret));
	snprintf(pool, sizeof(pool), "port%u_mbufs", s->port);
	s->pool = rte_pktmbuf_pool_create(
		pool, RTE_MAX(config->mbufs, config->queues * (descriptors + LJ_BURST_MAX * 4u)),
		256, 0, RTE_MBUF_DEFAULT_BUF_SIZE, socket);
	if (s->pool == NULL)
		return lj_error_set(err, ENOMEM, config->name,
				    "no memory for packet buffers (mbufs, descriptors, "
				    "eal.memory_mb)");
	for (uint16_t q = 0; q < config->queues; q++) {
		ret = rte_eth_rx_queue_setup(s->port, q, descriptors, (unsigned int)socket, NULL,
					     s->pool);
		if (ret != 0)
			return lj_error_set(err, -ret, config->name,
					    "receive queue %u cannot be set up: %s", q,
					    rte_strerror(-ret));
	}
	return 0;
}

static int set_up(struct port_source *s, const struct lj_port_config *config, struct lj_error *err)
{
	struct rte_eth_conf conf = {0};
	struct rte_eth_dev_info info;
	uint8_t key[RSS_KEY_MAX];
	int ret = rte_eth_dev_info_get(s->port, &info);

	if (ret != 0)
		return lj_error_set(err, -ret, config->name, "does not say what it can: %s",
				    rte_strerror(-ret));
	snprintf(s->driver, sizeof(s->driver), "%s", info.driver_name);
	if (config->queues > info.max_rx_queues)
		return lj_error_set(err, EINVAL, config->name, "%u receive queues asked, %s has %u",
				    config->queues, info.driver_name, info.max_rx_queues);
	if (config->symmetric_rss && config->queues > 1)
		ask_for_rss(&info, &conf, key);
	if (info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER)
		conf.rxmode.offloads |= RTE_ETH_RX_OFFLOAD_SCATTER;
	ret = rte_eth_dev_configure(s->port, config->queues, 0, &conf);
	if (ret != 0)
		return lj_error_set(err, -ret, config->name, "cannot be configured: %s",
				    rte_strerror(-ret));
	ret = set_up_queues(s, config, err);
	if (ret != 0)
		return ret;
	set_optional(s, config);
	return verify_rss(s, &conf, err);
}

struct lj_source *lj_source_open_port(const struct lj_port_config *config, struct lj_error *err)
{
	struct port_source *s;
	uint16_t port;

	if (find_port(config, &port, err) != 0)
		return NULL;
	s = calloc(1, sizeof(*s));
	if (s == NULL) {
		lj_error_set(err, ENOMEM, config->name, "not enough memory");
		return NULL;
	}
	s->port = port;
	s->leg = config->leg;
	s->time_offset = -1;
	s->source.head.ops = &ops;
	s->source.head.queues = config->queues;
	snprintf(s->source.head.name, sizeof(s->source.head.name), "%s", config->name);
	if (set_up(s, config, err) == 0)
		return &s->source.head;
	close_source(&s->source.head);
	return NULL;
}
