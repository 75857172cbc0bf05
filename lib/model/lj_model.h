/*
 * Models: loading, validation and scoring.
 *
 * A bundle is a folder with manifest.json (feature names, classes, threshold, flow settings,
 * SHA-256 of each file), model.ubj (or .json) and golden.csv (rows of features with the margins and
 * probabilities that they must give); optionally a site's calibration.json and a reference for
 * drift, and in a subfolder a second model that names the family of alerts. models/README.md
 * describes the fields. A model is immutable once open. It opens only if it reproduces its golden
 * rows (margins bit for bit, probabilities to 1e-6).
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
#define LJ_MODEL_BATCH 1024 /* maximum number of rows per call */

/* Maximum size of a booster file. 500 trees of depth 8 take about 4 MiB. */
#define LJ_MODEL_BYTES_MAX (256ULL << 20)

struct lj_model;

/* An engine scores rows of float32. There is one handle per inference lcore, so no lock is needed.
 */
struct lj_engine_ops {
	const char *name;
	/* `path` has been validated. NULL with `err`. */
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

/* The engine to be used. */
enum lj_engine {
	LJ_ENGINE_AUTO,	   /* both are measured when the model opens, the faster one is used */
	LJ_ENGINE_XGBOOST, /* XGBoost's C API: the reference */
	LJ_ENGINE_FOREST,  /* our SIMD implementation, with bitwise identical results */
	LJ_ENGINE_MANIFEST /* as in the bundle's manifest */
};

/* How margins are converted to probabilities. */
enum lj_transform {
	LJ_TRANSFORM_OBJECTIVE,	  /* by the booster's objective: logistic or softmax */
	LJ_TRANSFORM_MEAN,	  /* margin / divisor: trees that vote with probabilities */
	LJ_TRANSFORM_PATH_LENGTH, /* 2^(-margin / divisor): an isolation forest (Liu, Ting and
				     Zhou, 2008); the divisor is trees times c(n) */
};

/* How many trees are evaluated per flow. */
enum lj_mode {
	LJ_MODE_EXACT,	 /* all of them */
	LJ_MODE_DECIDE,	 /* until no remaining tree can change alert or class; only with the forest
			    engine and LJ_TRANSFORM_OBJECTIVE */
	LJ_MODE_MANIFEST /* as in the bundle's manifest */
};

/* The flow settings a model was trained with. The pipeline uses those of the first model unless
 * they are configured. */
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
	char engine_reason[128]; /* why this engine; limited by telemetry's string length */
	char mode[8];		 /* exact or decide, the one in effect */
	uint32_t proof_rows;	 /* on which the forest engine matched XGBoost; 0: no proof */
	uint32_t features, outputs, trees;
	uint16_t classes;		     /* 2 for a binary model */
	char class_name[LJ_CLASSES_MAX][32]; /* [0] is always the benign class */
	enum lj_transform transform;
	double divisor;	 /* of the transform */
	float threshold; /* alert if the score (probability of not benign) is at or over this */
	float threshold_shipped; /* the manifest's; calibration may have changed `threshold` */
	char calibration[80];	 /* "none", or which entry of calibration.json, and its date */
	struct lj_model_flow flow;
};

/*
 * Opens a bundle for `slots` (1..LJ_MODEL_SLOTS) inference lcores: validates it, checks the golden
 * rows, and compares the forest engine with XGBoost for every kernel that runs on this machine.
 * NULL with `err`.
 */
struct lj_model *lj_model_open(const char *dir, uint16_t slots, struct lj_error *err);
void lj_model_close(struct lj_model *m);

/*
 * As lj_model_open(), but with a given engine and mode, and for a quick start: only the kernels
 * that will be used are compared with XGBoost, on fewer rows. If the forest engine cannot be used,
 * a warning says why and XGBoost is used. If mode decide is not possible, a warning says so and
 * scores are exact.
 */
struct lj_model *lj_model_open_by(const char *dir, uint16_t slots, enum lj_engine engine,
				  enum lj_mode mode, struct lj_error *err);

