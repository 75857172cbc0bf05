/*
 * A bounded queue of fixed-size records from one thread to one other thread, read in place.
 *
 * Every record begins with a `struct lj_order`. When a producer's records come in ascending order
 * and it tells its watermark, a consumer of several queues can merge them into one order that does
 * not depend on timing (lj_merge.h): that is how a replay gives the same output on any number of
 * lcores.
 *
 * Thread: producer calls (reserve, commit, advance, close) from one thread, consumer calls (peek,
 * at, release, watermark, closed) from one thread, counts from any.
 */
#ifndef LJ_QUEUE_H
#define LJ_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * A place in the total order of a replay: `seq` is that of the packet which caused the record,
 * `tie` orders the records of one packet. Compared as a pair. In live capture it is not used.
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
 * `name` as from_to: "worker2_infer0" (under 64 characters). `count` records (rounded up to a power
 * of two, at least 2) of `record_bytes` (a multiple of 8) on `socket_id` (SOCKET_ID_ANY will do).
 * NULL with errno set.
 */
struct lj_queue *lj_queue_create(const char *name, uint32_t count, uint32_t record_bytes,
				 int socket_id);
void lj_queue_destroy(struct lj_queue *q);

/* Records waiting; exact for the consumer when the producer is at rest, otherwise a recent value.
 */
uint32_t lj_queue_count(const struct lj_queue *q);
uint32_t lj_queue_capacity(const struct lj_queue *q);

/* Producer: room for one record, NULL when full. Written in place, then committed. */
void *lj_queue_reserve(struct lj_queue *q);
void lj_queue_commit(struct lj_queue *q);

/*
 * Producer: "no record before `order` will come any more". An order not after the one told last
 * changes nothing. A producer that has to wait for room must first tell what it is waiting to put
 * in, and tell all the queues it fills, or consumers that merge may wait for each other for ever.
 */
void lj_queue_advance(struct lj_queue *q, struct lj_order order);
/* Producer: nothing more will come. */
void lj_queue_close(struct lj_queue *q);

/*
 * Consumer: pointers to up to `n` waiting records, oldest first, without taking them; valid until
 * released. A second call gives the same records again. Returns how many.
 */
uint32_t lj_queue_peek(struct lj_queue *q, void **records, uint32_t n);
/* Consumer: gives the space of the `n` oldest records back. n <= what was peeked. */
void lj_queue_release(struct lj_queue *q, uint32_t n);

/* Consumer: the i-th oldest waiting record, NULL when there are not as many. */
void *lj_queue_at(struct lj_queue *q, uint32_t i);

/* Consumer: the latest watermark, or an earlier one. */
struct lj_order lj_queue_watermark(const struct lj_queue *q);
/* Consumer: nothing further will be committed; look at the queue after this, not before. */
bool lj_queue_closed(const struct lj_queue *q);

#endif
