#include "batch.h"

#include <math.h>
#include <string.h>

#include <rte_cycles.h>

uint16_t lj_batch_owner(const struct lj_flow *flow, uint16_t n)
{
	const uint8_t *initiator = flow->key.addr[flow->initiator];
	uint64_t high, low;

	memcpy(&high, initiator, 8);
	memcpy(&low, initiator + 8, 8);
	/* A fixed hash, so that a host has the same owner in every run; scaled to 0..n - 1. */
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
	due->shed = false;
	if (fact != NULL)
		due->fact = *fact;
	due->flow = *flow;
	due->queued_tsc = rte_rdtsc();
	lj_queue_commit(q);
	lj_count(counters, LJ_C_batch_queued, 1);
	return true;
}

bool lj_batch_offer(struct lj_queue *q, const struct lj_flow *flow, uint64_t due_tsc,
		    struct lj_counters *counters)
{
	return offer_to(q, flow, NULL, due_tsc, counters);
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
	due->shed = false;
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
	/* A look is not counted, so only the owner needs it. */
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

/* Cycles that a batch may take; no limit in a replay. */
static double budget_of(const struct lj_batcher *b)
{
	uint64_t deadline_us = b->tuning->deadline_us;

	if (b->ordered || deadline_us == 0)
		return INFINITY;
	return (double)deadline_us * (double)rte_get_tsc_hz() / 1e6;
}

/* How many more records fit into the budget if all of them are due flows. At least one per batch,
 * to guarantee progress. */
static uint32_t affordable(const struct lj_batcher *b, double budget, uint32_t wanted)
{
	double spent = b->n_due * b->row_cycles + (b->n - b->n_due) * b->fact_cycles;
	double rows = b->row_cycles > 0 ? (budget - spent) / b->row_cycles : INFINITY;

	if (rows >= wanted)
		return wanted;
	return rows >= 1 ? (uint32_t)rows : b->n == 0;
}

/* Takes waiting records as far as size and deadline permit; whether the deadline was the limit. */
static bool take_waiting(struct lj_batcher *b, uint32_t size)
{
	double budget = budget_of(b);
	uint32_t wanted, most, n;

	/* Facts do not count towards the size: repeat while flows may follow them. */
	do {
		most = RTE_MIN(size - b->n_due, (uint32_t)LJ_BATCH_RECORDS - b->n);
		wanted = affordable(b, budget, most);
		n = lj_merge_take(b->merge, &b->record[b->n], wanted);
		for (uint32_t end = b->n + n; b->n < end; b->n++) {
			const struct lj_due_flow *due = b->record[b->n];

			b->n_due += !due->fact_alone;
		}
	} while (n == wanted && n > 0);
	return n == wanted && most > 0 && lj_merge_waiting(b->merge) > b->n;
}

/* How many records exceed half of their queues, summed over all queues. */
static uint32_t excess_of(const struct lj_batcher *b)
{
	uint32_t excess = 0;

	for (uint16_t i = 0; i < b->n_queues; i++) {
		uint32_t half = lj_queue_capacity(b->queue[i]) / 2;
		uint32_t count = lj_queue_count(b->queue[i]);

		excess += count > half ? count - half : 0;
	}
	/* Records taken are still in their queues. */
	return excess > b->n ? excess - b->n : 0;
}

/* Takes the excess, too, and sheds as many flows of all those taken. */
static void shed_excess(struct lj_batcher *b)
{
	uint32_t excess = b->tuning->shed[0] != LJ_SHED_NONE ? excess_of(b) : 0, n_shed = 0;
	uint32_t n = lj_merge_take(b->merge, &b->record[b->n],
				   RTE_MIN(excess, (uint32_t)LJ_BATCH_RECORDS - b->n));

	for (uint32_t end = b->n + n; b->n < end; b->n++) {
		const struct lj_due_flow *due = b->record[b->n];

		n_shed += !due->fact_alone;
	}
	if (n_shed > 0)
		shed_flows(b, n_shed);
}

bool lj_batch_take(struct lj_batcher *b, uint64_t now_tsc, struct lj_batch *batch)
{
	uint32_t size = RTE_MIN(b->tuning->size, (uint32_t)LJ_BATCH_MAX);
	bool cut = take_waiting(b, size);

	shed_excess(b);
	batch->n = batch->n_shed = 0;
	lj_gauge(b->counters, LJ_C_batch_waiting, lj_merge_waiting(b->merge));
	if (b->n == 0)
		return false;
	b->taken_tsc = now_tsc;
	for (uint32_t i = 0; i < b->n; i++) {
		const struct lj_due_flow *due = b->record[i];

		if (due->fact_alone)
			continue;
		if (due->shed) {
			batch->shed[batch->n_shed++] = due;
			continue;
		}
		batch->due[batch->n] = due;
		batch->flows[batch->n++] = &due->flow;
	}
	batch->n_records = b->n;
	batch->records = b->record;
	lj_count(b->counters, LJ_C_batches, batch->n > 0);
	lj_count(b->counters, LJ_C_batches_full, b->n_due >= size);
	lj_count(b->counters, LJ_C_batches_deadline, cut && b->n_due > 0);
	return true;
}

/* A moving average. A single measurement can at most double it, since preemption by the scheduler
 * is not a cost of the row. */
static void learn(double *cycles, double measured)
{
	if (*cycles > 0)
		*cycles += (RTE_MIN(measured, 2 * *cycles) - *cycles) / 8;
	else
		*cycles = measured;
}

static void learn_costs(struct lj_batcher *b, uint64_t now_tsc)
{
	/* After a migration to another CPU the TSC may be slightly behind. */
	double took = now_tsc > b->taken_tsc ? (double)(now_tsc - b->taken_tsc) : 0;
	/* A shed flow costs about as much as a fact. */
	uint32_t facts = b->n - b->n_due;

	if (b->n_due == 0)
		learn(&b->fact_cycles, took / facts);
	else if (took > facts * b->fact_cycles)
		learn(&b->row_cycles, (took - facts * b->fact_cycles) / b->n_due);
}

void lj_batch_done(struct lj_batcher *b, struct lj_batch *batch, uint64_t now_tsc)
{
	if (b->n > 0)
		learn_costs(b, now_tsc);
	lj_merge_done(b->merge);
	b->n = b->n_due = 0;
	batch->n = batch->n_records = batch->n_shed = 0;
	lj_gauge(b->counters, LJ_C_batch_waiting, lj_merge_waiting(b->merge));
}
