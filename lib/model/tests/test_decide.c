/*
 * Mode decide compared with exact scores: for random boosters and edge rows, with thresholds at and
 * next to the scores themselves, and each kernel, alert and class never differ.
 */
#include <math.h>
#include <string.h>

#include "lj_test.h"
#include "pair.h"

#define ROWS 201 /* several blocks, the last one partial */

/* Alert and class, as derived by the users of a model. */
static uint32_t verdict_of(const struct pair *p, const float *probabilities)
{
	const struct lj_model_info *info = &p->model.manifest.info;
	struct lj_opinion o;

	opinion_form(info, probabilities, &o);
	return o.class_index * 2U + (o.score >= info->threshold);
}

/* Decides by one kernel; returns how many rows were decided early. */
static uint32_t check_decisions(struct pair *p, enum forest_kernel kernel, const float *matrix,
				uint32_t batch, const float *exact, float *bounds)
{
	uint32_t outputs = p->forest->outputs, early = 0, wrong = 0, ended = 0;
	struct forest_slot *slot = forest_slot_create(p->forest, kernel);
	float *q = calloc(ROWS * outputs, sizeof(*q));
	uint8_t decided[ROWS];

	CU_ASSERT_PTR_NOT_NULL_FATAL(slot);
	for (uint32_t i = 0; i < ROWS; i += batch)
		forest_decide(slot, matrix + (size_t)i * p->forest->features,
			      RTE_MIN(batch, ROWS - i), q + i * outputs, decided + i);
	/* The bounds, too, do not depend on which rows are scored together. */
	if (bounds[0] < 0)
		memcpy(bounds, q, ROWS * outputs * sizeof(*q));
	wrong += memcmp(bounds, q, ROWS * outputs * sizeof(*q)) != 0;
	for (uint32_t r = 0; r < ROWS; r++) {
		const float *have = q + r * outputs, *wanted = exact + r * outputs;

		wrong += verdict_of(p, have) != verdict_of(p, wanted) ||
			 (!decided[r] && memcmp(have, wanted, outputs * sizeof(*q)) != 0);
		/* A bound must be on the same side of the threshold as the score. */
		if (outputs == 1 && decided[r])
			wrong += *wanted >= p->model.manifest.info.threshold
					 ? *have > *wanted * 1.00001f
					 : *have < *wanted * 0.99999f;
		early += decided[r];
	}
	for (uint32_t i = 0; i <= p->forest->bounds->stages; i++)
		ended += (uint32_t)slot->ended[i];
	CU_ASSERT_EQUAL(ended, ROWS);
	CU_ASSERT_EQUAL(ended - slot->ended[p->forest->bounds->stages], early);
	if (wrong > 0)
		printf("%s, batch %u: %u decisions differ\n", forest_kernel_name(kernel), batch,
		       wrong);
	CU_ASSERT_EQUAL(wrong, 0);
	forest_slot_destroy(slot);
	free(q);
	return early;
}

/* A threshold near many of the scores: at one of them, or next to it. */
static float threshold_near(const struct pair *p, const float *exact, uint64_t *seed)
{
	uint32_t outputs = p->forest->outputs, r = draw(seed) % ROWS;
	float score = outputs == 1 ? exact[r] : 1 - exact[r * outputs];

	switch (draw(seed) % 5) {
	case 4: /* makes flows alarm for which benign is likelier than any single class */
		score /= 4;
		break;
	case 0:
		score = nextafterf(score, 1);
		break;
	case 1:
		score = nextafterf(score, 0);
		break;
	case 2:
		score = (float)(1 + draw(seed) % 1000) / 1000.0f;
	}
	return score > 0 && score <= 1 ? score : 0.5f;
}

