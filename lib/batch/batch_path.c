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

static bool offer_to(struct lj_queue *q, const struct lj_flow *flow,
		     const struct lj_host_fact *fact, uint64_t due_tsc,
		     struct lj_counters *counters)
{
	struct lj_due_flow *due = lj_queue_reserve(q);

	if (due == NULL)
		return false;
	due->order = flow->order;
	due->due_tsc = due_tsc;
	due->fact_alone = false;
	due->has_fact = fact != NULL;
	if (fact != NULL)
		due->fact = *fact;
	due->flow = *flow;
	due->queued_tsc = rte_rdtsc();
	lj_queue_commit(q);
	lj_count(counters, LJ_C_batch_queued, 1);
	return true;
}

bool lj_batch_offer(struct lj_queue *const *infer_queues, uint16_t n, const struct lj_flow *flow,
		    uint64_t due_tsc, struct lj_counters *counters)
{
	return offer_to(infer_queues[n == 1 ? 0 : lj_batch_owner(flow, n)], flow, NULL, due_tsc,
			counters);
}

static void offer_fact_to(struct lj_queue *q, struct lj_order order,
			  const struct lj_host_fact *fact, uint64_t due_tsc,
			  struct lj_counters *counters)
{
	struct lj_due_flow *due = lj_queue_reserve(q);

	if (due == NULL) {
		lj_count(counters, LJ_C_host_refused, 1);
		return;
	}
	due->order = order;
	due->due_tsc = due_tsc;
	due->fact_alone = due->has_fact = true;
	due->fact = *fact;
	due->queued_tsc = rte_rdtsc();
	lj_queue_commit(q);
	lj_count(counters, LJ_C_host_queued, 1);
}

static bool room_in_all(struct lj_queue *const *queues, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++)
		if (lj_queue_reserve(queues[i]) == NULL)
			return false;
	return true;
}

bool lj_batch_offer_with(struct lj_queue *const *infer_queues, uint16_t n,
			 const struct lj_flow *flow, const struct lj_host_fact *fact, bool wait,
			 uint64_t due_tsc, struct lj_counters *counters)
{
	uint16_t owner = n == 1 ? 0 : lj_batch_owner(flow, n);

	if (wait && !room_in_all(infer_queues, n))
		return false;
	/* A look counts nothing: it is the owner's alone. */
	for (uint16_t i = 0; i < n && fact->event != LJ_HOST_LOOK; i++)
		if (i != owner)
			offer_fact_to(infer_queues[i], flow->order, fact, due_tsc, counters);
	if (offer_to(infer_queues[owner], flow, fact, due_tsc, counters))
		return true;
	lj_count(counters, LJ_C_host_refused, 1);
	return false;
}

bool lj_batch_offer_fact(struct lj_queue *const *infer_queues, uint16_t n, struct lj_order order,
			 const struct lj_host_fact *fact, bool wait, uint64_t due_tsc,
			 struct lj_counters *counters)
{
	if (wait && !room_in_all(infer_queues, n))
		return false;
	for (uint16_t i = 0; i < n; i++)
		offer_fact_to(infer_queues[i], order, fact, due_tsc, counters);
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
	uint32_t wanted, n;

	/* Facts take no place in a batch: again, as long as there may be flows behind them. */
	do {
		wanted = RTE_MIN(size - b->n_due, (uint32_t)LJ_BATCH_RECORDS - b->n);
		n = lj_merge_take(b->merge, &b->record[b->n], wanted);
		for (uint32_t end = b->n + n; b->n < end; b->n++) {
			const struct lj_due_flow *due = b->record[b->n];

			/* With several queues the first record need not be the oldest. */
			b->oldest_tsc = b->n == 0 ? due->queued_tsc
						  : RTE_MIN(b->oldest_tsc, due->queued_tsc);
			b->n_due += !due->fact_alone;
		}
	} while (n == wanted && n > 0 && b->n_due < size);
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

	if (b->n_due >= size || b->n == LJ_BATCH_RECORDS) {
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
	if (b->n_due < size)
		take_more(b, size);
	lj_gauge(b->counters, LJ_C_batch_waiting, lj_merge_waiting(b->merge));
	if (b->n == 0 || !is_ripe(b, size, now_tsc))
		return false;
	for (uint32_t i = 0; i < b->n; i++) {
		const struct lj_due_flow *due = b->record[i];

		if (due->fact_alone)
			continue;
		batch->due[batch->n] = due;
		batch->flows[batch->n++] = &due->flow;
	}
	batch->n_records = b->n;
	batch->records = b->record;
	lj_count(b->counters, LJ_C_batches, batch->n > 0);
	return true;
}

void lj_batch_done(struct lj_batcher *b, struct lj_batch *batch)
{
	lj_merge_done(b->merge);
	b->n = b->n_due = 0;
	batch->n = batch->n_records = 0;
	lj_gauge(b->counters, LJ_C_batch_waiting, lj_merge_waiting(b->merge));
}
