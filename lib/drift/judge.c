/* Evaluates the window: reports and alarms. */
#include <math.h>

#include "drift.h"
#include "lj_log.h"

/* An empty bin would make the index infinite. */
#define SHARE_MIN 1e-4

static double stability(const struct watched *w, uint32_t feature, uint64_t sampled)
{
	const struct reference *r = &w->reference[feature];
	double psi = 0;

	for (uint32_t b = 0; b < r->edges + 2; b++) {
		double expected = fmax(r->share[b], SHARE_MIN), actual = 0;

		for (int p = 0; p < PANES; p++)
			actual += w->pane[p].bin[feature * BINS_MAX + b];
		actual = fmax(actual / (double)sampled, SHARE_MIN);
		psi += (actual - expected) * log(actual / expected);
	}
	return psi;
}

static void put(uint64_t *word, uint64_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELAXED);
}

static void put_psi(float *word, double value)
{
	float psi = (float)value;

	__atomic_store(word, &psi, __ATOMIC_RELAXED);
}

/* Scores that are only bounds cannot be compared. */
static void judge_psi(struct watched *w, uint64_t sampled)
{
	bool enough = w->reference != NULL && sampled >= LJ_DRIFT_ROWS_MIN;
	bool scores = enough && !w->report.bounds;

	for (uint32_t i = 0; i < w->features; i++)
		put_psi(&w->psi[i], enough ? stability(w, i, sampled) : NAN);
	put_psi(&w->report.score_psi, scores ? stability(w, w->features, sampled) : NAN);
}

static void put_state(bool *word, bool state)
{
	__atomic_store_n(word, state, __ATOMIC_RELAXED);
}

static void judge_states(const struct lj_drift *d, struct watched *w)
{
	struct lj_drift_report *r = &w->report;

	put_state(&r->drifted, r->score_psi >= LJ_DRIFT_PSI);
	put_state(&r->silent, d->config.silent_ns > 0 && r->quiet_ns >= d->config.silent_ns);
	put_state(&r->flooding, d->config.flood_percent > 0 && r->verdicts >= LJ_DRIFT_FLOWS_MIN &&
					r->over * 100 >= r->verdicts * d->config.flood_percent);
}

/* Returns whether an alarm begins. */
static bool turn(bool *alarmed, bool state)
{
	bool begins = state && !*alarmed;

	*alarmed = state;
	return begins;
}

static void raise_alarms(const struct lj_drift *d, struct watched *w)
{
	struct lj_drift_report *r = &w->report;
	uint64_t raised = 0;

	if (turn(&w->drifted, r->drifted)) {
		lj_log(WARNING,
		       "model %s: its scores are not distributed as in training (PSI %.2f): see "
		       "show drift; recalibrate or retrain\n",
		       w->name, (double)r->score_psi);
		raised++;
	}
	if (turn(&w->silent, r->silent)) {
		lj_log(WARNING, "model %s has not fired for %.1f h while flows are scored\n",
		       w->name, (double)r->quiet_ns / 3.6e12);
		raised++;
	}
	if (turn(&w->flooding, r->flooding)) {
		lj_log(WARNING, "model %s fires for %.0f %% of all flows\n", w->name,
		       100.0 * (double)r->over / (double)r->verdicts);
		raised++;
	}
	put(&r->alarms, r->alarms + raised);
	lj_count(d->counters, LJ_C_drift_alarms, raised);
}

void lj_drift_judge(struct lj_drift *d, bool alarm)
{
	for (uint16_t m = 0; m < d->models->n; m++) {
		struct watched *w = &d->model[m];
		uint64_t verdicts = 0, sampled = 0, over = 0;

		for (int p = 0; p < PANES; p++) {
			verdicts += w->pane[p].verdicts;
			sampled += w->pane[p].sampled;
			over += w->pane[p].over;
		}
		put(&w->report.verdicts, verdicts);
		put(&w->report.sampled, sampled);
		put(&w->report.over, over);
		put(&w->report.quiet_ns, w->fired_ns != 0 ? d->now_ns - w->fired_ns : 0);
		judge_psi(w, sampled);
		judge_states(d, w);
		if (alarm)
			raise_alarms(d, w);
	}
}
