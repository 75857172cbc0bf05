#include "lj_queue.h"

#include <stddef.h>

#include <rte_common.h>

#include "queue_ring.h"

uint32_t lj_queue_count(const struct lj_queue *q)
{
	uint64_t tail = __atomic_load_n(&q->tail, __ATOMIC_ACQUIRE);
	uint64_t waiting = __atomic_load_n(&q->head, __ATOMIC_ACQUIRE) - tail;

	/* In a third thread, any number of records may be released between the two loads. */
	return (uint32_t)RTE_MIN(waiting, (uint64_t)q->mask + 1);
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
 * Two words without a lock: `tie` is set to 0 before `seq` is raised, and a reader loads `seq`
 * first, so it never sees more than the current watermark. This requires that the pair only rises,
 * so an order that is not higher is dropped, which also avoids a write to the shared line.
 */
void lj_queue_advance(struct lj_queue *q, struct lj_order order)
{
	struct lj_order told = {q->watermark_seq, q->watermark_tie};

	if (!lj_order_before(told, order))
		return;
	if (order.seq != told.seq) {
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
