#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "control.h"

#define FEATURES_SHOWN 32 /* per model, those that moved most */

/* NaN means that too few flows were sampled. */
static json_t *psi_json(float psi)
{
	return isnan(psi) ? json_string("unknown") : json_sprintf("%.3f", (double)psi);
}

static const char *state_of(const struct lj_drift_report *r)
{
	if (r->flooding)
		return "fires for everything";
	if (r->silent)
		return "silent";
	if (r->drifted)
		return "drifted";
	if (!r->reference)
		return "no reference";
	if (r->bounds)
		return "scores are bounds";
	if (isnan(r->score_psi))
		return "too few flows";
	return r->score_psi >= LJ_DRIFT_PSI_MOVED ? "moved" : "as trained";
}

static int worst_feature(const struct lj_drift *d, uint16_t m, uint32_t features)
{
	int worst = -1;

	for (uint32_t i = 0; i < features; i++) {
		float psi = lj_drift_feature(d, m, i);

		if (!isnan(psi) && (worst < 0 || psi > lj_drift_feature(d, m, (uint32_t)worst)))
			worst = (int)i;
	}
	return worst;
}

static void add_model(json_t *reply, const struct lj_drift *d, const struct lj_model *model,
		      uint16_t m)
{
	const struct lj_model_info *info = lj_model_info(model);
	int worst = worst_feature(d, m, info->features);
	struct lj_drift_report r;

	lj_drift_report(d, m, &r);
	json_object_set_new(
		reply, info->name,
		json_pack("{s:s, s:I, s:I, s:I, s:o, s:o, s:s, s:o, s:I}", "state", state_of(&r),
			  "verdicts", (json_int_t)r.verdicts, "sampled", (json_int_t)r.sampled,
			  "over_threshold", (json_int_t)r.over, "quiet_h",
			  json_sprintf("%.2f", (double)r.quiet_ns / 3.6e12), "score_psi",
			  psi_json(r.score_psi), "worst_feature",
			  worst >= 0 ? lj_model_feature(model, (uint32_t)worst) : "", "worst_psi",
			  psi_json(worst >= 0 ? lj_drift_feature(d, m, (uint32_t)worst) : NAN),
			  "alarms", (json_int_t)r.alarms));
}

void drift_json(const struct lj_pipeline *p, json_t *reply)
{
	const struct lj_model_set *models = lj_pipeline_models(p);
	const struct lj_drift *d = lj_pipeline_drift(p);

	/* drift.every is 0, or there is no model. */
	if (d == NULL)
		json_object_set_new(reply, "state", json_string("not watched"));
	for (uint16_t m = 0; d != NULL && m < models->n; m++)
		add_model(reply, d, models->model[m], m);
}

int show_drift(struct lj_control *c, const char *param, json_t *reply, struct lj_error *err)
{
	RTE_SET_USED(param);
	RTE_SET_USED(err);
	drift_json(c->pipeline, reply);
	return 0;
}

struct moved {
	uint32_t feature;
	float psi;
};

static int compare_moved(const void *a, const void *b)
{
	const struct moved *x = a, *y = b;

	if (x->psi != y->psi)
		return x->psi < y->psi ? 1 : -1;
	return (x->feature > y->feature) - (x->feature < y->feature);
}

/* The features that have an index, those that moved most first. */
static uint32_t moved_features(const struct lj_drift *d, uint16_t m, uint32_t features,
			       struct moved *moved)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < features; i++) {
		float psi = lj_drift_feature(d, m, i);

		if (!isnan(psi))
			moved[n++] = (struct moved){i, psi};
	}
	qsort(moved, n, sizeof(*moved), compare_moved);
	return n;
}

int show_drift_features(struct lj_control *c, const char *param, json_t *reply,
			struct lj_error *err)
{
	const struct lj_model_set *models = lj_pipeline_models(c->pipeline);
	const struct lj_drift *d = lj_pipeline_drift(c->pipeline);
	char *end;
	unsigned long m = strtoul(param, &end, 10);
	const struct lj_model *model;
	struct moved *moved;
	uint32_t n;

	if (end == param || *end != '\0' || m >= LJ_MODELS_MAX)
		return lj_error_set(err, EINVAL, param, "is not the number of a model");
	if (d == NULL || m >= models->n) {
		json_object_set_new(reply, "state", json_string("not watched"));
		return 0;
	}
	model = models->model[m];
	moved = calloc(lj_model_info(model)->features, sizeof(*moved));
	if (moved == NULL)
		return lj_error_set(err, ENOMEM, "drift", "not enough memory");
	n = moved_features(d, (uint16_t)m, lj_model_info(model)->features, moved);
	for (uint32_t i = 0; i < RTE_MIN(n, (uint32_t)FEATURES_SHOWN); i++)
		json_object_set_new(reply, lj_model_feature(model, moved[i].feature),
				    psi_json(moved[i].psi));
	free(moved);
	return 0;
}
