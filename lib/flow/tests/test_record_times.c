/* What a record says of the times of its packets: gaps, activity and bulks. */
#include "flow_fixture.h"

static struct lj_flow_table *table;

static void close_table(void)
{
	lj_flow_settle(table, due, 1);
	lj_flow_destroy(table);
}

/* The record of packets at these ms, from the responder where `back` says so; the table stays open
 * until close_table(). */
static const struct lj_flow *record_at_times(const uint64_t *ms, const bool *back, uint32_t n)
{
	table = table_with(standard);
	for (uint32_t i = 0; i < n; i++)
		CU_ASSERT_EQUAL(feed(table, packet(1, back != NULL && back[i],
						   START + ms[i] * 1000000, LJ_TCP_ACK, 1)),
				1);
	CU_ASSERT_EQUAL_FATAL(lj_flow_flush(table, ++seq, due, 64), 1);
	return due[0];
}

static void a_packet_from_before_moves_the_beginning_alone(void)
{
	static const uint64_t ms[] = {100, 0, 150};
	const struct lj_flow *f = record_at_times(ms, NULL, RTE_DIM(ms));

	CU_ASSERT_EQUAL(f->first_ns, START);
	CU_ASSERT_EQUAL(f->last_ns, START + 150000000);
	CU_ASSERT_EQUAL(f->side[0].last_ns, START + 150000000);
	CU_ASSERT_EQUAL(f->gap_min, 0);
	CU_ASSERT_EQUAL(f->gap_max, 50000000);
	CU_ASSERT_EQUAL(f->side[0].gap_min, 0);
	CU_ASSERT_EQUAL(f->side[0].gap_max, 50000000);
	close_table();
}

static void a_lone_packet_between_silences_is_no_activity(void)
{
	static const uint64_t ms[] = {0, 6000, 12000, 13000, 20000};
	const struct lj_flow *f = record_at_times(ms, NULL, RTE_DIM(ms));

	CU_ASSERT_EQUAL(f->activity.idle_count, 3);
	CU_ASSERT_EQUAL(f->activity.active_count, 1);
	CU_ASSERT_EQUAL(f->activity.active_min, SECOND);
	CU_ASSERT_EQUAL(f->activity.active_sum, SECOND);
	close_table();
}

/* Gaps of 1 s and 5 s, and a little longer ones. */
static void over_a_second_begins_a_subflow_and_over_five_is_idle(void)
{
	static const uint64_t ms[] = {0, 1000, 2001, 7001, 12002};
	const struct lj_flow *f = record_at_times(ms, NULL, RTE_DIM(ms));

	CU_ASSERT_EQUAL(f->activity.subflows, 3);
	CU_ASSERT_EQUAL(f->activity.idle_count, 1);
	CU_ASSERT_EQUAL(f->activity.idle_sum, 5001000000);
	CU_ASSERT_EQUAL(f->activity.active_sum, 7001000000);
	close_table();
}

static void over_a_second_ends_a_bulk(void)
{
	static const uint64_t within[] = {0, 1000, 2000, 3000}, over[] = {0, 1000, 2001, 3000};

	CU_ASSERT_EQUAL(record_at_times(within, NULL, 4)->bulk[0].states, 1);
	close_table();
	CU_ASSERT_EQUAL(record_at_times(over, NULL, 4)->bulk[0].states, 0);
	close_table();
}

static void a_bulk_is_four_of_one_side_with_none_of_the_other(void)
{
	static const uint64_t ms[] = {0, 1, 2, 3, 4, 5, 6, 7};
	static const bool back[] = {0, 0, 0, 1, 0, 0, 0, 0};
	const struct lj_flow *f = record_at_times(ms, back, 7);

	CU_ASSERT_EQUAL(f->bulk[0].states, 0);
	close_table();
	f = record_at_times(ms, back, 8);
	CU_ASSERT_EQUAL(f->bulk[0].states, 1);
	CU_ASSERT_EQUAL(f->bulk[0].packets, 4);
	CU_ASSERT_EQUAL(f->bulk[0].bytes, 4);
	CU_ASSERT_EQUAL(f->bulk[0].duration_ns, 3000000);
	CU_ASSERT_EQUAL(f->bulk[1].states, 0);
	close_table();
}

int main(void)
{
	static const struct lj_test tests[] = {
		{"a packet from before moves the beginning alone",
		 a_packet_from_before_moves_the_beginning_alone},
		{"a lone packet between silences is no activity",
		 a_lone_packet_between_silences_is_no_activity},
		{"over a second begins a subflow, and over five is idle",
		 over_a_second_begins_a_subflow_and_over_five_is_idle},
		{"over a second ends a bulk", over_a_second_ends_a_bulk},
		{"a bulk is four of one side with none of the other",
		 a_bulk_is_four_of_one_side_with_none_of_the_other},
	};

	return lj_test_run("record times", tests, RTE_DIM(tests));
}
