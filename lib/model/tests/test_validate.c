/* Files on which XGBoost would crash, loop or give wrong results are refused before XGBoost reads
 * them. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "lj_model.h"
#include "lj_test.h"

static char dir[] = "/tmp/lj-test-model-XXXXXX";

/* A booster with one tree: a root on feature 0, and two leaves. */
static json_t *booster(void)
{
	return json_pack(
		"{s:{s:{s:s, s:s, s:s}, s:{s:s}, s:{s:s, s:{s:{s:s}, s:[i], s:[{s:i, s:{s:s}, s:[i,i,i], "
		"s:[i,i,i], s:[i,i,i], s:[i,i,i], s:[f,f,f], s:[i,i,i], s:[i,i,i], s:[f,f,f], "
		"s:[f,f,f], s:[f,f,f]}]}}}}",
		"learner", "learner_model_param", "num_feature", "2", "num_class", "0",
		"base_score", "5E-1", "objective", "name", "binary:logistic", "gradient_booster",
		"name", "gbtree", "model", "gbtree_model_param", "num_trees", "1", "tree_info", 0,
		"trees", "id", 0, "tree_param", "num_nodes", "3", "left_children", 1, -1, -1,
		"right_children", 2, -1, -1, "parents", 2147483647, 0, 0, "split_indices", 0, 0, 0,
		"split_conditions", 5.5, 0.25, -0.25, "split_type", 0, 0, 0, "default_left", 1, 0,
		0, "base_weights", 0.0, 0.0, 0.0, "loss_changes", 1.0, 0.0, 0.0, "sum_hessian", 2.0,
		1.0, 1.0);
}

static json_t *tree_of(json_t *root)
{
	return json_array_get(
		json_object_get(json_object_get(json_object_get(json_object_get(root, "learner"),
								"gradient_booster"),
						"model"),
				"trees"),
		0);
}

/* Takes ownership of the booster; returns the error of its validation, "" if it is valid. */
static const char *verdict_on(json_t *root)
{
	static struct lj_error err;
	struct lj_model_info info = {0};
	char path[128];
	int ret;

	CU_ASSERT_PTR_NOT_NULL_FATAL(root);
	snprintf(path, sizeof(path), "%s/model.json", dir);
	json_dump_file(root, path, 0);
	json_decref(root);
	memset(&err, 0, sizeof(err));
	ret = lj_model_validate(path, &info, &err);
	CU_ASSERT_EQUAL(ret == 0, err.what[0] == '\0');
	CU_ASSERT(ret == 0 || strcmp(err.where, path) == 0);
	CU_ASSERT(ret != 0 || (info.trees == 1 && info.features == 2 && info.outputs == 1));
	return err.what;
}

static const char *with_node(const char *key, size_t node, json_t *value)
{
	json_t *root = booster();

	json_array_set_new(json_object_get(tree_of(root), key), node, value);
	return verdict_on(root);
}

/* Both children are in range, but XGBoost 1.7.4 takes left + 1 as the right one, and reads beyond
 * the last node. */
static const char *with_sides_swapped(void)
{
	json_t *root = booster();

	json_array_set_new(json_object_get(tree_of(root), "left_children"), 0, json_integer(2));
	json_array_set_new(json_object_get(tree_of(root), "right_children"), 0, json_integer(1));
	return verdict_on(root);
}

static void a_sound_booster_passes(void)
{
	CU_ASSERT_STRING_EQUAL(verdict_on(booster()), "");
}

