/*
 * One worker's flow table.
 *
 * A flow is bidirectional: both directions share one record (lj_record.h). Records are due for a
 * verdict when they reach `classify_at` packets or `classify_after_ms`, and when they end. Flows
 * are cut by *packet* times: a gap over the idle timeout or an age over the active timeout ends the
 * record (as 2^32 - 1 packets do), whenever it is noticed, so records do not depend on polling.
 * Expiry is noticed by a timing wheel that costs a packet nothing: a record is filed once under the
 * earliest time it can expire, and filed anew when that time comes and it has lived on.
 *
 * In a replay the receiver sends a tick (LJ_PACKET_TICK) each time packet time passes a multiple of
 * LJ_FLOW_TICK_NS; all that has expired by then is due, ordered by (tick's seq, flow_id), so that
 * the order of due records, too, is the same for any number of workers. Records made due by a
 * packet are ordered by (its seq, n-th of that packet: 0, 1, 2). Ticks have sequence numbers of
 * their own.
 *
 * The table's memory is the EAL's when that has hugepages; otherwise ordinary memory that costs
 * nothing until a record is used.
 *
 * Not thread-safe: a table belongs to one lcore from creation to destruction.
 */
#ifndef LJ_FLOW_H
#define LJ_FLOW_H

#include <stdint.h>

#include "lj_record.h"
#include "lj_stats.h"

#define LJ_FLOW_TICK_NS (1ULL << 26) /* 67 ms */

/* Parts of the record that cost a line or more a packet, kept when a model or sink needs them. */
#define LJ_KEEP_TCP	 0x01 /* tcp[], history, handshake times */
#define LJ_KEEP_PAYLOAD	 0x02 /* second line of each side */
#define LJ_KEEP_ACTIVITY 0x04 /* activity */
#define LJ_KEEP_BULK	 0x08 /* bulk[] */
#define LJ_KEEP_SPLT	 0x10 /* splt */
#define LJ_KEEP_SIZES	 0x20 /* sizes */
#define LJ_KEEP_APP	 0x40 /* dns_id, dns_type, dns_ttl, ftp_code */
#define LJ_KEEP_ALL	 0x7f
#define LJ_KEEP_HOST	 0x80 /* no part of the record: host context beside it (lj_host.h) */

struct lj_flow_config {
	uint32_t capacity;	    /* records: 1024..2^27 */
	uint32_t keep;		    /* LJ_KEEP_* */
	uint32_t classify_at;	    /* packets; 0 off */
	uint64_t classify_after_ns; /* 0 off */
	uint64_t idle_timeout_ns;   /* > 0 */
	uint64_t active_timeout_ns; /* > 0 */
	uint64_t tcp_linger_ns;	    /* how long a closed TCP flow waits for stragglers */
	bool ordered;		    /* replay: due records in order */
	bool begun;		    /* tell what begins: lj_flow_begun() */
	int socket_id;
};

struct lj_flow_table;

/* Allocates all it will ever use. NULL with rte_errno. */
struct lj_flow_table *lj_flow_create(const char *name, const struct lj_flow_config *config,
				     struct lj_counters *counters);
void lj_flow_destroy(struct lj_flow_table *t);
/* Bytes that lj_flow_create() would allocate for `capacity` records. */
uint64_t lj_flow_memory(uint32_t capacity);

/*
 * New timeouts and classify_at; takes effect from the next packet of each flow, and at the next
 * wheel visit for silent ones. Owner lcore only. `keep`, `capacity`, `ordered`, `begun` and
 * `socket_id` are ignored.
 */
void lj_flow_configure(struct lj_flow_table *t, const struct lj_flow_config *config);

/*
 * Accounts up to LJ_BURST_MAX packets (LJ_PACKET_DATA, ascending seq) and collects the records this
 * made due in `due`, which needs room for n + 2: a packet can end its own record, evict another and
 * make its new one due at once. Returns how many packets were consumed: it stops early before a
 * packet of a record that is already in `due`, so that a lent record never changes. Call again with
 * the rest after lj_flow_settle(). Records stay in the table, and valid, until then.
 *
 * A packet that finds the table full of live flows evicts the one whose timeout comes next, or when
 * the 16 first on the wheel have all lived on since they were filed, the one of them silent longest
 * (counted); should it be lent, the packet waits, so that who goes does not depend on the bursts.
 * It is counted as flow_refused and forgotten only when none can go.
 */
uint16_t lj_flow_update(struct lj_flow_table *t, const struct lj_packet *packets, uint16_t n,
			struct lj_flow **due, uint16_t *n_due);

/*
 * Looks in the index which records the packets of an update to come seem to have, notes them in the
 * packets and asks memory for them: the sooner before the update, the less that waits. An update
 * finds what has not been asked for, too, at the cost of all misses.
 */
void lj_flow_ask(const struct lj_flow_table *t, struct lj_packet *packets, uint16_t n);

/* A record that has begun, parts after an active timeout apart. */
struct lj_flow_begun {
	struct lj_flow_key key;
	uint64_t first_ns;
	uint64_t flow_id;
	struct lj_order order; /* among those of due records */
	uint8_t initiator;
};

/* What the latest lj_flow_update() began, in order, *n of them (at most one a packet); none unless
 * configured. The table's own, until the next update. */
const struct lj_flow_begun *lj_flow_begun(const struct lj_flow_table *t, uint16_t *n);

/*
 * Collects up to `max` records that have expired at `clock_ns`. Ordered tables: call until it
 * returns 0 for each tick, with the tick's seq. Live: once a poll, seq 0; looks at no more than
 * 8 * `max` records and goes on where it stopped.
 * Settle between calls.
 */
uint16_t lj_flow_advance(struct lj_flow_table *t, uint64_t clock_ns, uint64_t seq,
			 struct lj_flow **due, uint16_t max);

/*
 * The capture has ended: all records are due as flushed, as if its clock ran on over silence:
 * ordered by (seq + when each would have expired in ns, flow_id). Call until it returns 0.
 */
uint16_t lj_flow_flush(struct lj_flow_table *t, uint64_t seq, struct lj_flow **due, uint16_t max);

/* Forgets the ended records of `due`, and begins the continuing ones; early ones go on. */
void lj_flow_settle(struct lj_flow_table *t, struct lj_flow **due, uint16_t n);

/* Packets of this table were lost on their way in: the records that live now are `lossy`. Owner
 * lcore only. */
void lj_flow_note_loss(struct lj_flow_table *t);

uint32_t lj_flow_active(const struct lj_flow_table *t);

/* Where a key is looked up first: line `hash & *mask`. Read-only; valid as long as the table. */
const void *lj_flow_index(const struct lj_flow_table *t, uint64_t *mask);

/*
 * To look at all live records, a few at a time: those of index 0 .. lj_flow_records() - 1 of which
 * lj_flow_live() tells head and identity; it is false for the others. Counters are only in due
 * records. Owner lcore only.
 */
uint32_t lj_flow_records(const struct lj_flow_table *t);
bool lj_flow_live(const struct lj_flow_table *t, uint32_t index, struct lj_flow_head *head,
		  struct lj_flow_identity *identity);
/* The rest of a live record's flow goes to another table: the record is `lossy`. */
void lj_flow_note_parted(struct lj_flow_table *t, uint32_t index);

#endif
