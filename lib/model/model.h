/* Private: the parts of a model, and functions shared by the files of this module. */
#ifndef MODEL_H
#define MODEL_H

#include <jansson.h>

#include "forest.h"
#include "lj_digest.h"
#include "lj_model.h"

#define GOLDEN_PROBABILITY_TOLERANCE 1e-6

struct manifest {
	struct lj_model_info info;
	enum lj_engine engine;
	enum lj_mode mode;
	char **features;		/* [info.features] */
	char booster[256], golden[256]; /* file names in the folder */
	char reference[256];		/* "": none */
	char booster_sha256[65], golden_sha256[65], reference_sha256[65];
	char family[128]; /* folder of the model that names families; empty: none */
	char family_sha256[65];
};

struct lj_model {
	char dir[512];
	struct manifest manifest;
	struct lj_feature_plan *plan;
	const struct lj_engine_ops *engine;
	struct forest *forest; /* shared by the slots of the forest engine; NULL for xgboost */
	enum forest_proof proof;
	uint16_t slots;
	void *handle[LJ_MODEL_SLOTS];
	float *matrix[LJ_MODEL_SLOTS]; /* [LJ_MODEL_BATCH][features] */
	float *scores[LJ_MODEL_SLOTS]; /* [LJ_MODEL_BATCH][outputs] */
	struct lj_model *family;       /* names the family of alerts; NULL: none */
};

/* Checks the SHA-256 of a file in the folder `dir` against `wanted`, which is that of `whose`
 * manifest. 0, or -errno with `err`. */
int hash_check(const char *dir, const char *name, const char *wanted, const char *whose,
	       struct lj_error *err);

/* Reads a JSON file; the caller owns the document. NULL with `err`: the reason for which it cannot
 * be read, or the line with the syntax error and `errnum`. */
json_t *document_read(const char *path, size_t flags, int errnum, struct lj_error *err);

/* Reads DIR/manifest.json. Call manifest_free() in any case. 0 or -errno. */
int manifest_load(struct manifest *m, const char *dir, struct lj_error *err);
void manifest_free(struct manifest *m);

/* Replaces the manifest's threshold by that of DIR/calibration.json, if there is one for this
 * booster. 0 or -errno. */
int calibration_load(struct manifest *m, const char *dir, struct lj_error *err);

/*
 * Chooses the engine, opens it for every slot, checks the golden rows, and records in the info
 * which engine was chosen and why. `root` is the document of `path`. 0 or -errno.
 */
int engine_choose(struct lj_model *m, enum lj_engine wanted, enum lj_mode mode, const json_t *root,
		  const char *path, struct lj_error *err);

/* Fills an opinion from one row's probabilities; a binary booster has only that of the second
 * class. */
void opinion_form(const struct lj_model_info *info, const float *p, struct lj_opinion *o);

/* As lj_model_open_by(), with `proof` telling how much is checked. */
struct lj_model *model_open(const char *dir, uint16_t slots, enum lj_engine engine,
			    enum lj_mode mode, enum forest_proof proof, struct lj_error *err);

/* Opens the model that names families, if the manifest has one. 0 or -errno. */
int family_open(struct lj_model *m, enum lj_engine engine, struct lj_error *err);
/* Sets the family in those of the `n` opinions whose score reaches the threshold. Path. */
void family_name(struct lj_model *m, uint16_t slot, const struct lj_flow *const *flows,
		 const struct lj_host_context *contexts, uint32_t n, struct lj_opinion *opinions);
/*
 * Computes probabilities[n][outputs] with the slot's engine and the manifest's transform. 0 or
 * -errno. Path.
 */
int model_probabilities(const struct lj_model *m, uint16_t slot, const float *rows, uint32_t n,
			float *probabilities);
/* Only the transform; may be in place. Not for LJ_TRANSFORM_OBJECTIVE. Path. */
void model_transform(const struct lj_model_info *info, const float *margins, uint32_t n,
		     float *probabilities);

/* Checks that the engine reproduces every row of DIR/golden.csv. 0 or -errno. */
int golden_prove(const struct lj_model *m, struct lj_error *err);

/*
 * Reads and validates a booster file: see lj_model_validate(), also for `info`. The caller owns the
 * document. NULL with `err`.
 */
json_t *booster_read(const char *path, struct lj_model_info *info, struct lj_error *err);

/*
 * Computes the SHAP contributions of one row with a handle of the XGBoost engine:
 * out[outputs][features + 1], the last one of each output being its bias. 0 or -errno.
 */
int xgboost_contributions(void *handle, const float *row, float *out);

/* Major, minor and patch version of the library. */
void xgboost_version(int version[3]);

/* base_score as the XGBoost engine's `handle` has read it. 0 or -errno. */
int xgboost_base_score(void *handle, float *base_score);

/* Reads a UBJSON file (as XGBoost writes it) as JSON; NULL with `err`. The caller owns it. */
json_t *ubj_load_file(const char *path, struct lj_error *err);

#endif
