#include <math.h>
#include <string.h>

#include "lj_feature.h"
#include "lj_test.h"

#define RECORDS	   200
#define VALUES_MAX 1024

/* A record of random bytes, half of them 0; a window scale is at most 14 (RFC 7323), plus 1. */
static struct lj_flow any_flow(uint64_t *seed)
{
	struct lj_flow f;
	uint8_t *bytes = (uint8_t *)&f;

	for (size_t i = 0; i < sizeof(f); i++) {
		*seed = *seed * 6364136223846793005ULL + 1442695040888963407ULL;
		bytes[i] = *seed >> 63 ? 0 : (uint8_t)(*seed >> 40);
	}
	for (int side = 0; side < 2; side++)
		f.tcp[side].wscale_plus1 %= 16;
	return f;
}

static bool is_same(double a, double b)
{
	return memcmp(&a, &b, sizeof(a)) == 0 || (isnan(a) && isnan(b));
}

/* Counts the values that differ when each feature is computed by a plan of its own. */
static uint32_t count_other_values(const struct lj_feature_plan *plan, const struct lj_flow *f)
{
	static const struct lj_host_context context;
	static double values[VALUES_MAX];
	uint32_t other = 0;

	lj_feature_values(plan, f, &context, values);
	for (size_t i = 0; i < lj_feature_plan_size(plan); i++) {
		const char *name = lj_feature_plan_name(plan, i);
		struct lj_feature_plan *one = lj_feature_plan_create(&name, 1, NULL);
		double value;

		lj_feature_values(one, f, &context, &value);
		other += !is_same(values[i], value);
		lj_feature_plan_destroy(one);
	}
	return other;
}

static void a_set_is_its_features_one_by_one(void)
{
	static const char *const sets[] = {"linejudge", "network", "linejudge,network,host",
					   "linejudge,cic,netflow,argus"};
	uint64_t seed = 1;

	for (size_t s = 0; s < RTE_DIM(sets); s++) {
		struct lj_feature_plan *plan = lj_feature_plan_set(sets[s], NULL);

		CU_ASSERT_PTR_NOT_NULL_FATAL(plan);
		for (uint32_t i = 0; i < RECORDS; i++) {
			struct lj_flow f = any_flow(&seed);

			CU_ASSERT_EQUAL(count_other_values(plan, &f), 0);
		}
		lj_feature_plan_destroy(plan);
	}
}

/* Plans similar to the default set: without its last feature, and with two of them exchanged. */
static void a_plan_that_is_nearly_a_set_is_no_set(void)
{
	struct lj_feature_plan *set = lj_feature_plan_set("linejudge", NULL), *plan;
	size_t n = lj_feature_plan_size(set);
	const char *names[VALUES_MAX];
	uint64_t seed = 2;
	struct lj_flow f = any_flow(&seed);

	for (size_t i = 0; i < n; i++)
		names[i] = lj_feature_plan_name(set, i);
	plan = lj_feature_plan_create(names, n - 1, NULL);
	CU_ASSERT_EQUAL(count_other_values(plan, &f), 0);
	lj_feature_plan_destroy(plan);
	names[n - 1] = names[n - 2];
	names[n - 2] = lj_feature_plan_name(set, n - 1);
	plan = lj_feature_plan_create(names, n, NULL);
	CU_ASSERT_EQUAL(count_other_values(plan, &f), 0);
	lj_feature_plan_destroy(plan);
	lj_feature_plan_destroy(set);
}

int main(void)
{
	static const struct lj_test tests[] = {
		{"a set is its features, one by one", a_set_is_its_features_one_by_one},
		{"a plan that is nearly a set is no set", a_plan_that_is_nearly_a_set_is_no_set},
	};

	return lj_test_run("feature sets", tests, RTE_DIM(tests));
}
