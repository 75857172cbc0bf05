/* Logs that the quick packets of a burst fill, whose flow goes on in the same burst; and a count of
 * packets that is full. */
#include "flow_fixture.h"
#include "flow_table.h"

/* 60 packets of one flow, of which the first and the 42nd cannot be logged; its record then. */
static void feed_in_bursts_of(struct lj_flow_table *t, uint16_t most, struct lj_flow *record)
{
	struct lj_packet packets[60];
	uint16_t n;

	for (uint16_t i = 0; i < RTE_DIM(packets); i++) {
		packets[i] = packet(1, i % 3 == 1, START + 1000 * i,
				    i % 41 == 0 ? LJ_TCP_SYN : LJ_TCP_ACK, i);
		packets[i].tcp_seq = 5 * i;
	}
	for (uint16_t at = 0; at < RTE_DIM(packets); at += n) {
		n = (uint16_t)RTE_MIN(most, RTE_DIM(packets) - at);
		lj_flow_ask(t, packets + at, n);
		CU_ASSERT_EQUAL(lj_flow_update(t, packets + at, n, due, &n_due), n);
	}
	CU_ASSERT_EQUAL_FATAL(lj_flow_flush(t, 0, due, 1), 1);
	*record = *due[0];
	lj_flow_settle(t, due, 1);
}

static void a_log_that_fills_within_a_burst_is_emptied_in_time(void)
{
	for (uint16_t most = 2; most <= 60; most++) {
		struct lj_flow_table *t = table_with(standard);
		struct lj_flow one_by_one, together;

		feed_in_bursts_of(t, 1, &one_by_one);
		CU_ASSERT_EQUAL(one_by_one.packets, 60);
		seq = 1;
		feed_in_bursts_of(t, most, &together);
		CU_ASSERT_EQUAL(memcmp(&one_by_one, &together, sizeof(together)), 0);
		lj_flow_destroy(t);
	}
}

/* 60 packets, 1 us apart, of a flow that asks for its early verdict and is cut after 40 us; the
 * records that were due. `asked`: so that packets are logged quickly where they can be. */
static uint32_t feed_early(struct lj_flow_config config, bool asked, struct lj_flow records[4])
{
	struct lj_packet packets[60];
	struct lj_flow_table *t;
	uint32_t n = 0;

	config.active_timeout_ns = 40000;
	seq = 1;
	for (uint16_t i = 0; i < RTE_DIM(packets); i++)
		packets[i] = packet(1, i & 1, START + 1000 * i, LJ_TCP_ACK, 5);
	t = table_with(config);
	for (uint16_t at = 0; at < RTE_DIM(packets);) {
		uint16_t left = (uint16_t)(RTE_DIM(packets) - at);

		if (asked)
			lj_flow_ask(t, packets + at, left);
		at += lj_flow_update(t, packets + at, left, due, &n_due);
		for (uint16_t i = 0; i < n_due; i++)
			records[n++] = *due[i];
		lj_flow_settle(t, due, n_due);
	}
	CU_ASSERT_EQUAL_FATAL(lj_flow_flush(t, 0, due, 1), 1);
	records[n++] = *due[0];
	lj_flow_settle(t, due, 1);
	lj_flow_destroy(t);
	return n;
}

static void after_its_early_verdict_a_flow_goes_on_as_any_other(void)
{
	for (uint32_t packets = 0; packets < 10; packets++) {
		struct lj_flow_config config = standard;
		struct lj_flow quick[4] = {0}, slow[4] = {0};

		config.classify_at = packets;
		config.classify_after_ns = packets == 0 ? 7500 : 0;
		CU_ASSERT_EQUAL(feed_early(config, false, slow), 3);
		CU_ASSERT_EQUAL(feed_early(config, true, quick), 3);
		CU_ASSERT_EQUAL(memcmp(quick, slow, sizeof(slow)), 0);
		CU_ASSERT_EQUAL(quick[1].due, LJ_DUE_ACTIVE);
		CU_ASSERT_EQUAL(quick[1].packets + quick[2].packets, 60);
	}
}

/* As if the only flow had so many packets. */
static void pretend_packets(struct lj_flow_table *t, uint32_t packets)
{
	for (uint32_t i = 0; i < t->high_water; i++)
		if (is_live(slot_at(t, i)))
			slot_at(t, i)->packets = packets;
}

/* A flood's flow, of more packets than 32 bits can count before its active timeout. */
static void a_flow_is_cut_when_its_packets_are_no_more_to_be_counted(void)
{
	for (uint32_t classify_at = 0; classify_at <= 4; classify_at += 4) {
		struct lj_flow_config config = standard;
		struct lj_packet packets[40];
		struct lj_flow_table *t;
		uint16_t at;

		config.classify_at = classify_at;
		t = table_with(config);
		for (uint16_t i = 0; i < RTE_DIM(packets); i++) {
			packets[i] = packet(1, i & 1, START + i, LJ_TCP_ACK, 5);
			packets[i].key.proto = 50; /* ESP */
		}
		for (at = 0; at < 30;) {
			lj_flow_ask(t, packets + at, (uint16_t)(30 - at));
			at += lj_flow_update(t, packets + at, (uint16_t)(30 - at), due, &n_due);
			lj_flow_settle(t, due, n_due);
		}
		/* Not young any more: it has a count of its own. */
		pretend_packets(t, UINT32_MAX - 4);
		lj_flow_ask(t, packets + at, 10);
		CU_ASSERT(lj_flow_update(t, packets + at, 10, due, &n_due) >= 5);
		CU_ASSERT_EQUAL_FATAL(n_due, 1);
		CU_ASSERT_EQUAL(due[0]->due, LJ_DUE_ACTIVE);
		CU_ASSERT_EQUAL(due[0]->packets, UINT32_MAX);
		CU_ASSERT_EQUAL(due[0]->part, 0);
		lj_flow_settle(t, due, 1);
		CU_ASSERT_EQUAL_FATAL(lj_flow_flush(t, 100, due, 1), 1);
		CU_ASSERT_EQUAL(due[0]->due, LJ_DUE_FLUSHED);
		CU_ASSERT_EQUAL(due[0]->part, 1);
		CU_ASSERT(due[0]->packets <= 6);
		lj_flow_settle(t, due, 1);
		lj_flow_destroy(t);
	}
}

int main(void)
{
	static const struct lj_test tests[] = {
		{"a log that fills within a burst is emptied in time",
		 a_log_that_fills_within_a_burst_is_emptied_in_time},
		{"after its early verdict a flow goes on as any other",
		 after_its_early_verdict_a_flow_goes_on_as_any_other},
		{"a flow is cut when its packets are no more to be counted",
		 a_flow_is_cut_when_its_packets_are_no_more_to_be_counted},
	};

	return lj_test_run("filled", tests, RTE_DIM(tests));
}
