/*
 * A scored opinion with an identity and a lifetime.
 *
 * A bundle is a folder: manifest.json (names, classes, threshold, flow settings, SHA-256 of each
 * file), model.ubj (or .json), golden.csv (rows of features with the margins and probabilities they
 * must give); a site's calibration.json may stand beside them, and in a folder of its own a second
 * model that names the family of what alarms. models/README.md describes it field by field. A model
 * is immutable once open, and must reproduce its golden rows (margins bit for bit, probabilities to
 * 1e-6) or it does not open.
 *
 * Thread: open and close on main; lj_model_score() from each inference lcore with its own `slot`.
 */
#ifndef LJ_MODEL_H
#define LJ_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "lj_base.h"
#include "lj_feature.h"

#define LJ_CLASSES_MAX 16
#define LJ_MODELS_MAX  8
#define LJ_MODEL_SLOTS 64
#define LJ_MODEL_BATCH 1024 /* most rows of one call */

/* Of a booster file. 500 trees of depth 8 take about 4 MiB. */
#define LJ_MODEL_BYTES_MAX (256ULL << 20)

struct lj_model;

/* An engine scores rows of float32; one handle per inference lcore, so none needs a lock. */
struct lj_engine_ops {
	const char *name;
	/* `path` has been validated. NULL and `err`. */
	void *(*open)(const char *path, const struct lj_model *model, struct lj_error *err);
	/*
	 * margins[n][outputs]: the sum of the trees, before any transform;
	 * probabilities[n][outputs]: after the objective's transform. Either may be NULL. 0 or
	 * -errno.
	 */
	int (*score)(void *handle, const float *matrix, uint32_t n, float *margins,
		     float *probabilities);
	void (*close)(void *handle);
};
extern const struct lj_engine_ops lj_engine_xgboost;
extern const struct lj_engine_ops lj_engine_forest;

/* Which engine is asked for. */
enum lj_engine {
	LJ_ENGINE_AUTO,	   /* both are measured when the model opens, and the faster is kept */
	LJ_ENGINE_XGBOOST, /* XGBoost's C API: the reference */
	LJ_ENGINE_FOREST,  /* the model's trees by SIMD, the same bits */
	LJ_ENGINE_MANIFEST /* as the bundle's manifest says */
};

/* How a booster's margins become probabilities. */
enum lj_transform {
	LJ_TRANSFORM_OBJECTIVE,	  /* as its objective says: logistic or softmax */
	LJ_TRANSFORM_MEAN,	  /* margin / divisor: trees that vote with probabilities */
	LJ_TRANSFORM_PATH_LENGTH, /* 2^(-margin / divisor): an isolation forest (Liu, Ting and
				     Zhou, 2008); the divisor is trees times c(n) */
};

/* How far a flow is scored. */
enum lj_mode {
	LJ_MODE_EXACT,	 /* by every tree */
	LJ_MODE_DECIDE,	 /* until no tree that is left can change alert or class; forest only, and
			    only where probabilities are as the objective says */
	LJ_MODE_MANIFEST /* as the bundle's manifest says */
};

/* The flow settings a model was trained under: the pipeline uses those of the first model unless
 * configured. */
struct lj_model_flow {
	uint64_t idle_timeout_ns, active_timeout_ns, tcp_linger_ns;
	uint32_t classify_at;
	bool present;
};

struct lj_model_info {
	char name[64];
	char version[32];
	char sha256[65]; /* of the booster file: the model's identity */
	char engine[16];
	char engine_reason[128]; /* why this engine; no longer than telemetry takes */
	char mode[8];		 /* exact or decide, as it came to be */
	uint32_t proof_rows; /* on which the forest engine was compared with XGBoost; 0: never */
	uint32_t features, outputs, trees;
	uint16_t classes;		     /* 2 for a binary model */
	char class_name[LJ_CLASSES_MAX][32]; /* [0] is always the benign class */
	enum lj_transform transform;
	double divisor;	 /* of the transform */
	float threshold; /* alert when the score (probability of not benign) is at or over this */
	float threshold_shipped; /* the manifest's; `threshold` may be the site's own instead */
	char calibration[80];	 /* "none", or which of calibration.json, and of when */
	struct lj_model_flow flow;
};

/*
 * Opens a bundle for `slots` (1..LJ_MODEL_SLOTS) inference lcores: validates, proves the golden
 * rows, and the forest engine against XGBoost, by every kernel that runs here. NULL and `err`.
 */
struct lj_model *lj_model_open(const char *dir, uint16_t slots, struct lj_error *err);
void lj_model_close(struct lj_model *m);

