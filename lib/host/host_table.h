/* Private: the stage's tables. */
#ifndef HOST_TABLE_H
#define HOST_TABLE_H

#include "lj_host.h"

/*
 * Time goes in beats of 1.25 s, counted from the epoch: the shortest sub-window. The others are
 * whole numbers of beats.
 */
#define BEAT_NS	   1250000000ULL
#define SUBWINDOWS 4
#define BEATS_5S   1
#define BEATS_60S  12
#define BEATS_600S 120
#define MEMORY_BEATS                                                                               \
	(SUBWINDOWS * BEATS_600S) /* what is older is in no window: its place is free */

/* The number of the sub-window that a beat is in. */
static inline uint32_t subwindow(enum lj_host_window w, uint32_t beat)
{
	switch (w) {
	case LJ_HOST_5S:
		return beat / BEATS_5S;
	case LJ_HOST_60S:
		return beat / BEATS_60S;
	default:
		return beat / BEATS_600S;
	}
}

/* --- directory: which place of a table is whose --- */

#define WAYS 8
#define NONE UINT32_MAX

/* A line. A tag of 0 is an empty place. */
struct place_set {
	uint32_t tag[WAYS];
	uint32_t used[WAYS]; /* beat of the latest use; top bit: established */
};
LJ_ASSERT_LINES(struct place_set, 1);

struct directory {
	struct place_set *sets;
	uint64_t mask;
};

struct place {
	uint32_t index;	 /* set * WAYS + way */
	uint32_t before; /* beat of the use before this one; 0: new here */
	bool taken;	 /* from an empty place */
	bool evicted;	 /* from somebody who was not outlived yet */
};

static inline struct place_set *set_of(const struct directory *d, uint64_t hash)
{
	return &d->sets[hash & d->mask];
}

/* Where it is, or NONE; not a use. */
uint32_t directory_find(const struct directory *d, uint64_t hash, uint32_t beat);
/* Where it is or from now on is. A use: whoever is met a second time is established. */
struct place directory_claim(struct directory *d, uint64_t hash, uint32_t beat);

/* --- tally: windowed counts of one role of one thing --- */

struct subcounts {
	uint16_t count[LJ_HOST_COUNTS];
	uint32_t sent, received;
};
_Static_assert(sizeof(struct subcounts) == 32, "half a line");

/* Zeroed is an empty one. */
struct tally {
	struct subcounts sub[LJ_HOST_WINDOWS][SUBWINDOWS];
	uint32_t beat;	/* the subs are as of this */
	uint32_t since; /* beat of the first count: what was marked before is not in here */
	uint32_t reserved[6];
};

/* Forgets what left the windows until `beat`. First call of all on a tally, each time. */
void tally_turn(struct tally *t, uint32_t beat);
void tally_add(struct tally *t, enum lj_host_count what);
void tally_add_bytes(struct tally *t, uint32_t sent, uint32_t received);
/* One distinct thing, last seen in `before` (0: never). */
void tally_distinct(struct tally *t, enum lj_host_count what, uint32_t before);
uint32_t tally_sum(const struct tally *t, enum lj_host_window w, enum lj_host_count what);
void tally_view(const struct tally *t, struct lj_host_view views[LJ_HOST_WINDOWS]);

/* --- the stage --- */

struct host {
	struct tally out, in; /* as initiator, as responder */
};

struct conversation {
	struct tally tally;
	struct lj_host_rhythm rhythm;
	uint64_t begun_ns; /* the latest flow */
	uint32_t next_gap, next_end;
};

/* A flow that has begun and is not over, and what stood beside it. */
struct opening {
	uint16_t count[LJ_HOST_OPENINGS];
};

struct lj_host {
	struct directory hosts, services, conversations, openings, marks;
	struct host *host;
	struct tally *service;
	struct conversation *conversation;
	struct opening *opening;
	struct lj_counters *counters;
	struct lj_host_config config;
	uint64_t clock_ns;
	uint32_t beat;
	uint64_t held; /* places taken, of hosts, services and conversations */
};

/* Two words into one, all bits of both in each of it (wyhash's multiply and fold). */
static inline uint64_t fold(uint64_t a, uint64_t b)
{
	unsigned __int128 product =
		(unsigned __int128)(a ^ 0xa0761d6478bd642f) * (b ^ 0xe7037ed1a0b428db);

	return (uint64_t)(product >> 64) ^ (uint64_t)product;
}

#endif
