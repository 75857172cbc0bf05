/*
 * One worker's flow table.
 *
 * A flow is bidirectional: both directions share one record (lj_record.h). A record is due for a
 * verdict when it reaches `classify_at` packets or the age `classify_after_ns`, and when it ends. A
 * record ends after a gap longer than the idle timeout, when it is older than the active timeout,
 * or at 2^32 - 1 packets. This is decided by *packet* times, so records do not depend on when the
 * table is polled. Expiry uses a timing wheel that costs nothing per packet: a record is filed
 * under the earliest time at which it can expire, and filed again if it is still alive at that
 * time.
 *
 * In a replay the receiver sends a tick (LJ_PACKET_TICK) each time packet time passes a multiple of
 * LJ_FLOW_TICK_NS. All records that have expired by then are due, ordered by (the tick's seq,
 * flow_id), so that the order of due records is the same for any number of workers. Records made
 * due by a packet are ordered by (its seq; 0, 1, 2 for each of them). Ticks have sequence numbers
 * of their own.
 *
 * The table's memory comes from lj_memory_map().
 *
 * Not thread-safe: a table belongs to one lcore from creation to destruction.
 */
#ifndef LJ_FLOW_H
#define LJ_FLOW_H

#include <stdint.h>

#include "lj_record.h"
#include "lj_stats.h"

#define LJ_FLOW_TICK_NS (1ULL << 26) /* 67 ms */

/* Parts of the record that cost one or more cache lines per packet; kept only if a model or a sink
 * needs them. */
#define LJ_KEEP_TCP	 0x01 /* tcp[], history, handshake times */
#define LJ_KEEP_PAYLOAD	 0x02 /* second line of each side */
#define LJ_KEEP_ACTIVITY 0x04 /* activity */
#define LJ_KEEP_BULK	 0x08 /* bulk[] */
#define LJ_KEEP_SPLT	 0x10 /* splt */
#define LJ_KEEP_SIZES	 0x20 /* sizes */
#define LJ_KEEP_APP	 0x40 /* dns_id, dns_type, dns_ttl, ftp_code */
#define LJ_KEEP_ALL	 0x7f
#define LJ_KEEP_HOST	 0x80 /* not a part of the record: the host context (lj_host.h) */

struct lj_flow_config {
	uint32_t capacity;	    /* records: 1024..2^27 */
	uint32_t keep;		    /* LJ_KEEP_* */
	uint32_t classify_at;	    /* packets; 0 off */
	uint64_t classify_after_ns; /* 0 off */
	uint64_t idle_timeout_ns;   /* > 0 */
	uint64_t active_timeout_ns; /* > 0 */
	uint64_t tcp_linger_ns;	    /* how long a closed TCP flow waits for late packets */
	bool ordered;		    /* replay: return due records in order */
	bool begun;		    /* report new records: lj_flow_begun() */
	int socket_id;
};

struct lj_flow_table;

/* Allocates all memory that the table will ever use. `counters` is borrowed. NULL with rte_errno.
 */
struct lj_flow_table *lj_flow_create(const char *name, const struct lj_flow_config *config,
				     struct lj_counters *counters);
void lj_flow_destroy(struct lj_flow_table *t);
/* Bytes that lj_flow_create() would allocate for `capacity` records. */
uint64_t lj_flow_memory(uint32_t capacity);

/*
 * Changes timeouts and classify_at. Takes effect with the next packet of each flow, or for silent
 * flows the next time the wheel visits them. `keep`, `capacity`, `ordered`, `begun` and `socket_id`
 * are ignored.
 */
void lj_flow_configure(struct lj_flow_table *t, const struct lj_flow_config *config);

/*
 * Accounts up to LJ_BURST_MAX packets (LJ_PACKET_DATA, ascending seq) and stores the records that
 * became due in `due`, which needs room for n + 2: a packet can end its own record, evict another
 * and make its new one due at once. Returns how many packets were consumed: it stops before a
 * packet of a record that is already in `due`, so that a lent record never changes. Call
 * lj_flow_settle(), then again with the remaining packets. The records in `due` are lent until
 * lj_flow_settle().
 *
 * If the table is full, a new flow evicts the one that times out next; if the first 16 on the wheel
 * have all had packets since they were filed, the one of these that has been silent longest. If
 * that record is lent, the packet waits, so that evictions do not depend on the burst boundaries.
 * If none can be evicted, the packet is counted as flow_refused and dropped.
 */
uint16_t lj_flow_update(struct lj_flow_table *t, const struct lj_packet *packets, uint16_t n,
			struct lj_flow **due, uint16_t *n_due);

/*
 * Looks up the packets of a coming update in the index, stores the result in packets[].record as a
 * hint, and prefetches their records. Optional: an update without it only has more cache misses.
 * The earlier before the update, the better.
 */
void lj_flow_ask(const struct lj_flow_table *t, struct lj_packet *packets, uint16_t n);

/* A new flow; continuations after an active timeout do not count. */
struct lj_flow_begun {
	struct lj_flow_key key;
	uint64_t first_ns;
	uint64_t flow_id;
	struct lj_order order; /* among those of due records */
	uint8_t initiator;
};

/* The flows that the latest lj_flow_update() created, in order; *n is at most one per packet, and 0
 * unless `begun` is configured. Valid until the next update. */
const struct lj_flow_begun *lj_flow_begun(const struct lj_flow_table *t, uint16_t *n);

/*
 * Stores up to `max` records that have expired at `clock_ns` in `due`, and returns how many.
 * Ordered tables: call with each tick's seq until it returns 0. Live: call once per poll with seq
 * 0; it looks at no more than 8 * `max` records and continues from there the next time. Call
 * lj_flow_settle() between calls.
 */
uint16_t lj_flow_advance(struct lj_flow_table *t, uint64_t clock_ns, uint64_t seq,
			 struct lj_flow **due, uint16_t max);

/*
 * At the end of the capture: makes all records due as flushed, in the order in which they would
 * have expired: by (seq + the time of expiry in ns, flow_id). Call until it returns 0, with
 * lj_flow_settle() between calls.
 */
uint16_t lj_flow_flush(struct lj_flow_table *t, uint64_t seq, struct lj_flow **due, uint16_t max);

/* Takes lent records back: frees those that ended, restarts those that continue after an active
 * timeout. */
void lj_flow_settle(struct lj_flow_table *t, struct lj_flow **due, uint16_t n);

/* Packets for this table were lost before they reached it: marks all live records as `lossy`. */
void lj_flow_note_loss(struct lj_flow_table *t);

uint32_t lj_flow_active(const struct lj_flow_table *t);

/* The index for lj_parser_feed(): a key is looked up first in cache line `hash & *mask`. Read-only;
 * valid as long as the table. */
const void *lj_flow_index(const struct lj_flow_table *t, uint64_t *mask);

/*
 * For iterating over all live records: indexes are 0 .. lj_flow_records() - 1. lj_flow_live()
 * copies a live record's head and identity; false if the index is not in use. Counters are valid
 * only in due records.
 */
uint32_t lj_flow_records(const struct lj_flow_table *t);
bool lj_flow_live(const struct lj_flow_table *t, uint32_t index, struct lj_flow_head *head,
		  struct lj_flow_identity *identity);
/* Further packets of this live record's flow go to another table: marks the record as `lossy`. */
void lj_flow_note_parted(struct lj_flow_table *t, uint32_t index);

#endif