/* Returns the share of rows decided early, in percent. */
static uint32_t decide_alike(const struct shape *shape, uint64_t seed)
{
	static const uint32_t batches[] = {1, 7, 64, ROWS};
	float *matrix = malloc(ROWS * shape->features * sizeof(*matrix));
	float *exact = calloc(ROWS * shape->outputs, sizeof(*exact));
	float *bounds = calloc(ROWS * shape->outputs, sizeof(*bounds));
	uint32_t early = 0, all = 0;
	struct pair p;

	open_pair(&p, shape, seed);
	p.model.manifest.info.classes = (uint16_t)RTE_MAX(2U, shape->outputs);
	for (uint32_t i = 0; i < ROWS * shape->features; i++)
		matrix[i] = edge_value(shape, i % shape->features, &seed);
	CU_ASSERT_EQUAL(lj_engine_xgboost.score(p.xgboost, matrix, ROWS, NULL, exact), 0);
	for (int i = 0; i < 6; i++) {
		float threshold = threshold_near(&p, exact, &seed);

		bounds[0] = -1; /* not set yet */
		p.model.manifest.info.threshold = threshold;
		p.forest->bounds = forest_bound(p.forest, threshold);
		CU_ASSERT_PTR_NOT_NULL_FATAL(p.forest->bounds);
		for (enum forest_kernel k = FOREST_BEST; k < FOREST_KERNELS; k++)
			for (size_t b = 0; forest_kernel_runs(p.forest, k) && b < RTE_DIM(batches);
			     b++) {
				early += check_decisions(&p, k, matrix, batches[b], exact, bounds);
				all += ROWS;
			}
		forest_unbound(p.forest->bounds);
		p.forest->bounds = NULL;
	}
	close_pair(&p);
	free(matrix);
	free(exact);
	free(bounds);
	return 100 * early / all;
}

static void a_binary_decision_is_never_another_one(void)
{
	uint32_t early = 0;

	for (uint64_t seed = 0; seed < 24; seed++) {
		struct shape s = {20,
				  1,
				  1 + (uint32_t)(seed * 37 % 200),
				  1 + (uint32_t)(seed % 9),
				  90,
				  40,
				  seed % 3 == 0,
				  0,
				  seed % 2 == 0 ? "5E-1" : "9.7E-1",
				  seed % 4 == 0 ? 0 : 0.97f};

		early += decide_alike(&s, seed);
	}
	CU_ASSERT(early > 24 * 5);
}

static void a_decision_of_classes_is_never_another_one(void)
{
	uint32_t early = 0;

	for (uint64_t seed = 0; seed < 16; seed++) {
		uint32_t outputs = 2 + (uint32_t)(seed * 5 % 15);
		struct shape s = {20,
				  outputs,
				  outputs * (3 + (uint32_t)seed),
				  3 + (uint32_t)(seed % 6),
				  90,
				  40,
				  seed % 5 == 0,
				  .decay = seed % 4 == 0 ? 0 : 0.98f};

		early += decide_alike(&s, seed);
	}
	CU_ASSERT(early > 0);
}

/* With a low threshold a flow may alarm although benign is likelier than any single attack. */
static void what_alarms_is_not_called_benign(void)
{
	static const float p[] = {0.5f, 0.1f, 0.3f, 0.1f};
	struct lj_model_info info = {.outputs = 4, .classes = 4, .threshold = 0.2f};
	struct lj_opinion o;

	opinion_form(&info, p, &o);
	CU_ASSERT_EQUAL(o.class_index, 2);
	CU_ASSERT_EQUAL(o.score, 0.5f);
	CU_ASSERT_EQUAL(o.scores[0], 0.5f);
	info.threshold = 0.6f;
	opinion_form(&info, p, &o);
	CU_ASSERT_EQUAL(o.class_index, 0);
}

/* A score equal to the threshold alarms, so the class must not be benign. */
static void what_scores_as_the_threshold_has_the_class(void)
{
	static const float p[] = {0.7f, 0.1f, 0.1f, 0.1f}, score = 0.3f;
	struct lj_model_info info = {.outputs = 1, .classes = 2, .threshold = 0.3f};
	struct lj_opinion o;

	opinion_form(&info, &score, &o);
	CU_ASSERT_EQUAL(o.class_index, 1);
	info.threshold = nextafterf(score, 1);
	opinion_form(&info, &score, &o);
	CU_ASSERT_EQUAL(o.class_index, 0);
	info = (struct lj_model_info){.outputs = 4, .classes = 4, .threshold = 1 - p[0]};
	opinion_form(&info, p, &o);
	CU_ASSERT_EQUAL(o.class_index, 1);
}

