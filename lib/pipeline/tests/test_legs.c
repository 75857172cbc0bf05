/* The redirection tables of the two legs of a tap: both directions of a flow go to one worker. */
#include <string.h>

#include "legs.h"
#include "lj_clock.h"
#include "ports.h"

/* Two null ports of two queues. */
#define LEGS(a, b, leg_b)                                                                          \
	"capture.ports=[{\"name\":\"net_null" a                                                    \
	"\",\"mbufs\":2048,\"descriptors\":64,\"queues\":2},"                                      \
	"{\"name\":\"net_null" b                                                                   \
	"\",\"mbufs\":2048,\"descriptors\":64,\"queues\":2,\"leg\":" leg_b "}]"

/* Gives one port another table than the other's, as a NIC of another kind would have it. */
static void deal_otherwise(struct lj_pipeline *p, uint32_t i)
{
	uint16_t reta[LJ_RETA_MAX];

	for (uint16_t e = 0; e < p->source[i]->rss->reta_entries; e++)
		reta[e] = e / 3 % 2;
	CU_ASSERT_EQUAL(lj_source_set_reta(p->source[i], reta, NULL), 0);
	CU_ASSERT(lj_rss_self_test(p->source[0]->rss, p->source[1]->rss) > LJ_RSS_TEST_PAIRS / 4);
}

static void legs_with_different_tables_are_dealt_alike(void)
{
	struct lj_pipeline *p = open_ports(LEGS("4", "5", "1"), "capture.rss_check=1");
	struct lj_error err = {0};

	CU_ASSERT_EQUAL(legs_align(p, &err), 0);
	deal_otherwise(p, 1);
	CU_ASSERT_EQUAL(legs_align(p, &err), 0);
	CU_ASSERT_EQUAL(lj_rss_self_test(p->source[0]->rss, p->source[1]->rss), 0);
	for (uint16_t i = 0; i < 128; i++)
		CU_ASSERT_EQUAL(lj_rss_entry(p->source[1]->rss, i), i % 2);
	/* The one that is new follows the one that goes on, whichever comes first. */
	deal_otherwise(p, 1);
	CU_ASSERT_EQUAL(legs_rejoin(p, 0, &err), 0);
	CU_ASSERT_EQUAL(lj_rss_self_test(p->source[0]->rss, p->source[1]->rss), 0);
	CU_ASSERT_EQUAL(lj_rss_entry(p->source[0]->rss, 3), 1);
	close_ports(p);
}

static struct lj_rss larger;

static int set_larger(struct lj_source *s, const uint16_t *reta, struct lj_error *err)
{
	(void)s;
	(void)err;
	memcpy(larger.reta, reta, larger.reta_entries * sizeof(*reta));
	return 0;
}

/* NICs of two kinds, whichever comes first: the larger table repeats the smaller. */
static void legs_with_tables_of_two_sizes_are_dealt_alike(void)
{
	for (uint32_t i = 0; i < 2; i++) {
		struct lj_pipeline *p = open_ports(
			i == 0 ? LEGS("6", "7", "1") : LEGS("8", "9", "1"), "capture.rss_check=1");
		const struct lj_rss *small = p->source[1 - i]->rss, *before = p->source[i]->rss;
		const struct lj_source_ops *whole = p->source[i]->ops;
		struct lj_source_ops ops = *whole;
		struct lj_error err = {0};

		larger = *before;
		larger.reta_entries = 512;
		ops.set_reta = set_larger;
		p->source[i]->ops = &ops;
		p->source[i]->rss = &larger;
		deal_otherwise(p, i);
		CU_ASSERT_EQUAL(legs_align(p, &err), 0);
		CU_ASSERT_EQUAL(lj_rss_self_test(&larger, small), 0);
		for (uint16_t e = 0; e < 512; e++)
			CU_ASSERT_EQUAL(lj_rss_entry(&larger, e), e % 128 % 2);
		/* A smaller table cannot follow a larger one. */
		deal_otherwise(p, i);
		CU_ASSERT_NOT_EQUAL(legs_rejoin(p, 1 - i, &err), 0);
		CU_ASSERT_PTR_NOT_NULL(strstr(err.what, "has 128 entries, that of net_null"));
		CU_ASSERT_PTR_NOT_NULL(strstr(err.what, " 512: use one queue"));
		p->source[i]->rss = before;
		p->source[i]->ops = whole;
		close_ports(p);
	}
}

static void legs_that_part_refuse_the_start(void)
{
	for (int leg = 0; leg < 2; leg++) {
		struct lj_pipeline *p =
			open_ports(leg == 1 ? LEGS("0", "1", "1") : LEGS("2", "3", "0"),
				   "capture.rss_check=1");
		const struct lj_source_ops *whole = p->source[1]->ops;
		struct lj_source_ops fixed = *whole;
		struct lj_error err = {0};

		deal_otherwise(p, 1);
		fixed.set_reta = NULL;
		p->source[1]->ops = &fixed;
		/* Two ports that are no legs of one tap may be of two links. */
		CU_ASSERT_EQUAL(legs_align(p, &err) != 0, leg == 1);
		CU_ASSERT_EQUAL(strstr(err.what, "between it and net_null0") != NULL, leg == 1);
		p->source[1]->ops = whole;
		close_ports(p);
	}
}

/* The driver's table is back, but the other leg's has been rebalanced. */
static void a_port_that_is_taken_up_again_follows_the_other(void)
{
	struct lj_pipeline *p = open_ports(LEGS("10", "11", "1"), "capture.rss_check=1");
	struct lj_error err = {0};
	bool done = false;

	deal_otherwise(p, 0);
	CU_ASSERT_EQUAL(lj_pipeline_ask_failover(p, 1, NULL, &err), 0);
	for (int i = 0; i < 5000 && !done; i++) {
		lj_pipeline_step(p);
		done = lj_pipeline_failover_due(p, lj_clock_wall_ns(rte_rdtsc()));
		if (done)
			lj_pipeline_failover(p);
	}
	CU_ASSERT_FATAL(done && p->source[1]->rss != NULL);
	CU_ASSERT_EQUAL(lj_rss_self_test(p->source[0]->rss, p->source[1]->rss), 0);
	close_ports(p);
}

static const struct lj_test tests[] = {
	{"legs with different tables are dealt alike", legs_with_different_tables_are_dealt_alike},
	{"legs with tables of two sizes are dealt alike",
	 legs_with_tables_of_two_sizes_are_dealt_alike},
	{"legs that part refuse the start", legs_that_part_refuse_the_start},
	{"a port that is taken up again follows the other",
	 a_port_that_is_taken_up_again_follows_the_other},
};

int main(void)
{
	static const char *const vdevs[] = {"net_null0", "net_null1", "net_null2",  "net_null3",
					    "net_null4", "net_null5", "net_null6",  "net_null7",
					    "net_null8", "net_null9", "net_null10", "net_null11",
					    NULL};
	char path[512];

	snprintf(path, sizeof(path), "%s/drivers-config", getenv("LJ_SOURCE_ROOT"));
	setenv("LINEJUDGE_DRIVERS", path, 1);
	lj_test_eal("legs", vdevs);
	lj_clock_init();
	return lj_test_run("legs", tests, RTE_DIM(tests));
}
