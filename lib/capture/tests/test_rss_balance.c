#include <string.h>

#include "lj_capture.h"
#include "lj_test.h"

static struct lj_rss rss;
static uint64_t load[LJ_RETA_MAX];
static uint16_t reta[LJ_RETA_MAX];

static struct lj_rss_balance balance(void)
{
	struct lj_rss_balance result;

	lj_rss_balance(&rss, load, reta, &result);
	return result;
}

static void set_up(uint16_t queues, uint16_t entries)
{
	lj_rss_init(&rss, LJ_RSS_5TUPLE, queues, 40, entries);
	memset(load, 0, sizeof(load));
}

static void an_even_load_is_left_alone(void)
{
	struct lj_rss_balance result;

	set_up(4, 128);
	for (int i = 0; i < 128; i++)
		load[i] = 1000 + (uint64_t)(i * 7 % 5);
	result = balance();
	CU_ASSERT_EQUAL(result.moved, 0);
	CU_ASSERT(result.before < LJ_RSS_EVEN);
	CU_ASSERT_EQUAL(memcmp(reta, rss.reta, 128 * sizeof(*reta)), 0);
}

static void no_load_is_even(void)
{
	set_up(3, 512);
	CU_ASSERT_EQUAL(balance().moved, 0);
	CU_ASSERT_DOUBLE_EQUAL(balance().before, 1, 0);
}

/* Entries 0, 4, 8 ... belong to queue 0: one of them is heavy, the others move to other queues. */
static void what_shares_a_queue_with_a_heavy_flow_moves_away(void)
{
	struct lj_rss_balance result;

	set_up(4, 128);
	for (int i = 0; i < 128; i++)
		load[i] = 100;
	load[8] = 2000;
	result = balance();
	CU_ASSERT(result.before > 1.3);
	CU_ASSERT(result.after <= LJ_RSS_EVEN);
	CU_ASSERT(result.moved > 0 && result.moved <= 20);
	for (int i = 0; i < 128; i++)
		CU_ASSERT(rss.reta[i] == 0 || reta[i] == rss.reta[i]);
}

static void one_entry_that_is_too_much_is_not_pushed_around(void)
{
	struct lj_rss_balance result;

	set_up(4, 128);
	load[5] = 1000000;
	result = balance();
	CU_ASSERT_EQUAL(result.moved, 0);
	CU_ASSERT_DOUBLE_EQUAL(result.before, 4, 1e-9);
	CU_ASSERT_DOUBLE_EQUAL(result.after, 4, 1e-9);
}

/* For any load: the imbalance never increases, all entries hold existing queues, and no queue loses
 * all of its entries. */
static void any_load_gets_no_worse(void)
{
	uint64_t state = 1;

	for (int round = 0; round < 500; round++) {
		uint16_t queues = (uint16_t)(1 + round % 16), entries = round % 2 ? 128 : 512;
		uint32_t has[16] = {0};
		struct lj_rss_balance result;

		set_up(queues, entries);
		for (int i = 0; i < entries; i++) {
			state = state * 6364136223846793005 + 1442695040888963407;
			load[i] = (state >> 33) >> (state >> 60) * 2;
		}
		result = balance();
		CU_ASSERT(result.after <= result.before);
		for (int i = 0; i < entries; i++) {
			CU_ASSERT_FATAL(reta[i] < queues);
			has[reta[i]]++;
		}
		for (int q = 0; q < queues; q++)
			CU_ASSERT(has[q] > 0);
		/* A second run changes nothing. */
		memcpy(rss.reta, reta, entries * sizeof(*reta));
		CU_ASSERT_EQUAL(balance().moved, 0);
	}
}

static const struct lj_test tests[] = {
	{"an even load is left alone", an_even_load_is_left_alone},
	{"no load is even", no_load_is_even},
	{"what shares a queue with a heavy flow moves away",
	 what_shares_a_queue_with_a_heavy_flow_moves_away},
	{"one entry that is too much is not pushed around",
	 one_entry_that_is_too_much_is_not_pushed_around},
	{"any load gets no worse, and then stays", any_load_gets_no_worse},
};

int main(void)
{
	return lj_test_run("rss_balance", tests, RTE_DIM(tests));
}
