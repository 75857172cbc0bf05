/* Private: the table, shared by control and path. */
#ifndef FLOW_TABLE_H
#define FLOW_TABLE_H

#include <stddef.h>
#include <string.h>

#include <rte_vect.h>

#include "flow_slot.h"
#include "lj_flow.h"

#define BUCKET_SLOTS 8
/* 275 s in ticks of LJ_FLOW_TICK_NS; later deadlines are filed again when the wheel gets there. */
#define WHEEL_SLOTS (64 * 64)
#define NONE	    UINT32_MAX
/* Records for young flows that end: as many as one update can lend. */
#define SPARE_RECORDS (2 * LJ_BURST_MAX)

/*
 * One cache line: the records in this bucket and 16 bits of their hashes. `overflow` counts the
 * records that were placed in a later bucket because this one was full, so a lookup knows when to
 * continue, and a removal needs no tombstone.
 */
struct bucket {
	uint16_t signature[BUCKET_SLOTS];
	uint32_t record[BUCKET_SLOTS]; /* index + 1; 0 is empty */
	uint16_t overflow;
	uint16_t reserved[7];
};
LJ_ASSERT_LINES(struct bucket, 1);

/* Limits derived from the configuration below which a packet can take the fast path. */
struct quick_limits {
	uint64_t gap_ns;  /* since the flow's previous packet */
	uint64_t age_ns;  /* since its first packet */
	uint32_t packets; /* of the flow before this one */
};

/* Parts of a record that a flow wrote, and that must be cleared before its next use. */
#define DIRT_COMMON 0x01 /* lines that any flow writes: gaps, activity, bulk, splt, history */
#define DIRT_PAUSED 0x02 /* activity's second line */
#define DIRT_GAPS   0x04 /* splt's second line */
#define DIRT_SIDE   0x08 /* and twice that: side[] */
#define DIRT_TCP    0x20 /* and twice that: tcp[] */

/* Per-record data that is kept apart from the records, four per cache line, so that walking the
 * wheel's lists does not touch the records of neighbouring flows. */
struct flow_link {
	uint32_t next, prev; /* in its wheel list; NONE */
	uint32_t home;	     /* bucket */
	uint16_t wheel_slot;
	uint8_t dirt; /* DIRT_* of the record's previous flows */
	uint8_t reserved;
};

/* An expired flow and its sort key, since its record is not in the cache. */
struct flow_expired {
	struct lj_order order;
	uint32_t index;
};

struct lj_flow_table {
	struct lj_flow_config config;
	struct quick_limits quick;
	struct lj_counters *counters;
	struct bucket *buckets;
	uint64_t bucket_mask;
	struct flow_slot *slots; /* [capacity] */
	struct lj_flow *records; /* [capacity + SPARE_RECORDS]: one per slot, and the spare ones */
	struct flow_link *links; /* [capacity + SPARE_RECORDS] */
	uint32_t capacity;
	uint32_t high_water; /* slots ever used; those beyond were never touched */
	uint32_t *free;	     /* [capacity] stack of free slots below high_water */
	uint32_t n_free;
	uint32_t n_spare;
	uint32_t spare[SPARE_RECORDS]; /* stack of free records beyond `capacity` */
	uint32_t active;
	uint32_t evict_next; /* to be evicted for the waiting packet; NONE */
	uint16_t loss_epoch; /* incremented when packets were lost before they got here */

	uint64_t tick;			  /* the wheel has been visited up to here */
	uint64_t nearest;		  /* no records are filed under an earlier tick */
	uint64_t filed_words;		  /* a bit for each word of `filed` that is not 0 */
	uint64_t filed[WHEEL_SLOTS / 64]; /* a bit for each wheel slot that has records */
	uint32_t slot[WHEEL_SLOTS];	  /* first record of each wheel slot; NONE */

	/* Records that a tick or a flush made due, and the next of them to return. */
	struct flow_expired *expired; /* [capacity] */
	uint32_t n_expired, next_expired;

	/* Flows created by the latest update. */
	uint16_t n_begun;
	struct lj_flow_begun begun[LJ_BURST_MAX];
};

static inline struct flow_slot *slot_at(const struct lj_flow_table *t, uint32_t index)
{
	return &t->slots[index];
}

/* `record` as in the index: 1 + the slot's index. */
static inline struct flow_slot *slot_of_record(const struct lj_flow_table *t, uint32_t record)
{
	return t->slots + (size_t)record - 1;
}

static inline uint32_t index_of(const struct lj_flow_table *t, const struct flow_slot *s)
{
	return (uint32_t)(s - t->slots);
}

static inline struct lj_flow *record_at(const struct lj_flow_table *t, uint32_t index)
{
	return &t->records[index];
}

static inline struct lj_flow *record_of(const struct lj_flow_table *t, const struct flow_slot *s)
{
	return record_at(t, index_of(t, s));
}

