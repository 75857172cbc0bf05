/* How a port is configured: its MTU, RSS, packet buffers and queues. */
#include <errno.h>
#include <stdio.h>

#include <rte_ethdev.h>

#include "capture_ethdev.h"
#include "capture_pool.h"
#include "lj_log.h"
#include "netdev.h"

/* A mempool cache is flushed at 1.5 times its size; each queue's lcore has one. */
#define MBUFS_BESIDE_RING (LJ_BURST_MAX * 4 + POOL_CACHE * 3 / 2)

/*
 * Returns the mbuf size for frames of the MTU: one default mbuf, a chain if the device can scatter,
 * else a larger mbuf. Scatter is enabled only where needed: with it some drivers cannot use their
 * vector receive path.
 */
static uint16_t fit_frames(const struct lj_port_config *config, const struct rte_eth_dev_info *info,
			   struct rte_eth_conf *conf)
{
	uint32_t frame = config->mtu + RTE_ETHER_HDR_LEN + RTE_ETHER_CRC_LEN + 2 * RTE_VLAN_HLEN;

	if (config->mtu != RTE_ETHER_MTU)
		conf->rxmode.mtu = config->mtu;
	if (frame <= RTE_MBUF_DEFAULT_DATAROOM)
		return RTE_MBUF_DEFAULT_BUF_SIZE;
	if ((info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER) && !config->no_scatter) {
		conf->rxmode.offloads |= RTE_ETH_RX_OFFLOAD_SCATTER;
		return RTE_MBUF_DEFAULT_BUF_SIZE;
	}
	return (uint16_t)RTE_MIN(RTE_ALIGN_CEIL(frame + RTE_PKTMBUF_HEADROOM, 64u),
				 RTE_ALIGN_FLOOR((uint32_t)UINT16_MAX, 64u));
}

/* Settings that a device may lack: failures are only logged. */
static void set_optional(struct port_source *s, const struct lj_port_config *config)
{
	const char *name = s->source.head.name;
	int ret;

	if (config->promiscuous) {
		bool was = s->life.ifindex > 0 && netdev_promiscuous(s->life.ifindex);

		ret = rte_eth_promiscuous_enable(s->port);
		s->promiscuous = ret == 0 && !was;
		if (ret != 0 && ret != -ENOTSUP)
			lj_log(WARNING, "%s: no promiscuous mode: %s\n", name, rte_strerror(-ret));
	}
	if (config->mtu != RTE_ETHER_MTU) {
		ret = rte_eth_dev_set_mtu(s->port, (uint16_t)config->mtu);
		if (ret != 0 && ret != -ENOTSUP)
			lj_log(WARNING, "%s: MTU %u is not set: %s\n", name, config->mtu,
			       rte_strerror(-ret));
	}
}

