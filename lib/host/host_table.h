/* Private: the stage's tables, and the steps by which a fact is processed. */
#ifndef HOST_TABLE_H
#define HOST_TABLE_H

#include <string.h>

#include "directory.h"
#include "tally.h"

/* The parts that only some facts touch come last. */
struct host {
	struct { /* as initiator */
		struct leaf flows_peers, ports_pairs, sizes_ended, outcomes[2], failed;
		struct bytes bytes;
	} out;
	struct { /* as responder */
		struct leaf flows_peers, ports_ended, outcomes[2];
		struct bytes bytes;
	} in;
};
LJ_ASSERT_LINES(struct host, 12);

struct service {
	struct leaf flows_peers, sizes_ended, outcomes[2];
};
LJ_ASSERT_LINES(struct service, 4);

/* One flow of a conversation that has ended. */
struct episode {
	uint32_t bytes[2], duration_ms, size;
};

struct rhythm {
	uint64_t begun_ns;  /* start of the latest flow; 0: none */
	uint8_t gaps, ends; /* how many are known, and the position of the next: rhythm_next() */
	uint32_t gap_us[LJ_HOST_RHYTHM];
	uint32_t reserved[5];
};
LJ_ASSERT_LINES(struct rhythm, 1);

struct conversation {
	struct rhythm rhythm;
	struct {
		struct leaf flows_ended, outcomes[2];
	} pair;
	struct episode episode[LJ_HOST_RHYTHM];
};
LJ_ASSERT_LINES(struct conversation, 6);

/* The counts at the time when a flow that is still open began. */
struct opening {
	uint16_t count[LJ_HOST_OPENINGS];
};

/* What has to be counted, as bits. Flows, peers, ports and pairs of hosts are always counted. BEGUN
 * is a tally's first leaf, which the others depend on. */
enum {
	OUT_ENDED = 0x001,
	OUT_OUTCOMES = 0x002,
	IN_ENDED = 0x004,
	IN_OUTCOMES = 0x008,
	BYTES = 0x010, /* of hosts in both roles */
	SERVICE_BEGUN = 0x020,
	SERVICE_ENDED = 0x040,
	SERVICE_OUTCOMES = 0x080,
	PAIR_BEGUN = 0x100, /* and ended */
	PAIR_OUTCOMES = 0x200,
};

struct lj_host {
	struct directory hosts, services, conversations, openings, marks;
	struct host *host;
	struct service *service;
	struct conversation *conversation;
	struct opening *opening;
	struct lj_counters *counters;
	uint64_t now_ns; /* the clock, as of the fact last passed to host_find() */
	uint32_t beat;
	uint32_t wanted;    /* LJ_HOST_PART_* */
	uint32_t counts;    /* what is counted for them */
	struct clock clock; /* as of the fact last counted */
	struct lj_host_config config;
	uint64_t held; /* entries in use by hosts, services and conversations */
};

/* The marks of a fact, for distinct counts: of a begin peer and port; of an end the sizes that are
 * counted, and peer and port if the flow failed. */
enum { PEER, PORT, SIZE, SERVICE_SIZE, MARKS };

/* The positions in the directories of the items of a fact. */
struct keys {
	struct spot src, dst, service, conversation, opening;
	struct spot mark[MARKS];
	bool failed; /* the end of a flow that failed, if that is counted */
};

/* The items of a fact. For ends and looks NULL if not remembered. */
struct things {
	struct host *src, *dst;
	struct service *service;
	struct conversation *conversation;
	struct opening *opening; /* for an end: only if the context is requested */
	uint32_t beat;		 /* of the fact */
	/* For a begin: beat of the previous use; 0: a new entry, with another item's data. */
	uint32_t src_seen, dst_seen, service_seen, conversation_seen;
	uint32_t seen[MARKS]; /* the same for marks; for begins, and for ends of known items */
	bool failed;	      /* the end of a flow that failed */
	bool src_lost;	      /* a begin whose initiator's entry was evicted for the responder */
};

/* Hashes two words into one (wyhash's multiply and fold). */
static inline uint64_t fold(uint64_t a, uint64_t b)
{
	unsigned __int128 product =
		(unsigned __int128)(a ^ 0xa0761d6478bd642f) * (b ^ 0xe7037ed1a0b428db);

	return (uint64_t)(product >> 64) ^ (uint64_t)product;
}

/* The position of a rhythm's next gap or end. The count goes on from LJ_HOST_RHYTHM to twice that
 * and then wraps to LJ_HOST_RHYTHM, so that it also tells the position. */
static inline uint32_t rhythm_next(uint8_t *n)
{
	uint32_t at = *n % LJ_HOST_RHYTHM;

	*n = (uint8_t)(*n < 2 * LJ_HOST_RHYTHM - 1 ? *n + 1 : LJ_HOST_RHYTHM);
	return at;
}

/* tally_check() for a host as initiator and as responder, a service and a conversation. */
static inline uint64_t check_out(struct host *h, const struct clock *clock)
{
	return tally_check((struct leaf *)&h->out, 6, &h->out.bytes, clock);
}

static inline uint64_t check_in(struct host *h, const struct clock *clock)
{
	return tally_check((struct leaf *)&h->in, 4, &h->in.bytes, clock);
}

static inline uint64_t check_service(struct service *s, const struct clock *clock)
{
	return tally_check((struct leaf *)s, 4, NULL, clock);
}

static inline uint64_t check_pair(struct conversation *c, const struct clock *clock)
{
	return tally_check((struct leaf *)&c->pair, 3, NULL, clock);
}

/* Computes a fact's keys and prefetches their sets. */
void host_ask_sets(const struct lj_host *h, struct keys *k, const struct lj_host_fact *fact);
/* Advances the clock, and finds a fact's items; a begin allocates entries for them. */
void host_find(struct lj_host *h, struct things *t, const struct keys *k,
	       const struct lj_host_step *step);

/* Counts a flow's begin in its four items, and stores its opening. Sets t->src to NULL if src_lost.
 */
void host_begin(const struct lj_host *h, const struct lj_host_fact *fact, struct things *t);
/* Counts a flow's end in those items that are remembered; an end allocates no entries. */
void host_end(const struct lj_host *h, const struct lj_host_fact *fact, const struct things *t);
/* After an end or a look: stores the flow's context, and brings its items up to date. */
void host_view(const struct lj_host *h, const struct things *t, struct lj_host_context *context);
/* Only brings the items up to date, if no context is requested. */
void host_touch(const struct lj_host *h, const struct things *t);

#endif