/*
 * As lj_model_open(), by the engine and in the mode asked for, for a start that should be quick:
 * the forest engine proves the kernels that it will choose here, on fewer rows. Where it cannot, a
 * warning says why and XGBoost scores. Where what scores cannot decide early, a warning says so and
 * scores are exact.
 */
struct lj_model *lj_model_open_by(const char *dir, uint16_t slots, enum lj_engine engine,
				  enum lj_mode mode, struct lj_error *err);

/* LJ_KEEP_* bits that a bundle's features need, by its manifest alone. 0 or -errno. */
int lj_model_keep(const char *dir, uint32_t *keep, struct lj_error *err);

const struct lj_model_info *lj_model_info(const struct lj_model *m);
const struct lj_feature_plan *lj_model_plan(const struct lj_model *m);
/* LJ_HOST_PART_* of a context that it reads, to name the family too. */
uint32_t lj_model_context(const struct lj_model *m);
const char *lj_model_dir(const struct lj_model *m);
/* Name of column i, as the bundle spells it. */
const char *lj_model_feature(const struct lj_model *m, uint32_t i);
/* The first of its features, or of its family's, that reads what is not among these LJ_KEEP_* of a
 * flow and LJ_HOST_PART_* of a context; NULL: none does. */
const char *lj_model_unkept(const struct lj_model *m, uint32_t keep, uint32_t context);
/* Path of the bundle's reference histograms, whose hash was checked; false: it has none. */
bool lj_model_reference(const struct lj_model *m, char *path, size_t size);

/* The model that names the family of what alarms, by its classes behind the first; NULL: none. */
const struct lj_model_info *lj_model_family(const struct lj_model *m);

/* What a model says of one flow. */
struct lj_opinion {
	float score; /* probability that the flow is not benign */
	/* The likeliest class, of what is at or over the threshold the likeliest but benign; for a
	 * binary model by the threshold. */
	uint16_t class_index;
	uint16_t classes;
	/* Mode decide: the scores are bounds, on the exact ones' side of the threshold and with
	 * their likeliest class. */
	bool decided;
	uint16_t family;    /* class of lj_model_family(); 0: none, for it does not alarm */
	float family_score; /* the family's share of all probabilities but benign's */
	float scores[LJ_CLASSES_MAX]; /* probability of each class */
};

/*
 * Opinions of `n` (<= LJ_MODEL_BATCH) flows and the contexts beside them (NULL when the model's
 * plan does not keep LJ_KEEP_HOST). Scratch belongs to the slot. Does not fail: a model that opened
 * has proved that it scores; if the engine fails all the same, the score is NaN, the class benign,
 * and the return value < n.
 */
uint32_t lj_model_score(struct lj_model *m, uint16_t slot, const struct lj_flow *const *flows,
			const struct lj_host_context *contexts, uint32_t n,
			struct lj_opinion *opinions);

/* Probabilities[n][outputs] of rows[n][features], n <= LJ_MODEL_BATCH, by the slot's engine in the
 * model's mode. 0 or -errno. */
int lj_model_score_rows(struct lj_model *m, uint16_t slot, const float *rows, uint32_t n,
			float *probabilities);

/* The rows of the slot's latest lj_model_score(), [n][features]; until the next one. Path. */
const float *lj_model_rows(const struct lj_model *m, uint16_t slot);

/* Rows for which evaluation ended behind tree `trees` or, by the bin before, earlier. */
struct lj_model_bin {
	uint32_t trees;
	uint64_t rows;
};

/*
 * Mode decide: the histogram of trees evaluated since the model opened, of all slots, into
 * bins[LJ_MODEL_BINS]; how many. 0 in mode exact. From any thread.
 */
#define LJ_MODEL_BINS 16
uint32_t lj_model_histogram(const struct lj_model *m, struct lj_model_bin *bins);

/* Copies up to `max` of the bundle's golden rows into matrix[max][features]; returns how many. */
uint32_t lj_model_golden(const struct lj_model *m, float *matrix, uint32_t max);

/* The XGBoost that this was built with and the one that runs: {1, 7, 4}. */
void lj_model_library(int built[3], int running[3]);

/*
 * Refuses a booster file that XGBoost would crash, loop or answer wrong on: not JSON or UBJ,
 * indices out of range, cycles, impossible counts, non-finite thresholds. Fills trees and outputs
 * of `info`. 0 or -errno with `err`.
 */
int lj_model_validate(const char *path, struct lj_model_info *info, struct lj_error *err);

#endif
