/*
 * Each row of features_host.def reads only the part that it declares: a context with only that part
 * gives the same values as one with all parts. The other parts contain garbage.
 */
#include <string.h>

#include "lj_feature.h"
#include "lj_test.h"

#define SECOND 1000000000ULL
#define START  (1600000050ULL * SECOND)
#define FACTS  4000
#define BURST  50

static struct lj_host_fact facts[FACTS];

static uint64_t address(uint32_t number)
{
	return (number + 1) * 0x9e3779b97f4a7c15;
}

/* A few hosts, one of them busy; several similar flows, some that start before and some that end
 * after the windows. */
static void make_facts(void)
{
	uint64_t now = START;

	for (uint32_t i = 0; i < FACTS; i++) {
		now += lj_test_below(i % 500 == 0 ? 200 : 2) * SECOND / (1 + lj_test_below(4));
		facts[i] = (struct lj_host_fact){
			.time_ns = now,
			.flow_id = lj_test_below(40),
			.initiator = address(lj_test_below(2) * lj_test_below(8)),
			.responder = address(lj_test_below(8)),
			.port = (uint16_t)lj_test_below(4),
			.protocol = 6,
			.event = (uint8_t)lj_test_below(3),
			.outcome = (uint8_t)lj_test_below(5),
			.size = lj_test_below(4),
			.duration_ms = lj_test_below(1000),
			.bytes = {lj_test_below(10000), lj_test_below(10000)},
		};
	}
}

static struct lj_host *stage_of(uint32_t wanted, struct lj_counters *counters)
{
	const struct lj_host_config config = {
		.hosts = 1024, .wanted = wanted, .socket_id = SOCKET_ID_ANY};
	struct lj_host *h = lj_host_create(&config, counters);

	CU_ASSERT_PTR_NOT_NULL_FATAL(h);
	return h;
}

/* All features that read this part, and no others. */
static struct lj_feature_plan *plan_of(uint32_t part)
{
	const char *names[512];
	size_t n = 0;

	for (size_t i = 0; i < lj_feature_count(); i++)
		if (lj_feature_info(i)->context & part)
			names[n++] = lj_feature_info(i)->name;
	CU_ASSERT_TRUE_FATAL(n > 0 && n <= RTE_DIM(names));
	return lj_feature_plan_create(names, n, NULL);
}

static void follow(struct lj_host *h, uint32_t first, struct lj_host_context *contexts)
{
	struct lj_host_step steps[BURST];

	for (uint32_t i = 0; i < BURST; i++)
		steps[i] = (struct lj_host_step){&facts[first + i], &contexts[i]};
	lj_host_follow(h, steps, BURST);
}

/* The number of values that differ. */
static uint32_t compare(uint32_t part)
{
	static struct lj_host_context of_all[BURST], of_part[BURST];
	static struct lj_counters counters;
	struct lj_host *all = stage_of(LJ_HOST_PART_ALL, &counters),
		       *one = stage_of(part, &counters);
	struct lj_feature_plan *plan = plan_of(part);
	const struct lj_flow flow = {0};
	uint32_t differ = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(plan);
	CU_ASSERT_EQUAL(lj_feature_plan_context(plan), part);
	for (uint32_t first = 0; first < FACTS; first += BURST) {
		follow(all, first, of_all);
		memset(of_part, 0xa5, sizeof(of_part));
		follow(one, first, of_part);
		for (uint32_t i = 0; i < BURST; i++) {
			double wanted[512], got[512];
			size_t bytes = lj_feature_plan_size(plan) * sizeof(*got);

			lj_feature_values(plan, &flow, &of_all[i], wanted);
			lj_feature_values(plan, &flow, &of_part[i], got);
			differ += memcmp(wanted, got, bytes) != 0;
		}
	}
	lj_feature_plan_destroy(plan);
	lj_host_destroy(one);
	lj_host_destroy(all);
	return differ;
}

static void a_feature_reads_the_part_of_a_context_that_its_row_names(void)
{
	make_facts();
	for (uint32_t part = 1; part & LJ_HOST_PART_ALL; part <<= 1) {
		uint32_t differ = compare(part);

		if (differ > 0)
			fprintf(stderr, "part 0x%x: %u contexts differ\n", part, differ);
		CU_ASSERT_EQUAL(differ, 0);
	}
}

static void only_features_of_hosts_read_contexts(void)
{
	for (size_t i = 0; i < lj_feature_count(); i++) {
		const struct lj_feature_info *info = lj_feature_info(i);

		CU_ASSERT_EQUAL(info->context != 0, (info->keep & LJ_KEEP_HOST) != 0);
		CU_ASSERT_EQUAL(info->context & (info->context - 1), 0);
	}
}

int main(void)
{
	static const struct lj_test tests[] = {
		{"a feature reads the part of a context that its row names",
		 a_feature_reads_the_part_of_a_context_that_its_row_names},
		{"only features of hosts read contexts", only_features_of_hosts_read_contexts},
	};

	return lj_test_run("context", tests, RTE_DIM(tests));
}
