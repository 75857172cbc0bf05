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
	struct clock clock;
	struct lj_host_config config;
	uint64_t held; /* places taken, of hosts, services and conversations */
};

/* Where the tables have what a fact is about. */
struct places {
	struct spot src, dst, service, conversation, opening;
	/* Of a begin the peer and the port; of an end the size among the initiator's and among the
	 * service's, and when it failed the peer and the port. */
	struct spot mark[4];
	uint32_t marks;
	bool begin, look;
	/* Expected, some facts before: where they are or, of a begin, will be. */
	uint32_t src_at, dst_at, service_at, conversation_at, opening_at;
} __rte_cache_aligned;
LJ_ASSERT_LINES(struct places, 2);

/* What a fact is about, where it is remembered. */
struct things {
	struct host *src, *dst;
	struct service *service;
	struct conversation *conversation;
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

/* Counts a flow's begin, at its four things, and keeps its opening. */
void host_begin(struct lj_host *h, const struct lj_host_fact *fact, const struct places *p);
/* Finds a flow's things and turns what is counted of them: src->out, dst->in. */
struct things host_find(struct lj_host *h, const struct places *p);
/* Counts a flow's end, at those that are remembered: an end makes nobody known. */
void host_end(struct lj_host *h, const struct lj_host_fact *fact, const struct places *p,
	      const struct things *things);
/* What stands beside a flow. */
void host_view(struct lj_host *h, const struct places *p, const struct things *things,
	       struct lj_host_context *context);

#endif
