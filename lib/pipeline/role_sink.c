#include <errno.h>
#include <math.h>

#include "role.h"

/* Maximum time between flushes while verdicts keep coming. */
#define FLUSH_EVERY_NS 200000000
/* Time between updates of what `show drift` reports, while verdicts keep coming. */
#define JUDGE_EVERY_NS 1000000000
/* Live, the pause after an explanation as a multiple of its duration (about a millisecond), so that
 * explanations take at most an eighth of the lcore, which may have other roles. */
#define EXPLAIN_PAUSE 7

static void tally_verdict(struct sink_role *s, const struct lj_verdict *v)
{
	const struct lj_opinion *decisive = lj_verdict_decisive(v);
	struct lj_tally *t = &s->tally;

	if (v->flow.due == LJ_DUE_EARLY_PACKETS || v->flow.due == LJ_DUE_EARLY_AGE)
		t->early++;
	else
		t->records++;
	if (t->first_ns == 0 || v->flow.first_ns < t->first_ns)
		t->first_ns = v->flow.first_ns;
	t->last_ns = RTE_MAX(t->last_ns, v->flow.last_ns);
	if (decisive == NULL) {
		t->unclassified++;
		t->shed += v->shed;
		return;
	}
	t->class_count[v->model][decisive->class_index]++;
	if (v->alert) {
		t->alerts++;
		t->alert_score[RTE_MIN((unsigned int)(decisive->score * 10), 9u)]++;
	}
}

/* Timestamps are converted to ns since the first one, and a stage is the difference of two of them,
 * so that the stages add up to the total. Another lcore's TSC may be slightly behind: negative
 * differences become 0. */
static void record_stages(struct sink_role *s, const struct lj_verdict *v, uint64_t written_tsc)
{
	const uint64_t at[LJ_STAGE_DECISION] = {v->queued_tsc, v->taken_tsc, v->scored_tsc,
						written_tsc};
	struct lj_histogram *h = s->stage[v->model];
	uint64_t began_ns = 0;

	for (int stage = 0; stage < LJ_STAGE_DECISION; stage++) {
		uint64_t ended_ns =
			at[stage] > v->due_tsc ? lj_cycles_to_ns(at[stage] - v->due_tsc) : 0;

		ended_ns = RTE_MAX(ended_ns, began_ns);
		lj_histogram_record(&h[stage], ended_ns - began_ns);
		began_ns = ended_ns;
	}
	lj_histogram_record(&h[LJ_STAGE_DECISION], began_ns);
}

static void count_sinks(struct sink_role *s)
{
	struct lj_sink_counts sum = {0};

	for (uint16_t i = 0; i < s->n_sinks; i++) {
		sum.offered += s->sink[i]->counts.offered;
		sum.written += s->sink[i]->counts.written;
		sum.suppressed += s->sink[i]->counts.suppressed;
		sum.lost += s->sink[i]->counts.lost;
	}
	lj_gauge(&s->role.counters, LJ_C_sink_offered, sum.offered);
	lj_gauge(&s->role.counters, LJ_C_sink_written, sum.written);
	lj_gauge(&s->role.counters, LJ_C_sink_suppressed, sum.suppressed);
	lj_gauge(&s->role.counters, LJ_C_sink_lost, sum.lost);
}

/* Returns whether all buffers are empty: a pipe may not have accepted everything. */
static bool flush_sinks(struct sink_role *s, uint64_t now_tsc)
{
	bool left = false;

	for (uint16_t i = 0; i < s->n_sinks; i++)
		left = lj_sink_flush(s->sink[i]) == -EAGAIN || left;
	count_sinks(s);
	s->dirty = left;
	s->flushed_tsc = now_tsc;
	return !left;
}

/* Whether an alert may be explained now: live, while few wait, and not for long after the last. */
static bool has_time(const struct sink_role *s)
{
	return s->shared->replay ||
	       (lj_merge_waiting(s->merge) <= s->late && rte_rdtsc() >= s->explain_tsc);
}

