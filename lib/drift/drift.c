#include "lj_drift.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "drift.h"

static size_t pane_bins(const struct watched *w)
{
	return (size_t)(w->features + 1) * BINS_MAX;
}

static int open_watched(struct watched *w, const struct lj_model *m, struct lj_error *err)
{
	const struct lj_model_info *info = lj_model_info(m);
	struct lj_error own = {0};

	w->features = info->features;
	w->name = info->name;
	w->threshold = info->threshold;
	w->reference = reference_load(m, &own);
	if (w->reference == NULL && own.what[0] != '\0') {
		*err = own;
		return -EINVAL;
	}
	w->report.reference = w->reference != NULL;
	w->report.bounds = strcmp(info->mode, "decide") == 0;
	w->report.score_psi = NAN;
	w->psi = malloc(w->features * sizeof(*w->psi));
	for (uint32_t i = 0; w->psi != NULL && i < w->features; i++)
		w->psi[i] = NAN;
	for (int p = 0; p < PANES; p++) {
		w->pane[p].bin = calloc(pane_bins(w), sizeof(*w->pane[p].bin));
		if (w->psi == NULL || w->pane[p].bin == NULL)
			return lj_error_set(err, ENOMEM, "drift", "not enough memory");
	}
	return 0;
}

struct lj_drift *lj_drift_create(const struct lj_model_set *models,
				 const struct lj_drift_config *config, struct lj_counters *counters,
				 struct lj_error *err)
{
	struct lj_drift *d = calloc(1, sizeof(*d));

	if (d == NULL) {
		lj_error_set(err, ENOMEM, "drift", "not enough memory");
		return NULL;
	}
	d->config = *config;
	d->models = models;
	d->counters = counters;
	for (uint16_t m = 0; m < models->n; m++)
		if (open_watched(&d->model[m], models->model[m], err) != 0) {
			lj_drift_destroy(d);
			return NULL;
		}
	return d;
}

void lj_drift_destroy(struct lj_drift *d)
{
	if (d == NULL)
		return;
	for (uint16_t m = 0; m < LJ_MODELS_MAX; m++) {
		struct watched *w = &d->model[m];

		for (int p = 0; p < PANES; p++)
			free(w->pane[p].bin);
		free(w->reference);
		free(w->psi);
	}
	free(d);
}

static void begin_pane(struct lj_drift *d)
{
	d->pane = (d->pane + 1) % PANES;
	for (uint16_t m = 0; m < d->models->n; m++) {
		struct watched *w = &d->model[m];
		uint32_t *bin = w->pane[d->pane].bin;

		memset(bin, 0, pane_bins(w) * sizeof(*bin));
		w->pane[d->pane] = (struct pane){.bin = bin};
	}
}

static void begin(struct lj_drift *d, uint64_t now_ns)
{
	d->now_ns = now_ns;
	d->pane_end_ns = now_ns + d->config.window_ns / PANES;
	for (uint16_t m = 0; m < d->models->n; m++)
		d->model[m].fired_ns = now_ns;
}

bool lj_drift_look(struct lj_drift *d, uint64_t now_ns)
{
	uint64_t gap_ns = now_ns > d->now_ns ? now_ns - d->now_ns : 0;

	if (d->pane_end_ns == 0)
		begin(d, now_ns);
	if (now_ns < d->pane_end_ns) {
		d->now_ns = RTE_MAX(d->now_ns, now_ns);
		return false;
	}
	lj_drift_judge(d, true);
	for (int p = 0; p < PANES && now_ns >= d->pane_end_ns; p++) {
		begin_pane(d);
		d->pane_end_ns += d->config.window_ns / PANES;
	}
	if (now_ns >= d->pane_end_ns)
		d->pane_end_ns = now_ns + d->config.window_ns / PANES;
	/* A gap in which no flow was scored does not count as silence. */
	for (uint16_t m = 0; m < d->models->n && gap_ns > d->config.window_ns; m++)
		d->model[m].fired_ns += gap_ns;
	d->now_ns = now_ns;
	return true;
}

void lj_drift_report(const struct lj_drift *d, uint16_t model, struct lj_drift_report *report)
{
	const struct lj_drift_report *r = &d->model[model].report;

	report->reference = r->reference;
	report->bounds = r->bounds;
	report->verdicts = __atomic_load_n(&r->verdicts, __ATOMIC_RELAXED);
	report->sampled = __atomic_load_n(&r->sampled, __ATOMIC_RELAXED);
	report->over = __atomic_load_n(&r->over, __ATOMIC_RELAXED);
	report->quiet_ns = __atomic_load_n(&r->quiet_ns, __ATOMIC_RELAXED);
	__atomic_load(&r->score_psi, &report->score_psi, __ATOMIC_RELAXED);
	report->drifted = __atomic_load_n(&r->drifted, __ATOMIC_RELAXED);
	report->silent = __atomic_load_n(&r->silent, __ATOMIC_RELAXED);
	report->flooding = __atomic_load_n(&r->flooding, __ATOMIC_RELAXED);
	report->alarms = __atomic_load_n(&r->alarms, __ATOMIC_RELAXED);
}

float lj_drift_feature(const struct lj_drift *d, uint16_t model, uint32_t feature)
{
	float psi;

	__atomic_load(&d->model[model].psi[feature], &psi, __ATOMIC_RELAXED);
	return psi;
}
