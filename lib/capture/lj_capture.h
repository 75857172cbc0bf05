/*
 * Receives bursts of packets from capture files, from any DPDK port, or from an interface that the
 * host keeps using.
 *
 * A source is a `const struct lj_source_ops` and its state. It returns mbufs with a timestamp each;
 * the caller of rx owns the mbufs and must return them with lj_burst_free() before the next rx on
 * the same queue. Receive only: nothing here ever transmits.
 *
 * Thread: rx: one lcore per queue. lj_source_state() and stats: any. Everything else: main.
 */
#ifndef LJ_CAPTURE_H
#define LJ_CAPTURE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <rte_ether.h>
#include <rte_mbuf.h>

#include "lj_base.h"
#include "lj_rss.h"

#define LJ_BURST_MAX	 64
#define LJ_SOURCE_QUEUES 64
#define LJ_SOURCE_NAME	 128

struct lj_burst {
	uint16_t count;
	struct rte_mbuf *mbuf[LJ_BURST_MAX];
	uint64_t time_ns[LJ_BURST_MAX];	   /* since the epoch */
	uint32_t wire_bytes[LJ_BURST_MAX]; /* frame length on the wire, without FCS; >= captured */
	uint8_t leg[LJ_BURST_MAX];	   /* the tap's leg, or the port, that received it */
	bool kept;			   /* the source keeps the mbufs: they must not be freed */
};

enum lj_source_state {
	LJ_SOURCE_RUNNING,
	LJ_SOURCE_ENDED,  /* end of file: no more packets */
	LJ_SOURCE_FAILED, /* no more packets; lj_source_error() says why */
};

struct lj_source_stats {
	uint64_t received, received_bytes; /* as the driver or the file reader counts them */
	uint64_t imissed, ierrors, rx_nombuf;
};

/* Whether a port can receive packets. */
enum lj_port_health {
	LJ_PORT_WELL,
	LJ_PORT_LINK_DOWN, /* may recover by itself */
	LJ_PORT_DEAD,	   /* removed, reset, or its interface deleted: will not recover */
};

struct lj_source;

struct lj_source_ops {
	const char *name;
	uint16_t (*rx)(struct lj_source *s, uint16_t queue, struct lj_burst *burst);
	int (*start)(struct lj_source *s, struct lj_error *err);
	void (*stop)(struct lj_source *s);
	int (*stats)(struct lj_source *s, struct lj_source_stats *stats);
	void (*describe)(const struct lj_source *s, char *out, size_t size);
	void (*close)(struct lj_source *s);
	/* NULL: always well. */
	enum lj_port_health (*health)(struct lj_source *s, const char **why);
	/* NULL: there is no RETA. */
	int (*set_reta)(struct lj_source *s, const uint16_t *reta, struct lj_error *err);
};

/* The common head of every source. */
struct lj_source {
	const struct lj_source_ops *ops;
	char name[LJ_SOURCE_NAME]; /* as given by the user: a path, a PCI address, a vdev */
	uint16_t queues;	   /* receive queues: 1..LJ_SOURCE_QUEUES */
	bool replay;		   /* a file: it can wait, and ends */
	bool own_time;		   /* timestamps are the capture's, not the wall clock's */
	bool keeps_mbufs;	   /* sets lj_burst.kept */
	bool spreads;		   /* the device distributes flows over its queues (RSS) */
	const struct lj_rss *rss;  /* RSS as read back at start; NULL: none, or unknown */
	_Atomic int state;	   /* enum lj_source_state. rx lcore: wo; all: ro */
};

struct lj_file_config {
	const char *const *paths; /* borrowed for the life of the source */
	uint16_t n_paths;
	bool tap; /* the files, at most 8, are legs of one tap: merged by time, leg i is file i */
};

/*
 * Opens capture files: pcap (us and ns, either byte order) and pcapng. They are read by our own
 * code, since net_pcap does not report end of file, drops nanoseconds and cannot merge files.
 * Without `tap` the files are parts of one capture, read one after the other; the headers of all
 * are checked first, and a warning is logged if one begins before the part that precedes it. With
 * `tap` all stay open; of packets with equal times the lower leg's comes
 * first.
 *
 * If a file is truncated or corrupt, all complete packets before the damage are returned, then one
 * ierror is counted and the source fails at its end with "file: byte offset N: ...". A link type
 * other than Ethernet is an error at open; packets of such an interface that a pcapng file declares
 * later are skipped, each counted as an ierror, and the source fails at its end. Packets longer
 * than 65535 bytes are truncated to 65535; wire_bytes is still their length.
 *
 * "-" is standard input. It, or a pipe, may be a leg or the first part: open waits for the header,
 * and rx returns 0 while no data is available. One queue. NULL with `err` on failure.
 */
