/*
 * Host context: recent activity of the hosts of a flow, which the flow itself does not show.
 *
 * A scan is many flows to many ports, password guessing is many short sessions to one service, a
 * flood is many new peers at once. So a flow is scored together with what its initiator, its
 * responder, its service (responder, protocol, port) and its conversation (initiator and service)
 * did in the last 5, 60 and 600 s of packet time.
 *
 * The input is facts of 64 bytes: one when a flow begins, one when it ends. An early verdict, and
 * every part of a long flow except the first, reads the context without being counted, so that a
 * flow begins once and ends once. A begin has the time of the flow's first packet; an end the time
 * at which, by packet times alone, the flow had ended (silent for the idle timeout, or closed for
 * the linger time).
 *
 * Windows are rings of four sub-windows (1.25, 15 and 150 s), of which the latest is in progress,
 * so a window of length W covers between 3/4 W and W. There are no timers. Distinct peers, ports
 * and so on are counted exactly at that resolution: a mark remembers in which sub-window an item
 * was last seen, and when it is seen again its count moves to the current one. Counts saturate at
 * 65535 per sub-window.
 *
 * Memory is fixed. Entries are in sets of eight: a new item takes an empty or expired entry, else
 * that of the least recently used new item, and only then that of an established one (seen in a
 * second flow). So a flood from spoofed addresses replaces the entries of new items, and at most
 * one established entry in each set. Entries replaced before they expired are counted as
 * host_evicted. A lost mark makes a distinct count larger by one.
 *
 * The cost of a fact is the number of cache lines touched, so there are few, and the code does not
 * branch on their contents. A count has all its sub-windows in one vector: counting, moving a
 * distinct item to the current sub-window, and dropping expired sub-windows take an instruction or
 * two each. Two counts share a line, and a fact touches only those in which it counts. Counts that
 * no feature in use reads are not kept.
 *
 * Facts are processed in bursts: eight ahead of the current fact the keys are computed and their
 * sets prefetched; four ahead the entries are found or allocated and their data prefetched. Entries
 * are allocated in the order of the facts and counted in the same order, and an entry that changes
 * its owner in between is cleared in between.
 *
 * Every inference lcore that scores with host context has a stage of its own and receives the facts
 * of all flows (a worker sends a flow to the lcore that owns its initiator, and only the fact to
 * the others). So the responder's context is complete and, in a replay, where facts have one order,
 * the same for any number of lcores. In live capture the facts of several workers are in order of
 * arrival, and facts that met a full queue are missing (host_refused).
 *
 * Thread: a stage belongs to one lcore; facts are created on the worker's.
 */
#ifndef LJ_HOST_H
#define LJ_HOST_H

#include <stdbool.h>
#include <stdint.h>

#include "lj_flow.h"
#include "lj_stats.h"

enum lj_host_event {
	LJ_HOST_BEGIN, /* a flow has begun */
	LJ_HOST_END,   /* a flow has ended */
	LJ_HOST_LOOK,  /* read the context only: an early verdict, or a further part of a flow */
};

/* How a flow went, after Zeek's conn_state. */
enum lj_host_outcome {
	LJ_HOST_ANSWERED,
	LJ_HOST_UNANSWERED, /* the responder sent nothing */
	LJ_HOST_HALF_OPEN,  /* SYN-ACK without an ACK to it */
	LJ_HOST_REJECTED,   /* RST instead of a SYN-ACK, or before any payload */
	LJ_HOST_SILENT,	    /* both sent packets, neither sent payload */
};

/* What the stage needs to know about a flow. */
struct lj_host_fact {
	uint64_t time_ns; /* packet time of the event */
	uint64_t flow_id;
	uint64_t initiator, responder; /* hashes of their addresses */
	uint32_t bytes[2];	       /* IP bytes of each side; saturate at UINT32_MAX */
	uint32_t duration_ms;
	uint32_t size;	  /* a size class: the same for flows of nearly the same size */
	uint16_t port;	  /* the responder's; 0 without ports */
	uint8_t protocol; /* IANA */
	uint8_t event;	  /* enum lj_host_event */
	uint8_t outcome;  /* enum lj_host_outcome; only for LJ_HOST_END */
	uint8_t reserved[11];
};
LJ_ASSERT_LINES(struct lj_host_fact, 1);

