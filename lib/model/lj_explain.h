/*
 * Why a model says what it says: SHAP contributions, XGBoost's own (Lundberg et al., 2018; exact
 * over the trees). They add up to the margin, and that is checked.
 *
 * Thread: an explainer belongs to one, which is no inference lcore: a row takes about 1 ms, and
 * allocates. It has a booster of its own.
 */
#ifndef LJ_EXPLAIN_H
#define LJ_EXPLAIN_H

#include "lj_model.h"

#define LJ_EXPLAIN_TOP_MAX 16

struct lj_explainer;

struct lj_contribution {
	const char *feature; /* as the bundle calls it; the model's */
	float value;	     /* NaN: missing */
	/*
	 * What it added to the margin of the class, in log odds; with a transform, divided by its
	 * divisor: probability (mean), or powers of two of the score (path_length, over 0 towards
	 * not benign).
	 */
	float contribution;
};

struct lj_explanation {
	uint32_t n; /* 0: none, or it did not add up */
	struct lj_contribution item[LJ_EXPLAIN_TOP_MAX];
};

/* The model is borrowed. NULL and `err`. */
struct lj_explainer *lj_explainer_open(const struct lj_model *m, struct lj_error *err);
void lj_explainer_close(struct lj_explainer *e);

/*
 * The `top` (<= LJ_EXPLAIN_TOP_MAX) features that weighed most, for or against, on `row` being of
 * the class (1 of a binary model); heaviest first, an earlier feature before a later of the same
 * weight. 0, or -EPROTO when the contributions do not add up to the margin, -EIO when XGBoost
 * fails.
 */
int lj_explain(struct lj_explainer *e, const float *row, uint16_t class_index, uint32_t top,
	       struct lj_explanation *explanation);

#endif
