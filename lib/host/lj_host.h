/*
 * What hosts have been doing lately: the context that no flow shows by itself.
 *
 * A scan is many flows to many ports, password guessing is many short sessions to one, a flood is
 * many strangers at once. So a flow is scored beside what its initiator, its responder, its service
 * (responder, protocol, port) and its conversation (initiator and service) did in the last 5, 60
 * and 600 s of packet time.
 *
 * The stage lives on facts of 64 bytes: one when a flow begins, one when it is over. An early
 * verdict, and every part of a long flow but the first, looks without counting, so that a flow
 * begins once and ends once. Begins are placed at the flow's first packet, ends at the moment that
 * packet times alone say it was over (silent for the idle timeout, closed for the linger time).
 *
 * Windows are rings of four sub-windows (1.25, 15 and 150 s): the latest is under way, so a window
 * of W covers between 3/4 W and W. Nothing runs for ever. Distinct peers, ports and the like are
 * counted exactly at that grain: a mark remembers in which sub-window a thing was seen last, and
 * when it is seen again its count moves there. Counts stop at 65535 a sub-window.
 *
 * Memory is fixed. Places are in sets of eight: who is new takes an empty or outlived place, then
 * that of the least recently used newcomer, and only then that of an established one (which was
 * met by a second flow). A flood from spoofed addresses so wears out newcomers' places, and at most
 * one established in each set. What is forgotten early is counted as host_evicted. A
 * forgotten mark makes a distinct count larger by one.
 *
 * What a fact costs is lines of memory, so these are few, and what is done with them asks nothing
 * of what they hold. A count has all its sub-windows in one vector: to count, to move a distinct
 * thing to where it is seen now, and to forget what has left the windows is an instruction or two
 * each. Two counts share a line, and a fact touches those alone that it counts in. Counts that
 * nobody reads (the features that models and tables are made of say which) are not kept.
 *
 * Facts are followed in bursts: eight ahead of the one at hand its keys are made and the sets of
 * its places asked for, four ahead the places are found or taken and the things there asked for.
 * Places are taken in the order of the facts and counted at in the same order, so that one that
 * changes hands between is cleared between.
 *
 * Every inference lcore that scores with host context has a stage of its own and observes the facts
 * of all flows (a worker sends a flow to the lcore that owns its initiator and the fact alone to
 * the others), so the responder's context is whole and, in a replay, where facts come in one order,
 * the same for any number of lcores. Live, facts of several workers come in the order of arrival,
 * and a fact that met a full queue is missing (host_refused).
 *
 * Thread: a stage belongs to one lcore; facts are made on the worker's.
 */
#ifndef LJ_HOST_H
#define LJ_HOST_H

#include <stdbool.h>
#include <stdint.h>

#include "lj_flow.h"
#include "lj_stats.h"

enum lj_host_event {
	LJ_HOST_BEGIN, /* a flow has begun */
	LJ_HOST_END,   /* and is over */
	LJ_HOST_LOOK,  /* it goes on, or is the rest of one that has ended already */
};

/* How a flow went, after Zeek's conn_state. */
enum lj_host_outcome {
	LJ_HOST_ANSWERED,
	LJ_HOST_UNANSWERED, /* the responder was not heard */
	LJ_HOST_HALF_OPEN,  /* SYN-ACK, and no ACK to it */
	LJ_HOST_REJECTED,   /* RST instead of a SYN-ACK, or of any payload */
	LJ_HOST_SILENT,	    /* both were heard, and neither sent payload */
};

/* What the stage has to know of a flow. */
struct lj_host_fact {
	uint64_t time_ns; /* packet time of the event */
	uint64_t flow_id;
	uint64_t initiator, responder; /* hashes of their addresses */
	uint32_t bytes[2];	       /* IP bytes of each side; stop at UINT32_MAX */
	uint32_t duration_ms;
	uint32_t size;	  /* flows of nearly the same size have the same */
	uint16_t port;	  /* the responder's; 0 without ports */
	uint8_t protocol; /* IANA */
	uint8_t event;	  /* enum lj_host_event */
	uint8_t outcome;  /* enum lj_host_outcome; of an end */
	uint8_t reserved[11];
};
LJ_ASSERT_LINES(struct lj_host_fact, 1);

/* Of a flow that begins now; `seed` as for all facts that meet in one stage. Path. */
void lj_host_fact_begin(struct lj_host_fact *fact, const struct lj_flow_begun *begun,
			uint64_t seed);
/* Of a due flow; the timeouts are those it was cut by. Path. */
void lj_host_fact_due(struct lj_host_fact *fact, const struct lj_flow *flow,
		      uint64_t idle_timeout_ns, uint64_t tcp_linger_ns, uint64_t seed);

enum lj_host_window { LJ_HOST_5S, LJ_HOST_60S, LJ_HOST_600S, LJ_HOST_WINDOWS };

