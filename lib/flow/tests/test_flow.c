#include "flow_fixture.h"

#define S  LJ_TCP_SYN
#define A  LJ_TCP_ACK
#define SA (LJ_TCP_SYN | LJ_TCP_ACK)
#define FA (LJ_TCP_FIN | LJ_TCP_ACK)

static void both_directions_meet_in_one_record(void)
{
	struct lj_flow_table *t = table_with(standard);
	struct lj_packet p;

	feed(t, packet(1, false, START, S, 0));
	feed(t, packet(1, true, START + 1000, SA, 0));
	p = packet(1, false, START + 3000, A, 100);
	p.tcp_seq = 1;
	feed(t, p);
	CU_ASSERT_EQUAL(lj_flow_active(t), 1);
	CU_ASSERT_EQUAL(lj_flow_flush(t, ++seq, due, 64), 1);
	CU_ASSERT_EQUAL(due[0]->due, LJ_DUE_FLUSHED);
	CU_ASSERT_EQUAL(due[0]->packets, 3);
	CU_ASSERT_EQUAL(due[0]->side[0].packets, 2);
	CU_ASSERT_EQUAL(due[0]->side[0].length_sum, 180);
	CU_ASSERT_EQUAL(due[0]->side[1].packets, 1);
	CU_ASSERT_EQUAL(due[0]->gap_max, 2000);
	CU_ASSERT_EQUAL(due[0]->first_ns, START);
	CU_ASSERT_EQUAL(due[0]->last_ns, START + 3000);
	CU_ASSERT_STRING_EQUAL(lj_flow_conn_state(due[0]), "S1");
	CU_ASSERT_STRING_EQUAL(due[0]->history, "ShD");
	lj_flow_settle(t, due, 1);
	CU_ASSERT_EQUAL(lj_flow_active(t), 0);
	lj_flow_destroy(t);
}

static void a_gap_over_the_idle_timeout_ends_the_flow_whoever_notices(void)
{
	for (int by_packet = 0; by_packet < 2; by_packet++) {
		struct lj_flow_table *t = table_with(standard);

		feed(t, packet(1, false, START, S, 0));
		tick(t, START + 120 * SECOND);
		CU_ASSERT_EQUAL(n_due, 0);
		if (by_packet)
			feed(t, packet(1, false, START + 120 * SECOND + 1, S, 0));
		else
			tick(t, START + 121 * SECOND);
		CU_ASSERT_EQUAL_FATAL(n_due, 1);
		CU_ASSERT_EQUAL(due[0]->due, LJ_DUE_IDLE);
		CU_ASSERT_EQUAL(due[0]->packets, 1);
		CU_ASSERT_EQUAL(lj_flow_active(t), (uint32_t)by_packet);
		lj_flow_settle(t, due, n_due);
		lj_flow_destroy(t);
	}
}

static void a_packet_at_the_idle_timeout_still_belongs(void)
{
	struct lj_flow_table *t = table_with(standard);

	feed(t, packet(1, false, START, S, 0));
	feed(t, packet(1, false, START + 120 * SECOND, S, 0));
	CU_ASSERT_EQUAL(n_due, 0);
	CU_ASSERT_EQUAL(counters.value[LJ_C_flow_hit], 1);
	lj_flow_destroy(t);
}

static void a_fin_both_ways_ends_the_flow_after_its_stragglers(void)
{
	struct lj_flow_table *t = table_with(standard);

	feed(t, packet(1, false, START, S, 0));
	feed(t, packet(1, true, START, SA, 0));
	feed(t, packet(1, false, START, FA, 0));
	feed(t, packet(1, true, START, FA, 0));
	feed(t, packet(1, false, START + 1000, A, 0));
	/* The last moment that it lingers. */
	feed(t, packet(1, false, START + SECOND, A, 0));
	CU_ASSERT_EQUAL(n_due, 0);
	tick(t, START + 2 * SECOND);
	CU_ASSERT_EQUAL_FATAL(n_due, 1);
	CU_ASSERT_EQUAL(due[0]->due, LJ_DUE_FIN);
	CU_ASSERT_EQUAL(due[0]->packets, 6);
	CU_ASSERT_STRING_EQUAL(lj_flow_conn_state(due[0]), "SF");
	CU_ASSERT_STRING_EQUAL(lj_flow_eve_state(due[0]), "closed");
	lj_flow_settle(t, due, n_due);
	lj_flow_destroy(t);
}

