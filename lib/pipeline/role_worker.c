#include <string.h>

#include <rte_prefetch.h>

#include "role.h"

#define DUE_AHEAD 2 /* due records are asked for so long before their turn: 16 lines each */

/* Refills the items from the receive queues. Returns the number of packets received. */
static uint16_t receive_items(struct worker *w)
{
	uint16_t received, parsed;
	bool over;

	received = receive(&w->receiver, w->shared, &w->role.counters, w->sequencer.parsed, &parsed,
			   &over);
	if (received == 0) {
		if (over && !w->ended) {
			w->n_items = sequence_end(&w->sequencer);
			w->ended = true;
		}
		return 0;
	}
	w->n_items = sequence_burst(&w->sequencer, parsed, w->shared->replay);
	for (uint16_t i = 0; i < w->n_items; i++)
		w->clock_ns = RTE_MAX(w->clock_ns, w->sequencer.item[i].time_ns);
	return received;
}

/* Refills the items from the spreader's queue. */
static uint16_t take_items(struct worker *w)
{
	void *waiting[LJ_BURST_MAX];
	uint32_t n = lj_queue_peek(w->spread, waiting, LJ_BURST_MAX);

	for (uint32_t i = 0; i < n; i++) {
		w->sequencer.item[i] = *(const struct lj_packet *)waiting[i];
		w->clock_ns = RTE_MAX(w->clock_ns, w->sequencer.item[i].time_ns);
	}
	lj_queue_release(w->spread, n);
	lj_flow_ask(w->table, w->sequencer.item, (uint16_t)n);
	w->n_items = (uint16_t)n;
	return (uint16_t)n;
}

static bool offer_flow(struct worker *w, const struct lj_flow *flow)
{
	const struct lj_flow_config *c = &w->flow_config;
	struct lj_host_fact fact;

	if (!w->shared->hosts)
		return lj_batch_offer(w->infer[lj_route_pick(&w->route, flow)], flow, w->due_tsc,
				      &w->role.counters);
	lj_host_fact_due(&fact, flow, c->idle_timeout_ns, c->tcp_linger_ns, w->shared->host_seed);
	return lj_batch_offer_with(w->infer, w->route.n, flow, &fact, w->shared->replay, w->due_tsc,
				   &w->role.counters);
}

static bool offer_begun(struct worker *w, const struct lj_flow_begun *begun)
{
	struct lj_host_fact fact;

	lj_host_fact_begin(&fact, begun, w->shared->host_seed);
	return lj_batch_offer_fact(w->infer, w->route.n, begun->order, &fact, w->shared->replay,
				   w->due_tsc, &w->role.counters);
}

/* Queues the facts of flows that began before `order`. False if a replay has to wait for room. */
static bool offer_begun_before(struct worker *w, struct lj_order order)
{
	for (; w->next_begun < w->n_begun; w->next_begun++) {
		const struct lj_flow_begun *begun = &w->begun[w->next_begun];

		if (!lj_order_before(begun->order, order))
			return true;
		if (!offer_begun(w, begun)) {
			lj_batch_advance(w->infer, w->route.n, begun->order);
			return false;
		}
	}
	return true;
}

/* Prefetches a due record, which is copied as a whole and may not have been touched for long. */
static inline void ask_for(const struct lj_flow *flow)
{
	for (size_t at = 0; at < sizeof(*flow); at += RTE_CACHE_LINE_SIZE)
		rte_prefetch0((const char *)flow + at);
}

/*
 * Queues the due records and the facts of flows begun between them, then settles the records. False
 * if a replay has to wait for room; then the order of the waiting record is published as watermark,
 * because the inference lcores may be waiting for this worker.
 */
static bool offer_due(struct worker *w)
{
	for (; w->next_due < w->n_due; w->next_due++) {
		struct lj_flow *flow = w->due[w->next_due];

		if (w->next_due + DUE_AHEAD < w->n_due)
			ask_for(w->due[w->next_due + DUE_AHEAD]);
		if (!offer_begun_before(w, flow->order))
			return false;
		if (offer_flow(w, flow))
			continue;
		if (w->shared->replay) {
			lj_batch_advance(w->infer, w->route.n, flow->order);
			return false;
		}
		lj_batch_refuse(&w->role.counters);
	}
	if (!offer_begun_before(w, (struct lj_order){UINT64_MAX, UINT64_MAX}))
		return false;
	if (w->n_due > 0)
		lj_flow_settle(w->table, w->due, w->n_due);
	w->n_due = w->next_due = w->n_begun = w->next_begun = 0;
	return true;
}

