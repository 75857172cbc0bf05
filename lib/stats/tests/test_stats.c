#include <pthread.h>
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
		double truth = p * 1000 * 37;
		double off = (double)lj_histogram_percentile(&h, p) / truth - 1;

		CU_ASSERT(off >= 0 && off <= 1.0 / 32);
	}
	CU_ASSERT_EQUAL(h.min, 37);
	CU_ASSERT_EQUAL(lj_histogram_percentile(&h, 100), 3700000);
	CU_ASSERT_DOUBLE_EQUAL(lj_histogram_mean(&h), 37 * 50000.5, 1e-6);
}

static void every_power_of_two_is_told_within_a_step(void)
{
	for (int power = 0; power < 64; power++)
		for (int step = -1; step <= 1; step++) {
			uint64_t value = (1ULL << power) + (uint64_t)step, told;

			lj_histogram_init(&h);
			/* A larger value, so that clamping to the maximum does not hide an
			 * error. */
			lj_histogram_record(&h, value);
			lj_histogram_record(&h, UINT64_MAX);
			told = lj_histogram_percentile(&h, 50);
			CU_ASSERT(told >= value && told - value <= value / 32);
		}
}

static void the_rank_of_a_percentile_is_exact(void)
{
	lj_histogram_init(&h);
	for (int i = 0; i < 999; i++)
		lj_histogram_record(&h, 1);
	lj_histogram_record(&h, 31);
	CU_ASSERT_EQUAL(lj_histogram_percentile(&h, 0), 1);
	CU_ASSERT_EQUAL(lj_histogram_percentile(&h, 99.9), 1);
	CU_ASSERT_EQUAL(lj_histogram_percentile(&h, 99.91), 31);
	CU_ASSERT_EQUAL(lj_histogram_percentile(&h, 100), 31);
}

static void percentiles_stay_within_the_least_and_the_most(void)
{
	lj_histogram_init(&h);
	lj_histogram_record(&h, 1000003);
	CU_ASSERT_EQUAL(lj_histogram_percentile(&h, 0), 1000003);
	CU_ASSERT_EQUAL(lj_histogram_percentile(&h, 50), 1000003);
	CU_ASSERT_EQUAL(lj_histogram_percentile(&h, 100), 1000003);
}

#define WATCHED 256
static struct lj_histogram watched[WATCHED];

static void *record_one_each(void *arg)
{
	(void)arg;
	for (int i = 0; i < WATCHED; i++)
		for (uint64_t k = 0; k < 100; k++)
			lj_histogram_record(&watched[i], 5000 + k);
	return NULL;
}

static void a_reader_beside_the_writer_sees_no_nonsense(void)
{
	uint64_t nonsense = 0;
	pthread_t thread;

	for (int i = 0; i < WATCHED; i++)
		lj_histogram_init(&watched[i]);
	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, record_one_each, NULL), 0);
	for (int i = 0; i < WATCHED; i++) {
		uint64_t p50;

		do {
			p50 = lj_histogram_percentile(&watched[i], 50);
			nonsense += p50 != 0 && (p50 < 5000 || p50 > 5099);
		} while (p50 == 0);
		h = (struct lj_histogram){.min = UINT64_MAX};
		lj_histogram_add(&h, &watched[i]);
		nonsense += h.count == 0 || h.count > 100 || h.min != 5000 || h.max > 5099;
	}
	pthread_join(thread, NULL);
	CU_ASSERT_EQUAL(nonsense, 0);
}

static int stop_recording;

static void *record_until_told(void *arg)
{
	for (uint64_t k = 0; !__atomic_load_n(&stop_recording, __ATOMIC_RELAXED); k++)
		lj_histogram_record(arg, k & 4095);
	return NULL;
}

