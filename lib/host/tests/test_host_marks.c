/* Contexts when more is marked than there is room for, and which parts are kept. */
#include "host_fixture.h"

#define FACTS 60000
#define HOSTS 4096
#define EVERY 16

static struct lj_host_fact facts[FACTS];
static struct lj_host_context of_all[FACTS / EVERY], of_some[FACTS / EVERY];

/* In a minute, of a few initiators: hardly a thing that they have seen before. */
static void make_facts(void)
{
	for (uint32_t i = 0; i < FACTS; i++) {
		facts[i] = fact(lj_test_below(2) ? LJ_HOST_BEGIN : LJ_HOST_END, lj_test_below(200),
				1000 + lj_test_below(2000), (uint16_t)lj_test_below(3000),
				START + i * SECOND / 1000);
		facts[i].flow_id = i;
		facts[i].size = lj_test_below(10000);
		facts[i].outcome = (uint8_t)lj_test_below(5);
	}
}

static void follow(uint32_t hosts, uint32_t wanted, struct lj_host_context *contexts)
{
	struct lj_host_config config = {
		.hosts = hosts, .wanted = wanted, .socket_id = SOCKET_ID_ANY};
	struct lj_host *h = lj_host_create(&config, &counters);

	CU_ASSERT_PTR_NOT_NULL_FATAL(h);
	for (uint32_t i = 0; i < FACTS; i++) {
		struct lj_host_step step = {&facts[i],
					    i % EVERY == 0 ? &contexts[i / EVERY] : NULL};

		lj_host_follow(h, &step, 1);
	}
	lj_host_destroy(h);
}

/* In how many contexts the counts differ. */
static uint32_t differ(const enum lj_host_count *counts, uint32_t n, bool service)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < FACTS / EVERY; i++) {
		const struct lj_host_view *a = service ? of_all[i].service : of_all[i].src;
		const struct lj_host_view *b = service ? of_some[i].service : of_some[i].src;
		bool same = true;

		for (uint32_t c = 0; c < n; c++)
			same &= a[LJ_HOST_600S].count[counts[c]] ==
				b[LJ_HOST_600S].count[counts[c]];
		sum += !same;
	}
	return sum;
}

static void what_else_is_asked_for_changes_nothing(void)
{
	static const struct {
		enum lj_host_part part;
		enum lj_host_count counts[3];
		uint32_t n;
		bool service;
	} rows[] = {
		{LJ_HOST_PART_SRC_BEGUN, {LJ_HOST_PEERS, LJ_HOST_PORTS, LJ_HOST_PAIRS}, 3, false},
		{LJ_HOST_PART_SRC_ENDED, {LJ_HOST_SIZES}, 1, false},
		{LJ_HOST_PART_SRC_OUTCOMES, {LJ_HOST_FAILED_PEERS, LJ_HOST_FAILED_PORTS}, 2, false},
		{LJ_HOST_PART_SERVICE_ENDED, {LJ_HOST_SIZES}, 1, true},
	};

	follow(HOSTS, LJ_HOST_PART_ALL, of_all);
	for (size_t i = 0; i < RTE_DIM(rows); i++) {
		/* A stage with room for all marks says otherwise. */
		follow(16 * HOSTS, rows[i].part, of_some);
		CU_ASSERT(differ(rows[i].counts, rows[i].n, rows[i].service) > 0);
		follow(HOSTS, rows[i].part, of_some);
		CU_ASSERT_EQUAL(differ(rows[i].counts, rows[i].n, rows[i].service), 0);
	}
}

/* Whether an opening is kept for a flow that begins, and what it says of `which`. */
static bool opens(uint32_t wanted, enum lj_host_opening which, uint16_t *count)
{
	struct lj_host_config config = {
		.hosts = HOSTS, .wanted = wanted, .socket_id = SOCKET_ID_ANY};
	struct lj_host *h = lj_host_create(&config, &counters);
	struct lj_host_fact begun = fact(LJ_HOST_BEGIN, 1, 2, 80, START);
	struct lj_host_fact ended = fact(LJ_HOST_END, 1, 2, 80, START + SECOND);
	struct lj_host_context context;
	struct lj_host_step steps[] = {{&begun, NULL}, {&ended, &context}};

	CU_ASSERT_PTR_NOT_NULL_FATAL(h);
	lj_host_follow(h, steps, 2);
	lj_host_destroy(h);
	*count = context.opened ? context.opening[which] : 0;
	return context.opened;
}

static void an_opening_is_kept_when_only_a_part_is_asked_for(void)
{
	static const struct {
		uint32_t part;
		enum lj_host_opening which;
		uint16_t count;
	} rows[] = {
		{LJ_HOST_PART_OPENING_HOSTS, LJ_HOST_OPENING_DST_FLOWS_60S, 1},
		{LJ_HOST_PART_OPENING_OUTCOMES, LJ_HOST_OPENING_SRC_ENDED_60S, 0},
		{LJ_HOST_PART_OPENING_SERVICE, LJ_HOST_OPENING_SERVICE_FLOWS_60S, 1},
		{LJ_HOST_PART_OPENING_PAIR, LJ_HOST_OPENING_PAIR_FLOWS_600S, 1},
	};
	uint16_t count;

	for (size_t i = 0; i < RTE_DIM(rows); i++) {
		CU_ASSERT_TRUE(opens(rows[i].part, rows[i].which, &count));
		CU_ASSERT_EQUAL(count, rows[i].count);
	}
}

int main(void)
{
	static const struct lj_test tests[] = {
		{"what else is asked for changes nothing", what_else_is_asked_for_changes_nothing},
		{"an opening is kept when only a part is asked for",
		 an_opening_is_kept_when_only_a_part_is_asked_for},
	};

	make_facts();
	return lj_test_run("host_marks", tests, RTE_DIM(tests));
}
