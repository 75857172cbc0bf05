/*
 * Verdicts: the decision on a flow and what it is based on. The record of the queue infer_sink.
 *
 * With several models each gives an opinion, and all of them are kept; a rule determines whose
 * opinion is the verdict. A model without a score (NaN: its engine failed) has no vote, and its
 * opinion is only used if no model has a score.
 *
 * Thread: any; a verdict belongs to whoever holds its queue record.
 */
#ifndef LJ_VERDICT_H
#define LJ_VERDICT_H

#include <stdbool.h>
#include <stdint.h>

#include "lj_batch.h"
#include "lj_explain.h"
#include "lj_model.h"

enum lj_rule {
	/* The highest score of the models that are at or over their own thresholds; if none is, the
	 * highest score. The earlier model wins a tie. */
	LJ_RULE_MAX,
	/*
	 * The first model decides on a class. If another model is a specialist for it, that one
	 * decides: one whose name, or one of whose classes, is the family found by the first model,
	 * or else its class.
	 */
	LJ_RULE_ROUTE,
	/* An alert if `quorum` models are at or over their thresholds. The decisive opinion is then
	 * the highest of those, otherwise the highest of the others. */
	LJ_RULE_VOTE,
};

/* The models in use, in the configured order. Immutable once published. */
struct lj_model_set {
	uint16_t n;
	uint16_t quorum; /* of LJ_RULE_VOTE: 1..n */
	enum lj_rule rule;
	struct lj_model *model[LJ_MODELS_MAX];
	uint32_t generation;
};

struct lj_verdict {
	struct lj_order order;
	/* TSC at each stage: found due, queued, taken by inference, scored. */
	uint64_t due_tsc, queued_tsc, taken_tsc, scored_tsc;
	uint16_t model; /* index of the decisive model; 0 if the set is empty */
	uint16_t n_opinions;
	uint8_t alert;	/* 1: an alert, by the rule */
	uint8_t shed;	/* 1: not scored because of overload; there are no opinions */
	uint8_t votes;	/* models at or over their thresholds */
	uint8_t rows;	/* 1: each model's row of features follows the values */
	uint32_t batch; /* number of rows in its batch */
	uint32_t n_values;
	const struct lj_model_set *models;    /* not closed while the verdict exists */
	const struct lj_explanation *because; /* set by the sink while it writes; NULL: none */
	struct lj_opinion opinion[LJ_MODELS_MAX];
	struct lj_flow flow;
	double values[]; /* n_values of the evidence plan (--features); usually none */
};

/* The size of a verdict record with `n_values` values of evidence and `row_floats` floats of the
 * models' rows: a multiple of 64. */
uint32_t lj_verdict_bytes(size_t n_values, size_t row_floats);
/* The number of floats in one row of each of the set's models. */
size_t lj_verdict_row_floats(const struct lj_model_set *set);

/*
 * Fills the verdict `v` from a due flow and the opinions of the set's models (opinions[m] is that
 * of model m). If `evidence` is not NULL its values are computed, from the flow and `context` (NULL
 * unless the plan has LJ_KEEP_HOST).
 */
void lj_verdict_make(struct lj_verdict *v, const struct lj_due_flow *due,
		     const struct lj_model_set *set, const struct lj_opinion *const *opinions,
		     const struct lj_feature_plan *evidence, const struct lj_host_context *context);

/* Fills the verdict of a flow that was shed: no opinions, no values. */
void lj_verdict_shed(struct lj_verdict *v, const struct lj_due_flow *due,
		     const struct lj_model_set *set);

/* Copies rows[m], the row that model m scored for this flow, behind the verdict, for explanations
 * and drift detection. */
void lj_verdict_keep_rows(struct lj_verdict *v, const float *const *rows);
/* The row that model m scored; NULL if the verdict has no rows. */
const float *lj_verdict_row(const struct lj_verdict *v, uint16_t m);

/* The decisive opinion; NULL without models, and for a flow that was shed. */
const struct lj_opinion *lj_verdict_decisive(const struct lj_verdict *v);
/* "benign", "malicious", a family ...; "unclassified" without an opinion. */
const char *lj_verdict_class(const struct lj_verdict *v);

#endif
