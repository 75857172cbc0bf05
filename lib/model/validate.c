/*
 * XGBoost 1.7.4 does not validate model files: a child index out of range crashes it, a cycle hangs
 * it, a wrong split feature reads beyond the row. So files are validated here first.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lj_memory.h"
#include "model.h"

#define TREES_MAX	100000
#define NODES_MAX	(1 << 24)
#define FEATURES_MAX	65535
#define DEPTH_MAX	2000
#define ROOT_PARENT	2147483647
#define PARSED_PER_BYTE 40ULL

struct tree {
	const json_t *left, *right, *feature, *condition, *default_left;
	size_t nodes;
};

/* XGBoost writes numbers of its parameters as strings. */
static json_int_t text_number(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text != NULL ? strtoll(text, NULL, 10) : -1;
}

/* As text_number() for a fraction; NaN if it is not a number. */
static double text_fraction(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	char *end = NULL;
	double value = text != NULL ? strtod(text, &end) : NAN;

	return end != NULL && end != text && *end == '\0' ? value : NAN;
}

static int refuse(struct lj_error *err, const char *path, size_t tree, const char *what)
{
	return lj_error_set(err, EILSEQ, path, "tree %zu: %s", tree, what);
}

/* Checks one node by itself: indices in range, numbers finite. */
static const char *check_node(const struct tree *t, size_t i, json_int_t features)
{
	const json_t *left = json_array_get(t->left, i), *right = json_array_get(t->right, i);
	const json_t *condition = json_array_get(t->condition, i);
	const json_t *feature = json_array_get(t->feature, i);
	json_int_t l = json_integer_value(left), r = json_integer_value(right);

	if (!json_is_integer(left) || !json_is_integer(right) || !json_is_integer(feature))
		return "a child or split feature is not a whole number";
	if (!json_is_number(condition) || !isfinite(json_number_value(condition)) ||
	    fabs(json_number_value(condition)) > 3.4028235e38)
		return "a threshold or leaf is not a finite float";
	if (l == -1 && r == -1)
		return NULL;
	if (l <= 0 || r <= 0 || (size_t)l >= t->nodes || (size_t)r >= t->nodes || l == r)
		return "a child index is out of range";
	/* XGBoost computes the right child as left + 1 and ignores the one in the file. */
	if (r != l + 1)
		return "a right child does not follow its left one";
	if (json_integer_value(feature) < 0 || json_integer_value(feature) >= features)
		return "a split feature is out of range";
	return NULL;
}

/* Checks that the nodes form a tree, and that it is not so deep that XGBoost's recursion, in an
 * explanation, would overflow the stack. */
static const char *check_shape(const struct tree *t)
{
	uint32_t *stack = malloc(t->nodes * sizeof(*stack));
	uint16_t *level = calloc(t->nodes, sizeof(*level)); /* from 1 on; 0: not reached yet */
	const char *what = NULL;
	size_t n = 0;

	if (stack == NULL || level == NULL) {
		what = "not enough memory to check it";
		goto out;
	}
	stack[n++] = 0;
	level[0] = 1;
	while (n > 0 && what == NULL) {
		uint32_t at = stack[--n];
		json_int_t child[2] = {json_integer_value(json_array_get(t->left, at)),
				       json_integer_value(json_array_get(t->right, at))};

		for (int side = 0; side < 2 && child[0] != -1 && what == NULL; side++) {
			if (level[child[side]] != 0)
				what = "a node is reached twice (a cycle, or shared children)";
			else if (level[at] > DEPTH_MAX)
				what = "a tree is deeper than 2000 levels";
			level[child[side]] = (uint16_t)(level[at] + 1);
			if (what == NULL)
				stack[n++] = (uint32_t)child[side];
		}
	}
out:
	free(stack);
	free(level);
	return what;
}

/* There are two representations of categorical splits; for each XGBoost reads unchecked arrays. */
static bool is_categorical(const json_t *json)
{
	static const char *const lists[] = {"categories", "categories_nodes", "categories_segments",
					    "categories_sizes"};
	const json_t *types = json_object_get(json, "split_type");

	for (size_t i = 0; i < RTE_DIM(lists); i++)
		if (json_array_size(json_object_get(json, lists[i])) > 0)
			return true;
	for (size_t i = 0; i < json_array_size(types); i++)
		if (json_integer_value(json_array_get(types, i)) != 0)
			return true;
	return false;
}