static void a_copy_beside_the_writer_is_whole(void)
{
	struct lj_histogram *live = &watched[0];
	uint64_t parted = 0;
	pthread_t thread;

	lj_histogram_init(live);
	stop_recording = 0;
	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, record_until_told, live), 0);
	while (__atomic_load_n(&live->count, __ATOMIC_RELAXED) == 0)
		;
	for (int i = 0; i < 20000; i++) {
		lj_histogram_init(&h);
		lj_histogram_add(&h, live);
		parted += h.count != lj_histogram_below(&h, UINT64_MAX);
	}
	__atomic_store_n(&stop_recording, 1, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	CU_ASSERT_EQUAL(parted, 0);
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
	CU_ASSERT_EQUAL(h.sum, 505);
	CU_ASSERT_EQUAL(lj_histogram_percentile(&h, 50), 5);
	CU_ASSERT_EQUAL(lj_histogram_percentile(&h, 51), 500);
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

static bool has_prefix(const char *name, const char *prefix)
{
	return strncmp(name, prefix, strlen(prefix)) == 0;
}

/* Counters that are not in the ledger: they count bytes, cycles, or something counted elsewhere,
 * too. */
static bool is_beside_the_ledger(enum lj_counter which)
{
	static const char *const prefixes[] = {"port_",
					       "rx_bytes",
					       "parse_bytes",
					       "spread_packets",
					       "parse_fragments",
					       "parse_tunnels",
					       "batches",
					       "verdict_alerts",
					       "cycles_",
					       "polls",
					       "rss_",
					       "reorder_",
					       "host_begun",
					       "host_ended",
					       "host_held",
					       "host_evicted",
					       "host_refused",
					       "flow_conversed",
					       "flow_half_heard",
					       "explain_",
					       "drift_"};

	for (size_t i = 0; i < RTE_DIM(prefixes); i++)
		if (has_prefix(lj_counter_info[which].name, prefixes[i]))
			return true;
	return false;
}

static void no_counter_can_be_left_out_of_the_ledger(void)
{
	struct lj_ledger_line lines[LJ_LEDGER_LINES];

	for (int i = 0; i < LJ_COUNTERS; i++) {
		struct lj_counters c = {0};
		int unbalanced;

		lj_count(&c, i, 1);
		unbalanced = lj_ledger_check(&c, lines);
		if (is_beside_the_ledger(i) != (unbalanced == 0)) {
			fprintf(stderr, "%s\n", lj_counter_info[i].name);
			CU_FAIL("a counter that only itself moved went unnoticed, or was not to");
		}
	}
}

static void every_line_says_how_far_it_is_off(void)
{
	struct lj_ledger_line lines[LJ_LEDGER_LINES];
	struct lj_counters c = {0};

	lj_gauge(&c, LJ_C_sink_lost, 3);
	CU_ASSERT_EQUAL(lj_ledger_check(&c, lines), 1);
	for (int i = 0; i < LJ_LEDGER_LINES; i++) {
		CU_ASSERT_PTR_NOT_NULL_FATAL(lines[i].text);
		CU_ASSERT_EQUAL(lines[i].difference, has_prefix(lines[i].text, "sink") ? -3 : 0);
	}
}

static void every_counter_has_a_name_of_its_own_and_help(void)
{
	for (int i = 0; i < LJ_COUNTERS; i++) {
		CU_ASSERT(lj_counter_info[i].name[0] != '\0' && lj_counter_info[i].help[0] != '\0');
		for (int k = 0; k < i; k++)
			CU_ASSERT_STRING_NOT_EQUAL(lj_counter_info[i].name,
						   lj_counter_info[k].name);
	}
	/* Two owners never write to the same line, or to adjacent ones, which are prefetched in
	 * pairs. */
	CU_ASSERT_EQUAL(sizeof(struct lj_counters) % 128, 0);
	CU_ASSERT_EQUAL(_Alignof(struct lj_counters), 128);
}

static void what_is_below_a_value_is_counted(void)
{
	lj_histogram_init(&h);
	for (uint64_t value = 1; value <= 1000; value++)
		lj_histogram_record(&h, value * 1000);
	CU_ASSERT_EQUAL(lj_histogram_below(&h, 999), 0);
	CU_ASSERT_DOUBLE_EQUAL((double)lj_histogram_below(&h, 500000), 500, 500 / 32.0);
	CU_ASSERT_EQUAL(lj_histogram_below(&h, 2000000), 1000);
	CU_ASSERT_EQUAL(lj_histogram_below(&h, UINT64_MAX), 1000);
}

static void the_records_since_a_copy(void)
{
	static struct lj_histogram copy, since;

	lj_histogram_init(&h);
	for (int i = 0; i < 100; i++)
		lj_histogram_record(&h, 1000000);
	copy = h;
	lj_histogram_since(&since, &h, &copy);
	CU_ASSERT_EQUAL(since.count, 0);
	CU_ASSERT_EQUAL(lj_histogram_percentile(&since, 99), 0);
	for (uint64_t i = 1; i <= 100; i++)
		lj_histogram_record(&h, i);
	lj_histogram_since(&since, &h, &copy);
	CU_ASSERT_EQUAL(since.count, 100);
	CU_ASSERT_EQUAL(since.sum, 5050);
	CU_ASSERT_EQUAL(since.min, 1);
	CU_ASSERT_DOUBLE_EQUAL((double)lj_histogram_percentile(&since, 99), 99, 3);
}

int main(void)
{
	static const struct lj_test tests[] = {
		{"what is below a value is counted to the resolution",
		 what_is_below_a_value_is_counted},
		{"the records since an earlier copy are a histogram", the_records_since_a_copy},
		{"percentiles are within a step of the truth",
		 percentiles_are_within_a_step_of_the_truth},
		{"every power of two is told within a step",
		 every_power_of_two_is_told_within_a_step},
		{"the rank of a percentile is exact", the_rank_of_a_percentile_is_exact},
		{"percentiles stay within the least and the most",
		 percentiles_stay_within_the_least_and_the_most},
		{"a reader beside the writer sees no nonsense",
		 a_reader_beside_the_writer_sees_no_nonsense},
		{"a copy beside the writer is whole", a_copy_beside_the_writer_is_whole},
		{"an empty histogram says zero", an_empty_histogram_says_zero},
		{"the largest value has a bucket", the_largest_value_has_a_bucket},
		{"histograms add up", histograms_add_up},
		{"counters are summed by name", counters_are_summed_by_name},
		{"the ledger names what does not balance", the_ledger_names_what_does_not_balance},
		{"no counter can be left out of the ledger",
		 no_counter_can_be_left_out_of_the_ledger},
		{"every line says how far it is off", every_line_says_how_far_it_is_off},
		{"every counter has a name of its own and help",
		 every_counter_has_a_name_of_its_own_and_help},
	};

	return lj_test_run("stats", tests, RTE_DIM(tests));
}