/* Fills the fact of a new flow; `seed` must be the same for all facts of a stage. Path. */
void lj_host_fact_begin(struct lj_host_fact *fact, const struct lj_flow_begun *begun,
			uint64_t seed);
/* Fills the fact of a due flow; the timeouts are those of the flow table. Path. */
void lj_host_fact_due(struct lj_host_fact *fact, const struct lj_flow *flow,
		      uint64_t idle_timeout_ns, uint64_t tcp_linger_ns, uint64_t seed);

enum lj_host_window { LJ_HOST_5S, LJ_HOST_60S, LJ_HOST_600S, LJ_HOST_WINDOWS };

enum lj_host_count {
	LJ_HOST_FLOWS, /* flows begun */
	LJ_HOST_PEERS, /* distinct peers of those; not for conversations */
	LJ_HOST_PORTS, /* distinct (protocol, responder's port) of those; only for hosts */
	LJ_HOST_ENDED, /* flows ended, with any outcome */
	LJ_HOST_UNANSWEREDS,
	LJ_HOST_HALF_OPENS,
	LJ_HOST_REJECTEDS,
	LJ_HOST_SILENTS,
	LJ_HOST_COMMON,			/* the counts below are only for initiators: */
	LJ_HOST_PAIRS = LJ_HOST_COMMON, /* distinct (responder, protocol, port) of flows begun */
	LJ_HOST_FAILED_PEERS, /* distinct peers of flows unanswered, half-open or rejected */
	LJ_HOST_FAILED_PORTS, /* distinct ports of those */
	LJ_HOST_SIZES,	      /* distinct sizes of flows ended; also for services */
	LJ_HOST_COUNTS
};

/* The sums over one window, of the counts that are kept. */
struct lj_host_view {
	uint32_t count[LJ_HOST_COUNTS];
	uint64_t sent, received; /* IP bytes of flows ended, in units of LJ_HOST_BYTES, each flow
				  * rounded up; only for hosts, and windows of 60 s and more */
};
#define LJ_HOST_BYTES 16

/* Counts at the time when the flow began, including that flow. */
enum lj_host_opening {
	LJ_HOST_OPENING_SRC_FLOWS_60S,
	LJ_HOST_OPENING_SRC_PEERS_60S,
	LJ_HOST_OPENING_SRC_PORTS_60S,
	LJ_HOST_OPENING_SRC_ENDED_60S,
	LJ_HOST_OPENING_SRC_FLOWS_600S,
	LJ_HOST_OPENING_SRC_PEERS_600S,
	LJ_HOST_OPENING_SRC_PORTS_600S,
	LJ_HOST_OPENING_SRC_FAILED_60S,
	LJ_HOST_OPENING_DST_FLOWS_60S,
	LJ_HOST_OPENING_DST_PEERS_60S,
	LJ_HOST_OPENING_DST_PORTS_60S,
	LJ_HOST_OPENING_DST_FLOWS_5S,
	LJ_HOST_OPENING_SRC_FLOWS_5S,
	LJ_HOST_OPENING_SERVICE_FLOWS_60S,
	LJ_HOST_OPENING_PAIR_FLOWS_60S,
	LJ_HOST_OPENING_PAIR_FLOWS_600S,
	LJ_HOST_OPENINGS
};

/* The conversation's latest flows, none of them more than 600 s after the one before. The order of
 * the array elements is undefined. */
#define LJ_HOST_RHYTHM 8
struct lj_host_rhythm {
	uint32_t gaps;			 /* valid in gap_us: 0..LJ_HOST_RHYTHM */
	uint32_t ends;			 /* valid in the other arrays: 0..LJ_HOST_RHYTHM */
	uint32_t gap_us[LJ_HOST_RHYTHM]; /* between starts */
	uint32_t bytes[2][LJ_HOST_RHYTHM];
	uint32_t duration_ms[LJ_HOST_RHYTHM];
	uint32_t size[LJ_HOST_RHYTHM]; /* as in the facts */
};

/* The context of one flow. Items that the stage has never seen, or has forgotten, are 0. Parts that
 * were not configured in lj_host_config.wanted are undefined. */