static const char *check_tree(const json_t *json, size_t index, json_int_t features)
{
	struct tree t = {
		.left = json_object_get(json, "left_children"),
		.right = json_object_get(json, "right_children"),
		.feature = json_object_get(json, "split_indices"),
		.condition = json_object_get(json, "split_conditions"),
		.default_left = json_object_get(json, "default_left"),
		.nodes = json_array_size(json_object_get(json, "left_children")),
	};
	const json_t *param = json_object_get(json, "tree_param");

	/* XGBoost stores the tree at its id, and dereferences null if one is missing. */
	if (!json_is_integer(json_object_get(json, "id")) ||
	    json_integer_value(json_object_get(json, "id")) != (json_int_t)index)
		return "its id is not its index in the list";
	if (is_categorical(json))
		return "has categorical splits, which are not supported";
	if (t.nodes == 0 || t.nodes > NODES_MAX ||
	    (json_int_t)t.nodes != text_number(param, "num_nodes"))
		return "num_nodes is not the number of nodes";
	if (json_array_size(t.right) != t.nodes || json_array_size(t.feature) != t.nodes ||
	    json_array_size(t.condition) != t.nodes || json_array_size(t.default_left) != t.nodes ||
	    json_array_size(json_object_get(json, "parents")) != t.nodes ||
	    json_array_size(json_object_get(json, "split_type")) != t.nodes ||
	    json_array_size(json_object_get(json, "base_weights")) != t.nodes ||
	    json_array_size(json_object_get(json, "loss_changes")) != t.nodes ||
	    json_array_size(json_object_get(json, "sum_hessian")) != t.nodes)
		return "its arrays differ in length";
	for (size_t i = 0; i < t.nodes; i++) {
		const char *what = check_node(&t, i, features);
		json_int_t parent =
			json_integer_value(json_array_get(json_object_get(json, "parents"), i));

		if (what != NULL)
			return what;
		/* XGBoost looks at the parent of every node but the root. */
		if (parent < 0 ||
		    (parent >= (json_int_t)t.nodes && (i > 0 || parent != ROOT_PARENT)))
			return "a parent index is out of range";
	}
	return check_shape(&t);
}

static int check_trees(const json_t *model, json_int_t features, json_int_t outputs,
		       const char *path, struct lj_error *err)
{
	const json_t *trees = json_object_get(model, "trees");
	const json_t *info = json_object_get(model, "tree_info");
	size_t n = json_array_size(trees);

	if (n == 0 || n > TREES_MAX || json_array_size(info) != n ||
	    (json_int_t)n != text_number(json_object_get(model, "gbtree_model_param"), "num_trees"))
		return lj_error_set(err, EILSEQ, path,
				    "num_trees is not the number of trees, or is not in 1..%d",
				    TREES_MAX);
	for (size_t i = 0; i < n; i++) {
		json_int_t group = json_integer_value(json_array_get(info, i));
		const char *what = check_tree(json_array_get(trees, i), i, features);

		if (what != NULL)
			return refuse(err, path, i, what);
		if (group < 0 || group >= outputs)
			return refuse(err, path, i, "its class is out of range");
	}
	return 0;
}

/* Checks that the objective is supported and matches the learner's parameters. */
static int check_objective(const char *name, const json_t *param, const char *path,
			   struct lj_error *err)
{
	bool logistic = name != NULL &&
			(strcmp(name, "binary:logistic") == 0 || strcmp(name, "reg:logistic") == 0);
	json_int_t classes = text_number(param, "num_class");
	double base = text_fraction(param, "base_score");

	if (!logistic && (name == NULL || strcmp(name, "multi:softprob") != 0))
		return lj_error_set(err, ENOTSUP, path,
				    "objective \"%s\" gives no class probabilities",
				    name != NULL ? name : "");
	if (classes < 0 || classes > LJ_CLASSES_MAX || (logistic ? classes > 1 : classes < 2))
		return lj_error_set(err, EILSEQ, path,
				    "num_class %" JSON_INTEGER_FORMAT " is out of range for %s",
				    classes, name);
	if (!isfinite(base) || (logistic && (base <= 0 || base >= 1)))
		return lj_error_set(err, EILSEQ, path, "base_score is out of range for %s", name);
	if (json_object_get(param, "num_target") != NULL && text_number(param, "num_target") != 1)
		return lj_error_set(err, ENOTSUP, path, "num_target is not 1");
	return 0;
}

/* The booster's model; dart has a weight per tree in addition. */
static const json_t *trees_of(const json_t *booster, const char *path, struct lj_error *err)
{
	const char *kind = json_string_value(json_object_get(booster, "name"));
	const json_t *weights = json_object_get(booster, "weight_drop"), *model, *weight;
	size_t i;

	if (kind != NULL && strcmp(kind, "gbtree") == 0)
		return json_object_get(booster, "model");
	if (kind == NULL || strcmp(kind, "dart") != 0) {
		lj_error_set(err, ENOTSUP, path, "booster \"%s\" is not gbtree or dart",
			     kind != NULL ? kind : "");
		return NULL;
	}
	model = json_object_get(json_object_get(booster, "gbtree"), "model");
	if (json_array_size(weights) != json_array_size(json_object_get(model, "trees"))) {
		lj_error_set(err, EILSEQ, path, "weight_drop does not have one weight per tree");
		return NULL;
	}
	json_array_foreach (weights, i, weight) {
		if (json_is_number(weight) && isfinite(json_number_value(weight)))
			continue;
		lj_error_set(err, EILSEQ, path, "weight_drop %zu is not a finite number", i);
		return NULL;
	}
	return model;
}

