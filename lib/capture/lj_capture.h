/*
 * Takes bursts of packets from where they arrive: files, any port that DPDK drives, or an interface
 * that the host keeps using.
 *
 * A source is a `const struct lj_source_ops` and its state. It hands out mbufs with the time each
 * packet was seen; whoever calls rx owns the mbufs and gives them back with lj_burst_free() before
 * the next rx on the same queue. Receive only: nothing here ever sends.
 *
 * Thread: open, start, stop, close: main. rx: one lcore per queue. stats: any.
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
	uint8_t leg[LJ_BURST_MAX];	   /* which leg of a tap, or which port, it came by */
	bool kept;			   /* the mbufs stay the source's: nothing is to be freed */
};

enum lj_source_state {
	LJ_SOURCE_RUNNING,
	LJ_SOURCE_ENDED,  /* a file's end: nothing more will come */
	LJ_SOURCE_FAILED, /* nothing more will come, and lj_source_error() says why */
};

struct lj_source_stats {
	uint64_t received, received_bytes; /* as the driver or the file reader counts them */
	uint64_t imissed, ierrors, rx_nombuf;
};

/* Whether packets can come by a port. */
enum lj_port_health {
	LJ_PORT_WELL,
	LJ_PORT_LINK_DOWN, /* may come back by itself */
	LJ_PORT_DEAD,	   /* removed, reset, its interface deleted: none will come any more */
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
	/* NULL where there is no RETA. */
	int (*set_reta)(struct lj_source *s, const uint16_t *reta, struct lj_error *err);
};

/* The common head of every source. */
struct lj_source {
	const struct lj_source_ops *ops;
	char name[LJ_SOURCE_NAME]; /* as the person gave it: a path, a PCI address, a vdev */
	uint16_t queues;	   /* receive queues: 1..LJ_SOURCE_QUEUES */
	bool replay;		   /* can wait, keeps its own time, ends */
	bool own_time;		   /* packet times are the capture's, not the wall clock's */
	bool keeps_mbufs;	   /* its bursts' mbufs stay its own */
	bool spreads;		   /* the source itself spreads flows over its queues (RSS) */
	const struct lj_rss *rss;  /* how, as read back at start; NULL: does not, or cannot tell */
	_Atomic int state;	   /* enum lj_source_state. rx lcore: wo; all: ro */
};

struct lj_file_config {
	const char *const *paths; /* borrowed for the life of the source */
	uint16_t n_paths;
	bool tap; /* the files are the legs of one tap, at most 8: merged by time, leg i = file i */
};

/*
 * Opens capture files: pcap (us and ns, either byte order) and pcapng, read in chunks of our own
 * rather than by net_pcap, which has no end of file, drops nanoseconds and cannot merge. Without
 * `tap` the files are pieces of one capture and read one after the other, the next opened when the
 * last is done; the headers of all are checked first. With it, all stay open; of equal times the
 * lower leg's comes first.
 *
 * A file that is cut short or corrupt in the middle gives every whole packet before the damage,
 * then counts one ierror and fails the source at its end with "file: byte offset N: ...". A link
 * type other than Ethernet is an error of open; packets of such an interface that a pcapng file
 * introduces later are passed over, each an ierror, and fail the source at its end. Of a packet
 * longer than 65535 bytes the first 65535 are captured; wire_bytes is still its length.
 *
 * "-" is standard input. It and a pipe may be a leg, or the first piece: open waits for the header,
 * and rx gives 0 while nothing has been written. One queue. NULL, and `err` filled with the path
 * and what is wrong.
 */
struct lj_source *lj_source_open_file(const struct lj_file_config *config, struct lj_error *err);

/* How a driver is made to hash what we want; the key is symmetric either way. */
enum lj_rss_by {
	LJ_RSS_BY_KEY,	/* the functions asked for at configuration */
	LJ_RSS_BY_FLOW, /* an rte_flow rule a packet type, which hashes its addresses only */
};

struct lj_rss_request {
	enum lj_rss_mode mode;
	enum lj_rss_by by;
	uint64_t functions; /* RTE_ETH_RSS_...; 0: all that suit the mode */
	uint8_t key_bytes;  /* where the device does not say; 0: 40 */
	bool sctp_unhashed; /* without its functions SCTP has no hash, rather than by addresses */
};

