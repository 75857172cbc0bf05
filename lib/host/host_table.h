/* Private: the stage's tables, and the steps of a fact through them. */
#ifndef HOST_TABLE_H
#define HOST_TABLE_H

#include <string.h>

#include "directory.h"
#include "tally.h"

/* What only some facts or looks touch comes later. */
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

/* One flow of a conversation that is over. */
struct episode {
	uint32_t bytes[2], duration_ms, size;
};

/* Of gaps and ends that many are known, LJ_HOST_RHYTHM at most, and the next goes where that many
 * before it say, modulo. */
struct rhythm {
	uint64_t begun_ns; /* the latest flow; 0: none */
	uint8_t gaps, ends;
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

/* A flow that has begun and is not over, and what stood beside it. */
struct opening {
	uint16_t count[LJ_HOST_OPENINGS];
};

/* What has to be counted for what is wanted, bits; of hosts flows, peers, ports and pairs always. A
 * tally's first leaf, BEGUN, says whose the others are. */
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
	uint64_t now_ns; /* the clock, of the fact whose things were found last */
	uint32_t beat;
	uint32_t wanted;    /* LJ_HOST_PART_*: what looks read */
	uint32_t counts;    /* and what is counted for them */
	struct clock clock; /* of the fact that was counted last */
	struct lj_host_config config;
	uint64_t held; /* places taken, of hosts, services and conversations */
};

/* What distinct things are marked by: of a begin peer and port; of an end what is counted, peer and
 * port when it failed. */
enum { PEER, PORT, SIZE, SERVICE_SIZE, MARKS };

/* Where the directories have what a fact is about. */
struct keys {
	struct spot src, dst, service, conversation, opening;
	struct spot mark[MARKS];
	bool failed; /* an end that did, and that is counted */
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

/* Where the next of a rhythm's gaps or ends goes; how many there are goes on in the second eight.
 */
static inline uint32_t rhythm_next(uint8_t *n)
{
	uint32_t at = *n % LJ_HOST_RHYTHM;

	*n = (uint8_t)(*n < 2 * LJ_HOST_RHYTHM - 1 ? *n + 1 : LJ_HOST_RHYTHM);
	return at;
}

/* Of a host as initiator and as responder, of a service and of a conversation; see tally_check().
 */
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

/* Makes a fact's keys and asks for the sets that they lead to. */
void host_ask_sets(const struct lj_host *h, struct keys *k, const struct lj_host_fact *fact);
/* Follows the clock, and finds a fact's things: a begin takes places for them. */
void host_find(struct lj_host *h, struct things *t, const struct keys *k,
	       const struct lj_host_step *step);

/* Counts a flow's begin, at its four things, and keeps its opening. An initiator that has to make
 * room is no longer among the things then. */
void host_begin(const struct lj_host *h, const struct lj_host_fact *fact, struct things *t);
/* Counts a flow's end, at those that are remembered: an end makes nobody known. */
void host_end(const struct lj_host *h, const struct lj_host_fact *fact, const struct things *t);
/* After an end or a look: what stands beside the flow; */
void host_view(const struct lj_host *h, const struct things *t, struct lj_host_context *context);
/* or, where nobody asks, its things are no less as of now. */
void host_touch(const struct lj_host *h, const struct things *t);

#endif
