#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/if_packet.h>
#include <net/if.h>

#include "capture_xdp_kernel.h"
#include "capture_xdp_ring.h"
#include "lj_clock.h"
#include "lj_log.h"
#include "netdev.h"
#include "source.h"

#define POOL_MBUFS   (4 * LJ_BURST_MAX - 1)
#define RING_MIN     64u
#define SET_CLOCK_NS 1000000000 /* how often the kernel's clock is compared with ours */
#define READING_NS   1000	/* if reading both clocks takes longer, it was interrupted */

/* Converts the kernel's CLOCK_MONOTONIC to our wall time. Used by the rx lcore once started. */
struct tap_clock {
	uint64_t ahead_ns; /* wall time minus CLOCK_MONOTONIC, modulo 2^64 */
	uint64_t set_tsc;
	uint64_t every_tsc;
	uint64_t last_ns; /* of the last packet */
};

struct xdp_source {
	struct source source;
	char interface[IF_NAMESIZE];
	struct xdp_kernel kernel;
	struct xdp_rings rings;
	struct tap_clock clock;
	int promiscuous; /* the socket that keeps the interface promiscuous; -1 */
	uint8_t leg;
	struct rte_mempool *pool;
	/* mbufs point into the slots, which are not freed with them: the refcnt never reaches 0. */
	struct rte_mbuf_ext_shared_info shared_info;
};

static void nothing_to_free(void *addr, void *opaque)
{
	RTE_SET_USED(addr);
	RTE_SET_USED(opaque);
}

/* Reads both clocks; false if interrupted in between. */
static bool set_clock(struct tap_clock *c)
{
	struct timespec kernel;
	uint64_t before = rte_rdtsc(), after;

	clock_gettime(CLOCK_MONOTONIC, &kernel);
	after = rte_rdtsc();
	c->set_tsc = after;
	if (lj_cycles_to_ns(after - before) > READING_NS)
		return false;
	c->ahead_ns = lj_clock_wall_ns(before + (after - before) / 2) -
		      ((uint64_t)kernel.tv_sec * 1000000000 + (uint64_t)kernel.tv_nsec);
	return true;
}

/* Converts to the TSC-based wall time that all sources use; the kernel's own wall clock may differ
 * slightly. Never goes back. */
static inline uint64_t wall_ns(struct tap_clock *c, uint64_t kernel_ns)
{
	c->last_ns = RTE_MAX(c->last_ns, kernel_ns + c->ahead_ns);
	return c->last_ns;
}

static inline void put(struct xdp_source *s, struct lj_burst *burst, uint16_t at,
		       const struct xdp_slot *slot)
{
	struct rte_mbuf *m = burst->mbuf[at];

	rte_pktmbuf_attach_extbuf(m, (void *)(uintptr_t)slot->data, 0, XDP_SLOT_DATA,
				  &s->shared_info);
	m->data_len = slot->captured;
	m->pkt_len = slot->captured;
	burst->time_ns[at] = wall_ns(&s->clock, slot->time_ns);
	burst->wire_bytes[at] = slot->wire_bytes;
	burst->leg[at] = s->leg;
	if (slot->vlan_tci == 0)
		return;
	m->ol_flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
	m->vlan_tci = slot->vlan_tci;
	burst->wire_bytes[at] += lj_vlan_stripped_bytes(m);
}

/* First releases the slots of the previous burst, whose mbufs the caller has freed. */
static uint16_t rx(struct lj_source *source, uint16_t queue, struct lj_burst *burst)
{
	struct xdp_source *s = (struct xdp_source *)source;
	const struct xdp_slot *slot[LJ_BURST_MAX];
	uint64_t bytes = 0;
	uint16_t n;

	RTE_SET_USED(queue);
	burst->count = 0;
	xdp_rings_release(&s->rings);
	n = xdp_rings_take(&s->rings, slot, LJ_BURST_MAX);
	if (n == 0)
		return 0;
	if (rte_rdtsc() - s->clock.set_tsc > s->clock.every_tsc)
		set_clock(&s->clock);
	if (unlikely(rte_pktmbuf_alloc_bulk(s->pool, burst->mbuf, n) != 0)) {
		source_count(&s->source.stats.rx_nombuf, n);
		return 0;
	}
	rte_mbuf_ext_refcnt_set(&s->shared_info, LJ_BURST_MAX + 1);
	for (uint16_t i = 0; i < n; i++) {
		put(s, burst, i, slot[i]);
		bytes += burst->wire_bytes[i];
	}
	burst->count = n;
	source_count(&s->source.stats.received, n);
	source_count(&s->source.stats.received_bytes, bytes);
	return n;
}

