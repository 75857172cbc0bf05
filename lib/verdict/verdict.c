#include <math.h>
#include <string.h>

#include "lj_verdict.h"

uint32_t lj_verdict_bytes(size_t n_values, size_t row_floats)
{
	return (uint32_t)RTE_ALIGN_CEIL(sizeof(struct lj_verdict) + n_values * sizeof(double) +
						row_floats * sizeof(float),
					(size_t)64);
}

static bool over(const struct lj_verdict *v, uint16_t m)
{
	return v->opinion[m].score >= lj_model_info(v->models->model[m])->threshold;
}

/* The model with the highest score of those over their thresholds, or of those that are not; -1 if
 * there are none. One that failed counts as not over, and comes last. */
static int highest(const struct lj_verdict *v, bool of_those_over)
{
	int best = -1;

	for (uint16_t m = 0; m < v->n_opinions; m++)
		if (over(v, m) == of_those_over &&
		    (best < 0 || v->opinion[m].score > v->opinion[best].score ||
		     isnan(v->opinion[best].score)))
			best = m;
	return best;
}

static uint16_t most_severe(const struct lj_verdict *v)
{
	int best = highest(v, true);

	return (uint16_t)RTE_MAX(best >= 0 ? best : highest(v, false), 0);
}

/* Whether a model is a specialist for a class: by its name, or one of its classes except benign. */
static bool is_specialist(const struct lj_model_info *info, const char *class)
{
	if (strcmp(info->name, class) == 0)
		return true;
	for (uint16_t k = 1; k < info->classes; k++)
		if (strcmp(info->class_name[k], class) == 0)
			return true;
	return false;
}

/* The first specialist for `class` that has a score; 0 if there is none. */
static uint16_t specialist(const struct lj_verdict *v, const char *class)
{
	for (uint16_t m = 1; m < v->n_opinions; m++)
		if (!isnan(v->opinion[m].score) &&
		    is_specialist(lj_model_info(v->models->model[m]), class))
			return m;
	return 0;
}

static uint16_t routed(const struct lj_verdict *v)
{
	const struct lj_opinion *first = &v->opinion[0];
	uint16_t m = 0;

	if (v->n_opinions == 0 || first->class_index == 0)
		return isnan(first->score) ? most_severe(v) : 0;
	/* A family is more specific than the class. */
	if (first->family != 0)
		m = specialist(v, lj_model_family(v->models->model[0])->class_name[first->family]);
	if (m == 0)
		m = specialist(v,
			       lj_model_info(v->models->model[0])->class_name[first->class_index]);
	return m;
}

static void decide(struct lj_verdict *v)
{
	int best;

	for (uint16_t m = 0; m < v->n_opinions; m++)
		v->votes += over(v, m);
	if (v->models->rule == LJ_RULE_VOTE && v->n_opinions > 0) {
		v->alert = v->votes >= v->models->quorum && v->votes > 0;
		best = highest(v, v->alert);
		/* Below the quorum with all models over their thresholds: the first one. */
		v->model = (uint16_t)RTE_MAX(best, 0);
		return;
	}
	v->model = v->models->rule == LJ_RULE_ROUTE ? routed(v) : most_severe(v);
	v->alert = v->n_opinions > 0 && over(v, v->model);
}

static void begin(struct lj_verdict *v, const struct lj_due_flow *due,
		  const struct lj_model_set *set)
{
	v->order = due->order;
	v->due_tsc = due->due_tsc;
	v->queued_tsc = due->queued_tsc;
	v->flow = due->flow;
	v->shed = due->shed;
	v->models = set;
	v->votes = v->rows = 0;
	v->because = NULL;
}

void lj_verdict_make(struct lj_verdict *v, const struct lj_due_flow *due,
		     const struct lj_model_set *set, const struct lj_opinion *const *opinions,
		     const struct lj_feature_plan *evidence, const struct lj_host_context *context)
{
	begin(v, due, set);
	v->n_opinions = set->n;
	for (uint16_t m = 0; m < set->n; m++)
		v->opinion[m] = *opinions[m];
	decide(v);
	v->n_values = 0;
	if (evidence == NULL)
		return;
	v->n_values = (uint32_t)lj_feature_plan_size(evidence);
	lj_feature_values(evidence, &due->flow, context, v->values);
}

void lj_verdict_shed(struct lj_verdict *v, const struct lj_due_flow *due,
		     const struct lj_model_set *set)
{
	begin(v, due, set);
	v->model = v->n_opinions = 0;
	v->alert = 0;
	v->batch = v->n_values = 0;
}

size_t lj_verdict_row_floats(const struct lj_model_set *set)
{
	size_t floats = 0;

	for (uint16_t m = 0; m < set->n; m++)
		floats += lj_model_info(set->model[m])->features;
	return floats;
}

void lj_verdict_keep_rows(struct lj_verdict *v, const float *const *rows)
{
	float *to = (float *)(v->values + v->n_values);

	for (uint16_t m = 0; m < v->models->n; m++) {
		uint32_t features = lj_model_info(v->models->model[m])->features;

		memcpy(to, rows[m], features * sizeof(*to));
		to += features;
	}
	v->rows = 1;
}

const float *lj_verdict_row(const struct lj_verdict *v, uint16_t m)
{
	const float *row = (const float *)(v->values + v->n_values);

	if (!v->rows)
		return NULL;
	for (uint16_t i = 0; i < m; i++)
		row += lj_model_info(v->models->model[i])->features;
	return row;
}

const struct lj_opinion *lj_verdict_decisive(const struct lj_verdict *v)
{
	return v->n_opinions > 0 ? &v->opinion[v->model] : NULL;
}

const char *lj_verdict_class(const struct lj_verdict *v)
{
	if (v->n_opinions == 0)
		return "unclassified";
	return lj_model_info(v->models->model[v->model])
		->class_name[v->opinion[v->model].class_index];
}
