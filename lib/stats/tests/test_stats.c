#include <string.h>

#include "lj_histogram.h"
#include "lj_stats.h"
#include "lj_test.h"

static struct lj_histogram h;

static void percentiles_are_within_a_step_of_the_truth(void)
{
	lj_histogram_init(&h);
	for (uint64_t i = 1; i <= 100000; i++)
		lj_histogram_record(&h, i * 37);
	for (double p = 1; p <= 100; p += 0.5) {
		double truth = p / 100 * 100000 * 37;
		double off = (double)lj_histogram_percentile(&h, p) / truth - 1;

		CU_ASSERT(off > -0.033 && off < 0.033);
	}
	CU_ASSERT_EQUAL(h.min, 37);
	CU_ASSERT_EQUAL(lj_histogram_percentile(&h, 100), 3700000);
	CU_ASSERT_DOUBLE_EQUAL(lj_histogram_mean(&h), 37 * 50000.5, 1e-6);
}

static void an_empty_histogram_says_zero(void)
{
	lj_histogram_init(&h);
	CU_ASSERT_EQUAL(lj_histogram_percentile(&h, 50), 0);
	CU_ASSERT_EQUAL(lj_histogram_mean(&h), 0);
}

static void the_largest_value_has_a_bucket(void)
{
	lj_histogram_init(&h);
	lj_histogram_record(&h, UINT64_MAX);
	lj_histogram_record(&h, 0);
	CU_ASSERT_EQUAL(lj_histogram_percentile(&h, 100), UINT64_MAX);
	CU_ASSERT_EQUAL(lj_histogram_percentile(&h, 1), 0);
}

static void histograms_add_up(void)
{
	static struct lj_histogram other;

	lj_histogram_init(&h);
	lj_histogram_init(&other);
	lj_histogram_record(&h, 5);
	lj_histogram_record(&other, 500);
	lj_histogram_add(&h, &other);
	CU_ASSERT_EQUAL(h.count, 2);
	CU_ASSERT_EQUAL(h.min, 5);
	CU_ASSERT_EQUAL(h.max, 500);
}

static void counters_are_summed_by_name(void)
{
	struct lj_counters a = {0}, total = {0};

	lj_count(&a, LJ_C_rx_packets, 3);
	lj_count(&a, LJ_C_rx_packets, 4);
	lj_counters_add(&total, &a);
	lj_counters_add(&total, &a);
	CU_ASSERT_EQUAL(total.value[LJ_C_rx_packets], 14);
	CU_ASSERT_STRING_EQUAL(lj_counter_info[LJ_C_rx_packets].name, "rx_packets");
}

static void the_ledger_names_what_does_not_balance(void)
{
	struct lj_ledger_line lines[LJ_LEDGER_LINES];
	struct lj_counters c = {0};

	CU_ASSERT_EQUAL(lj_ledger_check(&c, lines), 0);
	lj_count(&c, LJ_C_rx_packets, 10);
	lj_count(&c, LJ_C_parse_accepted, 7);
	lj_count(&c, LJ_C_parse_malformed_truncated, 2);
	CU_ASSERT_EQUAL(lj_ledger_check(&c, lines), 2);
	CU_ASSERT_EQUAL(lines[0].left, 10);
	CU_ASSERT_EQUAL(lines[0].right, 9);
	CU_ASSERT_EQUAL(lines[0].difference, 1);
	CU_ASSERT_EQUAL(lines[1].difference, 7);
	lj_count(&c, LJ_C_parse_ignored_ethertype, 1);
	lj_count(&c, LJ_C_flow_hit, 5);
	lj_count(&c, LJ_C_flow_refused, 1);
	lj_count(&c, LJ_C_spread_refused, 1);
	CU_ASSERT_EQUAL(lj_ledger_check(&c, lines), 0);
}

int main(void)
{
	static const struct lj_test tests[] = {
		{"percentiles are within a step of the truth",
		 percentiles_are_within_a_step_of_the_truth},
		{"an empty histogram says zero", an_empty_histogram_says_zero},
		{"the largest value has a bucket", the_largest_value_has_a_bucket},
		{"histograms add up", histograms_add_up},
		{"counters are summed by name", counters_are_summed_by_name},
		{"the ledger names what does not balance", the_ledger_names_what_does_not_balance},
	};

	return lj_test_run("stats", tests, RTE_DIM(tests));
}
