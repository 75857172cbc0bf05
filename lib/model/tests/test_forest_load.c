/* Loading of a forest: its tables, what is refused, the comparison with XGBoost, the choice of the
 * engine. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "forest_parts.h"
#include "lj_test.h"
#include "pair.h"

/* Returns the error of reading the booster; frees root. */
static const char *refusal(json_t *root)
{
	static struct lj_error err;
	struct lj_model_info info = {0};
	char path[128];

	snprintf(path, sizeof(path), "%s/bad.json", dir);
	json_dump_file(root, path, JSON_REAL_PRECISION(9));
	json_decref(root);
	memset(&err, 0, sizeof(err));
	root = booster_read(path, &info, &err);
	CU_ASSERT_PTR_NULL(root);
	CU_ASSERT_STRING_EQUAL(err.where, path);
	json_decref(root);
	return err.what;
}

static json_t *trees_model(json_t *root)
{
	return json_object_get(
		json_object_get(json_object_get(root, "learner"), "gradient_booster"), "model");
}

/* Whether all data that the row-lane kernels load for a tree exists: they are excluded from
 * sanitizers. */
static bool loads_what_is_there(const struct forest *f, const struct forest_program *p)
{
	uint32_t codes = 1U << p->whole, singles = 0;
	bool sound = p->whole >= 1 && p->whole + p->levels + p->picks <= FOREST_DEPTH_MAX &&
		     (p->picks == 0 || (p->whole == FOREST_PICK_LEVEL && p->levels == 0));

	for (uint32_t h = 1; h < 1U << p->whole; h++)
		sound = sound && p->top.offset[h] % FOREST_ROWS == 0 &&
			p->top.offset[h] / FOREST_ROWS < RTE_MAX(f->columns, 1U);
	for (uint32_t level = 0; level < p->levels; level++) {
		for (uint32_t i = 0; i < p->singles[level]; i++, singles++)
			sound = sound && (p->single[singles].code4 & 0xff) < codes &&
				p->single[singles].offset % FOREST_ROWS == 0 &&
				p->single[singles].offset / FOREST_ROWS < f->columns;
		codes += p->singles[level];
	}
	for (uint32_t level = 0; level < p->picks; level++, codes *= 2)
		for (uint32_t i = 0; i < codes; i++)
			sound = sound && p->pick[level].column[i] < f->columns;
	return sound && codes <= p->width;
}

static void the_row_lane_kernels_load_what_is_there(void)
{
	for (uint32_t depth = 0; depth <= 8; depth++)
		for (uint32_t split = 40; split <= 100; split += 15) {
			struct shape s = {20, 1, 40, depth, split, 60};
			struct pair p;

			open_pair(&p, &s, depth + split);
			for (uint32_t t = 0; t < p.forest->trees; t++)
				CU_ASSERT(loads_what_is_there(p.forest, &p.forest->program[t]));
			close_pair(&p);
		}
}

static void the_levels_of_bushy_trees_alone_are_picked(void)
{
	struct pair bushy, sparse;

	open_pair(&bushy, &(struct shape){20, 1, 40, 8, 100, 60}, 5);
	open_pair(&sparse, &(struct shape){20, 1, 40, 8, 60, 60}, 6);
	for (uint32_t t = 0; t < 20; t++)
		CU_ASSERT(bushy.forest->program[t].picks == 2);
	CU_ASSERT(bushy.forest->picks);
	CU_ASSERT_FALSE(sparse.forest->picks);
	close_pair(&bushy);
	close_pair(&sparse);
}

static void a_million_trees_are_refused(void)
{
	json_t *root = random_booster(&(struct shape){2, 1, 1, 1, 100, 3}, 1);
	json_t *model = trees_model(root), *tree, *trees, *info;

	trees = json_object_get(model, "trees");
	info = json_object_get(model, "tree_info");
	tree = json_object();
	for (uint32_t i = 1; i < 1000000; i++) {
		json_array_append(trees, tree);
		json_array_append_new(info, json_integer(0));
	}
	json_decref(tree);
	json_object_set_new(json_object_get(model, "gbtree_model_param"), "num_trees",
			    json_string("1000000"));
	CU_ASSERT_PTR_NOT_NULL(strstr(refusal(root), "num_trees"));
}

