#include "batch.h"

#include <string.h>

#include <rte_cycles.h>

uint16_t lj_batch_owner(const struct lj_flow *flow, uint16_t n)
{
	const uint8_t *initiator = flow->key.addr[flow->initiator];
	uint64_t high, low;

	memcpy(&high, initiator, 8);
	memcpy(&low, initiator + 8, 8);
	/* A fixed mix, so that a host has the same owner in every run; high bits scaled to n. */
	low = (high ^ low ^ (low >> 29)) * 0x9e3779b97f4a7c15;
	low = (low ^ (low >> 32)) * 0xd6e8feb86659fd93;
	return (uint16_t)(((low >> 32) * n) >> 32);
}

bool lj_batch_offer(struct lj_queue *const *infer_queues, uint16_t n, const struct lj_flow *flow,
		    uint64_t due_tsc, struct lj_counters *counters)
{
	struct lj_queue *q = infer_queues[n == 1 ? 0 : lj_batch_owner(flow, n)];
	struct lj_due_flow *due = lj_queue_reserve(q);

	if (due == NULL)
		return false;
	due->order = flow->order;
	due->due_tsc = due_tsc;
	due->flow = *flow;
	due->queued_tsc = rte_rdtsc();
	lj_queue_commit(q);
	lj_count(counters, LJ_C_batch_queued, 1);
	return true;
}

void lj_batch_refuse(struct lj_counters *counters)
{
	lj_count(counters, LJ_C_batch_refused, 1);
}

void lj_batch_advance(struct lj_queue *const *infer_queues, uint16_t n, struct lj_order order)
{
	for (uint16_t i = 0; i < n; i++)
		lj_queue_advance(infer_queues[i], order);
}

static void take_more(struct lj_batcher *b, uint32_t size)
{
	uint32_t n = lj_merge_take(b->merge, &b->record[b->n], size - b->n);

	/* With several queues the first record need not be the oldest. */
	for (uint32_t end = b->n + n; b->n < end; b->n++) {
		const struct lj_due_flow *due = b->record[b->n];

		b->oldest_tsc =
			b->n == 0 ? due->queued_tsc : RTE_MIN(b->oldest_tsc, due->queued_tsc);
	}
}

/* Whether a worker may soon find no room: to wait for more would be to refuse it. */
static bool is_crowded(const struct lj_batcher *b)
{
	for (uint16_t i = 0; i < b->n_queues; i++)
		if (lj_queue_count(b->queue[i]) * 2 >= lj_queue_capacity(b->queue[i]))
			return true;
	return false;
}

/* Whether nothing can follow what has been taken. */
static bool is_last(const struct lj_batcher *b)
{
	for (uint16_t i = 0; i < b->n_queues; i++)
		if (!lj_queue_closed(b->queue[i]))
			return false;
	/* The merge counts what has been taken from it as waiting until it is done. */
	return lj_merge_waiting(b->merge) == b->n;
}

/* Whether what has been taken is to be scored now, and counts why. */
static bool is_ripe(struct lj_batcher *b, uint32_t size, uint64_t now_tsc)
{
	uint64_t deadline_us = b->tuning->deadline_us;
	uint64_t waited;

	if (b->n >= size) {
		lj_count(b->counters, LJ_C_batches_full, 1);
		return true;
	}
	/*
	 * In a replay nobody is waiting for an answer, but workers may be waiting for room: what
	 * can be had is taken.
	 */
	if (b->ordered || deadline_us == 0)
		return true;
	/* A stamp of another lcore may be a little ahead of our own reading. */
	waited = now_tsc > b->oldest_tsc ? now_tsc - b->oldest_tsc : 0;
	if (waited >= deadline_us * rte_get_tsc_hz() / 1000000) {
		lj_count(b->counters, LJ_C_batches_deadline, 1);
		return true;
	}
	return is_crowded(b) || is_last(b);
}

bool lj_batch_take(struct lj_batcher *b, uint64_t now_tsc, struct lj_batch *batch)
{
	uint32_t size = RTE_MIN(b->tuning->size, (uint32_t)LJ_BATCH_MAX);

	batch->n = 0;
	if (b->n < size)
		take_more(b, size);
	lj_gauge(b->counters, LJ_C_batch_waiting, lj_merge_waiting(b->merge));
	if (b->n == 0 || !is_ripe(b, size, now_tsc))
		return false;
	for (uint32_t i = 0; i < b->n; i++) {
		batch->due[i] = b->record[i];
		batch->flows[i] = &batch->due[i]->flow;
	}
	batch->n = b->n;
	lj_count(b->counters, LJ_C_batches, 1);
	return true;
}

void lj_batch_done(struct lj_batcher *b, struct lj_batch *batch)
{
	lj_merge_done(b->merge);
	b->n = 0;
	batch->n = 0;
	lj_gauge(b->counters, LJ_C_batch_waiting, lj_merge_waiting(b->merge));
}