static void a_new_syn_on_a_closed_flow_begins_another(void)
{
	struct lj_flow_table *t = table_with(standard);
	uint64_t id;

	feed(t, packet(1, false, START, S, 0));
	feed(t, packet(1, true, START + 5, LJ_TCP_RST | A, 0));
	feed(t, packet(1, false, START + 9, S, 0));
	CU_ASSERT_EQUAL_FATAL(n_due, 1);
	CU_ASSERT_EQUAL(due[0]->due, LJ_DUE_RST);
	CU_ASSERT_STRING_EQUAL(lj_flow_conn_state(due[0]), "REJ");
	id = due[0]->flow_id;
	lj_flow_settle(t, due, n_due);
	CU_ASSERT_EQUAL(lj_flow_flush(t, ++seq, due, 64), 1);
	CU_ASSERT_NOT_EQUAL(due[0]->flow_id, id);
	lj_flow_settle(t, due, 1);
	lj_flow_destroy(t);
}

static void an_active_timeout_cuts_the_flow_into_parts_of_one_id(void)
{
	struct lj_flow_table *t = table_with(standard);
	uint64_t id = 0;

	/* Of the server alone: the first part is flipped. */
	for (uint64_t s = 0, part = 0; s <= 2 * 1860; s += 60) {
		feed(t, packet(1, true, START + s * SECOND, A, 1));
		if (n_due > 0) {
			CU_ASSERT_EQUAL(s, 1860 * (part + 1));
			CU_ASSERT_EQUAL(due[0]->due, LJ_DUE_ACTIVE);
			CU_ASSERT_EQUAL(due[0]->part, part++);
			CU_ASSERT_EQUAL(due[0]->flipped, 1);
			CU_ASSERT_EQUAL(due[0]->side[1].packets, 31);
			id = due[0]->flow_id;
			lj_flow_settle(t, due, n_due);
		}
	}
	CU_ASSERT_EQUAL(counters.value[LJ_C_flow_continued], 2);
	CU_ASSERT_EQUAL(counters.value[LJ_C_flow_created], 1);
	CU_ASSERT_EQUAL(lj_flow_flush(t, ++seq, due, 64), 1);
	CU_ASSERT_EQUAL(due[0]->flow_id, id);
	CU_ASSERT_EQUAL(due[0]->part, 2);
	CU_ASSERT_EQUAL(due[0]->packets, 1);
	lj_flow_settle(t, due, 1);
	lj_flow_destroy(t);
}

static void an_early_verdict_is_asked_once_at_the_nth_packet(void)
{
	struct lj_flow_config config = standard;
	struct lj_flow_table *t;
	struct lj_packet burst[4];

	config.classify_at = 2;
	t = table_with(config);
	for (int i = 0; i < 4; i++)
		burst[i] = packet(1, false, START + (uint64_t)i, A, 1);
	/* The record is lent with two packets; the third waits until it is settled. */
	CU_ASSERT_EQUAL(lj_flow_update(t, burst, 4, due, &n_due), 2);
	CU_ASSERT_EQUAL_FATAL(n_due, 1);
	CU_ASSERT_EQUAL(due[0]->due, LJ_DUE_EARLY_PACKETS);
	CU_ASSERT_EQUAL(due[0]->packets, 2);
	lj_flow_settle(t, due, n_due);
	CU_ASSERT_EQUAL(lj_flow_update(t, burst + 2, 2, due, &n_due), 2);
	CU_ASSERT_EQUAL(n_due, 0);
	CU_ASSERT_EQUAL(lj_flow_flush(t, ++seq, due, 64), 1);
	CU_ASSERT_EQUAL(due[0]->packets, 4);
	CU_ASSERT_EQUAL(counters.value[LJ_C_flow_due], 2);
	lj_flow_settle(t, due, 1);
	lj_flow_destroy(t);
}

