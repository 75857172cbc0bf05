#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "forest.h"
#include "model.h"

int hash_check(const char *dir, const char *name, const char *wanted, const char *whose,
	       struct lj_error *err)
{
	char path[1024], have[2 * LJ_SHA256_BYTES + 1];
	int ret;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	ret = lj_sha256_file(path, have, err);
	if (ret == 0 && strcmp(have, wanted) != 0)
		ret = lj_error_set(err, EILSEQ, path,
				   "SHA-256 is %s, the %s says %s: the file was changed", have,
				   whose, wanted);
	return ret;
}

static int check_hash(const struct lj_model *m, const char *name, const char *wanted,
		      struct lj_error *err)
{
	return hash_check(m->dir, name, wanted, "manifest", err);
}

/* Checks that the booster file matches the manifest. */
static int check_booster(struct lj_model *m, const struct lj_model_info *booster, const char *path,
			 struct lj_error *err)
{
	struct lj_model_info *info = &m->manifest.info;
	uint32_t outputs = info->classes == 2 ? 1 : info->classes;

	if (booster->features != info->features)
		return lj_error_set(err, EINVAL, path, "takes %u features, the manifest names %u",
				    booster->features, info->features);
	if (booster->outputs != outputs && booster->outputs != info->classes)
		return lj_error_set(err, EINVAL, path,
				    "gives %u scores, the manifest names %u "
				    "classes",
				    booster->outputs, info->classes);
	if (info->transform == LJ_TRANSFORM_PATH_LENGTH && booster->outputs != 1)
		return lj_error_set(err, EINVAL, path,
				    "gives %u scores: an isolation forest gives one",
				    booster->outputs);
	info->outputs = booster->outputs;
	info->trees = booster->trees;
	return 0;
}

static int open_scratch(struct lj_model *m, struct lj_error *err)
{
	for (uint16_t i = 0; i < m->slots; i++) {
		m->matrix[i] = malloc(LJ_MODEL_BATCH * m->manifest.info.features * sizeof(float));
		m->scores[i] = malloc(LJ_MODEL_BATCH * m->manifest.info.outputs * sizeof(float));
		if (m->matrix[i] == NULL || m->scores[i] == NULL)
			return lj_error_set(err, ENOMEM, m->dir, "not enough memory");
	}
	return 0;
}

static int open_booster(struct lj_model *m, enum lj_engine engine, enum lj_mode mode,
			struct lj_error *err)
{
	struct lj_model_info booster = {0};
	char path[1024];
	json_t *root;
	int ret;

	snprintf(path, sizeof(path), "%s/%s", m->dir, m->manifest.booster);
	root = booster_read(path, &booster, err);
	if (root == NULL)
		return -EILSEQ;
	ret = check_booster(m, &booster, path, err);
	if (ret == 0)
		ret = open_scratch(m, err);
	if (ret == 0)
		ret = engine_choose(m, engine == LJ_ENGINE_MANIFEST ? m->manifest.engine : engine,
				    mode == LJ_MODE_MANIFEST ? m->manifest.mode : mode, root, path,
				    err);
	json_decref(root);
	return ret;
}

static int open_plan(struct lj_model *m, struct lj_error *err)
{
	struct lj_error name = {0};

	m->plan = lj_feature_plan_create((const char *const *)m->manifest.features,
					 m->manifest.info.features, &name);
	if (m->plan != NULL)
		return 0;
	return lj_error_set(err, EINVAL, m->dir, "manifest.json: features: \"%s\": %s", name.where,
			    name.what);
}

int lj_model_keep(const char *dir, uint32_t *keep, struct lj_error *err)
{
	struct lj_model m = {0};
	int ret;

	snprintf(m.dir, sizeof(m.dir), "%s", dir);
	ret = manifest_load(&m.manifest, dir, err);
	if (ret == 0)
		ret = open_plan(&m, err);
	if (ret == 0)
		*keep = lj_feature_plan_keep(m.plan);
	lj_feature_plan_destroy(m.plan);
	manifest_free(&m.manifest);
	return ret;
}

