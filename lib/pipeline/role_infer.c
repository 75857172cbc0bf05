#include "role.h"

/* Passes all facts to the host stage in order, and gets the context of each due flow at its place
 * in that order. */
static void observe_hosts(struct inferrer *r)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < r->batch.n_records; i++) {
		const struct lj_due_flow *due = r->batch.records[i];
		bool scored = !due->fact_alone && !due->shed;

		r->steps[i].fact = &due->fact;
		r->steps[i].context = scored ? &r->contexts[n++] : NULL;
	}
	lj_host_follow(r->host, r->steps, r->batch.n_records);
	lj_count(&r->role.counters, LJ_C_host_taken, r->batch.n_records - n - r->batch.n_shed);
}

static void score(struct inferrer *r)
{
	const struct lj_model_set *models = &r->reader.panel->set;

	for (uint16_t m = 0; m < models->n; m++)
		lj_model_score(models->model[m], r->slot, r->batch.flows, r->contexts, r->batch.n,
			       r->opinions[m]);
	r->scored_tsc = rte_rdtsc();
	lj_count(&r->role.counters, LJ_C_model_scored, r->batch.n);
}

/* Adds what the sink needs to explain alerts and to watch drift. */
static void keep_rows(const struct inferrer *r, struct lj_verdict *v, uint32_t i)
{
	const struct lj_model_set *models = &r->reader.panel->set;
	const float *rows[LJ_MODELS_MAX];

	if (!(v->alert && r->shared->explain) &&
	    !lj_drift_samples(v->flow.flow_id, r->shared->drift_every))
		return;
	for (uint16_t m = 0; m < models->n; m++)
		rows[m] = lj_model_rows(models->model[m], r->slot) +
			  (size_t)i * lj_model_info(models->model[m])->features;
	lj_verdict_keep_rows(v, rows);
}

static void write_verdict(struct inferrer *r, struct lj_verdict *v, uint32_t i)
{
	const struct lj_model_set *models = &r->reader.panel->set;
	const struct lj_opinion *opinions[LJ_MODELS_MAX];

	for (uint16_t m = 0; m < models->n; m++)
		opinions[m] = &r->opinions[m][i];
	lj_verdict_make(v, r->batch.due[i], models, opinions, r->shared->evidence,
			r->contexts != NULL ? &r->contexts[i] : NULL);
	keep_rows(r, v, i);
	v->taken_tsc = r->taken_tsc;
	v->scored_tsc = r->scored_tsc;
	v->batch = r->batch.n;
	if (v->alert)
		lj_count(&r->role.counters, LJ_C_verdict_alerts, 1);
}

/* Queues records of flows that were not scored (live only, so this never waits). They may use half
 * of the queue; the rest is reserved for verdicts, so that a slow sink loses these records before
 * it loses alerts. */
static void offer_shed(struct inferrer *r)
{
	uint32_t half = lj_queue_capacity(r->sink) / 2;

	for (uint32_t i = 0; i < r->batch.n_shed; i++) {
		struct lj_verdict *v;

		if (lj_queue_count(r->sink) >= half) {
			lj_count(&r->role.counters, LJ_C_verdict_refused, r->batch.n_shed - i);
			break;
		}
		v = lj_queue_reserve(r->sink);
		lj_verdict_shed(v, r->batch.shed[i], &r->reader.panel->set);
		v->taken_tsc = v->scored_tsc = r->taken_tsc;
		lj_queue_commit(r->sink);
		lj_count(&r->role.counters, LJ_C_verdict_queued, 1);
	}
}

/* Queues the verdicts for the sink. False if a replay has to wait for room. */
static bool offer_verdicts(struct inferrer *r)
{
	for (; r->next < r->batch.n; r->next++) {
		struct lj_verdict *v = lj_queue_reserve(r->sink);

		if (v != NULL) {
			write_verdict(r, v, r->next);
			lj_queue_commit(r->sink);
			lj_count(&r->role.counters, LJ_C_verdict_queued, 1);
		} else if (r->shared->replay) {
			lj_queue_advance(r->sink, r->batch.due[r->next]->order);
			r->waited = true;
			return false;
		} else {
			lj_count(&r->role.counters, LJ_C_verdict_refused, 1);
		}
	}
	offer_shed(r);
	if (r->batch.n_records > 0)
		lj_batch_done(r->batcher, &r->batch, r->waited ? r->scored_tsc : rte_rdtsc());
	r->next = 0;
	r->waited = false;
	return true;
}

/* Switches to other models, from the next batch on. */
static void take_up_models(struct inferrer *r)
{
	uint64_t offered = lj_counter_read(&r->role.counters, LJ_C_verdict_queued);

	if (!panel_adopt(&r->reader, &r->shared->panel))
		return;
	r->offered_before = offered - r->offered_since;
	r->offered_since = offered;
	atomic_store_explicit(&r->reader.adopted, r->reader.panel->set.generation,
			      memory_order_release);
}

int inferrer_poll(struct role *role, uint64_t now_tsc)
{
	struct inferrer *r = (struct inferrer *)role;
	uint32_t n;

	if (!offer_verdicts(r))
		return POLL_REFUSED;
	if (role->finished)
		return 0;
	take_up_models(r);
	if (!lj_batch_take(r->batcher, now_tsc, &r->batch)) {
		if (r->shared->ordered)
			lj_queue_advance(r->sink, lj_batcher_watermark(r->batcher));
		if (lj_batcher_finished(r->batcher)) {
			lj_queue_close(r->sink);
			atomic_store_explicit(&role->finished, true, memory_order_release);
		}
		return 0;
	}
	n = r->batch.n_records;
	r->taken_tsc = rte_rdtsc();
	if (r->host != NULL)
		observe_hosts(r);
	score(r);
	return offer_verdicts(r) ? (int)n : POLL_REFUSED;
}
