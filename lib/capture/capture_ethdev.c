#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_dev.h>
#include <rte_ethdev.h>
#include <rte_mbuf_dyn.h>

#include "capture_ethdev.h"
#include "lj_clock.h"

static void take_own_times(const struct port_source *s, struct lj_burst *burst)
{
	for (uint16_t i = 0; i < burst->count; i++) {
		struct rte_mbuf *m = burst->mbuf[i];

		if (m->ol_flags & s->time_flag)
			burst->time_ns[i] =
				*RTE_MBUF_DYNFIELD(m, s->time_offset, rte_mbuf_timestamp_t *) *
				1000;
	}
}

static uint16_t rx(struct lj_source *source, uint16_t queue, struct lj_burst *burst)
{
	struct port_source *s = (struct port_source *)source;
	uint64_t now_ns;

	burst->count = rte_eth_rx_burst(s->port, queue, burst->mbuf, LJ_BURST_MAX);
	if (burst->count == 0)
		return 0;
	now_ns = lj_clock_wall_ns(rte_rdtsc());
	for (uint16_t i = 0; i < burst->count; i++) {
		burst->time_ns[i] = now_ns;
		burst->wire_bytes[i] =
			burst->mbuf[i]->pkt_len + lj_vlan_stripped_bytes(burst->mbuf[i]);
		burst->leg[i] = s->leg;
	}
	if (s->time_offset >= 0)
		take_own_times(s, burst);
	return burst->count;
}

/*
 * net_pcap sets timestamps when it reads a file, but not with infinite_rx; it registers the dynamic
 * field in both cases.
 */
static void find_own_time(struct port_source *s)
{
	struct rte_eth_dev_info info;
	const struct rte_devargs *devargs;
	int flag = rte_mbuf_dynflag_lookup(RTE_MBUF_DYNFLAG_RX_TIMESTAMP_NAME, NULL);

	if (strcmp(s->driver, "net_pcap") != 0 || flag < 0 ||
	    rte_eth_dev_info_get(s->port, &info) != 0)
		return;
	devargs = rte_dev_devargs(info.device);
	if (devargs != NULL && devargs->args != NULL &&
	    strstr(devargs->args, "infinite_rx=1") != NULL)
		return;
	s->time_offset = rte_mbuf_dynfield_lookup(RTE_MBUF_DYNFIELD_TIMESTAMP_NAME, NULL);
	s->time_flag = RTE_BIT64(flag);
	s->source.head.own_time = s->time_offset >= 0;
}

static void stop(struct lj_source *source)
{
	struct port_source *s = (struct port_source *)source;

	if (s->started) {
		port_sockets_end(&s->sockets);
		rte_eth_dev_stop(s->port);
	}
	s->started = false;
}

static int start(struct lj_source *source, struct lj_error *err)
{
	struct port_source *s = (struct port_source *)source;
	int ret = rte_eth_dev_start(s->port);

	if (ret != 0)
		return lj_error_set(err, -ret, source->name,
				    "the port does not start (%s, without transmit queues): %s",
				    s->driver, rte_strerror(-ret));
	s->started = true;
	if (strcmp(s->driver, "net_af_packet") == 0)
		port_sockets_begin(&s->sockets, s->life.ifindex);
	find_own_time(s);
	ret = rss_verify(&s->rss, s->port, source->queues, source->name, err);
	if (ret != 0)
		stop(source);
	source->rss = ret == 0 && s->rss.known ? &s->rss.model : NULL;
	return ret;
}

static void copy_stats(struct lj_source_stats *to, const struct lj_source_stats *from)
{
	uint64_t *words = (uint64_t *)to;

	for (size_t i = 0; i < sizeof(*to) / sizeof(*words); i++)
		__atomic_store_n(&words[i],
				 __atomic_load_n((const uint64_t *)from + i, __ATOMIC_RELAXED),
				 __ATOMIC_RELAXED);
}