struct lj_model *lj_model_open(const char *dir, uint16_t slots, struct lj_error *err)
{
	return model_open(dir, slots, LJ_ENGINE_MANIFEST, LJ_MODE_MANIFEST, FOREST_PROOF_WHOLE,
			  err);
}

struct lj_model *lj_model_open_by(const char *dir, uint16_t slots, enum lj_engine engine,
				  enum lj_mode mode, struct lj_error *err)
{
	return model_open(dir, slots, engine, mode, FOREST_PROOF_START, err);
}

struct lj_model *model_open(const char *dir, uint16_t slots, enum lj_engine engine,
			    enum lj_mode mode, enum forest_proof proof, struct lj_error *err)
{
	struct lj_model *m = calloc(1, sizeof(*m));

	if (m == NULL) {
		lj_error_set(err, ENOMEM, dir, "not enough memory");
		return NULL;
	}
	snprintf(m->dir, sizeof(m->dir), "%s", dir);
	m->slots = slots > LJ_MODEL_SLOTS ? LJ_MODEL_SLOTS : RTE_MAX(slots, (uint16_t)1);
	m->engine = &lj_engine_xgboost;
	m->proof = proof;
	if (manifest_load(&m->manifest, dir, err) != 0 ||
	    check_hash(m, m->manifest.booster, m->manifest.booster_sha256, err) != 0 ||
	    check_hash(m, m->manifest.golden, m->manifest.golden_sha256, err) != 0 ||
	    (m->manifest.reference[0] != '\0' &&
	     check_hash(m, m->manifest.reference, m->manifest.reference_sha256, err) != 0) ||
	    open_plan(m, err) != 0 || open_booster(m, engine, mode, err) != 0 ||
	    family_open(m, engine, err) != 0) {
		lj_model_close(m);
		return NULL;
	}
	return m;
}

void lj_model_close(struct lj_model *m)
{
	if (m == NULL)
		return;
	for (uint16_t i = 0; i < m->slots; i++) {
		m->engine->close(m->handle[i]);
		free(m->matrix[i]);
		free(m->scores[i]);
	}
	lj_model_close(m->family);
	forest_destroy(m->forest);
	lj_feature_plan_destroy(m->plan);
	manifest_free(&m->manifest);
	free(m);
}

const struct lj_model_info *lj_model_info(const struct lj_model *m)
{
	return &m->manifest.info;
}

const struct lj_feature_plan *lj_model_plan(const struct lj_model *m)
{
	return m->plan;
}

uint32_t lj_model_context(const struct lj_model *m)
{
	uint32_t family = m->family != NULL ? lj_feature_plan_context(m->family->plan) : 0;

	return lj_feature_plan_context(m->plan) | family;
}

const char *lj_model_unkept(const struct lj_model *m, uint32_t keep, uint32_t context)
{
	for (uint32_t i = 0; i < m->manifest.info.features; i++) {
		const char *const *name = (const char *const *)&m->manifest.features[i];
		struct lj_feature_plan *plan = lj_feature_plan_create(name, 1, NULL);
		bool kept = plan == NULL || ((lj_feature_plan_keep(plan) & ~keep) == 0 &&
					     (lj_feature_plan_context(plan) & ~context) == 0);

		lj_feature_plan_destroy(plan);
		if (!kept)
			return *name;
	}
	return m->family != NULL ? lj_model_unkept(m->family, keep, context) : NULL;
}

const struct lj_model_info *lj_model_family(const struct lj_model *m)
{
	return m->family != NULL ? &m->family->manifest.info : NULL;
}

const char *lj_model_dir(const struct lj_model *m)
{
	return m->dir;
}

const char *lj_model_feature(const struct lj_model *m, uint32_t i)
{
	return m->manifest.features[i];
}