static void an_early_verdict_by_age_has_what_was_known_then(void)
{
	for (int by_packet = 0; by_packet < 2; by_packet++) {
		struct lj_flow_config config = standard;
		struct lj_flow_table *t;
		struct lj_packet late;

		config.classify_after_ns = SECOND;
		t = table_with(config);
		feed(t, packet(1, false, START, A, 1));
		/* At that age it is not due yet. */
		tick(t, START + SECOND);
		CU_ASSERT_EQUAL(n_due, 0);
		CU_ASSERT_EQUAL(feed(t, packet(1, false, START + SECOND, A, 1)), 1);
		CU_ASSERT_EQUAL(n_due, 0);
		/* Of two kinds: one that is logged, and one that is not. */
		CU_ASSERT_EQUAL(feed(t, packet(1, false, START + SECOND, LJ_TCP_FIN, 1)), 1);
		CU_ASSERT_EQUAL(n_due, 0);
		late = packet(1, false, START + SECOND + 1, A, 1);
		if (by_packet) {
			CU_ASSERT_EQUAL(feed(t, late), 0);
		} else {
			tick(t, START + 2 * SECOND);
		}
		CU_ASSERT_EQUAL_FATAL(n_due, 1);
		CU_ASSERT_EQUAL(due[0]->due, LJ_DUE_EARLY_AGE);
		CU_ASSERT_EQUAL(due[0]->packets, 3);
		lj_flow_settle(t, due, n_due);
		CU_ASSERT_EQUAL(feed(t, late), 1);
		CU_ASSERT_EQUAL(n_due, 0);
		lj_flow_destroy(t);
	}
}

/* There is a bit for each of the first seven legs; the others share the last. */
static void a_packet_counts_once_whatever_its_leg(void)
{
	static const uint8_t legs[] = {0, 6, 7, 8, 200};
	struct lj_flow_table *t = table_with(standard);

	for (size_t i = 0; i < RTE_DIM(legs); i++) {
		for (uint32_t n = 0; n < 5; n++) {
			struct lj_packet p = packet(1, false, START + n, A, 1);

			p.leg = legs[i];
			feed(t, p);
		}
		CU_ASSERT_EQUAL_FATAL(lj_flow_flush(t, ++seq, due, 64), 1);
		CU_ASSERT_EQUAL(due[0]->packets, 5);
		CU_ASSERT_EQUAL(due[0]->side[0].packets, 5);
		CU_ASSERT_EQUAL(due[0]->legs, 1 << RTE_MIN(legs[i], 7));
		lj_flow_settle(t, due, 1);
	}
	lj_flow_destroy(t);
}

static void a_capture_may_begin_at_the_epoch(void)
{
	struct lj_flow_table *t = lj_flow_create("test", &standard, &counters);

	CU_ASSERT_PTR_NOT_NULL_FATAL(t);
	feed(t, packet(1, false, 1, S, 0));
	feed(t, packet(2, false, SECOND / 100, S, 0));
	/* The first tick is past both their ends. */
	tick(t, 121 * SECOND);
	CU_ASSERT_EQUAL_FATAL(n_due, 2);
	CU_ASSERT_EQUAL(due[0]->due, LJ_DUE_IDLE);
	lj_flow_settle(t, due, n_due);
	lj_flow_destroy(t);
}

static void a_full_table_evicts_the_record_nearest_its_timeout(void)
{
	struct lj_flow_config config = standard;
	struct lj_flow_table *t;

	config.capacity = 1024;
	t = table_with(config);
	for (uint16_t i = 0; i < 1024; i++)
		feed(t, packet(i, false, START + i * SECOND / 10, S, 0));
	CU_ASSERT_EQUAL(lj_flow_active(t), 1024);
	/* The first three have lived on; the fourth has not. */
	for (uint16_t i = 0; i < 3; i++)
		feed(t, packet(i, false, START + 103 * SECOND, A, 0));
	feed(t, packet(5000, false, START + 104 * SECOND, S, 0));
	CU_ASSERT_EQUAL_FATAL(n_due, 1);
	CU_ASSERT_EQUAL(due[0]->due, LJ_DUE_EVICTED);
	CU_ASSERT_EQUAL(due[0]->first_ns, START + 3 * SECOND / 10);
	lj_flow_settle(t, due, n_due);
	CU_ASSERT_EQUAL(lj_flow_active(t), 1024);
	CU_ASSERT_EQUAL(counters.value[LJ_C_flow_ended_evicted], 1);
	CU_ASSERT_EQUAL(counters.value[LJ_C_flow_refused], 0);
	lj_flow_destroy(t);
}