static void a_threshold_that_is_no_number_is_refused(void)
{
	json_t *root = random_booster(&(struct shape){2, 1, 1, 1, 100, 3}, 1);
	json_t *tree = json_array_get(json_object_get(trees_model(root), "trees"), 0);

	/* JSON has no NaN; a parser might turn null, or a number that no float can represent, into
	 * it. */
	json_array_set_new(json_object_get(tree, "split_conditions"), 0, json_null());
	CU_ASSERT_PTR_NOT_NULL(strstr(refusal(root), "finite"));
}

static void a_ubj_threshold_that_is_nan_is_refused(void)
{
	static const uint8_t bytes[] = {'{', 'i', 1,	'x',  '[', '$', 'd', '#',
					'i', 1,	  0x7f, 0xc0, 0,   0,	'}'};
	struct lj_model_info info = {0};
	struct lj_error err = {0};
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/nan.ubj", dir);
	f = fopen(path, "wb");
	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	fwrite(bytes, 1, sizeof(bytes), f);
	fclose(f);
	CU_ASSERT_PTR_NULL(booster_read(path, &info, &err));
	CU_ASSERT_PTR_NOT_NULL(strstr(err.what, "finite"));
}

static void a_forest_too_large_for_what_is_allowed_is_refused(void)
{
	json_t *root = random_booster(&(struct shape){9, 1, 50, 6, 90, 30}, 1);
	struct lj_error err = {0};

	CU_ASSERT_PTR_NULL(forest_create(root, 0.5f, 10000, &err));
	CU_ASSERT_PTR_NOT_NULL(strstr(err.what, "10000 are allowed"));
	json_decref(root);
}

static void the_proof_finds_one_bit_in_one_leaf_or_threshold(void)
{
	/* With so many features no path tests one twice, so every node can be reached. */
	struct shape shape = {400, 1, 12, 4, 100, 25};
	struct lj_error err = {0};
	uint32_t rows;
	struct pair p;

	open_pair(&p, &shape, 7);
	CU_ASSERT_EQUAL(forest_prove(p.forest, p.xgboost, FOREST_PROOF_WHOLE, &rows, &err), 0);
	CU_ASSERT(rows > 3 * 25);
	for (uint32_t i = 0; i < p.forest->nodes; i += 7) {
		struct forest_node *node = &p.forest->node[i], was = *node;

		if (isnan(node->threshold))
			node->leaf = nextafterf(node->leaf * 1.25f, INFINITY);
		else
			node->missing_right = !node->missing_right;
		CU_ASSERT_NOT_EQUAL(
			forest_prove(p.forest, p.xgboost, FOREST_PROOF_WHOLE, &rows, &err), 0);
		CU_ASSERT_PTR_NOT_NULL(strstr(err.what, "kernel walk"));
		*node = was;
	}
	for (uint32_t t = 0; t < p.forest->trees; t += 3) {
		struct forest_node *root = &p.forest->node[p.forest->tree[t].node];
		float was = root->threshold;

		root->threshold = nextafterf(was, INFINITY);
		CU_ASSERT_NOT_EQUAL(
			forest_prove(p.forest, p.xgboost, FOREST_PROOF_WHOLE, &rows, &err), 0);
		root->threshold = was;
	}
	close_pair(&p);
}

/* Flips one bit of all leaves of the first tree, for every kernel. */
static void spoil_first_tree(struct forest *f)
{
	struct forest_program *program = &f->program[0];

	for (uint32_t i = 0; i < 4u * program->width; i++)
		program->planes[i] ^= 1;
	for (uint32_t i = 0; i < 1u << f->tree[0].levels; i++)
		f->leaf[f->tree[0].table + i] = nextafterf(f->leaf[f->tree[0].table + i], INFINITY);
}