static void what_would_crash_xgboost_is_refused(void)
{
	json_t *root;

	CU_ASSERT_PTR_NOT_NULL(strstr(with_node("left_children", 0, json_integer(3)), "child"));
	CU_ASSERT_PTR_NOT_NULL(strstr(with_node("right_children", 0, json_integer(-7)), "child"));
	CU_ASSERT_PTR_NOT_NULL(strstr(with_node("left_children", 0, json_integer(0)), "child"));
	CU_ASSERT_PTR_NOT_NULL(strstr(with_node("left_children", 0, json_integer(2)), "child"));
	CU_ASSERT_PTR_NOT_NULL(strstr(with_node("split_indices", 0, json_integer(2)), "feature"));
	CU_ASSERT_PTR_NOT_NULL(
		strstr(with_node("split_conditions", 1, json_real(1e300)), "finite"));
	CU_ASSERT_PTR_NOT_NULL(strstr(with_node("split_type", 0, json_integer(1)), "categorical"));
	CU_ASSERT_PTR_NOT_NULL(strstr(with_node("parents", 1, json_integer(99)), "parent"));
	CU_ASSERT_PTR_NOT_NULL(strstr(with_node("parents", 1, json_integer(2147483647)), "parent"));
	CU_ASSERT_PTR_NOT_NULL(strstr(with_sides_swapped(), "follow"));
	/* A node that is its own child. */
	root = booster();
	json_array_set_new(json_object_get(tree_of(root), "left_children"), 1, json_integer(1));
	json_array_set_new(json_object_get(tree_of(root), "right_children"), 1, json_integer(2));
	CU_ASSERT_PTR_NOT_NULL(strstr(verdict_on(root), "reached twice"));
	root = booster();
	json_array_remove(json_object_get(tree_of(root), "split_conditions"), 2);
	CU_ASSERT_PTR_NOT_NULL(strstr(verdict_on(root), "differ in length"));
}

static void counts_that_do_not_fit_are_refused(void)
{
	json_t *root = booster();
	json_t *model = json_object_get(
		json_object_get(json_object_get(root, "learner"), "gradient_booster"), "model");

	json_object_set_new(json_object_get(model, "gbtree_model_param"), "num_trees",
			    json_string("2000000000"));
	CU_ASSERT_PTR_NOT_NULL(strstr(verdict_on(root), "num_trees"));
	root = booster();
	json_object_set_new(json_object_get(tree_of(root), "tree_param"), "num_nodes",
			    json_string("4"));
	CU_ASSERT_PTR_NOT_NULL(strstr(verdict_on(root), "num_nodes"));
	CU_ASSERT_PTR_NOT_NULL(strstr(verdict_on(json_object()), "not an XGBoost model"));
}

/* XGBoost 3.1 writes base_score as a list of numbers. */
static void a_model_newer_than_the_library_is_told_so(void)
{
	json_t *root = booster();
	const char *what;

	json_object_set_new(root, "version", json_pack("[i,i,i]", 93, 1, 0));
	CU_ASSERT_STRING_EQUAL(verdict_on(json_copy(root)), "");
	json_object_set_new(
		json_object_get(json_object_get(root, "learner"), "learner_model_param"),
		"base_score", json_string("[5E-1]"));
	what = verdict_on(root);
	CU_ASSERT_PTR_NOT_NULL(strstr(what, "base_score"));
	CU_ASSERT_PTR_NOT_NULL(strstr(what, "saved by XGBoost 93.1"));
}

/* Returns the error of validation if the learner's parameter `key` is `text`. */
static const char *with_param(const char *key, const char *text)
{
	json_t *root = booster();

	json_object_set_new(
		json_object_get(json_object_get(root, "learner"), "learner_model_param"), key,
		json_string(text));
	return verdict_on(root);
}

static const char *with_tree(const char *key, json_t *value)
{
	json_t *root = booster();

	json_object_set_new(tree_of(root), key, value);
	return verdict_on(root);
}

/* Found by mutating files until XGBoost 1.7.4 crashed. */
static void what_xgboost_follows_without_looking_is_refused(void)
{
	CU_ASSERT_PTR_NOT_NULL(strstr(with_tree("id", json_integer(1)), "id"));
	CU_ASSERT_PTR_NOT_NULL(
		strstr(with_tree("split_type", json_pack("[i]", 0)), "differ in length"));
	CU_ASSERT_PTR_NOT_NULL(
		strstr(with_tree("categories_nodes", json_pack("[i]", 0)), "categorical"));
	CU_ASSERT_PTR_NOT_NULL(strstr(with_tree("categories", json_pack("[i]", 9)), "categorical"));
	CU_ASSERT_STRING_EQUAL(with_tree("categories", json_array()), "");
}

static void what_would_score_wrong_is_refused(void)
{
	static const char *const bases[] = {"", "x", "nan", "inf", "0", "1", "-1", "5E-1x"};

	for (size_t i = 0; i < RTE_DIM(bases); i++)
		CU_ASSERT_PTR_NOT_NULL(strstr(with_param("base_score", bases[i]), "base_score"));
	CU_ASSERT_STRING_EQUAL(with_param("base_score", "2.5E-1"), "");
	CU_ASSERT_PTR_NOT_NULL(strstr(with_param("num_target", "2"), "num_target"));
	CU_ASSERT_STRING_EQUAL(with_param("num_target", "1"), "");
	CU_ASSERT_PTR_NOT_NULL(strstr(with_param("num_class", "3"), "num_class"));
	CU_ASSERT_PTR_NOT_NULL(strstr(with_param("num_class", "-1"), "num_class"));
}

