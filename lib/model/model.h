/* Private: a model's parts, and what the files of the module do for each other. */
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
	struct forest *forest; /* what the slots of the forest engine share; NULL for xgboost */
	enum forest_proof proof;
	uint16_t slots;
	void *handle[LJ_MODEL_SLOTS];
	float *matrix[LJ_MODEL_SLOTS]; /* [LJ_MODEL_BATCH][features] */
	float *scores[LJ_MODEL_SLOTS]; /* [LJ_MODEL_BATCH][outputs] */
	struct lj_model *family;       /* names the family of what alarms; NULL: nothing does */
};

/* The document of a JSON file; the caller owns it. NULL and `err`: what opening or reading it says,
 * or the line that is no JSON, with `errnum`. */
json_t *document_read(const char *path, size_t flags, int errnum, struct lj_error *err);

/* Reads DIR/manifest.json. manifest_free() is due in any case. 0 or -errno. */
int manifest_load(struct manifest *m, const char *dir, struct lj_error *err);
void manifest_free(struct manifest *m);

/* Puts DIR/calibration.json, if there is one and it is for this booster, over the manifest's
 * threshold. Without one nothing changes. 0 or -errno. */
int calibration_load(struct manifest *m, const char *dir, struct lj_error *err);

/*
 * Chooses the engine, opens it for every slot, proves the golden rows; says in the info which
 * engine and why. `root` is the document of `path`. 0 or -errno.
 */
int engine_choose(struct lj_model *m, enum lj_engine wanted, enum lj_mode mode, const json_t *root,
		  const char *path, struct lj_error *err);

/* From one row's probabilities: a binary booster gives that of the second class alone. */
void opinion_form(const struct lj_model_info *info, const float *p, struct lj_opinion *o);

/* As lj_model_open_by(), with so much of a proof. */
struct lj_model *model_open(const char *dir, uint16_t slots, enum lj_engine engine,
			    enum lj_mode mode, enum forest_proof proof, struct lj_error *err);

/* Opens the model that names families, if the manifest has one. 0 or -errno. */
int family_open(struct lj_model *m, enum lj_engine engine, struct lj_error *err);
/* Names the family of those of the `n` flows whose opinion is over the threshold. Path. */
void family_name(struct lj_model *m, uint16_t slot, const struct lj_flow *const *flows,
		 const struct lj_host_context *contexts, uint32_t n, struct lj_opinion *opinions);
/*
 * Probabilities[n][outputs] of rows by the slot's engine and the manifest's transform. 0 or -errno.
 * Path.
 */
int model_probabilities(const struct lj_model *m, uint16_t slot, const float *rows, uint32_t n,
			float *probabilities);
/* The transform alone; in place is fine. Not for LJ_TRANSFORM_OBJECTIVE. Path. */
void model_transform(const struct lj_model_info *info, const float *margins, uint32_t n,
		     float *probabilities);

/* Whether every row of DIR/golden.csv comes out of the engine as it stands there. 0 or -errno. */
int golden_prove(const struct lj_model *m, struct lj_error *err);

/*
 * The document of a booster file that lj_model_validate() passes, whose words it fills and says.
 * The caller owns it. NULL and `err`.
 */
json_t *booster_read(const char *path, struct lj_model_info *info, struct lj_error *err);

/*
 * SHAP contributions of one row by a handle of the XGBoost engine: out[outputs][features + 1], the
 * last of each output its bias. 0 or -errno.
 */
int xgboost_contributions(void *handle, const float *row, float *out);

/* Major, minor and patch of the library. */
void xgboost_version(int version[3]);

/* base_score as the XGBoost engine's `handle` has read it. 0 or -errno. */
int xgboost_base_score(void *handle, float *base_score);

/* A UBJSON file (as XGBoost writes it) as JSON; NULL and `err`. The caller owns it. */
json_t *ubj_load_file(const char *path, struct lj_error *err);

#endif