/* LJ_KEEP_* that a bundle's features need; reads only its manifest. 0 or -errno. */
int lj_model_keep(const char *dir, uint32_t *keep, struct lj_error *err);

const struct lj_model_info *lj_model_info(const struct lj_model *m);
const struct lj_feature_plan *lj_model_plan(const struct lj_model *m);
/* LJ_HOST_PART_* that it reads, including its family model. */
uint32_t lj_model_context(const struct lj_model *m);
const char *lj_model_dir(const struct lj_model *m);
/* The name of feature i, as in the bundle. */
const char *lj_model_feature(const struct lj_model *m, uint32_t i);
/* The first feature of the model, or of its family model, that needs more than these LJ_KEEP_* and
 * LJ_HOST_PART_*; NULL: none. */
const char *lj_model_unkept(const struct lj_model *m, uint32_t keep, uint32_t context);
/* The path of the bundle's reference histograms; false if it has none. */
bool lj_model_reference(const struct lj_model *m, char *path, size_t size);

/* The model that names the family of alerts; its classes from 1 on are the families. NULL: none. */
const struct lj_model_info *lj_model_family(const struct lj_model *m);

/* A model's result for one flow. */
struct lj_opinion {
	float score; /* probability that the flow is not benign */
	/* The likeliest class; at or over the threshold the likeliest one other than benign. For a
	 * binary model it depends on the threshold only. */
	uint16_t class_index;
	uint16_t classes;
	/* Mode decide: the scores are only bounds, on the same side of the threshold as the exact
	 * ones and with the same likeliest class. */
	bool decided;
	uint16_t family;    /* class of lj_model_family(); 0: none, since it is no alert */
	float family_score; /* the family's share of all probabilities except benign */
	float scores[LJ_CLASSES_MAX]; /* probability of each class */
};

/*
 * Scores `n` (<= LJ_MODEL_BATCH) flows with their contexts (NULL unless the model's plan has
 * LJ_KEEP_HOST). Scratch memory belongs to the slot. Normally returns n. If the engine fails, which
 * a model that has opened should not, scores are NaN, classes benign, and the return value is 0.
 */
uint32_t lj_model_score(struct lj_model *m, uint16_t slot, const struct lj_flow *const *flows,
			const struct lj_host_context *contexts, uint32_t n,
			struct lj_opinion *opinions);

/* Computes probabilities[n][outputs] of rows[n][features], n <= LJ_MODEL_BATCH, with the slot's
 * engine in the model's mode. 0 or -errno. */
int lj_model_score_rows(struct lj_model *m, uint16_t slot, const float *rows, uint32_t n,
			float *probabilities);

/* The rows [n][features] of the slot's latest lj_model_score(); valid until the next one. Path. */
const float *lj_model_rows(const struct lj_model *m, uint16_t slot);

/* A bin of a histogram: rows whose evaluation took up to `trees` trees, and more than those of the
 * previous bin. */
struct lj_model_bin {
	uint32_t trees;
	uint64_t rows;
};

/*
 * Mode decide: fills bins[LJ_MODEL_BINS] with the histogram of trees evaluated per row since the
 * model was opened, over all slots; returns the number of bins. 0 in mode exact. Thread: any.
 */
#define LJ_MODEL_BINS 16
uint32_t lj_model_histogram(const struct lj_model *m, struct lj_model_bin *bins);

/* Copies up to `max` of the bundle's golden rows into matrix[max][features]; returns how many. */
uint32_t lj_model_golden(const struct lj_model *m, float *matrix, uint32_t max);

/* The XGBoost versions at build time and at run time: {1, 7, 4}. */
void lj_model_library(int built[3], int running[3]);

/*
 * Validates a booster file. Rejects files on which XGBoost would crash, loop or give wrong results:
 * not JSON or UBJ, indices out of range, cycles, impossible counts, non-finite thresholds. Fills
 * features, trees and outputs of `info`. 0, or -errno with `err`.
 */
int lj_model_validate(const char *path, struct lj_model_info *info, struct lj_error *err);

#endif
