/*
 * Random boosters of any shape for the tests and the fuzzer of the forest engine: documents in
 * XGBoost's format, from a seed.
 */
#ifndef BOOSTER_H
#define BOOSTER_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

struct shape {
	uint32_t features, outputs, trees, depth;
	uint32_t split_percent; /* of the nodes above the last level */
	uint32_t thresholds;	/* number of distinct ones per feature; 0: each node has its own */
	bool dart;
	uint32_t parallel; /* num_parallel_tree; 0 is 1 */
	const char *base_score;
	float decay; /* leaves of a tree relative to those of the one before; 0 is 1 */
};

static inline uint32_t draw(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(*seed >> 33);
}

/* Threshold `i` of a feature: zeroes, denormals, huge and ordinary values. */
static inline float threshold_of(uint32_t feature, uint32_t i)
{
	static const float odd[] = {0.0f,    -0.0f,  1e-40f,	      -1e-45f,
				    3.4e38f, -3e38f, 1.17549435e-38f, 1.0f};
	uint64_t seed = feature * 1000003ULL + i * 7919ULL + 17;

	if (i < 8 && feature % 3 == 0)
		return odd[i];
	draw(&seed);
	return ((float)draw(&seed) / 2147483648.0f - 0.5f) * (feature % 5 == 0 ? 1e-3f : 100.0f);
}

/* A tree's arrays as they grow, breadth first. */
struct growth {
	json_t *left, *right, *parent, *feature, *condition, *missing_left, *zero, *nought;
	uint32_t nodes;
};

static inline void grow_node(struct growth *g, uint32_t parent)
{
	json_array_append_new(g->left, json_integer(-1));
	json_array_append_new(g->right, json_integer(-1));
	json_array_append_new(g->parent, json_integer(parent));
	json_array_append_new(g->feature, json_integer(0));
	json_array_append_new(g->condition, json_real(0));
	json_array_append_new(g->missing_left, json_integer(0));
	json_array_append_new(g->zero, json_integer(0));
	json_array_append_new(g->nought, json_real(0));
	g->nodes++;
}

static inline void split_node(struct growth *g, uint32_t i, const struct shape *s, uint64_t *seed)
{
	uint32_t feature = draw(seed) % s->features;
	uint32_t which = s->thresholds != 0 ? draw(seed) % s->thresholds : draw(seed);

	json_array_set_new(g->left, i, json_integer(g->nodes));
	json_array_set_new(g->right, i, json_integer(g->nodes + 1));
	json_array_set_new(g->feature, i, json_integer(feature));
	json_array_set_new(g->condition, i, json_real((double)threshold_of(feature, which)));
	json_array_set_new(g->missing_left, i, json_integer(draw(seed) & 1));
	grow_node(g, i);
	grow_node(g, i);
}

static inline json_t *random_tree(const struct shape *s, uint32_t id, uint64_t *seed)
{
	struct growth g = {json_array(), json_array(), json_array(),
			   json_array(), json_array(), json_array(),
			   json_array(), json_array(), 0};
	float scale = s->decay > 0 ? powf(s->decay, (float)id) : 1;
	uint32_t level_end = 1, level = 0;
	char nodes[16], features[16];

	grow_node(&g, 2147483647);
	for (uint32_t i = 0; i < g.nodes; i++) {
		if (i == level_end) {
			level++;
			level_end = g.nodes;
		}
		/* The root always splits, so that the tree has the requested depth. */
		if (level < s->depth && (i == 0 || draw(seed) % 100 < s->split_percent))
			split_node(&g, i, s, seed);
		else
			json_array_set_new(
				g.condition, i,
				json_real((double)(scale *
						   ((float)draw(seed) / 2147483648.0f - 0.5f))));
	}
	snprintf(nodes, sizeof(nodes), "%u", g.nodes);
	snprintf(features, sizeof(features), "%u", s->features);
	return json_pack("{s:i, s:{s:s, s:s, s:s, s:s}, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, "
			 "s:O, s:O, s:[], s:[], s:[], s:[]}",
			 "id", (int)id, "tree_param", "num_nodes", nodes, "num_feature", features,
			 "num_deleted", "0", "size_leaf_vector", "0", "left_children", g.left,
			 "right_children", g.right, "parents", g.parent, "split_indices", g.feature,
			 "split_conditions", g.condition, "default_left", g.missing_left,
			 "split_type", g.zero, "base_weights", g.nought, "loss_changes", g.nought,
			 "sum_hessian", g.nought, "categories", "categories_nodes",
			 "categories_segments", "categories_sizes");
}

