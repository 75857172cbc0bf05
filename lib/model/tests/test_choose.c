/*
 * The choice of the engine if the forest differs from XGBoost: choose.c gets the document of
 * another booster than the file that XGBoost loads.
 */
#include <stdio.h>
#include <string.h>

#include "forest.h"
#include "lj_log.h"
#include "lj_test.h"
#include "model.h"

#define ROWS	 8
#define FEATURES 200 /* maximum, for the bundle */

/* The default bundle before its engine is chosen. */
struct bundle {
	struct lj_model *model;
	json_t *root;
	char path[512];
	char *log; /* the warnings */
};

static void open_bundle(struct bundle *b)
{
	struct lj_model_info booster = {0};
	struct lj_model *m = calloc(1, sizeof(*m));
	struct lj_error err = {0};

	CU_ASSERT_PTR_NOT_NULL_FATAL(m);
	memset(b, 0, sizeof(*b));
	b->model = m;
	m->slots = 2;
	m->engine = &lj_engine_xgboost;
	snprintf(m->dir, sizeof(m->dir), "%s/models/default", getenv("LJ_SOURCE_ROOT"));
	CU_ASSERT_EQUAL_FATAL(manifest_load(&m->manifest, m->dir, &err), 0);
	snprintf(b->path, sizeof(b->path), "%.400s/%.100s", m->dir, m->manifest.booster);
	b->root = booster_read(b->path, &booster, &err);
	CU_ASSERT_PTR_NOT_NULL_FATAL(b->root);
	m->manifest.info.outputs = booster.outputs;
	m->manifest.info.trees = booster.trees;
	CU_ASSERT_FATAL(m->manifest.info.features <= FEATURES);
}

static void close_bundle(struct bundle *b)
{
	json_decref(b->root);
	lj_model_close(b->model);
	free(b->log);
}

/* Chooses the engine, and captures the log. */
static int choose(struct bundle *b, enum lj_engine wanted)
{
	struct lj_error err = {0};
	size_t size;
	FILE *log = open_memstream(&b->log, &size);
	int ret;

	CU_ASSERT_PTR_NOT_NULL_FATAL(log);
	rte_openlog_stream(log);
	ret = engine_choose(b->model, wanted, LJ_MODE_EXACT, b->root, b->path, &err);
	rte_openlog_stream(NULL);
	fclose(log);
	return ret;
}

/* Item `i` of an array of the document's tree `t`. */
static json_t *item(const struct bundle *b, size_t t, const char *array, size_t i)
{
	json_t *learner = json_object_get(b->root, "learner");
	json_t *booster = json_object_get(learner, "gradient_booster");
	json_t *trees = json_object_get(json_object_get(booster, "model"), "trees");

	return json_array_get(json_object_get(json_array_get(trees, t), array), i);
}

static void change_a_leaf(struct bundle *b)
{
	size_t i = 0;
	json_t *leaf;

	while (json_integer_value(item(b, 3, "left_children", i)) != -1)
		i++;
	leaf = item(b, 3, "split_conditions", i);
	json_real_set(leaf, json_number_value(leaf) * 1.5 + 0.25);
}

static void change_a_threshold(struct bundle *b)
{
	json_t *threshold = item(b, 5, "split_conditions", 0);

	CU_ASSERT_NOT_EQUAL(json_integer_value(item(b, 5, "left_children", 0)), -1);
	json_real_set(threshold, json_number_value(threshold) * 1.5 + 1);
}

static void change_a_default(struct bundle *b)
{
	json_t *left = item(b, 7, "default_left", 0);

	CU_ASSERT_NOT_EQUAL(json_integer_value(item(b, 7, "left_children", 0)), -1);
	json_integer_set(left, json_integer_value(left) == 0);
}

