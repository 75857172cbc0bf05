/* Loads the trees of a booster's document into plain arrays. The document has been validated. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "forest_parts.h"

/* Arrays of a tree in the document. */
struct source {
	const json_t *left, *right, *feature, *condition, *default_left;
};

static struct source source_of(const json_t *tree)
{
	return (struct source){
		.left = json_object_get(tree, "left_children"),
		.right = json_object_get(tree, "right_children"),
		.feature = json_object_get(tree, "split_indices"),
		.condition = json_object_get(tree, "split_conditions"),
		.default_left = json_object_get(tree, "default_left"),
	};
}

static json_int_t integer_at(const json_t *array, size_t i)
{
	const json_t *item = json_array_get(array, i);

	return json_is_boolean(item) ? json_is_true(item) : json_integer_value(item);
}

static float float_at(const json_t *array, size_t i)
{
	return (float)json_number_value(json_array_get(array, i));
}

/* What a leaf adds to its output's sum. */
static float leaf_value(const struct forest *f, float leaf, const json_t *weight)
{
	float with_base = f->base_margin + leaf;

	/*
	 * As XGBoost does for dart, with the same rounding: each tree is scored from the base
	 * margin, which is then subtracted.
	 */
	return weight != NULL ? (float)json_number_value(weight) * (with_base - f->base_margin)
			      : leaf;
}

static void fill_node(struct forest_node *node, const struct source *s, size_t from, uint32_t left)
{
	node->threshold = float_at(s->condition, from);
	node->leaf = 0;
	node->left = left;
	node->feature = (uint16_t)integer_at(s->feature, from);
	node->missing_right = integer_at(s->default_left, from) == 0;
}

/*
 * Loads a tree in breadth-first order, so that siblings are adjacent and unreachable nodes are
 * omitted. `from` and `level` are scratch for the tree's nodes: their index in the document and
 * their depth.
 */
static void fill_tree(struct forest *f, struct forest_tree *tree, const struct source *s,
		      const json_t *weight, uint32_t *from, uint32_t *level)
{
	struct forest_node *nodes = f->node + tree->node;
	uint32_t n = 1;

	from[0] = 0;
	level[0] = 0;
	for (uint32_t i = 0; i < n; i++) {
		json_int_t left = integer_at(s->left, from[i]);

		tree->depth = RTE_MAX(tree->depth, level[i]);
		if (left == -1) {
			nodes[i] = (struct forest_node){
				.threshold = NAN,
				.leaf = leaf_value(f, float_at(s->condition, from[i]), weight),
				.left = i,
			};
			continue;
		}
		fill_node(&nodes[i], s, from[i], n);
		from[n] = (uint32_t)left;
		from[n + 1] = (uint32_t)integer_at(s->right, from[i]);
		level[n] = level[n + 1] = level[i] + 1;
		n += 2;
	}
	f->nodes += n;
}

static const json_t *model_of(const json_t *root, const json_t **weights)
{
	const json_t *booster =
		json_object_get(json_object_get(root, "learner"), "gradient_booster");

	*weights = json_object_get(booster, "weight_drop");
	if (*weights != NULL &&
	    strcmp(json_string_value(json_object_get(booster, "name")), "dart") == 0)
		booster = json_object_get(booster, "gbtree");
	else
		*weights = NULL;
	return json_object_get(booster, "model");
}

/* The number of nodes of all trees, and of the largest. */
static size_t count_nodes(const json_t *trees, size_t *largest)
{
	size_t total = 0, i;
	const json_t *tree;

	*largest = 0;
	json_array_foreach (trees, i, tree) {
		size_t n = json_array_size(json_object_get(tree, "left_children"));

		total += n;
		*largest = RTE_MAX(*largest, n);
	}
	return total;
}

int forest_load(struct forest *f, const json_t *root, uint64_t max_bytes, struct lj_error *err)
{
	const json_t *weights, *model = model_of(root, &weights);
	const json_t *trees = json_object_get(model, "trees");
	const json_t *info = json_object_get(model, "tree_info");
	size_t largest, total = count_nodes(trees, &largest);
	uint64_t bytes = total * sizeof(*f->node) + json_array_size(trees) * sizeof(*f->tree);
	uint32_t *from = malloc(largest * sizeof(*from));
	uint32_t *level = malloc(largest * sizeof(*level));
	int ret = 0;

	f->trees = (uint32_t)json_array_size(trees);
	if (max_bytes != 0 && bytes > max_bytes) {
		ret = lj_error_set(err, EFBIG, "", "its trees take %llu bytes, %llu are allowed",
				   (unsigned long long)bytes, (unsigned long long)max_bytes);
		goto out;
	}
	f->tree = calloc(f->trees, sizeof(*f->tree));
	f->node = malloc(total * sizeof(*f->node));
	if (from == NULL || level == NULL || f->tree == NULL || f->node == NULL) {
		ret = lj_error_set(err, ENOMEM, "", "not enough memory for its trees");
		goto out;
	}
	for (uint32_t i = 0; i < f->trees; i++) {
		struct source source = source_of(json_array_get(trees, i));

		f->tree[i].node = f->nodes;
		f->tree[i].output = (uint16_t)integer_at(info, i);
		fill_tree(f, &f->tree[i], &source,
			  weights != NULL ? json_array_get(weights, i) : NULL, from, level);
		f->depth = RTE_MAX(f->depth, f->tree[i].depth);
	}
out:
	free(from);
	free(level);
	return ret;
}

/* Loads features, outputs and objective. */
void forest_load_head(struct forest *f, const json_t *root, float base_score)
{
	const json_t *learner = json_object_get(root, "learner");
	const json_t *param = json_object_get(learner, "learner_model_param");
	const char *objective =
		json_string_value(json_object_get(json_object_get(learner, "objective"), "name"));
	const char *classes = json_string_value(json_object_get(param, "num_class"));

	f->features = (uint32_t)strtoul(json_string_value(json_object_get(param, "num_feature")),
					NULL, 10);
	f->outputs = classes != NULL ? (uint32_t)strtoul(classes, NULL, 10) : 1;
	f->outputs = RTE_MAX(f->outputs, 1U);
	f->transform = strcmp(objective, "multi:softprob") == 0 ? FOREST_SOFTMAX : FOREST_SIGMOID;
	/* As XGBoost's ProbToMargin: the logit of base_score; softmax starts from base_score
	 * itself. */
	f->base_margin =
		f->transform == FOREST_SIGMOID ? -logf(1.0f / base_score - 1.0f) : base_score;
}