static void a_deep_forest_decides_by_the_walk(void)
{
	CU_ASSERT(decide_alike(&(struct shape){12, 1, 90, 11, 60, 50, .decay = 0.95f}, 5) > 0);
	decide_alike(&(struct shape){12, 3, 90, 10, 60, 50, .decay = 0.95f}, 6);
}

static void margins_too_large_for_bounds_are_not_decided(void)
{
	struct shape s = {5, 1, 40, 3, 100, 9};
	struct pair p;

	open_pair(&p, &s, 3);
	for (uint32_t i = 0; i < p.forest->nodes; i++)
		p.forest->node[i].leaf *= 1e7f;
	CU_ASSERT_PTR_NULL(forest_bound(p.forest, 0.5f));
	close_pair(&p);
}

static void the_histogram_has_every_row(void)
{
	struct lj_model_bin bins[LJ_MODEL_BINS];
	struct lj_error err = {0};
	float rows[40 * 200], scores[40];
	uint64_t early = 0;
	char bundle[512];
	struct lj_model *m;
	uint32_t n;

	snprintf(bundle, sizeof(bundle), "%s/models/default", getenv("LJ_SOURCE_ROOT"));
	m = lj_model_open_by(bundle, 2, LJ_ENGINE_FOREST, LJ_MODE_DECIDE, &err);
	CU_ASSERT_PTR_NOT_NULL_FATAL(m);
	CU_ASSERT_STRING_EQUAL(lj_model_info(m)->mode, "decide");
	CU_ASSERT_FATAL(lj_model_info(m)->features <= 200);
	CU_ASSERT_EQUAL(lj_model_golden(m, rows, 40), 40);
	for (uint16_t slot = 0; slot < 2; slot++)
		CU_ASSERT_EQUAL(lj_model_score_rows(m, slot, rows, 40, scores), 0);
	n = lj_model_histogram(m, bins);
	CU_ASSERT_FATAL(n > 1);
	for (uint32_t i = 0; i < n - 1; i++) {
		CU_ASSERT(bins[i].trees < bins[i + 1].trees);
		early += bins[i].rows;
	}
	CU_ASSERT_EQUAL(bins[n - 1].trees, lj_model_info(m)->trees);
	CU_ASSERT_EQUAL(early + bins[n - 1].rows, 80);
	CU_ASSERT(early > 60);
	lj_model_close(m);
}

static void xgboost_scores_are_always_exact(void)
{
	struct lj_model_bin bins[LJ_MODEL_BINS];
	struct lj_error err = {0};
	char bundle[512];
	struct lj_model *m;

	snprintf(bundle, sizeof(bundle), "%s/models/default", getenv("LJ_SOURCE_ROOT"));
	m = lj_model_open_by(bundle, 1, LJ_ENGINE_XGBOOST, LJ_MODE_DECIDE, &err);
	CU_ASSERT_PTR_NOT_NULL_FATAL(m);
	CU_ASSERT_STRING_EQUAL(lj_model_info(m)->mode, "exact");
	CU_ASSERT_EQUAL(lj_model_histogram(m, bins), 0);
	lj_model_close(m);
}

int main(void)
{
	static const struct lj_test tests[] = {
		{"a binary decision is never another one", a_binary_decision_is_never_another_one},
		{"a decision of classes is never another one",
		 a_decision_of_classes_is_never_another_one},
		{"what alarms is not called benign", what_alarms_is_not_called_benign},
		{"what scores as the threshold has the class",
		 what_scores_as_the_threshold_has_the_class},
		{"a deep forest decides by the walk", a_deep_forest_decides_by_the_walk},
		{"margins too large for bounds are not decided",
		 margins_too_large_for_bounds_are_not_decided},
		{"the histogram has every row", the_histogram_has_every_row},
		{"XGBoost's scores are always exact", xgboost_scores_are_always_exact},
	};

	if (mkdtemp(dir) == NULL)
		return EXIT_FAILURE;
	return lj_test_run("decide", tests, RTE_DIM(tests));
}