static int set_up_queues(struct port_source *s, const struct lj_port_config *config,
			 uint16_t room_bytes, struct lj_error *err)
{
	uint16_t descriptors = config->descriptors;
	int socket = rte_eth_dev_socket_id(s->port);
	int ret = rte_eth_dev_adjust_nb_rx_tx_desc(s->port, &descriptors, NULL);
	struct pool_config buffers = {
		.room_bytes = room_bytes, .socket_id = socket, .any_memory = config->any_memory};
	char pool[RTE_MEMPOOL_NAMESIZE];

	if (ret != 0)
		return lj_error_set(err, -ret, config->name, "%u descriptors are not possible: %s",
				    config->descriptors, rte_strerror(-ret));
	snprintf(pool, sizeof(pool), "port%u_mbufs", s->port);
	buffers.mbufs = RTE_MAX(config->mbufs,
				config->queues * ((uint32_t)descriptors + MBUFS_BESIDE_RING));
	s->pool = pool_create(pool, &buffers);
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

/* Transmit queues without which the driver does not start; nothing is ever sent on them. */
static int set_up_unused(const struct port_source *s, uint16_t tx_queues, struct lj_error *err)
{
	unsigned int socket = (unsigned int)rte_eth_dev_socket_id(s->port);

	for (uint16_t q = 0; q < tx_queues; q++) {
		int ret = rte_eth_tx_queue_setup(s->port, q, 0, socket, NULL);

		if (ret != 0)
			return lj_error_set(err, -ret, s->source.head.name,
					    "%s insists on transmit queue %u, which cannot be "
					    "set up: %s",
					    s->driver, q, rte_strerror(-ret));
	}
	return 0;
}

/* Computed as ethdev does it internally. */
static uint32_t largest_mtu(const struct rte_eth_dev_info *info)
{
	uint32_t overhead = RTE_ETHER_HDR_LEN + RTE_ETHER_CRC_LEN;

	if (info->max_mtu != UINT16_MAX || info->max_rx_pktlen < overhead)
		return info->max_mtu;
	return RTE_MIN((uint32_t)info->max_mtu, info->max_rx_pktlen - overhead);
}

static int check_limits(const struct lj_port_config *config, const struct rte_eth_dev_info *info,
			struct lj_error *err)
{
	uint32_t max_mtu = largest_mtu(info);

	if (config->queues == 0 || config->queues > LJ_SOURCE_QUEUES)
		return lj_error_set(err, EINVAL, config->name,
				    "%u receive queues requested, 1..%d are possible",
				    config->queues, LJ_SOURCE_QUEUES);
	if (config->queues > info->max_rx_queues)
		return lj_error_set(err, EINVAL, config->name,
				    "%u receive queues requested, %s has %u", config->queues,
				    info->driver_name, info->max_rx_queues);
	if (config->mtu != RTE_ETHER_MTU && (config->mtu < info->min_mtu || config->mtu > max_mtu))
		return lj_error_set(err, EINVAL, config->name,
				    "MTU %u requested, %s supports %u..%u", config->mtu,
				    info->driver_name, info->min_mtu, max_mtu);
	return 0;
}

/* Configures no transmit queues if the driver permits; *tx_queues is how many it insists on. */
static int configure(const struct port_source *s, const struct rte_eth_conf *conf,
		     uint16_t *tx_queues, struct lj_error *err)
{
	const char *name = s->source.head.name;
	uint16_t queues = s->source.head.queues;
	int ret = rte_eth_dev_configure(s->port, queues, 0, conf);

	*tx_queues = 0;
	if (ret == 0)
		return 0;
	/* net_tap and net_af_xdp insist on as many as there are receive queues. */
	if (rte_eth_dev_configure(s->port, queues, queues, conf) == 0) {
		*tx_queues = queues;
		return 0;
	}
	return lj_error_set(err, -ret, name, "cannot be configured (%s): %s", s->driver,
			    rte_strerror(-ret));
}

int ethdev_set_up(struct port_source *s, const struct lj_port_config *config, struct lj_error *err)
{
	struct rte_eth_conf conf = {0};
	struct rte_eth_dev_info info;
	int ret = rte_eth_dev_info_get(s->port, &info);
	uint16_t room_bytes, tx_queues;

	if (ret != 0)
		return lj_error_set(err, -ret, config->name, "its properties cannot be read: %s",
				    rte_strerror(-ret));
	ret = check_limits(config, &info, err);
	if (ret != 0)
		return ret;
	snprintf(s->driver, sizeof(s->driver), "%s", info.driver_name);
	snprintf(s->rss.text, sizeof(s->rss.text), "no RSS: the source fills its queues itself");
	if (config->symmetric_rss && config->queues > 1)
		rss_ask(&s->rss, &config->rss, &info, &conf);
	s->source.head.spreads = s->rss.key_bytes > 0;
	room_bytes = fit_frames(config, &info, &conf);
	ret = configure(s, &conf, &tx_queues, err);
	if (ret == 0)
		ret = set_up_queues(s, config, room_bytes, err);
	if (ret == 0)
		ret = set_up_unused(s, tx_queues, err);
	if (ret == 0)
		set_optional(s, config);
	return ret;
}
