/* Private: the table as control and path both see it. */
#ifndef FLOW_TABLE_H
#define FLOW_TABLE_H

#include <stddef.h>
#include <string.h>

#include <rte_vect.h>

#include "lj_flow.h"

#define BUCKET_SLOTS 8
/* Times LJ_FLOW_TICK_NS is 275 s; what is due later is filed anew on the way. */
#define WHEEL_SLOTS (64 * 64)
#define NONE	    UINT32_MAX
/* Records that young flows end in: as many as one update can have lent at most. */
#define SPARE_SLOTS (2 * LJ_BURST_MAX)

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

/* What a packet may not exceed to be nothing but logged; from the configuration. */
struct quick_limits {
	uint64_t gap_ns;  /* since the flow's packet before */
	uint64_t age_ns;  /* since its first */
	uint32_t packets; /* of the flow until then */
};

/*
 * A packet that needs no more than this: the flow's side has spoken before, nothing is special
 * about it (no SYN, FIN or RST, no fragment, nothing of an application).
 */
struct logged {
	uint32_t gap_ns; /* since the flow's packet before */
	uint32_t tcp_seq;
	uint16_t l3_bytes;
	uint16_t tcp_window;
	uint8_t tcp_flags;
	uint8_t ttl;
	uint8_t header_bytes;	    /* l3_bytes - payload */
	uint8_t l4_header_and_side; /* header bytes / 4 in bits 0..3, side in bit 7 */
};

/*
 * The latest packets of a flow, not yet in its record. At many flows a packet costs as much as the
 * cache lines it touches: bucket, first line and log are three; the record's other lines, six to
 * twelve, are touched once for FLOW_LOG packets.
 */
#define FLOW_LOG 16
#define LOG_LINE 4 /* packets of a log to a line */
struct flow_log {
	struct logged packet[FLOW_LOG];
};
LJ_ASSERT_LINES(struct flow_log, FLOW_LOG / 4);

/*
 * A packet of a young flow, which has had no more than two: all that is accounted of it. Most flows
 * of a flood or a scan never grow older. While a flow is young its packets are in the second half
 * of its identity's line, and its record has no more than that and its first line: the others, ten
 * or more, are written when a third packet comes, or when the flow ends, and then into a spare
 * record, which is in the cache.
 */
#define YOUNG_PACKETS 2
struct young_packet {
	uint16_t l3_bytes, payload_bytes;
	union {
		struct {
			uint32_t tcp_seq;
			uint16_t tcp_window, tcp_mss;
		};
		struct {
			uint32_t dns_ttl;
			uint16_t dns_id, dns_type;
		};
	};
	uint8_t tcp_flags, tcp_wscale;
	uint8_t ttl;
	uint8_t l4_header_units : 4; /* of 4 bytes */
	uint8_t application : 2;     /* enum lj_application */
	uint8_t side : 1;
} __attribute__((__may_alias__));
_Static_assert(sizeof(struct young_packet) == 16, "half a line for two");

#define IDENTITY_END 128 /* bytes of a record's first line and its identity's */
_Static_assert(offsetof(struct lj_flow, order) ==
		       IDENTITY_END - YOUNG_PACKETS * sizeof(struct young_packet),
	       "what is known from the beginning comes first");
_Static_assert(offsetof(struct lj_flow, side) == IDENTITY_END, "its line ends there");

/* Parts of a record that its flow wrote, and the next to use it has to clear. */
#define DIRT_COMMON 0x01 /* lines that any flow writes: gaps, activity, bulk, splt, history */
#define DIRT_PAUSED 0x02 /* activity's second line */
#define DIRT_GAPS   0x04 /* splt's second line */
#define DIRT_SIDE   0x08 /* and twice that: side[] */
#define DIRT_TCP    0x20 /* and twice that: tcp[] */

/* What the table keeps of a record apart from it: four to a line, so that the wheel's lists and the
 * end of a flow need no lines of its neighbours. */
struct flow_link {
	uint32_t next, prev; /* in its list of the wheel; NONE */
	uint32_t home;	     /* bucket */
	uint16_t wheel_slot;
	uint8_t dirt; /* DIRT_* of the flows that had it before */
	uint8_t reserved;
};

/* What the table keeps of a flow. */
struct flow_slot {
	struct flow_log log; /* before the record's first line, so that both share a page */
	struct lj_flow flow;
};

struct lj_flow_table {
	struct lj_flow_config config;
	struct quick_limits quick;
	struct lj_counters *counters;
	struct bucket *buckets;
	uint64_t bucket_mask;
	struct flow_slot *slots; /* [capacity + SPARE_SLOTS] */
	struct flow_link *links; /* of each */
	uint32_t capacity;
	uint32_t high_water; /* records ever used: what is beyond was never touched */
	uint32_t *free;	     /* [capacity] the free ones below; the last is taken first */
	uint32_t n_free;
	uint32_t n_spare;
	uint32_t spare[SPARE_SLOTS]; /* free ones beyond `capacity`, for young flows that end */
	uint32_t active;
	uint16_t loss_epoch; /* goes up when packets were lost on their way here */