static int check_root(const json_t *root, const char *path, struct lj_model_info *info,
		      struct lj_error *err)
{
	const json_t *learner = json_object_get(root, "learner");
	const json_t *param = json_object_get(learner, "learner_model_param");
	const json_t *booster = json_object_get(learner, "gradient_booster");
	const char *objective =
		json_string_value(json_object_get(json_object_get(learner, "objective"), "name"));
	json_int_t features = text_number(param, "num_feature");
	const json_t *model;
	int ret;

	if (learner == NULL || param == NULL || booster == NULL)
		return lj_error_set(err, EILSEQ, path, "is not an XGBoost model");
	if (features < 1 || features > FEATURES_MAX)
		return lj_error_set(err, EILSEQ, path, "num_feature is not in 1..%d", FEATURES_MAX);
	ret = check_objective(objective, param, path, err);
	if (ret != 0)
		return ret;
	model = trees_of(booster, path, err);
	if (model == NULL)
		return -EILSEQ;
	info->features = (uint32_t)features;
	info->outputs = (uint32_t)RTE_MAX(text_number(param, "num_class"), (json_int_t)1);
	info->trees = (uint32_t)json_array_size(json_object_get(model, "trees"));
	return check_trees(model, features, info->outputs, path, err);
}

/*
 * A parsed file takes up to forty times its size in memory (a JSON value for each byte of a typed
 * array). If that is not available, refuse it before the OOM killer strikes.
 */
static int check_size(const char *path, struct lj_error *err)
{
	char limit[256];
	uint64_t available = lj_memory_available("", limit, sizeof(limit)), bytes;
	struct stat status;

	if (stat(path, &status) != 0)
		return lj_error_set(err, errno, path, "%s", strerror(errno));
	bytes = (uint64_t)status.st_size;
	if (bytes > LJ_MODEL_BYTES_MAX)
		return lj_error_set(err, EFBIG, path, "has %llu bytes; the maximum is %llu",
				    (unsigned long long)bytes,
				    (unsigned long long)LJ_MODEL_BYTES_MAX);
	if (bytes * PARSED_PER_BYTE > available)
		return lj_error_set(
			err, ENOMEM, path,
			"has %llu bytes: reading it may take %llu times as much memory, "
			"and %llu bytes are free%s%s",
			(unsigned long long)bytes, (unsigned long long)PARSED_PER_BYTE,
			(unsigned long long)available, limit[0] != '\0' ? " within " : "", limit);
	return 0;
}

/* Adds to an error that the file is newer than the library, if so. */
static void blame_version(const json_t *root, const char *path, struct lj_error *err)
{
	const json_t *version = json_object_get(root, "version");
	json_int_t major = json_integer_value(json_array_get(version, 0));
	json_int_t minor = json_integer_value(json_array_get(version, 1));
	int library[3];
	char what[sizeof(err->what)];

	xgboost_version(library);
	if (err == NULL || major * 1000 + minor <= library[0] * 1000 + library[1])
		return;
	snprintf(what, sizeof(what), "%s", err->what);
	lj_error_set(err, EILSEQ, path,
		     "%.200s (saved by XGBoost %d.%d; this library is %d.%d and does not read it)",
		     what, (int)major, (int)minor, library[0], library[1]);
}

static bool has_suffix(const char *path, const char *suffix)
{
	size_t length = strlen(path), n = strlen(suffix);

	return length >= n && strcmp(path + length - n, suffix) == 0;
}

/* NaN is not valid JSON, but XGBoost writes it as the threshold of a categorical split. */
static void blame_nan(const char *path, struct lj_error *err)
{
	char said[sizeof(err->what)];

	if (err == NULL || strstr(err->what, "'NaN'") == NULL)
		return;
	memcpy(said, err->what, sizeof(said));
	lj_error_set(err, EILSEQ, path,
		     "%.200s, as where a split is categorical, which is not supported", said);
}

json_t *booster_read(const char *path, struct lj_model_info *info, struct lj_error *err)
{
	json_t *root;

	if (check_size(path, err) != 0)
		return NULL;
	if (has_suffix(path, ".json")) {
		/* XGBoost does not decode escapes, so to it an escaped duplicate is another name.
		 */
		root = document_read(path, JSON_REJECT_DUPLICATES, EILSEQ, err);
		if (root == NULL)
			blame_nan(path, err);
	} else if (has_suffix(path, ".ubj")) {
		root = ubj_load_file(path, err);
	} else {
		root = NULL;
		lj_error_set(err, ENOTSUP, path,
			     "is neither .ubj nor .json; tools/import-xgboost converts XGBoost's "
			     "older formats");
	}
	if (root != NULL && check_root(root, path, info, err) != 0) {
		blame_version(root, path, err);
		json_decref(root);
		root = NULL;
	}
	return root;
}

int lj_model_validate(const char *path, struct lj_model_info *info, struct lj_error *err)
{
	struct lj_error own = {0};
	json_t *root = booster_read(path, info, err != NULL ? err : &own);

	json_decref(root);
	return root != NULL ? 0 : -EILSEQ;
}