enum lj_host_count {
	LJ_HOST_FLOWS, /* begun */
	LJ_HOST_PEERS, /* distinct hosts at the other end of those; not of conversations */
	LJ_HOST_PORTS, /* distinct (protocol, responder's port) of those; hosts only */
	LJ_HOST_ENDED, /* over, with whatever outcome */
	LJ_HOST_UNANSWEREDS,
	LJ_HOST_HALF_OPENS,
	LJ_HOST_REJECTEDS,
	LJ_HOST_SILENTS,
	LJ_HOST_COMMON,			/* those above are of all, the rest of initiators only: */
	LJ_HOST_PAIRS = LJ_HOST_COMMON, /* distinct (responder, protocol, port) of those begun */
	LJ_HOST_FAILED_PEERS, /* distinct, of those unanswered, half-open or rejected; and */
	LJ_HOST_FAILED_PORTS, /* these */
	LJ_HOST_SIZES,	      /* distinct sizes of those over; of services too */
	LJ_HOST_COUNTS
};

/* One window's sums, of the counts that are kept. */
struct lj_host_view {
	uint32_t count[LJ_HOST_COUNTS];
	uint64_t sent, received; /* IP bytes of flows over, in units of LJ_HOST_BYTES each rounded
				  * up; of hosts, from 60 s on */
};
#define LJ_HOST_BYTES 16

/* As it was when the flow began, that flow included. */
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

/* Of the conversation's latest flows, none of them more than 600 s after the one before. */
#define LJ_HOST_RHYTHM 8
struct lj_host_rhythm {
	uint32_t gaps;			 /* between starts, known: 0..LJ_HOST_RHYTHM */
	uint32_t ends;			 /* flows over, known: 0..LJ_HOST_RHYTHM */
	uint32_t gap_us[LJ_HOST_RHYTHM]; /* the order of what is here means nothing */
	uint32_t bytes[2][LJ_HOST_RHYTHM];
	uint32_t duration_ms[LJ_HOST_RHYTHM];
	uint32_t size[LJ_HOST_RHYTHM]; /* as in the facts */
};

/* All that stands beside one flow. What the stage has forgotten, or never saw, is 0. What it was
 * not asked for, or does not keep, is anything or as it was. */
struct lj_host_context {
	struct lj_host_view src[LJ_HOST_WINDOWS]; /* the initiator's own flows */
	struct lj_host_view dst[LJ_HOST_WINDOWS]; /* flows to the responder */
	/* In their other role, from 60 s on: flows begun, peers and bytes alone. */
	struct lj_host_view src_in[LJ_HOST_WINDOWS];  /* flows to the initiator */
	struct lj_host_view dst_out[LJ_HOST_WINDOWS]; /* the responder's own flows */
	struct lj_host_view service[LJ_HOST_WINDOWS];
	struct lj_host_view pair[LJ_HOST_WINDOWS]; /* of the conversation */
	struct lj_host_rhythm rhythm;
	uint16_t opening[LJ_HOST_OPENINGS]; /* stops at 65535 */
	bool opened;			    /* opening[] is known; else it is anything */
};

/* Parts of a context, bits. */
enum lj_host_part {
	LJ_HOST_PART_SRC_BEGUN = 1 << 0, /* flows, peers, ports and pairs */
	LJ_HOST_PART_SRC_ENDED = 1 << 1, /* ended and sizes */
	LJ_HOST_PART_SRC_OUTCOMES = 1
				    << 2, /* ended, how, and peers and ports of those that failed */
	LJ_HOST_PART_SRC_BYTES = 1 << 3,  /* of src and of src_in */
	LJ_HOST_PART_SRC_IN_BEGUN = 1 << 4,
	LJ_HOST_PART_DST_BEGUN = 1 << 5, /* and so on, as far as they have it */
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

#define LJ_HOST_HOSTS 65536 /* that an inference lcore remembers, in 100 MiB */

struct lj_host_config {
	uint32_t hosts;	 /* remembered; conversations as many, services half: 1024..2^24 */
	uint32_t wanted; /* LJ_HOST_PART_*: what is read of contexts; the rest is not counted */
	int socket_id;
};

struct lj_host;

/* Allocates all it will ever use. NULL with errno. */
struct lj_host *lj_host_create(const struct lj_host_config *config, struct lj_counters *counters);
void lj_host_destroy(struct lj_host *h);
/* Bytes that lj_host_create() would allocate. */
uint64_t lj_host_memory(const struct lj_host_config *config);

/* A fact, and where what stands beside its flow is to go once it is counted; NULL: nowhere. */
struct lj_host_step {
	const struct lj_host_fact *fact;
	struct lj_host_context *context;
};

/*
 * Counts facts, one after the other, and looks where that is asked for. In bursts, so that the
 * lines of a fact are on their way while earlier ones are counted.
 *
 * The clock is the latest time of all begins and ends, but follows a begin that is over 600 s
 * behind it: one frame with a wrong time does not stop it for good. Path.
 */
void lj_host_follow(struct lj_host *h, const struct lj_host_step *steps, uint32_t n);

#endif