static inline struct lj_flow_head *head_of(struct lj_flow *f)
{
	return (struct lj_flow_head *)f;
}

static inline struct lj_flow_identity *identity_of(struct lj_flow *f)
{
	return (struct lj_flow_identity *)&f->flow_id;
}

static inline bool is_live(const struct flow_slot *s)
{
	return s->state == LJ_FLOW_OPEN || s->state == LJ_FLOW_CLOSING;
}

/* Where a live flow's identity is. */
static inline struct lj_flow_identity *identity_at(const struct lj_flow_table *t,
						   struct flow_slot *s)
{
	return s->young ? &s->identity : identity_of(record_of(t, s));
}

static inline struct bucket *home_of(const struct lj_flow_table *t, uint64_t hash)
{
	return &t->buckets[hash & t->bucket_mask];
}

/* The low bits select the bucket, the top ones the worker; these are neither. */
static inline uint16_t signature_of(uint64_t hash)
{
	return (uint16_t)(hash >> 32);
}

/* The bucket slots whose signature matches that of *hash, as two bits each. */
static inline uint32_t matches(const struct bucket *b, const uint64_t *hash)
{
	__m128i all = _mm_load_si128((const __m128i *)b->signature);
	int16_t signature;

	/* A broadcast from memory is faster than one from a general purpose register. */
	memcpy(&signature, (const uint8_t *)hash + sizeof(uint32_t), sizeof(signature));
	return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi16(all, _mm_set1_epi16(signature)));
}

static inline bool same_key(const struct lj_flow_key *a, const struct lj_flow_key *b)
{
	const uint8_t *x = (const uint8_t *)a, *y = (const uint8_t *)b;
	__m256i differ = _mm256_xor_si256(_mm256_loadu_si256((const __m256i *)x),
					  _mm256_loadu_si256((const __m256i *)y));
	uint64_t last[2];

	_Static_assert(sizeof(*a) == sizeof(differ) + sizeof(last[0]),
		       "addresses, and one more word");
	memcpy(&last[0], x + sizeof(differ), sizeof(last[0]));
	memcpy(&last[1], y + sizeof(differ), sizeof(last[1]));
	return last[0] == last[1] && _mm256_testz_si256(differ, differ);
}

/* Adds the slot's log, which ends before entry `to`, to the flow's record, and empties the log. A
 * young flow is then no longer young. */
void slot_fold(struct lj_flow_table *t, struct flow_slot *s, uint32_t to);
/* The same for a young flow that ends. Uses a spare record if there is one; the slot is then free.
 */
struct lj_flow *young_end(struct lj_flow_table *t, struct flow_slot *s);

/* The first record of the first wheel list that is not empty; NONE in an empty table. */
uint32_t wheel_first(struct lj_flow_table *t);
/* wheel_nearest() when more than one flow may have to be looked at. */
struct flow_slot *wheel_search(struct lj_flow_table *t);

/* Removes the flow from the table and makes it due for `reason`. Returns the due record. */
struct lj_flow *flow_end(struct lj_flow_table *t, struct flow_slot *s, enum lj_due reason,
			 struct lj_order order);
/* Makes a flow due that continues. Returns its record. */
struct lj_flow *flow_early(struct lj_flow_table *t, struct flow_slot *s, enum lj_due reason,
			   uint64_t at_ns, struct lj_order order);
/* Why a closing flow ends. */
static inline enum lj_due closing_reason(const struct lj_flow_identity *identity)
{
	return identity->rst_side_plus1 != 0 ? LJ_DUE_RST : LJ_DUE_FIN;
}

/* When FIN both ways or RST closed the flow; for a young one that is its latest packet. */
static inline uint64_t closed_at(const struct lj_flow_table *t, const struct flow_slot *s)
{
	return s->young ? s->last_ns : record_of(t, s)->closed_ns;
}

/* Why the flow has ended at `now_ns`, or LJ_DUE_NOT. Used for packets and for the wheel. */
static inline enum lj_due over_at(const struct lj_flow_table *t, struct flow_slot *s,
				  uint64_t now_ns)
{
	bool idle = now_ns > s->last_ns + t->config.idle_timeout_ns;

	if (s->state != LJ_FLOW_CLOSING)
		return idle ? LJ_DUE_IDLE : LJ_DUE_NOT;
	if (idle || now_ns > closed_at(t, s) + t->config.tcp_linger_ns)
		return closing_reason(identity_at(t, s));
	return LJ_DUE_NOT;
}

/* Adds entries `from` to `to` - 1 of a log to a record; they are the latest packets counted in
 * `head`. */
void account_log(const struct lj_flow_head *head, struct lj_flow *f, const struct logged *log,
		 uint32_t from, uint32_t to, uint32_t keep);
/* Adds one packet to the record and to its head, which may be a slot's; `side` is 0 for the
 * initiator. */
void account_packet(struct lj_flow_head *head, struct lj_flow *f, const struct lj_packet *p,
		    int side, uint32_t keep);

#endif
