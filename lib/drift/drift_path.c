#include "drift.h"

static void count_row(struct watched *w, struct pane *pane, const float *row, float score)
{
	for (uint32_t i = 0; i < w->features; i++)
		pane->bin[i * BINS_MAX + bin_of(&w->reference[i], row[i])]++;
	pane->bin[w->features * BINS_MAX + bin_of(&w->reference[w->features], score)]++;
	pane->sampled++;
}

void lj_drift_count(struct lj_drift *d, const struct lj_verdict *v)
{
	bool sampled = lj_drift_samples(v->flow.flow_id, d->config.every);

	for (uint16_t m = 0; m < v->n_opinions; m++) {
		struct watched *w = &d->model[m];
		struct pane *pane = &w->pane[d->pane];
		const float *row = sampled ? lj_verdict_row(v, m) : NULL;

		pane->verdicts++;
		if (v->opinion[m].score >= w->threshold) {
			pane->over++;
			w->fired_ns = d->now_ns;
		}
		if (row != NULL && w->reference != NULL)
			count_row(w, pane, row, v->opinion[m].score);
	}
	if (sampled && v->rows)
		lj_count(d->counters, LJ_C_drift_sampled, 1);
}
