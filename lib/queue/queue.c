#include "lj_queue.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>
#include <rte_malloc.h>

/*
 * Own ring rather than rte_ring: records are written and read in place, a consumer looks at the
 * same records again while it waits for more, and both are against the grain of rte_ring's
 * start/finish pairs.
 */
struct lj_queue {
	char name[64];
	uint32_t mask;
	uint32_t record_bytes;
	uint8_t *records;

	/* producer: wo; consumer: ro */
	uint64_t head __rte_aligned(128);
	uint64_t watermark_seq, watermark_tie;
	uint32_t closed;
	uint64_t tail_seen; /* the producer's own copy of tail */

	/* consumer: wo; producer: ro */
	uint64_t tail __rte_aligned(128);
	uint64_t head_seen; /* the consumer's own copy of head */
} __rte_aligned(128);

struct lj_queue *lj_queue_create(const char *name, uint32_t count, uint32_t record_bytes,
				 int socket_id)
{
	uint32_t capacity = rte_align32pow2(RTE_MAX(count, 2u));
	struct lj_queue *q;

	if (record_bytes == 0 || record_bytes % 8 != 0 || count > (1u << 30)) {
		errno = EINVAL;
		return NULL;
	}
	q = rte_zmalloc_socket("queue", sizeof(*q), 128, socket_id);
	if (q == NULL) {
		errno = ENOMEM;
		return NULL;
	}
	q->records = rte_zmalloc_socket("queue", (size_t)capacity * record_bytes, 128, socket_id);
	if (q->records == NULL) {
		rte_free(q);
		errno = ENOMEM;
		return NULL;
	}
	snprintf(q->name, sizeof(q->name), "%s", name);
	q->mask = capacity - 1;
	q->record_bytes = record_bytes;
	return q;
}

void lj_queue_destroy(struct lj_queue *q)
{
	if (q == NULL)
		return;
	rte_free(q->records);
	rte_free(q);
}

const char *lj_queue_name(const struct lj_queue *q)
{
	return q->name;
}

uint32_t lj_queue_count(const struct lj_queue *q)
{
	uint64_t tail = __atomic_load_n(&q->tail, __ATOMIC_ACQUIRE);

	return (uint32_t)(__atomic_load_n(&q->head, __ATOMIC_ACQUIRE) - tail);
}

uint32_t lj_queue_capacity(const struct lj_queue *q)
{
	return q->mask + 1;
}

static void *record(const struct lj_queue *q, uint64_t index)
{
	return q->records + (size_t)(index & q->mask) * q->record_bytes;
}

void *lj_queue_reserve(struct lj_queue *q)
{
	if (q->head - q->tail_seen > q->mask) {
		q->tail_seen = __atomic_load_n(&q->tail, __ATOMIC_ACQUIRE);
		if (q->head - q->tail_seen > q->mask)
			return NULL;
	}
	return record(q, q->head);
}

void lj_queue_commit(struct lj_queue *q)
{
	__atomic_store_n(&q->head, q->head + 1, __ATOMIC_RELEASE);
}

/*
 * Two words without a lock: tie goes to 0 before seq goes up, and a reader takes seq first, so
 * whatever it sees is at most the truth.
 */
void lj_queue_advance(struct lj_queue *q, struct lj_order order)
{
	if (order.seq != q->watermark_seq) {
		__atomic_store_n(&q->watermark_tie, 0, __ATOMIC_RELEASE);
		__atomic_store_n(&q->watermark_seq, order.seq, __ATOMIC_RELEASE);
	}
	__atomic_store_n(&q->watermark_tie, order.tie, __ATOMIC_RELEASE);
}

void lj_queue_close(struct lj_queue *q)
{
	__atomic_store_n(&q->closed, 1, __ATOMIC_RELEASE);
}

uint32_t lj_queue_peek(struct lj_queue *q, void **records, uint32_t n)
{
	uint64_t waiting = q->head_seen - q->tail;

	if (waiting < n) {
		q->head_seen = __atomic_load_n(&q->head, __ATOMIC_ACQUIRE);
		waiting = q->head_seen - q->tail;
	}
	n = (uint32_t)RTE_MIN((uint64_t)n, waiting);
	for (uint32_t i = 0; i < n; i++)
		records[i] = record(q, q->tail + i);
	return n;
}

void *lj_queue_at(struct lj_queue *q, uint32_t i)
{
	if (q->head_seen - q->tail <= i) {
		q->head_seen = __atomic_load_n(&q->head, __ATOMIC_ACQUIRE);
		if (q->head_seen - q->tail <= i)
			return NULL;
	}
	return record(q, q->tail + i);
}

void lj_queue_release(struct lj_queue *q, uint32_t n)
{
	__atomic_store_n(&q->tail, q->tail + n, __ATOMIC_RELEASE);
}

struct lj_order lj_queue_watermark(const struct lj_queue *q)
{
	struct lj_order order;

	order.seq = __atomic_load_n(&q->watermark_seq, __ATOMIC_ACQUIRE);
	order.tie = __atomic_load_n(&q->watermark_tie, __ATOMIC_ACQUIRE);
	return order;
}

bool lj_queue_closed(const struct lj_queue *q)
{
	return __atomic_load_n(&q->closed, __ATOMIC_ACQUIRE) != 0;
}
