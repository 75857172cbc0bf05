#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "lj_model.h"
#include "lj_test.h"

static char dir[] = "/tmp/lj-test-calibration-XXXXXX";
static char booster_sha256[65];

static const char *default_dir(void)
{
	const char *root = getenv("LJ_SOURCE_ROOT");
	static char path[1024];

	snprintf(path, sizeof(path), "%s/models/default", root != NULL ? root : ".");
	return path;
}

/* Creates a bundle in `dir`: the default model's files, without a calibration. */
static void bundle(void)
{
	static const char *const files[] = {"manifest.json", "model.ubj", "golden.csv",
					    "reference.json", "family"};
	char from[1200], to[256];

	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
	for (size_t i = 0; i < RTE_DIM(files); i++) {
		snprintf(from, sizeof(from), "%s/%s", default_dir(), files[i]);
		snprintf(to, sizeof(to), "%s/%s", dir, files[i]);
		CU_ASSERT_EQUAL_FATAL(symlink(from, to), 0);
	}
}

static struct lj_model *open_bundle(struct lj_error *err)
{
	memset(err, 0, sizeof(*err));
	return lj_model_open_by(dir, 1, LJ_ENGINE_XGBOOST, LJ_MODE_EXACT, err);
}

static void write_calibration(json_t *root)
{
	char path[256];

	CU_ASSERT_PTR_NOT_NULL_FATAL(root);
	snprintf(path, sizeof(path), "%s/calibration.json", dir);
	CU_ASSERT_EQUAL_FATAL(json_dump_file(root, path, 0), 0);
	json_decref(root);
}

/* A calibration with two entries; takes over the reference to `active`. */
static json_t *calibration(const char *sha256, double threshold, json_t *active)
{
	return json_pack("{s:i, s:s, s:o, s:[{s:i, s:f, s:s}, {s:i, s:f, s:s}]}", "format", 1,
			 "booster_sha256", sha256, "active", active, "history", "id", 1,
			 "threshold", 0.25, "made", "Monday", "id", 2, "threshold", threshold,
			 "made", "Tuesday");
}

/* Checks threshold and description of a model with this calibration.json. */
static void expect(json_t *root, float threshold, const char *word)
{
	struct lj_error err;
	struct lj_model *m;

	write_calibration(root);
	m = open_bundle(&err);
	CU_ASSERT_PTR_NOT_NULL_FATAL(m);
	CU_ASSERT_EQUAL(lj_model_info(m)->threshold, threshold);
	CU_ASSERT_PTR_NOT_NULL(strstr(lj_model_info(m)->calibration, word));
	lj_model_close(m);
}

static void expect_refusal(json_t *root, const char *what)
{
	struct lj_error err;

	write_calibration(root);
	CU_ASSERT_PTR_NULL(open_bundle(&err));
	CU_ASSERT_PTR_NOT_NULL(strstr(err.where, "calibration.json"));
	CU_ASSERT_PTR_NOT_NULL(strstr(err.what, what));
}

static void without_a_calibration_the_threshold_is_as_shipped(void)
{
	struct lj_error err;
	struct lj_model *m;

	bundle();
	m = open_bundle(&err);
	CU_ASSERT_PTR_NOT_NULL_FATAL(m);
	CU_ASSERT_EQUAL(lj_model_info(m)->threshold, lj_model_info(m)->threshold_shipped);
	CU_ASSERT_STRING_EQUAL(lj_model_info(m)->calibration, "none");
	strcpy(booster_sha256, lj_model_info(m)->sha256);
	lj_model_close(m);
}

static void the_active_entry_sets_the_threshold(void)
{
	struct lj_error err;
	struct lj_model *m;

	expect(calibration(booster_sha256, 0.5, json_integer(2)), 0.5f, "2 of Tuesday");
	expect(calibration(booster_sha256, 0.5, json_integer(1)), 0.25f, "1 of Monday");
	m = open_bundle(&err);
	CU_ASSERT_PTR_NOT_NULL_FATAL(m);
	CU_ASSERT_NOT_EQUAL(lj_model_info(m)->threshold_shipped, 0.25f);
	lj_model_close(m);
}

static void reverted_or_of_another_booster_it_changes_nothing(void)
{
	struct lj_error err;
	struct lj_model *m;
	float shipped;

	write_calibration(calibration(booster_sha256, 0.5, json_null()));
	m = open_bundle(&err);
	CU_ASSERT_PTR_NOT_NULL_FATAL(m);
	shipped = lj_model_info(m)->threshold_shipped;
	CU_ASSERT_EQUAL(lj_model_info(m)->threshold, shipped);
	lj_model_close(m);
	expect(calibration("0123", 0.5, json_integer(2)), shipped, "another booster");
}

static void what_makes_no_sense_is_refused_with_the_file(void)
{
	json_t *root;

	expect_refusal(calibration(booster_sha256, 1.5, json_integer(2)), "threshold");
	expect_refusal(calibration(booster_sha256, 0, json_integer(2)), "threshold");
	expect_refusal(calibration(booster_sha256, 1e-50, json_integer(2)), "threshold");
	expect_refusal(calibration(booster_sha256, 0.5, json_integer(3)), "active");
	expect_refusal(calibration(booster_sha256, 0.5, json_string("2")), "active");
	expect_refusal(json_array(), "format");
	root = calibration(booster_sha256, 0.5, json_integer(2));
	json_object_set_new(root, "format", json_integer(2));
	expect_refusal(root, "format");
	root = calibration(booster_sha256, 0.5, json_integer(2));
	json_object_del(root, "booster_sha256");
	expect_refusal(root, "booster_sha256");
}

static void clean_up(void)
{
	static const char *const files[] = {"manifest.json",  "model.ubj",	  "golden.csv",
					    "reference.json", "calibration.json", "family"};
	char path[256];

	for (size_t i = 0; i < RTE_DIM(files); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
		unlink(path);
	}
	rmdir(dir);
}

int main(void)
{
	static const struct lj_test tests[] = {
		{"without a calibration the threshold is as shipped",
		 without_a_calibration_the_threshold_is_as_shipped},
		{"the active entry sets the threshold", the_active_entry_sets_the_threshold},
		{"reverted, or of another booster, it changes nothing",
		 reverted_or_of_another_booster_it_changes_nothing},
		{"what makes no sense is refused with the file",
		 what_makes_no_sense_is_refused_with_the_file},
	};
	int ret;

	ret = lj_test_run("calibration", tests, RTE_DIM(tests));
	clean_up();
	return ret;
}
