#include "lj_verdict.h"

uint32_t lj_verdict_bytes(size_t n_values)
{
	return (uint32_t)RTE_ALIGN_CEIL(sizeof(struct lj_verdict) + n_values * sizeof(double),
					(size_t)64);
}

/* The highest score decides; the earlier model wins a tie, and one without a score (NaN) never
 * decides over one with. */
static uint16_t most_severe(const struct lj_verdict *v)
{
	uint16_t best = 0;

	for (uint16_t m = 1; m < v->n_opinions; m++)
		if (v->opinion[m].score > v->opinion[best].score ||
		    v->opinion[best].score != v->opinion[best].score)
			best = m;
	return best;
}

static void begin(struct lj_verdict *v, const struct lj_due_flow *due)
{
	v->order = due->order;
	v->due_tsc = due->due_tsc;
	v->queued_tsc = due->queued_tsc;
	v->flow = due->flow;
	v->shed = due->shed;
}

void lj_verdict_make(struct lj_verdict *v, const struct lj_due_flow *due,
		     const struct lj_model_set *set, const struct lj_opinion *const *opinions,
		     const struct lj_feature_plan *evidence, const struct lj_host_context *context)
{
	begin(v, due);
	v->n_opinions = set->n;
	for (uint16_t m = 0; m < set->n; m++)
		v->opinion[m] = *opinions[m];
	v->model = most_severe(v);
	v->alert = set->n > 0 &&
		   v->opinion[v->model].score >= lj_model_info(set->model[v->model])->threshold;
	v->n_values = 0;
	if (evidence == NULL)
		return;
	v->n_values = (uint32_t)lj_feature_plan_size(evidence);
	lj_feature_values(evidence, &due->flow, context, v->values);
}

void lj_verdict_shed(struct lj_verdict *v, const struct lj_due_flow *due)
{
	begin(v, due);
	v->model = v->n_opinions = 0;
	v->alert = 0;
	v->batch = v->n_values = 0;
}

const struct lj_opinion *lj_verdict_decisive(const struct lj_verdict *v)
{
	return v->n_opinions > 0 ? &v->opinion[v->model] : NULL;
}

const char *lj_verdict_class(const struct lj_verdict *v, const struct lj_model_set *set)
{
	if (v->n_opinions == 0)
		return "unclassified";
	return lj_model_info(set->model[v->model])->class_name[v->opinion[v->model].class_index];
}
