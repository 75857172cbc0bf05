/* Private: the table as control and path both see it. */
#ifndef FLOW_TABLE_H
#define FLOW_TABLE_H

#include "lj_flow.h"

#define BUCKET_SLOTS 8
#define WHEEL_SLOTS                                                                                \
	4096 /* times LJ_FLOW_TICK_NS is 275 s; what is due later is filed anew on the way */
#define NONE UINT32_MAX

/*
 * A cache line: which records may be here, by 16 bits of their hash. `overflow` counts the records
 * whose home this is but that live in a later bucket, so a lookup knows when to go on, and a
 * removal needs no tombstone.
 */
struct bucket {
	uint16_t signature[BUCKET_SLOTS];
	uint32_t record[BUCKET_SLOTS]; /* index + 1; 0 is empty */
	uint16_t overflow;
	uint16_t reserved[7];
};
LJ_ASSERT_LINES(struct bucket, 1);

struct lj_flow_table {
	struct lj_flow_config config;
	struct lj_counters *counters;
	struct bucket *buckets;
	uint64_t bucket_mask;
	struct lj_flow *records;
	uint32_t capacity;
	uint32_t high_water; /* records ever used: what is beyond was never touched */
	uint32_t free;	     /* the first of the free ones below, linked by wheel_next; NONE */
	uint32_t active;

	uint64_t tick;		    /* the wheel has been visited up to here */
	uint64_t evict_from;	    /* no record is filed before this tick */
	uint32_t slot[WHEEL_SLOTS]; /* first record of each; NONE */

	/* What a tick or a flush made due, and how much of it has been handed out. */
	uint32_t *expired; /* [capacity] */
	uint32_t n_expired, next_expired;
};

static inline struct lj_flow *record_at(const struct lj_flow_table *t, uint32_t index)
{
	return &t->records[index];
}

/* When the wheel has to look at the record: the earliest time it can be due at. */
uint64_t wheel_deadline(const struct lj_flow_table *t, const struct lj_flow *f);
void wheel_file(struct lj_flow_table *t, struct lj_flow *f);
void wheel_remove(struct lj_flow_table *t, struct lj_flow *f);
/* The record nearest its timeout that is not lent, or NULL. */
struct lj_flow *wheel_nearest(struct lj_flow_table *t);

/* Takes the record out of the table and makes it due for `reason`. */
void table_end(struct lj_flow_table *t, struct lj_flow *f, enum lj_due reason,
	       struct lj_order order);
/* Makes a record due that goes on. */
void table_early(struct lj_flow_table *t, struct lj_flow *f, enum lj_due reason, uint64_t at_ns,
		 struct lj_order order);
/* Why a closing record ends. */
enum lj_due closing_reason(const struct lj_flow *f);

/* Adds one packet to the record's numbers; `side` is 0 for the initiator. */
void account_packet(struct lj_flow *f, const struct lj_packet *p, int side, uint32_t keep);

#endif