/* Explains the alerts of the burst, as long as has_time(). */
static void explain(struct sink_role *s, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		uint64_t began_tsc = rte_rdtsc();

		if (!s->verdict[i]->alert)
			continue;
		if (!has_time(s)) {
			lj_count(&s->role.counters, LJ_C_explain_skipped, 1);
			continue;
		}
		explaining_explain(&panel_of(s->verdict[i])->explaining, s->verdict[i],
				   &s->explanation[i], &s->role.counters);
		s->explain_tsc = rte_rdtsc() + (rte_rdtsc() - began_tsc) * EXPLAIN_PAUSE;
	}
}

static void watch_drift(struct sink_role *s, uint32_t n, uint64_t now_tsc)
{
	for (uint32_t i = 0; i < n; i++) {
		struct lj_drift *d = panel_of(s->verdict[i])->drift;

		lj_drift_look(d, s->verdict[i]->flow.last_ns);
		lj_drift_count(d, s->verdict[i]);
	}
	s->unjudged |= n > 0;
	if (!s->unjudged || lj_cycles_to_ns(now_tsc - s->judged_tsc) < JUDGE_EVERY_NS)
		return;
	lj_drift_judge(s->reader.panel->drift, false);
	s->judged_tsc = now_tsc;
	s->unjudged = false;
}

/* The sink's last word on the burst: a panel whose last verdict it is may be closed now. */
static void leave_panels(struct sink_role *s, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		struct panel *panel = panel_of(s->verdict[i]);
		uint64_t taken = atomic_load_explicit(&panel->taken, memory_order_relaxed);

		atomic_store_explicit(&panel->taken, taken + 1, memory_order_release);
	}
}

int sink_poll(struct role *role, uint64_t now_tsc)
{
	struct sink_role *s = (struct sink_role *)role;
	void *records[LJ_BURST_MAX];
	uint32_t n;
	uint64_t written_tsc;

	if (role->finished)
		return 0;
	if (panel_adopt(&s->reader, &s->shared->panel))
		atomic_store_explicit(&s->reader.adopted, s->reader.panel->set.generation,
				      memory_order_release);
	n = lj_merge_take(s->merge, records, LJ_BURST_MAX);
	for (uint32_t i = 0; i < n; i++)
		s->verdict[i] = records[i];
	if (s->shared->explain)
		explain(s, n);
	for (uint16_t i = 0; n > 0 && i < s->n_sinks; i++)
		lj_sink_write(s->sink[i], (const struct lj_verdict *const *)s->verdict, n);
	written_tsc = rte_rdtsc();
	for (uint32_t i = 0; i < n; i++) {
		tally_verdict(s, s->verdict[i]);
		if (!s->verdict[i]->shed)
			record_stages(s, s->verdict[i], written_tsc);
	}
	if (s->shared->drift_every > 0)
		watch_drift(s, n, now_tsc);
	if (n > 0) {
		lj_count(&role->counters, LJ_C_verdict_taken, n);
		s->dirty = true;
		leave_panels(s, n);
		lj_merge_done(s->merge);
	}
	lj_gauge(&role->counters, LJ_C_verdict_waiting, lj_merge_waiting(s->merge));
	/* Live, what is written should be seen as soon as there is time; a replay's buffers fill
	 * first, for large writes cost less. */
	if (s->dirty && ((n == 0 && !s->shared->replay) ||
			 lj_cycles_to_ns(now_tsc - s->flushed_tsc) > FLUSH_EVERY_NS))
		flush_sinks(s, now_tsc);
	if (n == 0 && lj_merge_finished(s->merge) && flush_sinks(s, now_tsc)) {
		if (s->shared->drift_every > 0)
			lj_drift_judge(s->reader.panel->drift, false);
		atomic_store_explicit(&role->finished, true, memory_order_release);
	}
	return (int)n;
}
