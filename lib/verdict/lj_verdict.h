/*
 * What was decided, about whom, on what evidence: the message of the queue infer_sink.
 *
 * With several models each gives an opinion; the verdict is that of the model with the highest
 * score (rule "max"), and all opinions are kept.
 */
#ifndef LJ_VERDICT_H
#define LJ_VERDICT_H

#include <stdbool.h>
#include <stdint.h>

#include "lj_batch.h"
#include "lj_model.h"

/* The models in force, in the order given. Immutable. */
struct lj_model_set {
	uint16_t n;
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
	uint8_t alert; /* 1: score at or over that model's threshold */
	uint8_t shed;  /* 1: not scored, for too many waited; there are no opinions then */
	uint8_t reserved8[2];
	uint32_t batch; /* rows scored together with this one */
	uint32_t n_values;
	struct lj_opinion opinion[LJ_MODELS_MAX];
	struct lj_flow flow;
	double values[]; /* n_values of the evidence plan (--features); usually none */
};

/* Bytes of a verdict record with `n_values` features: a multiple of 64. */
uint32_t lj_verdict_bytes(size_t n_values);

/*
 * Writes verdict `v` from a due flow and the opinions of the set's models (opinions[m] is model m's
 * of this flow). `evidence` may be NULL; its values are computed here, from the flow and `context`
 * (NULL when the plan does not keep LJ_KEEP_HOST).
 */
void lj_verdict_make(struct lj_verdict *v, const struct lj_due_flow *due,
		     const struct lj_model_set *set, const struct lj_opinion *const *opinions,
		     const struct lj_feature_plan *evidence, const struct lj_host_context *context);

/* Writes the verdict of a flow that was shed: no opinions, no values. */
void lj_verdict_shed(struct lj_verdict *v, const struct lj_due_flow *due);

/* The opinion that decided; NULL without models, and of a flow that was shed. */
const struct lj_opinion *lj_verdict_decisive(const struct lj_verdict *v);
/* "benign", "malicious", a family ...; "unclassified" without an opinion. */
const char *lj_verdict_class(const struct lj_verdict *v, const struct lj_model_set *set);

#endif