struct lj_port_config {
	const char *name; /* PCI address; vdev name: "net_pcap0" of "net_pcap0,rx_pcap=f.pcap";
			     "xdp:eth0"; "auto:eth0" */
	uint16_t queues;
	uint16_t descriptors; /* receive descriptors a queue: 64..32768, adjusted to what the device
				 takes */
	uint32_t mbufs;	      /* of this port's pool */
	uint32_t mtu;
	bool promiscuous;
	bool symmetric_rss; /* ask for the symmetric key when queues > 1 */
	struct lj_rss_request rss;
	bool no_scatter; /* larger mbufs rather than chains for long frames */
	bool any_memory; /* the driver takes packet buffers that the EAL does not know */
	uint8_t leg;
};

/*
 * Sets up a port that the EAL has probed. `spreads` is whether the device has RSS and was asked for
 * it; start reads key and RETA back, pushes synthetic tuples and their reverses through them, and
 * fails when the driver did not take the key or when a pair parts. No transmit queue is set
 * up, but for drivers that do not start without (net_tap, net_af_xdp in DPDK 22.11), and none is
 * ever used. Frames longer than an mbuf come as chains. An MTU of 1500 leaves the device's own as
 * it is. `own_time` is known once started.
 *
 * "xdp:eth0[,mode=native|generic][,snap=64..240]" is no port of DPDK's but a tap on an interface
 * that the host keeps using: an XDP program copies the first `snap` (192) bytes of every frame that
 * comes in, whatever its queue, to a ring of `descriptors` slots a CPU, and passes the frame on.
 * What is sent by the host is not seen. One queue; packets of all CPUs' rings are handed out in the
 * order of their times: of the poll of the driver that brought them, as wall time. A full ring is
 * an imissed. Native mode where the driver has it, else generic, in which the kernel may have
 * merged segments (GRO). A VLAN tag that the NIC or a veth's sender has moved out of the frame is
 * seen in generic mode, and in native mode where the driver tells it (Linux 6.8, veth, ice, mlx5);
 * elsewhere the log says that it is not. In generic mode looking for it costs each packet of the
 * host some 40 ns; a NIC with rxvlan off leaves tags in the frame, and is spared. Needs root or
 * CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN and CAP_NET_RAW, and no hugepages. The program goes with
 * stop, or with the process, however that ends.
 *
 * "auto:eth0", or "auto:" and a PCI address, is the first of these that goes: DPDK's driver of the
 * NIC (if it is bound to vfio-pci), net_af_xdp (if the host has no address on it, for it takes the
 * host's frames, and no more receive queues than `queues`), the XDP tap, net_af_packet. What the
 * others said is in lj_source_refusals() and in the log.
 *
 * NULL and `err`.
 */
struct lj_source *lj_source_open_port(const struct lj_port_config *config, struct lj_error *err);

/* Whether the name is of an interface of the kernel's, of which the EAL is not told. */
bool lj_port_is_kernels(const char *name);

/* Whether it is a PCI address, with or without its domain. */
bool lj_port_is_pci(const char *name);

/* The PCI address that the EAL has to be allowed for an "auto:" port, since it is bound to
 * vfio-pci; false when there is none. */
bool lj_port_auto_pci(const char *name, char *pci, size_t size);

/* The interface or PCI device that a name is about, "eth0" of "xdp:eth0,mode=generic", without its
 * arguments; other names as they are. Returns out. */
char *lj_port_interface(const char *name, char *out, size_t size);

/* DPDK's name of the driver of a port that the EAL has probed ("net_i40e"). 0, or -errno and `err`.
 */
int lj_port_driver(const char *name, char *driver, size_t size, struct lj_error *err);
/* The firmware of an open port, "" where the driver does not tell. */
void lj_port_firmware(const struct lj_source *s, char *out, size_t size);

/* As packets come: at most LJ_BURST_MAX, in `burst`. 0 when none came just now; look at the state
 * then. */
