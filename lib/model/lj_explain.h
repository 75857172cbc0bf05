/*
 * Explanations of scores: SHAP contributions computed by XGBoost (Lundberg et al., 2018; exact for
 * trees). They add up to the margin, which is checked.
 *
 * Thread: an explainer belongs to one thread, which must not be an inference lcore: a row takes
 * about 1 ms, and memory is allocated. It has a booster of its own.
 */
#ifndef LJ_EXPLAIN_H
#define LJ_EXPLAIN_H

#include "lj_model.h"

#define LJ_EXPLAIN_TOP_MAX 16

struct lj_explainer;

struct lj_contribution {
	const char *feature; /* the name in the bundle; owned by the model */
	float value;	     /* NaN: missing */
	/*
	 * What the feature added to the margin of the class, in log odds. With a transform, divided
	 * by its divisor: in probability (mean), or in powers of two of the score (path_length;
	 * positive means less benign).
	 */
	float contribution;
};

struct lj_explanation {
	uint32_t n; /* 0: none, or they did not add up */
	struct lj_contribution item[LJ_EXPLAIN_TOP_MAX];
};

/* The model is borrowed and must outlive the explainer. NULL with `err`. */
struct lj_explainer *lj_explainer_open(const struct lj_model *m, struct lj_error *err);
void lj_explainer_close(struct lj_explainer *e);

/*
 * Finds the `top` (<= LJ_EXPLAIN_TOP_MAX) features that contributed most, for or against, to `row`
 * being of the class (1 for a binary model); the largest contribution first, ties in the order of
 * the features. 0, -EPROTO if the contributions do not add up to the margin, -EIO if XGBoost fails.
 */
int lj_explain(struct lj_explainer *e, const float *row, uint16_t class_index, uint32_t top,
	       struct lj_explanation *explanation);

#endif