static void a_start_proves_less_but_what_it_will_run(void)
{
	struct shape shape = {60, 1, 150, 6, 90, 100};
	uint32_t start_rows, whole_rows;
	struct lj_error err = {0};
	struct pair p;

	open_pair(&p, &shape, 7);
	CU_ASSERT_FATAL(p.forest->ranked);
	CU_ASSERT_EQUAL(forest_prove(p.forest, p.xgboost, FOREST_PROOF_START, &start_rows, &err),
			0);
	CU_ASSERT_EQUAL(forest_prove(p.forest, p.xgboost, FOREST_PROOF_WHOLE, &whole_rows, &err),
			0);
	CU_ASSERT(start_rows > 1024 && start_rows + 4096 < whole_rows);
	p.forest->transform = FOREST_SOFTMAX;
	CU_ASSERT_NOT_EQUAL(
		forest_prove(p.forest, p.xgboost, FOREST_PROOF_START, &start_rows, &err), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(err.what, "probability"));
	p.forest->transform = FOREST_SIGMOID;
	spoil_first_tree(p.forest);
	CU_ASSERT_NOT_EQUAL(
		forest_prove(p.forest, p.xgboost, FOREST_PROOF_START, &start_rows, &err), 0);
	close_pair(&p);
}

static void the_engine_asked_for_scores(void)
{
	static const enum lj_engine wanted[] = {LJ_ENGINE_XGBOOST, LJ_ENGINE_FOREST,
						LJ_ENGINE_AUTO};
	float rows[2][40 * 200], scores[2][40];
	struct lj_error err = {0};
	char bundle[512];

	snprintf(bundle, sizeof(bundle), "%s/models/default", getenv("LJ_SOURCE_ROOT"));
	for (size_t i = 0; i < RTE_DIM(wanted); i++) {
		struct lj_model *m = lj_model_open_by(bundle, 2, wanted[i], LJ_MODE_EXACT, &err);
		uint32_t n;

		CU_ASSERT_PTR_NOT_NULL_FATAL(m);
		CU_ASSERT_FATAL(lj_model_info(m)->features <= 200);
		CU_ASSERT(lj_model_info(m)->engine_reason[0] != '\0');
		if (wanted[i] != LJ_ENGINE_AUTO)
			CU_ASSERT_STRING_EQUAL(lj_model_info(m)->engine,
					       wanted[i] == LJ_ENGINE_FOREST ? "forest"
									     : "xgboost");
		n = lj_model_golden(m, rows[i > 0], 40);
		CU_ASSERT_EQUAL(n, 40);
		CU_ASSERT_EQUAL(lj_model_score_rows(m, 1, rows[i > 0], n, scores[i > 0]), 0);
		CU_ASSERT_EQUAL(memcmp(scores[0], scores[i > 0], sizeof(scores[0])), 0);
		lj_model_close(m);
	}
}

int main(void)
{
	static const struct lj_test tests[] = {
		{"the row-lane kernels load what is there",
		 the_row_lane_kernels_load_what_is_there},
		{"the levels of bushy trees alone are picked",
		 the_levels_of_bushy_trees_alone_are_picked},
		{"a million trees are refused", a_million_trees_are_refused},
		{"a threshold that is no number is refused",
		 a_threshold_that_is_no_number_is_refused},
		{"a UBJ threshold that is NaN is refused", a_ubj_threshold_that_is_nan_is_refused},
		{"a forest too large for what is allowed is refused",
		 a_forest_too_large_for_what_is_allowed_is_refused},
		{"the proof finds one bit in one leaf or threshold",
		 the_proof_finds_one_bit_in_one_leaf_or_threshold},
		{"a start proves less, but what it will run",
		 a_start_proves_less_but_what_it_will_run},
		{"the engine asked for scores", the_engine_asked_for_scores},
	};

	if (mkdtemp(dir) == NULL)
		return EXIT_FAILURE;
	return lj_test_run("forest_load", tests, RTE_DIM(tests));
}
