/* Private: the stage's tables, and the steps of a fact through them. */
#ifndef HOST_TABLE_H
#define HOST_TABLE_H

#include <string.h>

#include "directory.h"
#include "tally.h"

/* Windows that have bytes: from 60 s on. */
#define BYTES_FROM    LJ_HOST_60S
#define BYTES_WINDOWS (LJ_HOST_WINDOWS - BYTES_FROM)
/* Windows in which a flow's ends are seen in their other role. */
#define REVERSED_FROM LJ_HOST_60S

/* What is counted at the moment comes first, what is past behind it. */
struct host {
	struct tally out, in; /* as initiator, as responder */
	union aside trials[LJ_HOST_WINDOWS];
	union aside out_bytes[BYTES_WINDOWS], in_bytes[BYTES_WINDOWS];
	uint64_t reserved;
	struct past out_past[LJ_HOST_WINDOWS], in_past[LJ_HOST_WINDOWS];
	struct aside_past trials_past[LJ_HOST_WINDOWS], unused;
	struct aside_past out_bytes_past[BYTES_WINDOWS], in_bytes_past[BYTES_WINDOWS];
};
LJ_ASSERT_LINES(struct host, 13);

/* The place that distinct sizes have among the common counts: a service is one port. */
#define SERVICE_SIZES LJ_HOST_PORTS

struct service {
	struct tally tally;
	struct past past[LJ_HOST_WINDOWS];
};

/* One flow of a conversation that is over. */
struct episode {
	uint32_t bytes[2], duration_ms, size;
};

/* Of a rhythm's gaps and ends tally.gaps and .ends are known, LJ_HOST_RHYTHM at most, and the next
 * goes where that many before it say, modulo. */
struct conversation {
	struct tally tally;
	struct past past[LJ_HOST_WINDOWS];
	struct episode episode[LJ_HOST_RHYTHM];
	uint32_t gap_us[LJ_HOST_RHYTHM];
	uint32_t reserved[8];
};
LJ_ASSERT_LINES(struct conversation, 7);

/* A flow that has begun and is not over, and what stood beside it. */
struct opening {
	uint16_t count[LJ_HOST_OPENINGS];
};

struct lj_host {
	struct directory hosts, services, conversations, openings, marks;
	struct host *host;
	struct service *service;
	struct conversation *conversation;
	struct opening *opening;
	struct lj_counters *counters;
	uint64_t now_ns; /* the clock, of the fact whose places were taken last */
	uint32_t beat;
	struct clock clock; /* of the fact that was counted last */
	struct lj_host_config config;
	uint64_t held; /* places taken, of hosts, services and conversations */
};

/* What distinct things are marked by: of a begin peer and port, of an end all; peer and port when
 * it failed. */
enum { PEER, PORT, SIZE, SERVICE_SIZE, MARKS };

/* Where the directories have what a fact is about. */
struct keys {
	struct spot src, dst, service, conversation, opening;
	struct spot mark[MARKS];
	bool failed; /* an end that did */
};

/* What it is about, where that is remembered; else NULL: ends and looks only. */
struct things {
	struct host *src, *dst;
	struct service *service;
	struct conversation *conversation;
	struct opening *opening; /* of ends: when there is to be a look */
	uint32_t beat;		 /* of the fact */
	/* Of a begin: the latest use before this one; 0: new here, what is there is somebody
	 * else's. */
	uint32_t src_seen, dst_seen, service_seen, conversation_seen;
	uint32_t seen[MARKS]; /* the same of marks; of begins, and of ends of what is remembered */
	bool failed;	      /* an end that did */
	bool src_lost;	      /* a begin whose initiator has to make room for the responder */
};

/* Two words into one, all bits of both in each of it (wyhash's multiply and fold). */
static inline uint64_t fold(uint64_t a, uint64_t b)
{
	unsigned __int128 product =
		(unsigned __int128)(a ^ 0xa0761d6478bd642f) * (b ^ 0xe7037ed1a0b428db);

	return (uint64_t)(product >> 64) ^ (uint64_t)product;
}

/* Forgets what has left the windows. Of tallies that are not of the clock's beat already. */
void host_turn_out(struct host *h, const struct clock *clock);
void host_turn_in(struct host *h, const struct clock *clock);
void host_turn_service(struct service *s, const struct clock *clock);
void host_turn_conversation(struct conversation *c, const struct clock *clock);

/* First of all, each time before anything is counted or read. */
static inline struct host *turned_out(struct host *h, const struct clock *clock)
{
	if (h->out.beat != clock->beat)
		host_turn_out(h, clock);
	return h;
}

static inline struct host *turned_in(struct host *h, const struct clock *clock)
{
	if (h->in.beat != clock->beat)
		host_turn_in(h, clock);
	return h;
}

static inline struct service *turned_service(struct service *s, const struct clock *clock)
{
	if (s->tally.beat != clock->beat)
		host_turn_service(s, clock);
	return s;
}

static inline struct conversation *turned_conversation(struct conversation *c,
						       const struct clock *clock)
{
	if (c->tally.beat != clock->beat)
		host_turn_conversation(c, clock);
	return c;
}

/* Makes a fact's keys and asks for the sets that they lead to. */
void host_ask_sets(const struct lj_host *h, struct keys *k, const struct lj_host_fact *fact);
/* Follows the clock, and finds a fact's things: a begin takes places for them. */
void host_find(struct lj_host *h, struct things *t, const struct keys *k,
	       const struct lj_host_step *step);

/* Counts a flow's begin, at its four things, and keeps its opening. An initiator that has to make
 * room is no longer among the things then. */
void host_begin(const struct clock *clock, const struct lj_host_fact *fact, struct things *t);
/* Counts a flow's end, at those that are remembered: an end makes nobody known. */
void host_end(const struct clock *clock, const struct lj_host_fact *fact, const struct things *t);
/* What stands beside a flow. */
void host_view(const struct clock *clock, const struct things *t, struct lj_host_context *context);

#endif