bool lj_model_reference(const struct lj_model *m, char *path, size_t size)
{
	snprintf(path, size, "%s/%s", m->dir, m->manifest.reference);
	return m->manifest.reference[0] != '\0';
}

void opinion_form(const struct lj_model_info *info, const float *p, struct lj_opinion *o)
{
	o->classes = info->classes;
	o->decided = false;
	o->family = 0;
	o->family_score = 0;
	if (info->outputs == 1) {
		o->scores[0] = 1 - p[0];
		o->scores[1] = p[0];
		o->score = p[0];
		o->class_index = p[0] >= info->threshold;
		return;
	}
	o->score = 1 - p[0];
	/* An alert's class is never benign, even if that is the likeliest single class. */
	o->class_index = o->score >= info->threshold;
	for (uint16_t k = 0; k < info->classes; k++) {
		o->scores[k] = p[k];
		if (k > 0 && p[k] > p[o->class_index])
			o->class_index = k;
	}
}

static bool decides(const struct lj_model *m)
{
	return m->forest != NULL && m->forest->bounds != NULL;
}

/* Scores with the slot's engine in the model's mode; decided[n] as in forest_decide(). */
static int score(struct lj_model *m, uint16_t slot, const float *rows, uint32_t n,
		 float *probabilities, uint8_t *decided)
{
	if (decides(m)) {
		forest_decide(m->handle[slot], rows, n, probabilities, decided);
		return 0;
	}
	memset(decided, 0, n);
	return model_probabilities(m, slot, rows, n, probabilities);
}

int lj_model_score_rows(struct lj_model *m, uint16_t slot, const float *rows, uint32_t n,
			float *probabilities)
{
	uint8_t decided[LJ_MODEL_BATCH];

	return score(m, slot, rows, n, probabilities, decided);
}

const float *lj_model_rows(const struct lj_model *m, uint16_t slot)
{
	return m->matrix[slot];
}

uint32_t lj_model_histogram(const struct lj_model *m, struct lj_model_bin *bins)
{
	uint32_t stages = decides(m) ? m->forest->bounds->stages : 0;
	uint32_t width = (stages + LJ_MODEL_BINS - 1) / LJ_MODEL_BINS, n = 0;

	for (uint32_t from = 1; from <= stages; from += width, n++) {
		uint32_t end = RTE_MIN(from + width, stages + 1);

		bins[n].trees = RTE_MIN((end - 1) * m->forest->bounds->width, m->forest->trees);
		bins[n].rows = 0;
		for (uint16_t slot = 0; slot < m->slots; slot++) {
			const struct forest_slot *s = m->handle[slot];

			for (uint32_t stage = from; stage < end; stage++)
				bins[n].rows += __atomic_load_n(&s->ended[stage], __ATOMIC_RELAXED);
		}
	}
	return n;
}

uint32_t lj_model_score(struct lj_model *m, uint16_t slot, const struct lj_flow *const *flows,
			const struct lj_host_context *contexts, uint32_t n,
			struct lj_opinion *opinions)
{
	const struct lj_model_info *info = &m->manifest.info;
	float *scores = m->scores[slot];
	uint8_t decided[LJ_MODEL_BATCH];

	lj_feature_extract(m->plan, flows, contexts, (uint16_t)n, m->matrix[slot]);
	if (score(m, slot, m->matrix[slot], n, scores, decided) != 0) {
		for (uint32_t i = 0; i < n; i++)
			opinions[i] = (struct lj_opinion){.score = NAN, .classes = info->classes};
		return 0;
	}
	for (uint32_t i = 0; i < n; i++) {
		opinion_form(info, scores + (size_t)i * info->outputs, &opinions[i]);
		opinions[i].decided = decided[i];
	}
	if (m->family != NULL)
		family_name(m, slot, flows, contexts, n, opinions);
	return n;
}