	uint64_t tick;			  /* the wheel has been visited up to here */
	uint64_t filed_words;		  /* a bit for each word of `filed` that is not 0 */
	uint64_t filed[WHEEL_SLOTS / 64]; /* a bit for each slot that has records */
	uint32_t slot[WHEEL_SLOTS];	  /* first record of each; NONE */

	/* What a tick or a flush made due, and how much of it has been handed out. */
	uint32_t *expired; /* [capacity] */
	uint32_t n_expired, next_expired;

	/* What the latest update began. */
	uint16_t n_begun;
	struct lj_flow_begun begun[LJ_BURST_MAX];
};

static inline struct lj_flow *record_at(const struct lj_flow_table *t, uint32_t index)
{
	return &t->slots[index].flow;
}

static inline struct flow_link *link_of(const struct lj_flow_table *t, const struct lj_flow *f)
{
	return &t->links[f->index];
}

static inline struct bucket *home_of(const struct lj_flow_table *t, uint64_t hash)
{
	return &t->buckets[hash & t->bucket_mask];
}

/* Low bits choose the bucket, the top ones the worker; these are neither. */
static inline uint16_t signature_of(uint64_t hash)
{
	return (uint16_t)(hash >> 32);
}

/* Slots whose signature is the same, as two bits each. */
static inline uint32_t matches(const struct bucket *b, uint16_t signature)
{
	__m128i all = _mm_load_si128((const __m128i *)b->signature);

	return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi16(all, _mm_set1_epi16((short)signature)));
}

static inline bool same_key(const struct lj_flow_key *a, const struct lj_flow_key *b)
{
	__m256i x = _mm256_loadu_si256((const __m256i *)a);
	__m256i y = _mm256_loadu_si256((const __m256i *)b);
	__m256i differ = _mm256_xor_si256(x, y);
	uint64_t last[2];

	_Static_assert(sizeof(*a) == sizeof(x) + sizeof(last[0]), "addresses, and a word more");
	memcpy(&last[0], (const uint8_t *)a + sizeof(x), sizeof(last[0]));
	memcpy(&last[1], (const uint8_t *)b + sizeof(x), sizeof(last[1]));
	return _mm256_testz_si256(differ, differ) && last[0] == last[1];
}

/* Whether a live record's packets are those in its identity's line. */
static inline bool is_young(const struct lj_flow *f)
{
	return f->heard == 0;
}

static inline struct young_packet *young_packets(struct lj_flow *f)
{
	return (struct young_packet *)&f->order;
}

/* Makes a young flow's record one like any other. */
void young_grow(struct lj_flow_table *t, struct lj_flow *f);
/* The same for one that ends: the record it then has, which is another when one is to be spared. */
struct lj_flow *young_end(struct lj_flow_table *t, struct lj_flow *f);

/* Index of the first record of the first list that has any; NONE in an empty table. */
uint32_t wheel_first(struct lj_flow_table *t);
/* A record whose timeout is the next, or near it; NULL in an empty table. It may be lent. */
struct lj_flow *wheel_nearest(struct lj_flow_table *t);

/* Takes the flow out of the table and makes it due for `reason`. Returns the record it is due in.
 */
struct lj_flow *record_end(struct lj_flow_table *t, struct lj_flow *f, enum lj_due reason,
			   struct lj_order order);
/* Makes a record due that goes on. */
void record_early(struct lj_flow_table *t, struct lj_flow *f, enum lj_due reason, uint64_t at_ns,
		  struct lj_order order);
/* Why a closing record ends. */
static inline enum lj_due closing_reason(const struct lj_flow *f)
{
	return f->rst_side_plus1 != 0 ? LJ_DUE_RST : LJ_DUE_FIN;
}

/* When FIN both ways or RST closed it: the latest packet did, of a young one. */
static inline uint64_t closed_at(const struct lj_flow *f)
{
	return is_young(f) ? f->last_ns : f->closed_ns;
}

/* Why the record is over at `now_ns`, or LJ_DUE_NOT: the one rule for packets and for the wheel. */
static inline enum lj_due over_at(const struct lj_flow_table *t, const struct lj_flow *f,
				  uint64_t now_ns)
{
	bool idle = now_ns > f->last_ns + t->config.idle_timeout_ns;

	if (f->state != LJ_FLOW_CLOSING)
		return idle ? LJ_DUE_IDLE : LJ_DUE_NOT;
	if (idle || now_ns > closed_at(f) + t->config.tcp_linger_ns)
		return closing_reason(f);
	return LJ_DUE_NOT;
}

static inline struct flow_log *log_of(struct lj_flow *f)
{
	return &container_of(f, struct flow_slot, flow)->log;
}

/* Brings the record up to date with its log, of n packets. */
void account_log(struct lj_flow *f, const struct flow_log *log, uint32_t n, uint32_t keep);
/* Adds one packet to the record, whose log is empty; `side` is 0 for the initiator. */
void account_packet(struct lj_flow *f, const struct lj_packet *p, int side, uint32_t keep);

#endif
