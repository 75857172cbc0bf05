/*
 * The forest engine compared with XGBoost, bit for bit: random boosters of many shapes, edge rows,
 * each kernel separately.
 */
#include <stdio.h>
#include <string.h>

#include "forest_parts.h"
#include "lj_test.h"
#include "pair.h"

#define ROWS 201 /* several blocks, the last one partial */

/* Scores in batches of `batch` with one kernel; returns how many floats differ from XGBoost's. */
static uint32_t differences(const struct pair *p, enum forest_kernel kernel, const float *matrix,
			    uint32_t batch, const float *margins, const float *probabilities)
{
	uint32_t outputs = p->forest->outputs, wrong = 0;
	struct forest_slot *slot = forest_slot_create(p->forest, kernel);
	float *m = calloc(ROWS * outputs, sizeof(*m)), *q = calloc(ROWS * outputs, sizeof(*q));

	CU_ASSERT_PTR_NOT_NULL_FATAL(slot);
	for (uint32_t i = 0; i < ROWS; i += batch)
		forest_score(slot, matrix + (size_t)i * p->forest->features,
			     RTE_MIN(batch, ROWS - i), m + i * outputs, q + i * outputs);
	for (uint32_t i = 0; i < ROWS * outputs; i++)
		wrong += memcmp(&m[i], &margins[i], sizeof(*m)) != 0 ||
			 memcmp(&q[i], &probabilities[i], sizeof(*q)) != 0;
	forest_slot_destroy(slot);
	free(m);
	free(q);
	return wrong;
}

static void compare(const struct shape *shape, uint64_t seed)
{
	static const uint32_t batches[] = {1, 5, 17, 64, ROWS};
	float *matrix = malloc(ROWS * shape->features * sizeof(*matrix));
	float *margins = calloc(ROWS * shape->outputs, sizeof(*margins));
	float *probabilities = calloc(ROWS * shape->outputs, sizeof(*probabilities));
	struct pair p;

	open_pair(&p, shape, seed);
	for (uint32_t i = 0; i < ROWS * shape->features; i++)
		matrix[i] = edge_value(shape, i % shape->features, &seed);
	CU_ASSERT_EQUAL(lj_engine_xgboost.score(p.xgboost, matrix, ROWS, margins, probabilities),
			0);
	for (enum forest_kernel k = FOREST_BEST; k < FOREST_KERNELS; k++)
		for (size_t b = 0; forest_kernel_runs(p.forest, k) && b < RTE_DIM(batches); b++) {
			uint32_t wrong =
				differences(&p, k, matrix, batches[b], margins, probabilities);

			if (wrong > 0)
				printf("%s, batch %u: %u differ\n", forest_kernel_name(k),
				       batches[b], wrong);
			CU_ASSERT_EQUAL(wrong, 0);
		}
	close_pair(&p);
	free(matrix);
	free(margins);
	free(probabilities);
}

static void every_depth_gives_xgboosts_bits(void)
{
	for (uint32_t depth = 0; depth <= 12; depth++) {
		struct shape full = {20, 1, 70, depth, 100, 40, .base_score = "5E-1"};
		struct shape ragged = {20, 1, 150, depth, 70, 40, .base_score = "2.3E-1"};

		full.trees = depth > 9 ? 5 : 70;
		compare(&full, depth);
		compare(&ragged, 100 + depth);
	}
}

static void several_classes_give_xgboosts_bits(void)
{
	for (uint32_t outputs = 2; outputs <= 16; outputs += 7)
		for (uint32_t depth = 3; depth <= 8; depth += 5) {
			struct shape s = {30, outputs, outputs * 9, depth, 85, 30};

			compare(&s, outputs);
			s.base_score = "1.7E-1";
			compare(&s, outputs + 1);
		}
}

static void dart_gives_xgboosts_bits(void)
{
	compare(&(struct shape){12, 1, 90, 6, 80, 50, true, 0, "3.7E-1"}, 1);
	compare(&(struct shape){12, 3, 90, 8, 80, 50, true, 0, "3.7E-1"}, 2);
	compare(&(struct shape){12, 1, 65, 10, 60, 50, true, 0, "9.9E-1"}, 3);
}

static void random_forests_give_xgboosts_bits(void)
{
	compare(&(struct shape){12, 1, 100, 8, 90, 50, false, 100, NULL}, 1);
	compare(&(struct shape){12, 4, 120, 5, 90, 50, false, 10, NULL}, 2);
	compare(&(struct shape){12, 4, 120, 5, 90, 50, true, 10, "4E-1"}, 3);
}

static void many_thresholds_a_feature_give_xgboosts_bits(void)
{
	compare(&(struct shape){3, 1, 60, 8, 95, 255}, 1);
	compare(&(struct shape){3, 1, 60, 8, 95, 256}, 2);
	compare(&(struct shape){3, 1, 200, 8, 100, 3000}, 3);
}

/* More than 16-bit ranks could distinguish: only the float kernel can be used. */
static void thresholds_beyond_16_bits_give_xgboosts_bits(void)
{
	static const struct shape shape = {1, 1, 400, 8, 100, 0};
	struct forest_use *uses;
	size_t n, distinct = 1;
	struct pair p;

	compare(&shape, 4);
	open_pair(&p, &shape, 4);
	uses = forest_uses(p.forest, &n);
	CU_ASSERT_PTR_NOT_NULL_FATAL(uses);
	for (size_t i = 1; i < n; i++)
		distinct += uses[i].threshold != uses[i - 1].threshold;
	CU_ASSERT(distinct > 65535);
	CU_ASSERT_FALSE(p.forest->ranked);
	free(uses);
	close_pair(&p);
}

static void few_and_many_features_give_xgboosts_bits(void)
{
	compare(&(struct shape){1, 1, 3, 4, 90, 5}, 1);
	compare(&(struct shape){78, 1, 100, 6, 90, 60}, 2);
	compare(&(struct shape){64, 1, 190, 7, 90, 20}, 5);
	compare(&(struct shape){100, 3, 190, 8, 90, 20}, 6);
	compare(&(struct shape){200, 1, 64, 7, 90, 20}, 3);
	compare(&(struct shape){1000, 1, 65, 5, 90, 20}, 4);
}

int main(void)
{
	static const struct lj_test tests[] = {
		{"every depth gives XGBoost's bits", every_depth_gives_xgboosts_bits},
		{"several classes give XGBoost's bits", several_classes_give_xgboosts_bits},
		{"dart gives XGBoost's bits", dart_gives_xgboosts_bits},
		{"random forests give XGBoost's bits", random_forests_give_xgboosts_bits},
		{"many thresholds a feature give XGBoost's bits",
		 many_thresholds_a_feature_give_xgboosts_bits},
		{"thresholds beyond 16 bits give XGBoost's bits",
		 thresholds_beyond_16_bits_give_xgboosts_bits},
		{"few and many features give XGBoost's bits",
		 few_and_many_features_give_xgboosts_bits},
	};

	if (mkdtemp(dir) == NULL)
		return EXIT_FAILURE;
	return lj_test_run("forest", tests, RTE_DIM(tests));
}
