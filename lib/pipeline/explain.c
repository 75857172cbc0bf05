#include "explain.h"

#include <errno.h>

int explaining_open(struct explaining *x, const struct lj_model_set *models, uint32_t top,
		    struct lj_error *err)
{
	x->top = top;
	for (uint16_t m = 0; top > 0 && m < models->n; m++) {
		x->explainer[m] = lj_explainer_open(models->model[m], err);
		if (x->explainer[m] == NULL)
			return -EIO;
	}
	return 0;
}

void explaining_close(struct explaining *x)
{
	for (uint16_t m = 0; m < LJ_MODELS_MAX; m++)
		lj_explainer_close(x->explainer[m]);
}

void explaining_explain(struct explaining *x, struct lj_verdict *v, struct lj_explanation *to,
			struct lj_counters *counters)
{
	const float *row = lj_verdict_row(v, v->model);
	const struct lj_opinion *o = lj_verdict_decisive(v);

	if (row == NULL ||
	    lj_explain(x->explainer[v->model], row, o->class_index, x->top, to) != 0) {
		lj_count(counters, LJ_C_explain_failed, 1);
		return;
	}
	v->because = to;
	lj_count(counters, LJ_C_explain_made, 1);
}