static const char *default_dir(void)
{
	static char path[512];

	snprintf(path, sizeof(path), "%s/models/default", getenv("LJ_SOURCE_ROOT"));
	return path;
}

static void a_ubj_cut_anywhere_is_refused_without_a_crash(void)
{
	static uint8_t bytes[1 << 20];
	char from[600], to[128];
	size_t n;
	FILE *f;

	snprintf(from, sizeof(from), "%s/model.ubj", default_dir());
	snprintf(to, sizeof(to), "%s/cut.ubj", dir);
	f = fopen(from, "rb");
	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	n = fread(bytes, 1, sizeof(bytes), f);
	fclose(f);
	for (size_t cut = 0; cut < n; cut += cut < 2000 ? 1 : n / 40) {
		struct lj_model_info info = {0};
		struct lj_error err = {0};

		f = fopen(to, "wb");
		fwrite(bytes, 1, cut, f);
		fclose(f);
		CU_ASSERT_NOT_EQUAL(lj_model_validate(to, &info, &err), 0);
		CU_ASSERT_STRING_EQUAL(err.where, to);
	}
}

/* Returns the error of validation of a file with these bytes. */
static const char *verdict_on_bytes(const char *name, const void *bytes, size_t n)
{
	static struct lj_error err;
	struct lj_model_info info = {0};
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "wb");
	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	fwrite(bytes, 1, n, f);
	fclose(f);
	memset(&err, 0, sizeof(err));
	CU_ASSERT_NOT_EQUAL(lj_model_validate(path, &info, &err), 0);
	CU_ASSERT_STRING_EQUAL(err.where, path);
	return err.what;
}

static void a_threshold_that_is_no_number_is_refused(void)
{
	static const uint8_t nan_ubj[] = "{U\x05tree1[$d#U\x01\x7f\xc0\x00\x00}";
	json_t *root = booster();
	char *text = json_dumps(root, 0), *at = strstr(text, "5.5");

	json_decref(root);
	CU_ASSERT_PTR_NOT_NULL_FATAL(at);
	memcpy(at, "NaN", 3);
	CU_ASSERT_PTR_NOT_NULL(strstr(verdict_on_bytes("nan.json", text, strlen(text)), "line 1"));
	CU_ASSERT_PTR_NOT_NULL(
		strstr(verdict_on_bytes("nan.json", text, strlen(text)), "categorical"));
	free(text);
	CU_ASSERT_PTR_NOT_NULL(
		strstr(verdict_on_bytes("nan.ubj", nan_ubj, sizeof(nan_ubj) - 1), "not finite"));
	CU_ASSERT_PTR_NOT_NULL(
		strstr(verdict_on_bytes("nan.ubj", nan_ubj, sizeof(nan_ubj) - 1), "categorical"));
	CU_ASSERT_PTR_NOT_NULL(strstr(with_node("split_conditions", 0, json_null()), "finite"));
	CU_ASSERT_PTR_NOT_NULL(
		strstr(with_node("split_conditions", 0, json_string("NaN")), "finite"));
}

/* XGBoost 1.7.4 uses the first of duplicate names in UBJ, and does not recognize duplicates with
 * escapes: it would use values that were not validated. */
static void a_name_that_stands_twice_is_refused(void)
{
	static const uint8_t twice[] = "{U\x01xU\x01U\x01xU\x02}";
	static const uint8_t zero[] = "{U\x01xU\x01U\x03x\0yU\x02}";
	static const char escaped[] = "{\"left\": 1, \"l\\u0065ft\": 2}";

	CU_ASSERT_PTR_NOT_NULL(
		strstr(verdict_on_bytes("a.ubj", twice, sizeof(twice) - 1), "duplicate"));
	CU_ASSERT_PTR_NOT_NULL(strstr(verdict_on_bytes("a.ubj", zero, sizeof(zero) - 1), "NUL"));
	CU_ASSERT_PTR_NOT_NULL(
		strstr(verdict_on_bytes("a.json", escaped, strlen(escaped)), "duplicate"));
}