struct lj_source *lj_source_open_file(const struct lj_file_config *config, struct lj_error *err);

/* How a driver is configured to hash the wanted fields; the key is symmetric either way. */
enum lj_rss_by {
	LJ_RSS_BY_KEY,	/* by rss_hf at rte_eth_dev_configure() */
	LJ_RSS_BY_FLOW, /* by an rte_flow rule per packet type, which hashes only its addresses */
};

struct lj_rss_request {
	enum lj_rss_mode mode;
	enum lj_rss_by by;
	uint64_t functions; /* RTE_ETH_RSS_*; 0: all that suit the mode */
	uint8_t key_bytes;  /* if the device does not report its key size; 0: 40 */
	bool sctp_unhashed; /* SCTP without RTE_ETH_RSS_*_SCTP is not hashed, not even by addresses
			     */
};

struct lj_port_config {
	const char *name; /* PCI address; vdev, with or without its arguments
			     ("net_pcap0,rx_pcap=f.pcap"); "xdp:eth0"; "auto:eth0" */
	uint16_t queues;
	uint16_t descriptors; /* receive descriptors per queue: 64..32768, adjusted to the device's
				 limits */
	uint32_t mbufs;	      /* of this port's pool */
	uint32_t mtu;
	bool promiscuous;
	bool symmetric_rss; /* request RSS with the symmetric key if queues > 1 */
	struct lj_rss_request rss;
	bool no_scatter; /* use larger mbufs instead of chains for long frames */
	bool any_memory; /* the driver accepts packet buffers that are not the EAL's memory */
	uint8_t leg;
};

/*
 * Sets up a port that the EAL has probed. `spreads` tells whether the device has RSS and was asked
 * for it. Start reads the key and the RETA back, checks with synthetic tuples that both directions
 * of a flow go to the same queue, and fails if the driver did not accept the key or if a pair goes
 * to different queues. No transmit queue is set up, except for drivers that do not start without
 * (net_tap, net_af_xdp in DPDK 22.11); none is ever used. Frames longer than an mbuf are received
 * as chains. An MTU of 1500 leaves the device's MTU as it is. `own_time` is valid after start.
 *
 * "xdp:eth0[,mode=native|generic][,snap=64..240]" is not a DPDK port but a tap on an interface that
 * the host keeps using: an XDP program copies the first `snap` (default 192) bytes of every
 * received frame, on any queue, to a per-CPU ring of `descriptors` slots, and passes the frame on.
 * Frames sent by the host are not seen. One queue; the packets of all rings are returned in time
 * order, where a packet's time is that of the driver poll that received it, as wall time. Packets
 * that find their ring full are counted as imissed. Native mode is used if the driver supports it,
 * else generic mode, where the kernel may have merged segments (GRO). VLAN tags that the NIC or the
 * sender on a veth has moved out of the frame are seen in generic mode, and in native mode if the
 * driver reports them (Linux 6.8 and later; veth, ice, mlx5); otherwise a warning is logged. In
 * generic mode looking for them costs the host about 40 ns per packet, unless the NIC leaves tags
 * in the frame (rxvlan off). Needs root, or CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN and CAP_NET_RAW; no
 * hugepages. The program is detached by stop, or by the kernel when the process ends in any way.
 *
 * "auto:eth0", or "auto:" and a PCI address, uses the first of these that works: DPDK's driver for
 * the NIC (if it is bound to vfio-pci), net_af_xdp (only if the host has no address on the
 * interface, since it takes the host's frames, and if the interface has no more than `queues`
 * receive queues), the XDP tap, net_af_packet. lj_source_refusals() and the log say why the others
 * were not used.
 *
 * NULL with `err` on failure.
 */
struct lj_source *lj_source_open_port(const struct lj_port_config *config, struct lj_error *err);

/* Whether the name is "xdp:" or "auto:" and a kernel interface, which is not passed to the EAL. */
bool lj_port_is_kernels(const char *name);

/* Whether the name is a PCI address, with or without its domain. */
bool lj_port_is_pci(const char *name);

/* The PCI address that must be in the EAL's allow list for an "auto:" port, if the device is bound
 * to vfio-pci; otherwise false. */
bool lj_port_auto_pci(const char *name, char *pci, size_t size);

/* The interface or PCI device in a name, without prefix and arguments: "eth0" of
 * "xdp:eth0,mode=generic"; names of other forms are copied unchanged. Returns out. */
char *lj_port_interface(const char *name, char *out, size_t size);

