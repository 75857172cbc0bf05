/* How flows begin: which side is the initiator, their ids, what is reported of new ones. */
#include "flow_fixture.h"

#define S  LJ_TCP_SYN
#define A  LJ_TCP_ACK
#define SA (LJ_TCP_SYN | LJ_TCP_ACK)

static void who_answers_is_the_responder(void)
{
	struct lj_flow_table *t = table_with(standard);

	feed(t, packet(1, true, START, SA, 0));	 /* a SYN-ACK first */
	feed(t, packet(2, true, START, A, 10));	 /* from port 80, mid-stream */
	feed(t, packet(3, false, START, A, 10)); /* to port 80, mid-stream */
	CU_ASSERT_EQUAL(lj_flow_flush(t, ++seq, due, 64), 3);
	for (int i = 0; i < 3; i++) {
		uint16_t flow = due[i]->key.port[0] - 20000;

		CU_ASSERT_EQUAL(due[i]->initiator, 0);
		CU_ASSERT_EQUAL(due[i]->flipped, flow != 3);
		CU_ASSERT_EQUAL(due[i]->midstream, flow != 1);
	}
	lj_flow_settle(t, due, 3);
	lj_flow_destroy(t);
}

/* Mid-stream: from a port under 1024 to one that is not. */
static void who_speaks_from_a_well_known_port_answers(void)
{
	static const struct {
		uint16_t from, to;
		bool answers;
	} heard[] = {{80, 700, false},	 {80, 1023, false},   {80, 1024, true},
		     {1023, 1024, true}, {1024, 1023, false}, {1024, 20000, false}};
	struct lj_flow_table *t = table_with(standard);

	for (size_t i = 0; i < RTE_DIM(heard); i++) {
		struct lj_packet p = packet(1, true, START, A, 10);

		p.key.port[1] = heard[i].from;
		p.key.port[0] = heard[i].to;
		feed(t, p);
		CU_ASSERT_EQUAL_FATAL(lj_flow_flush(t, ++seq, due, 64), 1);
		CU_ASSERT_EQUAL(due[0]->initiator, !heard[i].answers);
		CU_ASSERT_EQUAL(due[0]->flipped, heard[i].answers);
		lj_flow_settle(t, due, 1);
	}
	lj_flow_destroy(t);
}

static void the_id_of_a_flow_is_the_same_in_every_run(void)
{
	struct lj_packet p = packet(1, false, START, S, 0);

	CU_ASSERT_EQUAL(lj_flow_id(&p.key, START), lj_flow_id(&p.key, START));
	CU_ASSERT_NOT_EQUAL(lj_flow_id(&p.key, START), lj_flow_id(&p.key, START + 1));
}

static void what_begins_is_told_once_in_the_order_of_due_records(void)
{
	struct lj_flow_config config = standard;
	struct lj_flow_table *t;
	const struct lj_flow_begun *begun;
	uint16_t n;

	config.begun = true;
	t = table_with(config);
	feed(t, packet(1, true, START, S | A, 0));
	begun = lj_flow_begun(t, &n);
	CU_ASSERT_EQUAL_FATAL(n, 1);
	CU_ASSERT_EQUAL(begun[0].first_ns, START);
	CU_ASSERT_EQUAL(begun[0].initiator, 0);
	CU_ASSERT_EQUAL(begun[0].flow_id, lj_flow_id(&begun[0].key, START));
	feed(t, packet(1, false, START + 1, A, 0));
	lj_flow_begun(t, &n);
	CU_ASSERT_EQUAL(n, 0);
	/* One packet ends the old flow and begins another: in this order. */
	feed(t, packet(1, false, START + 200 * SECOND, S, 0));
	begun = lj_flow_begun(t, &n);
	CU_ASSERT_EQUAL_FATAL(n, 1);
	CU_ASSERT_EQUAL_FATAL(n_due, 1);
	CU_ASSERT_TRUE(lj_order_before(due[0]->order, begun[0].order));
	lj_flow_settle(t, due, n_due);
	lj_flow_destroy(t);
}

static void a_continuing_part_does_not_begin(void)
{
	struct lj_flow_config config = standard;
	struct lj_flow_table *t;
	uint16_t n;

	config.begun = true;
	config.active_timeout_ns = 10 * SECOND;
	t = table_with(config);
	feed(t, packet(1, false, START, S, 0));
	feed(t, packet(1, false, START + 11 * SECOND, A, 0));
	CU_ASSERT_EQUAL(n_due, 1);
	lj_flow_begun(t, &n);
	CU_ASSERT_EQUAL(n, 0);
	lj_flow_settle(t, due, n_due);
	lj_flow_destroy(t);
}

static void a_conversation_of_which_one_side_is_heard_is_counted(void)
{
	struct lj_flow_table *t = table_with(standard);

	/* A client alone, a server alone, and both. */
	feed(t, packet(1, false, START, S, 0));
	feed(t, packet(1, false, START + 1, A, 0));
	feed(t, packet(1, false, START + 2, A, 100));
	for (int i = 0; i < 3; i++)
		feed(t, packet(2, true, START + 3, i == 0 ? SA : A, 0));
	for (int i = 0; i < 3; i++)
		feed(t, packet(3, i & 1, START + 6, A, 10));
	/* A scan, a SYN repeated in vain, a refusal: nobody talks. */
	feed(t, packet(4, false, START + 9, A, 0));
	for (int i = 0; i < 4; i++)
		feed(t, packet(5, false, START + 10, S, 0));
	for (int i = 0; i < 3; i++)
		feed(t, packet(6, true, START + 14, LJ_TCP_RST | A, 0));
	n_due = lj_flow_flush(t, ++seq, due, LJ_BURST_MAX);
	CU_ASSERT_EQUAL(n_due, 6);
	CU_ASSERT_EQUAL(counters.value[LJ_C_flow_conversed], 3);
	CU_ASSERT_EQUAL(counters.value[LJ_C_flow_half_heard], 2);
	lj_flow_settle(t, due, n_due);
	lj_flow_destroy(t);
}

int main(void)
{
	static const struct lj_test tests[] = {
		{"who answers is the responder", who_answers_is_the_responder},
		{"who speaks from a well-known port answers",
		 who_speaks_from_a_well_known_port_answers},
		{"the id of a flow is the same in every run",
		 the_id_of_a_flow_is_the_same_in_every_run},
		{"what begins is told once, in the order of due records",
		 what_begins_is_told_once_in_the_order_of_due_records},
		{"a continuing part does not begin", a_continuing_part_does_not_begin},
		{"a conversation of which one side is heard is counted",
		 a_conversation_of_which_one_side_is_heard_is_counted},
	};
	return lj_test_run("flow_begin", tests, RTE_DIM(tests));
}