static int stats(struct lj_source *source, struct lj_source_stats *stats)
{
	struct rte_eth_stats eth;
	struct port_source *s = (struct port_source *)source;
	int ret;

	/* The registers of a removed device read as all ones. */
	if (life_ended(&s->life)) {
		copy_stats(stats, &s->latest);
		return 0;
	}
	ret = rte_eth_stats_get(s->port, &eth);
	if (ret != 0)
		return ret;
	*stats = (struct lj_source_stats){eth.ipackets, eth.ibytes,
					  eth.imissed + port_sockets_missed(&s->sockets),
					  eth.ierrors, eth.rx_nombuf};
	copy_stats(&s->latest, stats);
	return 0;
}

static enum lj_port_health health(struct lj_source *source, const char **why)
{
	return life_health(&((struct port_source *)source)->life, why);
}

static void describe(const struct lj_source *source, char *out, size_t size)
{
	const struct port_source *s = (const struct port_source *)source;
	char mac[RTE_ETHER_ADDR_FMT_SIZE], speed[32] = "speed unknown";
	struct rte_ether_addr address = {0};
	struct rte_eth_link link = {0};
	const char *why;
	bool well = life_health(&s->life, &why) == LJ_PORT_WELL;

	rte_eth_macaddr_get(s->port, &address);
	rte_ether_format_addr(mac, sizeof(mac), &address);
	rte_eth_link_get_nowait(s->port, &link);
	if (link.link_speed != RTE_ETH_SPEED_NUM_UNKNOWN)
		snprintf(speed, sizeof(speed), "%u Mbps", link.link_speed);
	snprintf(out, size, "%s, %s, %s, %s, %u queue%s, %s", s->driver, mac,
		 well ? "link up" : why, speed, source->queues, source->queues == 1 ? "" : "s",
		 s->rss.text);
}

/* A port whose queues were never set up is not closed, so that it can be opened again. */
static void close_source(struct lj_source *source)
{
	struct port_source *s = (struct port_source *)source;
	struct rte_eth_dev_info info = {0};
	const char *why;

	stop(source);
	/* net_af_packet and net_af_xdp leave promiscuous mode on at close. */
	if (s->promiscuous && life_health(&s->life, &why) != LJ_PORT_DEAD)
		rte_eth_promiscuous_disable(s->port);
	life_end(&s->life);
	rte_eth_dev_info_get(s->port, &info);
	if (s->pool != NULL)
		rte_eth_dev_close(s->port);
	if (s->source.unplug && info.device != NULL)
		rte_dev_remove(info.device);
	rte_mempool_free(s->pool);
	free(s);
}

static int set_reta(struct lj_source *source, const uint16_t *reta, struct lj_error *err)
{
	struct port_source *s = (struct port_source *)source;

	return rss_set_reta(&s->rss, s->port, reta, source->name, err);
}

static const struct lj_source_ops ops = {.name = "ethdev",
					 .rx = rx,
					 .start = start,
					 .stop = stop,
					 .stats = stats,
					 .describe = describe,
					 .close = close_source,
					 .health = health,
					 .set_reta = set_reta};

struct lj_source *ethdev_open(const struct lj_port_config *config, struct lj_error *err)
{
	struct port_source *s;
	uint16_t port;

	if (life_find(config->name, &port, err) != 0)
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
	life_begin(&s->life, port);
	if (ethdev_set_up(s, config, err) == 0)
		return &s->source.head;
	close_source(&s->source.head);
	return NULL;
}

int lj_port_driver(const char *name, char *driver, size_t size, struct lj_error *err)
{
	struct rte_eth_dev_info info;
	uint16_t port;
	int ret = life_find(name, &port, err);

	if (ret != 0)
		return ret;
	ret = rte_eth_dev_info_get(port, &info);
	if (ret != 0)
		return lj_error_set(err, -ret, name, "its properties cannot be read: %s",
				    rte_strerror(-ret));
	snprintf(driver, size, "%s", info.driver_name);
	return 0;
}

void lj_port_firmware(const struct lj_source *s, char *out, size_t size)
{
	out[0] = '\0';
	if (s->ops == &ops &&
	    rte_eth_dev_fw_version_get(((const struct port_source *)s)->port, out, size) != 0)
		out[0] = '\0';
}