static int stats(struct lj_source *source, struct lj_source_stats *stats)
{
	const struct xdp_source *s = (const struct xdp_source *)source;
	const struct lj_source_stats *from = &s->source.stats;

	*stats = (struct lj_source_stats){
		.received = __atomic_load_n(&from->received, __ATOMIC_RELAXED),
		.received_bytes = __atomic_load_n(&from->received_bytes, __ATOMIC_RELAXED),
		.imissed = xdp_rings_overruns(&s->rings),
		.rx_nombuf = __atomic_load_n(&from->rx_nombuf, __ATOMIC_RELAXED),
	};
	return 0;
}

/* The membership lasts as long as the socket, so it ends with the process, like the program. */
static void be_promiscuous(struct xdp_source *s)
{
	const struct packet_mreq member = {.mr_ifindex = (int)s->kernel.ifindex,
					   .mr_type = PACKET_MR_PROMISC};

	s->promiscuous = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (s->promiscuous < 0 || setsockopt(s->promiscuous, SOL_PACKET, PACKET_ADD_MEMBERSHIP,
					     &member, sizeof(member)) != 0)
		lj_log(WARNING, "%s: no promiscuous mode: %s\n", s->source.head.name,
		       strerror(errno));
}

static void stop(struct lj_source *source)
{
	xdp_kernel_detach(&((struct xdp_source *)source)->kernel);
}

/* The program has been attached at open, to report errors early. Packets since then are dropped. */
static int start(struct lj_source *source, struct lj_error *err)
{
	struct xdp_source *s = (struct xdp_source *)source;
	int ret = xdp_kernel_attach(&s->kernel, err);

	if (ret != 0)
		return ret;
	s->clock.every_tsc = rte_get_tsc_hz() * SET_CLOCK_NS / 1000000000;
	for (int i = 0; i < 100 && !set_clock(&s->clock); i++)
		;
	if (s->clock.ahead_ns == 0) {
		stop(source);
		return lj_error_set(err, ETIME, source->name,
				    "the kernel's clock cannot be compared with ours: each reading "
				    "was interrupted");
	}
	xdp_rings_skip(&s->rings);
	return 0;
}

static void describe(const struct lj_source *source, char *out, size_t size)
{
	const struct xdp_source *s = (const struct xdp_source *)source;
	const struct xdp_kernel *k = &s->kernel;

	snprintf(out, size, "XDP tap of %s%s, %s mode%s%s%s, %u rings of %u, %u bytes a frame%s%s",
		 s->interface,
		 k->link >= 0 && !xdp_kernel_alive(k)	   ? ", the interface is gone"
		 : netdev_state(k->ifindex) == NETDEV_DOWN ? ", the link is down"
							   : "",
		 k->generic ? "generic" : "native", k->no_native[0] != '\0' ? " (native: " : "",
		 k->no_native, k->no_native[0] != '\0' ? ")" : "", k->rings,
		 k->config.slots_per_ring, k->config.snap_bytes,
		 xdp_kernel_misses_vlan(k) ? ", stripped VLAN tags not seen" : "",
		 k->link >= 0 && k->poll_link < 0 ? ", clock read for each frame" : "");
}

static void close_source(struct lj_source *source)
{
	struct xdp_source *s = (struct xdp_source *)source;

	xdp_kernel_close(&s->kernel);
	if (s->promiscuous >= 0)
		close(s->promiscuous);
	xdp_rings_free(&s->rings);
	rte_mempool_free(s->pool);
	free(s);
}

static enum lj_port_health health(struct lj_source *source, const char **why)
{
	const struct xdp_kernel *k = &((struct xdp_source *)source)->kernel;
	enum netdev_state state = netdev_state(k->ifindex);

	if (state == NETDEV_GONE) {
		*why = "the interface is gone";
		return LJ_PORT_DEAD;
	}
	if (k->link >= 0 && !xdp_kernel_alive(k)) {
		*why = "the interface is gone, or the tap was detached";
		return LJ_PORT_DEAD;
	}
	if (state == NETDEV_UP)
		return LJ_PORT_WELL;
	*why = "the link is down";
	return LJ_PORT_LINK_DOWN;
}

static const struct lj_source_ops ops = {"xdp", rx,	  start,	stop,
					 stats, describe, close_source, health};