/* Longer than the wheel takes to turn: 275 s. */
static void after_a_long_silence_all_are_due_at_once(void)
{
	struct lj_flow_table *t = table_with(standard);

	for (uint16_t i = 0; i < 60; i++)
		feed(t, packet(i, false, START + 2 * i * SECOND, A, 1));
	tick(t, START + 1000 * SECOND);
	CU_ASSERT_EQUAL(n_due, 60);
	lj_flow_settle(t, due, n_due);
	lj_flow_destroy(t);
}

static void sequence_space_tells_retransmission_from_disorder(void)
{
	static const struct {
		uint32_t seq, payload;
	} sent[] = {{100, 10}, {110, 10}, {110, 10}, {140, 10}, {120, 20}, {149, 1}};
	struct lj_flow_table *t = table_with(standard);

	for (size_t i = 0; i < RTE_DIM(sent); i++) {
		struct lj_packet p = packet(1, false, START + i, A, sent[i].payload);

		p.tcp_seq = sent[i].seq;
		feed(t, p);
	}
	CU_ASSERT_EQUAL(lj_flow_flush(t, ++seq, due, 64), 1);
	CU_ASSERT_EQUAL(due[0]->tcp[0].retransmitted_packets, 1);
	CU_ASSERT_EQUAL(due[0]->tcp[0].retransmitted_bytes, 10);
	CU_ASSERT_EQUAL(due[0]->tcp[0].out_of_order, 2);
	CU_ASSERT_EQUAL(due[0]->tcp[0].lost_bytes, 0);
	lj_flow_settle(t, due, 1);
	lj_flow_destroy(t);
}

static void new_timeouts_take_effect(void)
{
	struct lj_flow_table *t = table_with(standard);
	struct lj_flow_config config = standard;

	feed(t, packet(1, false, START, S, 0));
	config.idle_timeout_ns = SECOND;
	lj_flow_configure(t, &config);
	feed(t, packet(1, false, START + 2 * SECOND, S, 0));
	CU_ASSERT_EQUAL_FATAL(n_due, 1);
	CU_ASSERT_EQUAL(due[0]->due, LJ_DUE_IDLE);
	lj_flow_settle(t, due, n_due);
	lj_flow_destroy(t);
}

int main(void)
{
	static const struct lj_test tests[] = {
		{"both directions meet in one record", both_directions_meet_in_one_record},
		{"a gap over the idle timeout ends the flow, whoever notices",
		 a_gap_over_the_idle_timeout_ends_the_flow_whoever_notices},
		{"a packet at the idle timeout still belongs",
		 a_packet_at_the_idle_timeout_still_belongs},
		{"a FIN both ways ends the flow after its stragglers",
		 a_fin_both_ways_ends_the_flow_after_its_stragglers},
		{"a new SYN on a closed flow begins another",
		 a_new_syn_on_a_closed_flow_begins_another},
		{"an active timeout cuts the flow into parts of one id",
		 an_active_timeout_cuts_the_flow_into_parts_of_one_id},
		{"an early verdict is asked once, at the n-th packet",
		 an_early_verdict_is_asked_once_at_the_nth_packet},
		{"an early verdict by age has what was known then",
		 an_early_verdict_by_age_has_what_was_known_then},
		{"a packet counts once, whatever its leg", a_packet_counts_once_whatever_its_leg},
		{"a capture may begin at the epoch", a_capture_may_begin_at_the_epoch},
		{"a full table evicts the record nearest its timeout",
		 a_full_table_evicts_the_record_nearest_its_timeout},
		{"after a long silence all are due at once",
		 after_a_long_silence_all_are_due_at_once},
		{"sequence space tells retransmission from disorder",
		 sequence_space_tells_retransmission_from_disorder},
		{"new timeouts take effect", new_timeouts_take_effect},
	};

	return lj_test_run("flow", tests, RTE_DIM(tests));
}