static inline uint16_t lj_source_rx(struct lj_source *s, uint16_t queue, struct lj_burst *burst)
{
	burst->kept = s->keeps_mbufs;
	return s->ops->rx(s, queue, burst);
}

/* VLAN tags that the NIC or the kernel took off the frame; they stand in the mbuf (vlan_tci). */
#define LJ_VLAN_STRIPPED (RTE_MBUF_F_RX_VLAN_STRIPPED | RTE_MBUF_F_RX_QINQ_STRIPPED)

/* Bytes of such tags: what the frame had more on the wire than pkt_len says. */
static inline uint32_t lj_vlan_stripped_bytes(const struct rte_mbuf *m)
{
	if (likely((m->ol_flags & LJ_VLAN_STRIPPED) == 0))
		return 0;
	return m->ol_flags & RTE_MBUF_F_RX_QINQ_STRIPPED ? 2 * RTE_VLAN_HLEN : RTE_VLAN_HLEN;
}

/* Gives the burst's mbufs back: to their pool, in bulk, or to the source that keeps them. */
void lj_burst_free(struct lj_burst *burst);

int lj_source_start(struct lj_source *s, struct lj_error *err);
void lj_source_stop(struct lj_source *s);
int lj_source_stats(struct lj_source *s, struct lj_source_stats *stats);
/*
 * Gives a running port another RETA, of s->rss->reta_entries, and reads it back into s->rss. 0, or
 * -errno and `err`: the source has none, or none that can be read (-ENOTSUP), or the driver does
 * not take it. Packets that wait in a queue already stay there. Not from two threads at once.
 */
int lj_source_set_reta(struct lj_source *s, const uint16_t *reta, struct lj_error *err);
enum lj_source_state lj_source_state(const struct lj_source *s);
/* Why the source failed. Valid once the state is LJ_SOURCE_FAILED. */
const struct lj_error *lj_source_error(const struct lj_source *s);
void lj_source_close(struct lj_source *s);

/* How the port is; *why, a constant, says what is wrong with it. main; some system calls. */
enum lj_port_health lj_source_health(struct lj_source *s, const char **why);

/*
 * Closes a port for good while the rest runs on: its device is given back to the kernel or
 * forgotten, so that it, or its interface, can be opened anew. No lcore polls it any more.
 */
void lj_source_retire(struct lj_source *s);

/* Ways of watching an "auto:" port that were tried before the one it is watched by. */
#define LJ_REFUSALS_MAX 3
struct lj_refusal {
	char way[16]; /* "driver", "net_af_xdp", "xdp" */
	char why[240];
};
const struct lj_refusal *lj_source_refusals(const struct lj_source *s, uint16_t *n);

/* How a port is watched: "driver", "net_af_xdp", "xdp", "net_af_packet"; "configured" when it is
 * none of these, such as a net_tap. */
const char *lj_source_way(const struct lj_source *s);
/* The way by that name, also "af_xdp" and "af_packet"; NULL when there is none. */
const char *lj_way_find(const char *name);

/* Who is to take over from a port. */
struct lj_takeover {
	const struct lj_port_config *config; /* as the port was opened first */
	const char *spare; /* interface or PCI address to watch instead; "": the port's own */
	const char *after; /* the way it was watched by; comes last */
	const char *way;   /* this one alone; NULL: the first that goes */
	bool quiet;	   /* refusals have been logged before */
};

/*
 * Opens and starts the next way of watching a port: in the order of "auto:", from the way after
 * `after` on and round, then as it was configured. The port's old source has been retired. The new
 * one has its name; of what the host has, and not vfio-pci, it has one queue. The reasons of the
 * ways refused are in the log. NULL and `err`.
 */
struct lj_source *lj_source_take_over(const struct lj_takeover *t, struct lj_error *err);

/* What stands in for a port that nothing watches just now: it is given no packets and is well.
 * `why`, borrowed, is its description. NULL when there is no memory. */
struct lj_source *lj_source_open_vacant(const char *name, const char *why);

/* One line about a port or file for a person: driver, link, queues, RSS. */
void lj_source_describe(const struct lj_source *s, char *out, size_t size);

#endif