static int parse_option(struct xdp_kernel_config *kernel, const char *option, struct lj_error *err)
{
	unsigned int snap;
	int end = 0;

	if (strcmp(option, "mode=native") == 0)
		kernel->mode = XDP_MODE_NATIVE;
	else if (strcmp(option, "mode=generic") == 0)
		kernel->mode = XDP_MODE_GENERIC;
	else if (sscanf(option, "snap=%u%n", &snap, &end) == 1 && option[end] == '\0' &&
		 snap >= XDP_SNAP_MIN && snap <= XDP_SLOT_DATA)
		kernel->snap_bytes = snap;
	else
		return lj_error_set(err, EINVAL, kernel->name,
				    "\"%s\" is not mode=native, mode=generic or snap=%d..%d",
				    option, XDP_SNAP_MIN, XDP_SLOT_DATA);
	return 0;
}

/* "xdp:eth0,mode=generic": the interface, and options. */
static int parse_name(struct xdp_source *s, struct xdp_kernel_config *kernel, struct lj_error *err)
{
	char text[LJ_SOURCE_NAME], *rest = text, *option;
	int ret = 0;

	snprintf(text, sizeof(text), "%s", kernel->name + strlen(XDP_PREFIX));
	option = strsep(&rest, ",");
	if (option[0] == '\0' || strlen(option) >= sizeof(s->interface))
		return lj_error_set(err, EINVAL, kernel->name,
				    "\"%s\" is not the name of an interface", option);
	snprintf(s->interface, sizeof(s->interface), "%s", option);
	while (ret == 0 && (option = strsep(&rest, ",")) != NULL)
		ret = parse_option(kernel, option, err);
	return ret;
}

static int set_up(struct xdp_source *s, const struct lj_port_config *config, struct lj_error *err)
{
	struct xdp_kernel_config kernel = {
		.name = s->source.head.name,
		.interface = s->interface,
		.slots_per_ring = rte_align32pow2(RTE_MAX((uint32_t)config->descriptors, RING_MIN)),
		.snap_bytes = XDP_SNAP,
	};
	char pool[RTE_MEMPOOL_NAMESIZE];
	int ret = parse_name(s, &kernel, err);

	if (ret != 0)
		return ret;
	if (config->queues != 1)
		return lj_error_set(err, EINVAL, config->name,
				    "%u receive queues requested; a tap has one, for all queues "
				    "of the interface",
				    config->queues);
	snprintf(pool, sizeof(pool), "xdp_%" PRIxPTR, (uintptr_t)s);
	s->pool = rte_pktmbuf_pool_create(pool, POOL_MBUFS, 0, 0, RTE_PKTMBUF_HEADROOM,
					  SOCKET_ID_ANY);
	if (s->pool == NULL)
		return lj_error_set(err, ENOMEM, config->name, "no memory for packet buffers");
	ret = xdp_kernel_open(&s->kernel, &kernel, err);
	if (ret != 0)
		return ret;
	if (xdp_rings_init(&s->rings, s->kernel.rings, kernel.slots_per_ring, s->kernel.position,
			   s->kernel.slot) != 0)
		return lj_error_set(err, ENOMEM, config->name, "not enough memory");
	return xdp_kernel_attach(&s->kernel, err);
}

struct lj_source *xdp_open(const struct lj_port_config *config, struct lj_error *err)
{
	struct xdp_source *s = calloc(1, sizeof(*s));

	if (s == NULL) {
		lj_error_set(err, ENOMEM, config->name, "not enough memory");
		return NULL;
	}
	s->kernel.link = -1;
	s->kernel.poll_link = -1;
	s->kernel.tag_link = -1;
	s->promiscuous = -1;
	s->leg = config->leg;
	s->shared_info.free_cb = nothing_to_free;
	s->source.head.ops = &ops;
	s->source.head.queues = 1;
	snprintf(s->source.head.name, sizeof(s->source.head.name), "%s", config->name);
	if (set_up(s, config, err) != 0) {
		close_source(&s->source.head);
		return NULL;
	}
	if (config->promiscuous)
		be_promiscuous(s);
	if (s->kernel.generic && s->kernel.no_native[0] != '\0')
		lj_log(INFO, "%s: using generic mode, since native mode fails: %s\n", config->name,
		       s->kernel.no_native);
	if (xdp_kernel_misses_vlan(&s->kernel))
		lj_log(WARNING,
		       "%s: the NIC may strip VLAN tags, which its driver does not show to the "
		       "tap; use mode=generic, or leave them in the frame: ethtool -K "
		       "%s rxvlan off\n",
		       config->name, s->interface);
	return &s->source.head;
}
