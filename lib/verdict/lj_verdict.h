/*
 * What was decided, about whom, on what evidence: the message of the queue infer_sink.
 *
 * With several models each gives an opinion, all of which are kept; a rule says whose opinion is
 * the verdict. A model without a score (NaN: its engine failed) decides over none that has one, and
 * has no vote.
 */
#ifndef LJ_VERDICT_H
#define LJ_VERDICT_H

#include <stdbool.h>
#include <stdint.h>

#include "lj_batch.h"
#include "lj_explain.h"
#include "lj_model.h"

enum lj_rule {
	/* Of the models at or over their own thresholds the highest score; none is: the highest
	 * score. The earlier model wins a tie. */
	LJ_RULE_MAX,
	/*
	 * The first model decides what the flow is; where another one is named after the family
	 * that it names, or else the class it says, or has that class, that specialist decides
	 * instead.
	 */
	LJ_RULE_ROUTE,
	/* An alert when `quorum` models are at or over their thresholds: then the highest score of
	 * those, otherwise the highest of the others. */
	LJ_RULE_VOTE,
};

/* The models in force, in the order given. Immutable. */
struct lj_model_set {
	uint16_t n;
	uint16_t quorum; /* of LJ_RULE_VOTE: 1..n */
	enum lj_rule rule;
	struct lj_model *model[LJ_MODELS_MAX];
	uint32_t generation;
};

struct lj_verdict {
	struct lj_order order;
	/* TSC at each stage: found due, queued, taken by inference, scored; written is stamped by
	 * the sink. */
	uint64_t due_tsc, queued_tsc, taken_tsc, scored_tsc;
	uint16_t model; /* which of the set decided; 0 when the set is empty */
	uint16_t n_opinions;
	uint8_t alert;	/* 1: as the rule says; with one model, a score at or over its threshold */
	uint8_t shed;	/* 1: not scored, for too many waited; there are no opinions then */
	uint8_t votes;	/* models at or over their thresholds */
	uint8_t rows;	/* 1: each model's row of features stands behind the values */
	uint32_t batch; /* rows scored together with this one */
	uint32_t n_values;
	const struct lj_model_set *models;    /* by which; not closed while the verdict is there */
	const struct lj_explanation *because; /* the sink's, while it writes; NULL: none */
	struct lj_opinion opinion[LJ_MODELS_MAX];
	struct lj_flow flow;
	double values[]; /* n_values of the evidence plan (--features); usually none */
};

/* Bytes of a verdict record with `n_values` of evidence and `row_floats` of the models' rows: a
 * multiple of 64. */
uint32_t lj_verdict_bytes(size_t n_values, size_t row_floats);
/* Floats of one row of each of the set's models. */
size_t lj_verdict_row_floats(const struct lj_model_set *set);

/*
 * Writes verdict `v` from a due flow and the opinions of the set's models (opinions[m] is model m's
 * of this flow). `evidence` may be NULL; its values are computed here, from the flow and `context`
 * (NULL when the plan does not keep LJ_KEEP_HOST).
 */
void lj_verdict_make(struct lj_verdict *v, const struct lj_due_flow *due,
		     const struct lj_model_set *set, const struct lj_opinion *const *opinions,
		     const struct lj_feature_plan *evidence, const struct lj_host_context *context);

/* Writes the verdict of a flow that was shed: no opinions of the set's models, no values. */
void lj_verdict_shed(struct lj_verdict *v, const struct lj_due_flow *due,
		     const struct lj_model_set *set);

/* Copies rows[m], what model m scored of this flow, behind the verdict, for those who explain it
 * or watch its features. */
void lj_verdict_keep_rows(struct lj_verdict *v, const float *const *rows);
/* What model m scored; NULL when the verdict has no rows. */
const float *lj_verdict_row(const struct lj_verdict *v, uint16_t m);

/* The opinion that decided; NULL without models, and of a flow that was shed. */
const struct lj_opinion *lj_verdict_decisive(const struct lj_verdict *v);
/* "benign", "malicious", a family ...; "unclassified" without an opinion. */
const char *lj_verdict_class(const struct lj_verdict *v);

#endif