/* Checks that the model scores its golden rows as XGBoost does. */
static void check_scores(struct lj_model *m)
{
	struct lj_error err = {0};
	struct lj_model *twin = lj_model_open_by(m->dir, 1, LJ_ENGINE_XGBOOST, LJ_MODE_EXACT, &err);
	float rows[ROWS * FEATURES], wanted[ROWS], have[ROWS];

	CU_ASSERT_PTR_NOT_NULL_FATAL(twin);
	CU_ASSERT_EQUAL(lj_model_golden(twin, rows, ROWS), ROWS);
	CU_ASSERT_EQUAL(lj_model_score_rows(twin, 0, rows, ROWS, wanted), 0);
	for (uint16_t slot = 0; slot < 2; slot++) {
		CU_ASSERT_EQUAL(lj_model_score_rows(m, slot, rows, ROWS, have), 0);
		CU_ASSERT_EQUAL(memcmp(wanted, have, sizeof(wanted)), 0);
	}
	lj_model_close(twin);
}

static void check_fallback(void (*change)(struct bundle *b), enum lj_engine wanted)
{
	struct bundle b;
	const struct lj_model_info *info;

	open_bundle(&b);
	change(&b);
	CU_ASSERT_EQUAL_FATAL(choose(&b, wanted), 0);
	info = lj_model_info(b.model);
	CU_ASSERT_STRING_EQUAL(info->engine, "xgboost");
	CU_ASSERT_PTR_EQUAL(strstr(info->engine_reason, "forest refused: "), info->engine_reason);
	CU_ASSERT_PTR_NOT_NULL(strstr(info->engine_reason, "XGBoost says"));
	CU_ASSERT_EQUAL(info->proof_rows, 0);
	CU_ASSERT_PTR_NULL(b.model->forest);
	CU_ASSERT_PTR_NOT_NULL(strstr(b.log, b.model->dir));
	CU_ASSERT_PTR_NOT_NULL(
		strstr(b.log, "the forest engine cannot be used, using xgboost: kernel "));
	check_scores(b.model);
	close_bundle(&b);
}

static void a_leaf_that_is_not_xgboosts_falls_back_with_a_warning(void)
{
	check_fallback(change_a_leaf, LJ_ENGINE_AUTO);
	check_fallback(change_a_leaf, LJ_ENGINE_FOREST);
}

static void a_threshold_that_is_not_xgboosts_falls_back_with_a_warning(void)
{
	check_fallback(change_a_threshold, LJ_ENGINE_AUTO);
	check_fallback(change_a_threshold, LJ_ENGINE_FOREST);
}

static void a_default_direction_that_is_not_xgboosts_falls_back_with_a_warning(void)
{
	check_fallback(change_a_default, LJ_ENGINE_AUTO);
	check_fallback(change_a_default, LJ_ENGINE_FOREST);
}

static void a_forest_that_agrees_is_taken_in_silence(void)
{
	struct bundle b;

	open_bundle(&b);
	CU_ASSERT_EQUAL_FATAL(choose(&b, LJ_ENGINE_FOREST), 0);
	CU_ASSERT_STRING_EQUAL(lj_model_info(b.model)->engine, "forest");
	CU_ASSERT(lj_model_info(b.model)->proof_rows > 0);
	CU_ASSERT_STRING_EQUAL(b.log, "");
	check_scores(b.model);
	close_bundle(&b);
}

int main(void)
{
	static const struct lj_test tests[] = {
		{"a leaf that is not XGBoost's falls back with a warning",
		 a_leaf_that_is_not_xgboosts_falls_back_with_a_warning},
		{"a threshold that is not XGBoost's falls back with a warning",
		 a_threshold_that_is_not_xgboosts_falls_back_with_a_warning},
		{"a default direction that is not XGBoost's falls back with a warning",
		 a_default_direction_that_is_not_xgboosts_falls_back_with_a_warning},
		{"a forest that agrees is taken in silence",
		 a_forest_that_agrees_is_taken_in_silence},
	};

	return lj_test_run("choose", tests, RTE_DIM(tests));
}