/* The name of the DPDK driver of a port that the EAL has probed ("net_i40e"). 0, or -errno with
 * `err`. */
int lj_port_driver(const char *name, char *driver, size_t size, struct lj_error *err);
/* The firmware version of an open port, "" if the driver does not report one. */
void lj_port_firmware(const struct lj_source *s, char *out, size_t size);

/* Receives at most LJ_BURST_MAX packets into `burst`. 0: none available now; check the state. */
static inline uint16_t lj_source_rx(struct lj_source *s, uint16_t queue, struct lj_burst *burst)
{
	burst->kept = s->keeps_mbufs;
	return s->ops->rx(s, queue, burst);
}

/* VLAN tags that the NIC or the kernel removed from the frame; they are in the mbuf (vlan_tci). */
#define LJ_VLAN_STRIPPED (RTE_MBUF_F_RX_VLAN_STRIPPED | RTE_MBUF_F_RX_QINQ_STRIPPED)

/* Bytes of such tags, which are part of the frame on the wire but not of pkt_len. */
static inline uint32_t lj_vlan_stripped_bytes(const struct rte_mbuf *m)
{
	if (likely((m->ol_flags & LJ_VLAN_STRIPPED) == 0))
		return 0;
	return m->ol_flags & RTE_MBUF_F_RX_QINQ_STRIPPED ? 2 * RTE_VLAN_HLEN : RTE_VLAN_HLEN;
}

/* Returns the burst's mbufs to their pool, in bulk, or to the source that keeps them. */
void lj_burst_free(struct lj_burst *burst);

int lj_source_start(struct lj_source *s, struct lj_error *err);
void lj_source_stop(struct lj_source *s);
int lj_source_stats(struct lj_source *s, struct lj_source_stats *stats);
/*
 * Updates the RETA (s->rss->reta_entries entries) of a running port and reads it back into s->rss.
 * 0, or -errno with `err` if the source has none or it cannot be read (-ENOTSUP), or if the driver
 * does not accept it. Packets already in a queue stay there. Not from two threads at once.
 */
int lj_source_set_reta(struct lj_source *s, const uint16_t *reta, struct lj_error *err);
enum lj_source_state lj_source_state(const struct lj_source *s);
/* Why the source failed. Valid once the state is LJ_SOURCE_FAILED. */
const struct lj_error *lj_source_error(const struct lj_source *s);
void lj_source_close(struct lj_source *s);

/* The state of the port; *why, a constant, says what is wrong with it. Makes some system calls. */
enum lj_port_health lj_source_health(struct lj_source *s, const char **why);

/*
 * Closes a port permanently while other ports keep running: its device is detached, so that it, or
 * its interface, can be opened again. No lcore may poll it any more.
 */
void lj_source_retire(struct lj_source *s);

/* The ways of watching an "auto:" port that were tried, and failed, before the one in use. */
#define LJ_REFUSALS_MAX 3
struct lj_refusal {
	char way[16]; /* "driver", "net_af_xdp", "xdp" */
	char why[240];
};
const struct lj_refusal *lj_source_refusals(const struct lj_source *s, uint16_t *n);

/* How a port is watched: "driver", "net_af_xdp", "xdp" or "net_af_packet"; "configured" for any
 * other driver, such as net_tap. */
const char *lj_source_way(const struct lj_source *s);
/* The way of that name, also of "af_xdp" and "af_packet"; NULL if there is none. */
const char *lj_way_find(const char *name);

/* A failover of a port. */
struct lj_takeover {
	const struct lj_port_config *config; /* as the port was first opened */
	const char *spare; /* interface or PCI address to watch instead; "": the port's own */
	const char *after; /* the way it was watched so far; tried last */
	const char *way;   /* try only this way; NULL: the first that works */
	bool quiet;	   /* do not log refusals again */
};

/*
 * Opens and starts the next way of watching a port: in the order of "auto:", beginning after the
 * way `after` and wrapping around, then as configured. The old source must have been retired. The
 * new one has the same name; unless the device is bound to vfio-pci it has one queue. The log says
 * why each way failed. NULL if all do; `err` then holds the first reason, or the one it held before
 * (it must be initialized).
 */
struct lj_source *lj_source_take_over(const struct lj_takeover *t, struct lj_error *err);

/* A placeholder for a port that nothing watches at present: it receives nothing and reports no
 * fault. `why`, borrowed, is its description. NULL when there is no memory. */
struct lj_source *lj_source_open_vacant(const char *name, const char *why);

/* One line about a port or file for the user: driver, link, queues, RSS. */
void lj_source_describe(const struct lj_source *s, char *out, size_t size);

#endif
