/* Private: the sink's explanations of alerts. Thread: the sink's. */
#ifndef EXPLAIN_H
#define EXPLAIN_H

#include "lj_stats.h"
#include "lj_verdict.h"

struct explaining {
	uint32_t top;
	struct lj_explainer *explainer[LJ_MODELS_MAX];
};

/* Opens an explainer for each model. 0, or -errno with `err`; call explaining_close() in any case.
 */
int explaining_open(struct explaining *x, const struct lj_model_set *models, uint32_t top,
		    struct lj_error *err);
void explaining_close(struct explaining *x);

/* Explains the alert `v` in `to`, and sets v->because to it; counts successes and failures. */
void explaining_explain(struct explaining *x, struct lj_verdict *v, struct lj_explanation *to,
			struct lj_counters *counters);

#endif
