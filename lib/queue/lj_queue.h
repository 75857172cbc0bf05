/*
 * A bounded single-producer, single-consumer queue of fixed-size records, which are written and
 * read in place.
 *
 * Every record begins with a `struct lj_order`. If a producer commits its records in ascending
 * order and publishes a watermark, a consumer of several queues can merge them into one sequence
 * that does not depend on timing (lj_merge.h). This is how a replay gives the same output on any
 * number of lcores.
 *
 * Thread: producer calls (reserve, commit, advance, close) from one thread, consumer calls (peek,
 * at, release, watermark, closed) from one thread, counts from any.
 */
#ifndef LJ_QUEUE_H
#define LJ_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * A position in the total order of a replay: `seq` is that of the packet that caused the record,
 * `tie` orders the records caused by one packet. Compared as a pair. Not used in live capture.
 */
struct lj_order {
	uint64_t seq;
	uint64_t tie;
};

static inline bool lj_order_before(struct lj_order a, struct lj_order b)
{
	return a.seq != b.seq ? a.seq < b.seq : a.tie < b.tie;
}

struct lj_queue;

/*
 * `name` is from_to, such as "worker2_infer0" (under 64 characters; for debuggers). Room for
 * `count` records (rounded up to a power of two, at least 2) of `record_bytes` (a multiple of 8) on
 * `socket_id` (may be SOCKET_ID_ANY). NULL with errno set.
 */
struct lj_queue *lj_queue_create(const char *name, uint32_t count, uint32_t record_bytes,
				 int socket_id);
void lj_queue_destroy(struct lj_queue *q);

/* Records waiting; exact for the consumer while the producer is idle, otherwise a recent value. */
uint32_t lj_queue_count(const struct lj_queue *q);
uint32_t lj_queue_capacity(const struct lj_queue *q);

/* Producer: returns room for one record, to be written in place and then committed; NULL if full.
 */
void *lj_queue_reserve(struct lj_queue *q);
void lj_queue_commit(struct lj_queue *q);

/*
 * Producer: raises the watermark: no record before `order` will follow. An order that is not after
 * the current watermark is ignored. A producer that has to wait for room must first publish the
 * order of the record it is waiting to queue, in all the queues that it fills; otherwise consumers
 * that merge may deadlock.
 */
void lj_queue_advance(struct lj_queue *q, struct lj_order order);
/* Producer: no further records will follow. */
void lj_queue_close(struct lj_queue *q);

/*
 * Consumer: stores pointers to up to `n` waiting records, oldest first, and returns how many. They
 * stay in the queue, and valid, until released; a second call returns the same records again.
 */
uint32_t lj_queue_peek(struct lj_queue *q, void **records, uint32_t n);
/* Consumer: releases the `n` oldest records; `n` must not exceed what was peeked. */
void lj_queue_release(struct lj_queue *q, uint32_t n);

/* Consumer: the i-th oldest waiting record, from 0; NULL if there is none. */
void *lj_queue_at(struct lj_queue *q, uint32_t i);

/* Consumer: the latest watermark, or an earlier one. */
struct lj_order lj_queue_watermark(const struct lj_queue *q);
/* Consumer: whether the producer has closed the queue. Check this before looking for records:
 * afterwards none can be added unseen. */
bool lj_queue_closed(const struct lj_queue *q);

#endif