static inline json_t *random_trees(const struct shape *s, uint64_t *seed)
{
	json_t *trees = json_array(), *info = json_array();
	uint32_t parallel = s->parallel != 0 ? s->parallel : 1;
	char n[16], many[16];

	for (uint32_t i = 0; i < s->trees; i++) {
		json_array_append_new(trees, random_tree(s, i, seed));
		json_array_append_new(info, json_integer(i / parallel % s->outputs));
	}
	snprintf(n, sizeof(n), "%u", s->trees);
	snprintf(many, sizeof(many), "%u", parallel);
	return json_pack("{s:{s:s, s:s, s:s}, s:o, s:o}", "gbtree_model_param", "num_trees", n,
			 "num_parallel_tree", many, "size_leaf_vector", "0", "tree_info", info,
			 "trees", trees);
}

static inline json_t *random_booster(const struct shape *s, uint64_t seed)
{
	json_t *model = random_trees(s, &seed), *booster, *weights = json_array();
	bool many = s->outputs > 1;
	char features[16], classes[16];

	for (uint32_t i = 0; i < s->trees; i++)
		json_array_append_new(
			weights, json_real((double)((float)(1 + draw(&seed) % 999) / 1000.0f)));
	booster = json_pack("{s:s, s:o}", "name", "gbtree", "model", model);
	if (s->dart)
		booster = json_pack("{s:s, s:o, s:O}", "name", "dart", "gbtree", booster,
				    "weight_drop", weights);
	json_decref(weights);
	snprintf(features, sizeof(features), "%u", s->features);
	snprintf(classes, sizeof(classes), "%u", many ? s->outputs : 0);
	return json_pack(
		"{s:[i,i,i], s:{s:{}, s:[], s:[], s:o, s:{s:s, s:s, s:s, s:s}, s:{s:s, s:{s:s}}}}",
		"version", 1, 7, 4, "learner", "attributes", "feature_names", "feature_types",
		"gradient_booster", booster, "learner_model_param", "base_score",
		s->base_score != NULL ? s->base_score : "5E-1", "num_class", classes, "num_feature",
		features, "num_target", "1", "objective", "name",
		many ? "multi:softprob" : "binary:logistic",
		many ? "softmax_multiclass_param" : "reg_loss_param",
		many ? "num_class" : "scale_pos_weight", many ? classes : "1");
}

/* A value for a feature: at a threshold or adjacent to it, missing, infinite, or random. */
static inline float edge_value(const struct shape *s, uint32_t feature, uint64_t *seed)
{
	uint32_t how = draw(seed) % 16;
	uint32_t which = s->thresholds != 0 ? draw(seed) % s->thresholds : draw(seed) % 64;
	float at = threshold_of(feature, which);

	switch (how) {
	case 0:
	case 1:
		return NAN;
	case 2:
		return INFINITY;
	case 3:
		return -INFINITY;
	case 4:
		return draw(seed) & 1 ? -0.0f : 0.0f;
	case 5:
		return draw(seed) & 1 ? 1e-45f : -1e-39f;
	case 6:
	case 7:
		return nextafterf(at, -INFINITY);
	case 8:
	case 9:
		return nextafterf(at, INFINITY);
	case 10:
		return ((float)draw(seed) / 2147483648.0f - 0.5f) * 120.0f;
	default:
		return at;
	}
}

#endif