struct lj_host_context {
	struct lj_host_view src[LJ_HOST_WINDOWS]; /* the initiator's own flows */
	struct lj_host_view dst[LJ_HOST_WINDOWS]; /* flows to the responder */
	/* In their other role, windows of 60 s and more: only flows begun, peers and bytes. */
	struct lj_host_view src_in[LJ_HOST_WINDOWS];  /* flows to the initiator */
	struct lj_host_view dst_out[LJ_HOST_WINDOWS]; /* the responder's own flows */
	struct lj_host_view service[LJ_HOST_WINDOWS];
	struct lj_host_view pair[LJ_HOST_WINDOWS]; /* of the conversation */
	struct lj_host_rhythm rhythm;
	uint16_t opening[LJ_HOST_OPENINGS]; /* saturate at 65535 */
	bool opened;			    /* opening[] is valid */
};

/* Parts of a context, as bits. */
enum lj_host_part {
	LJ_HOST_PART_SRC_BEGUN = 1 << 0, /* flows, peers, ports and pairs */
	LJ_HOST_PART_SRC_ENDED = 1 << 1, /* ended and sizes */
	/* ended, by outcome, and peers and ports of those that failed */
	LJ_HOST_PART_SRC_OUTCOMES = 1 << 2,
	LJ_HOST_PART_SRC_BYTES = 1 << 3, /* of src and of src_in */
	LJ_HOST_PART_SRC_IN_BEGUN = 1 << 4,
	LJ_HOST_PART_DST_BEGUN = 1 << 5, /* the same, as far as they have it */
	LJ_HOST_PART_DST_ENDED = 1 << 6,
	LJ_HOST_PART_DST_OUTCOMES = 1 << 7,
	LJ_HOST_PART_DST_BYTES = 1 << 8,
	LJ_HOST_PART_DST_OUT_BEGUN = 1 << 9,
	LJ_HOST_PART_SERVICE_BEGUN = 1 << 10,
	LJ_HOST_PART_SERVICE_ENDED = 1 << 11,
	LJ_HOST_PART_SERVICE_OUTCOMES = 1 << 12,
	LJ_HOST_PART_PAIR_BEGUN = 1 << 13,
	LJ_HOST_PART_PAIR_OUTCOMES = 1 << 14,
	LJ_HOST_PART_GAPS = 1 << 15,	 /* of the rhythm */
	LJ_HOST_PART_EPISODES = 1 << 16, /* the rest of it */
	LJ_HOST_PART_OPENING_HOSTS = 1 << 17,
	LJ_HOST_PART_OPENING_OUTCOMES = 1 << 18, /* SRC_ENDED_60S and SRC_FAILED_60S */
	LJ_HOST_PART_OPENING_SERVICE = 1 << 19,
	LJ_HOST_PART_OPENING_PAIR = 1 << 20,
	LJ_HOST_PART_ALL = (1 << 21) - 1
};

#define LJ_HOST_HOSTS 65536 /* default; takes 100 MiB per inference lcore */

struct lj_host_config {
	uint32_t hosts;	 /* 1024..2^24; as many conversations, and half as many services */
	uint32_t wanted; /* LJ_HOST_PART_*: the parts that are read; the others are not counted */
	int socket_id;
};

struct lj_host;

/* Allocates all memory that the stage will ever use. `counters` is borrowed. NULL with errno. */
struct lj_host *lj_host_create(const struct lj_host_config *config, struct lj_counters *counters);
void lj_host_destroy(struct lj_host *h);
/* Bytes that lj_host_create() would allocate. */
uint64_t lj_host_memory(const struct lj_host_config *config);

/* A fact, and where to store the flow's context after counting it; NULL: not needed. */
struct lj_host_step {
	const struct lj_host_fact *fact;
	struct lj_host_context *context;
};

/*
 * Counts facts in order, and stores the contexts requested. Takes bursts, so that the data of later
 * facts is prefetched while earlier ones are counted.
 *
 * The clock is the latest time of all begins and ends. A begin more than 600 s behind it sets it
 * back, so that a single frame with a wrong time does not stop it for good. Path.
 */
void lj_host_follow(struct lj_host *h, const struct lj_host_step *steps, uint32_t n);

#endif
