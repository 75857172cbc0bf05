#include "lj_explain.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"

/* Relative to one plus the sum of absolute contributions: XGBoost adds the terms of a path in
 * float32. */
#define SUM_TOLERANCE 1e-3

struct lj_explainer {
	const struct lj_model *model;
	void *handle;	      /* of the XGBoost engine */
	float *contributions; /* [outputs][features + 1], the last one the bias */
};

struct lj_explainer *lj_explainer_open(const struct lj_model *m, struct lj_error *err)
{
	const struct lj_model_info *info = lj_model_info(m);
	struct lj_explainer *e = calloc(1, sizeof(*e));
	char path[1024];

	if (e == NULL) {
		lj_error_set(err, ENOMEM, m->dir, "not enough memory");
		return NULL;
	}
	snprintf(path, sizeof(path), "%s/%s", m->dir, m->manifest.booster);
	e->model = m;
	e->contributions =
		malloc((size_t)info->outputs * (info->features + 1) * sizeof(*e->contributions));
	e->handle = e->contributions != NULL ? lj_engine_xgboost.open(path, m, err) : NULL;
	if (e->handle != NULL)
		return e;
	if (e->contributions == NULL)
		lj_error_set(err, ENOMEM, m->dir, "not enough memory");
	lj_explainer_close(e);
	return NULL;
}

void lj_explainer_close(struct lj_explainer *e)
{
	if (e == NULL)
		return;
	lj_engine_xgboost.close(e->handle);
	free(e->contributions);
	free(e);
}

/* The contributions to one output; NULL if they do not add up to its margin. */
static const float *contributions_to(const struct lj_explainer *e, const float *row,
				     uint32_t output)
{
	const struct lj_model_info *info = lj_model_info(e->model);
	const float *c = e->contributions + (size_t)output * (info->features + 1);
	float margins[LJ_CLASSES_MAX];
	double sum = 0, size = 1;

	if (lj_engine_xgboost.score(e->handle, row, 1, margins, NULL) != 0)
		return NULL;
	for (uint32_t i = 0; i <= info->features; i++) {
		sum += c[i];
		size += fabs(c[i]);
	}
	return fabs(sum - margins[output]) <= SUM_TOLERANCE * size ? c : NULL;
}

/* Converts a contribution to the output's margin to one to the class. */
static float factor_of(const struct lj_model_info *info, uint16_t class_index)
{
	double factor = 1;

	if (info->transform == LJ_TRANSFORM_MEAN)
		factor = 1 / info->divisor;
	else if (info->transform == LJ_TRANSFORM_PATH_LENGTH)
		factor = -1 / info->divisor; /* a short path is a high score */
	return (float)(info->outputs == 1 && class_index == 0 ? -factor : factor);
}

/* Inserts the item if it is among the `top` largest by absolute value; the list is short. */
static void insert(struct lj_explanation *x, uint32_t top, struct lj_contribution item)
{
	uint32_t at = x->n;

	while (at > 0 && fabsf(x->item[at - 1].contribution) < fabsf(item.contribution))
		at--;
	if (at == top)
		return;
	x->n = RTE_MIN(x->n + 1, top);
	memmove(&x->item[at + 1], &x->item[at], (x->n - 1 - at) * sizeof(item));
	x->item[at] = item;
}

int lj_explain(struct lj_explainer *e, const float *row, uint16_t class_index, uint32_t top,
	       struct lj_explanation *explanation)
{
	const struct lj_model_info *info = lj_model_info(e->model);
	float factor = factor_of(info, class_index);
	const float *c;

	explanation->n = 0;
	top = RTE_MIN(top, (uint32_t)LJ_EXPLAIN_TOP_MAX);
	if (xgboost_contributions(e->handle, row, e->contributions) != 0)
		return -EIO;
	c = contributions_to(e, row, info->outputs == 1 ? 0 : class_index);
	if (c == NULL)
		return -EPROTO;
	for (uint32_t i = 0; i < info->features && top > 0; i++)
		if (c[i] != 0)
			insert(explanation, top,
			       (struct lj_contribution){e->model->manifest.features[i], row[i],
							factor * c[i]});
	return 0;
}