/* A chain of `splits` splits: each left child is a leaf. */
static const char *with_levels(json_int_t splits)
{
	static const char *const zeros[] = {"split_indices", "split_conditions", "split_type",
					    "default_left",  "base_weights",	 "loss_changes",
					    "sum_hessian"};
	json_t *root = booster(), *tree = tree_of(root);
	json_t *left = json_array(), *right = json_array(), *parents = json_array();
	json_int_t last = 2 * splits;
	char nodes[16];

	for (json_int_t i = 0; i <= last; i++) {
		bool leaf = i % 2 == 1 || i == last;

		json_array_append_new(left, json_integer(leaf ? -1 : i + 1));
		json_array_append_new(right, json_integer(leaf ? -1 : i + 2));
		json_array_append_new(parents, json_integer(i > 0 ? (i - 1) / 2 * 2 : 2147483647));
		for (size_t k = 0; i > 2 && k < RTE_DIM(zeros); k++)
			json_array_append_new(json_object_get(tree, zeros[k]), json_integer(0));
	}
	snprintf(nodes, sizeof(nodes), "%lld", (long long)last + 1);
	json_object_set_new(json_object_get(tree, "tree_param"), "num_nodes", json_string(nodes));
	json_object_set_new(tree, "left_children", left);
	json_object_set_new(tree, "right_children", right);
	json_object_set_new(tree, "parents", parents);
	return verdict_on(root);
}

static void a_tree_too_deep_to_explain_is_refused(void)
{
	CU_ASSERT_STRING_EQUAL(with_levels(2000), "");
	CU_ASSERT_PTR_NOT_NULL(strstr(with_levels(2001), "deeper"));
}

static void a_million_trees_are_refused(void)
{
	json_t *root = booster(), *trees = json_array(), *groups = json_array();
	json_t *model = json_object_get(
		json_object_get(json_object_get(root, "learner"), "gradient_booster"), "model");

	/* A file of moderate size can have as many trees; refused before any of them is checked. */
	for (uint32_t i = 0; i < 1000000; i++) {
		json_array_append_new(trees, json_true());
		json_array_append_new(groups, json_integer(0));
	}
	json_object_set_new(model, "trees", trees);
	json_object_set_new(model, "tree_info", groups);
	json_object_set_new(json_object_get(model, "gbtree_model_param"), "num_trees",
			    json_string("1000000"));
	CU_ASSERT_PTR_NOT_NULL(strstr(verdict_on(root), "1..100000"));
}

static void a_file_too_large_is_refused_unread(void)
{
	struct lj_model_info info = {0};
	struct lj_error err = {0};
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/large.ubj", dir);
	f = fopen(path, "wb");
	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	CU_ASSERT_EQUAL(ftruncate(fileno(f), LJ_MODEL_BYTES_MAX + 1), 0);
	fclose(f);
	CU_ASSERT_EQUAL(lj_model_validate(path, &info, &err), -EILSEQ);
	CU_ASSERT_STRING_EQUAL(err.where, path);
	CU_ASSERT_PTR_NOT_NULL(strstr(err.what, "the maximum is"));
	unlink(path);
}

int main(void)
{
	static const struct lj_test tests[] = {
		{"a sound booster passes", a_sound_booster_passes},
		{"what would crash XGBoost is refused", what_would_crash_xgboost_is_refused},
		{"what XGBoost follows without looking is refused",
		 what_xgboost_follows_without_looking_is_refused},
		{"what would score wrong is refused", what_would_score_wrong_is_refused},
		{"counts that do not fit are refused", counts_that_do_not_fit_are_refused},
		{"a UBJ cut anywhere is refused without a crash",
		 a_ubj_cut_anywhere_is_refused_without_a_crash},
		{"a threshold that is no number is refused",
		 a_threshold_that_is_no_number_is_refused},
		{"a name that stands twice is refused", a_name_that_stands_twice_is_refused},
		{"a tree too deep to explain is refused", a_tree_too_deep_to_explain_is_refused},
		{"a million trees are refused", a_million_trees_are_refused},
		{"a file too large is refused unread", a_file_too_large_is_refused_unread},
		{"a model newer than the library is told so",
		 a_model_newer_than_the_library_is_told_so},
	};

	if (mkdtemp(dir) == NULL)
		return EXIT_FAILURE;
	return lj_test_run("validate", tests, RTE_DIM(tests));
}