/* Processes a run of packets, a tick or the end. False if the item is not finished yet. */
static bool process_item(struct worker *w)
{
	const struct lj_packet *item = &w->sequencer.item[w->next_item];
	uint16_t run = 0;

	switch (item->kind) {
	case LJ_PACKET_TICK:
		w->n_due =
			lj_flow_advance(w->table, item->time_ns, item->seq, w->due, LJ_BURST_MAX);
		break;
	case LJ_PACKET_END:
		w->n_due = lj_flow_flush(w->table, item->seq, w->due, LJ_BURST_MAX);
		break;
	default:
		while (w->next_item + run < w->n_items && run < LJ_BURST_MAX &&
		       item[run].kind == LJ_PACKET_DATA)
			run++;
		w->next_item += lj_flow_update(w->table, item, run, w->due, &w->n_due);
		w->begun = lj_flow_begun(w->table, &w->n_begun);
		w->due_tsc = rte_rdtsc();
		return true;
	}
	w->due_tsc = rte_rdtsc();
	if (w->n_due == 0)
		w->next_item++;
	return w->n_due == 0;
}

static void finish(struct worker *w)
{
	for (uint16_t i = 0; i < w->route.n; i++)
		lj_queue_close(w->infer[i]);
	lj_gauge(&w->role.counters, LJ_C_flow_active, lj_flow_active(w->table));
	atomic_store_explicit(&w->role.finished, true, memory_order_release);
}

/* Processes items until all are done or, in a replay, a queue is full. */
static bool process_items(struct worker *w)
{
	if (!offer_due(w))
		return false;
	while (w->next_item < w->n_items) {
		bool end = w->sequencer.item[w->next_item].kind == LJ_PACKET_END;
		bool done = process_item(w);

		if (!offer_due(w))
			return false;
		if (end && done)
			finish(w);
	}
	if (w->shared->ordered && w->n_items > 0)
		lj_batch_advance(w->infer, w->route.n,
				 (struct lj_order){w->sequencer.item[w->n_items - 1].seq + 1, 0});
	w->n_items = w->next_item = 0;
	return true;
}

/* Live: collects the records that have expired by the sources' clock. */
static int expire(struct worker *w, uint64_t now_tsc)
{
	uint64_t clock_ns = w->clock_ns;

	/* Not beyond the packets that the reorderer may still hold. */
	if (w->spread == NULL && !receiver_own_time(&w->receiver))
		clock_ns = lj_clock_wall_ns(now_tsc) - w->shared->reorder_ns;
	w->n_due = lj_flow_advance(w->table, clock_ns, 0, w->due, LJ_BURST_MAX);
	w->due_tsc = rte_rdtsc();
	return w->n_due;
}

static void take_up_tuning(struct worker *w)
{
	struct flow_tuning *t = &w->shared->flow;
	uint32_t generation = atomic_load_explicit(&t->generation, memory_order_acquire);

	if (generation == w->tuning_generation)
		return;
	w->tuning_generation = generation;
	w->flow_config.classify_at = t->classify_at;
	w->flow_config.classify_after_ns = t->classify_after_ns;
	w->flow_config.idle_timeout_ns = t->idle_timeout_ns;
	w->flow_config.active_timeout_ns = t->active_timeout_ns;
	w->flow_config.tcp_linger_ns = t->tcp_linger_ns;
	lj_flow_configure(w->table, &w->flow_config);
}

/* Marks live records as lossy after packets were lost. */
static void take_note_of_losses(struct worker *w)
{
	uint32_t losses = atomic_load_explicit(&w->shared->losses, memory_order_relaxed);

	if (losses == w->losses)
		return;
	w->losses = losses;
	lj_flow_note_loss(w->table);
}

int worker_poll(struct role *role, uint64_t now_tsc)
{
	struct worker *w = (struct worker *)role;
	int work;

	take_up_tuning(w);
	take_note_of_losses(w);
	rebalance_records(w);
	if (!process_items(w))
		return POLL_REFUSED;
	if (role->finished)
		return 0;
	work = w->spread != NULL ? take_items(w) : receive_items(w);
	if (!process_items(w))
		return POLL_REFUSED;
	if (!w->shared->replay && !role->finished)
		work += expire(w, now_tsc);
	lj_gauge(&role->counters, LJ_C_flow_active, lj_flow_active(w->table));
	return work;
}
