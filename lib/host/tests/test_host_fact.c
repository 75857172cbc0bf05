/* What is told of a flow: see lj_host_fact_begin() and lj_host_fact_due(). */
#include <netinet/in.h>

#include "lj_host.h"
#include "lj_test.h"

#define SECOND 1000000000ULL
#define START  (1600000050ULL * SECOND)

static struct lj_flow tcp_flow(void)
{
	struct lj_flow f = {.key = {.addr = {{1}, {2}}, .port = {80, 40000}, .proto = IPPROTO_TCP},
			    .initiator = 1,
			    .first_ns = START,
			    .last_ns = START + SECOND,
			    .closed_ns = START + SECOND / 2,
			    .due = LJ_DUE_FIN,
			    .syn_ns = START};

	f.side[0].packets = f.side[1].packets = 3;
	return f;
}

static struct lj_host_fact fact_with(const struct lj_flow *f, uint64_t linger_ns)
{
	struct lj_host_fact made;

	lj_host_fact_due(&made, f, 120 * SECOND, linger_ns, 5);
	return made;
}

static struct lj_host_fact fact_of(const struct lj_flow *f)
{
	return fact_with(f, SECOND);
}

static void a_due_flow_says_how_it_went(void)
{
	struct lj_flow f = tcp_flow();

	f.synack_ns = f.ack_ns = START + 1;
	CU_ASSERT_EQUAL(fact_of(&f).outcome, LJ_HOST_SILENT);
	f.side[1].payload_sum = 10;
	CU_ASSERT_EQUAL(fact_of(&f).outcome, LJ_HOST_ANSWERED);
	f.side[1].payload_sum = 0;
	f.ack_ns = 0;
	CU_ASSERT_EQUAL(fact_of(&f).outcome, LJ_HOST_HALF_OPEN);
	f.synack_ns = 0;
	f.tcp[1].flags_all = LJ_TCP_RST;
	CU_ASSERT_EQUAL(fact_of(&f).outcome, LJ_HOST_REJECTED);
	f.side[1].packets = 0;
	CU_ASSERT_EQUAL(fact_of(&f).outcome, LJ_HOST_UNANSWERED);
	/* From the middle of a connection: it is refused unless the other end has talked before. */
	f.midstream = 1;
	f.side[0].payload_sum = 10;
	f.side[1].packets = 3;
	CU_ASSERT_EQUAL(fact_of(&f).outcome, LJ_HOST_REJECTED);
	f.side[1].payload_sum = 10;
	CU_ASSERT_EQUAL(fact_of(&f).outcome, LJ_HOST_ANSWERED);
	f.side[0].payload_sum = f.side[1].payload_sum = 0;
	f.side[1].packets = 0;
	f.key.proto = IPPROTO_UDP;
	CU_ASSERT_EQUAL(fact_of(&f).outcome, LJ_HOST_UNANSWERED);
	f.side[1].packets = 1;
	f.side[0].payload_sum = 1;
	CU_ASSERT_EQUAL(fact_of(&f).outcome, LJ_HOST_ANSWERED);
}

static void an_end_stands_where_packet_times_say_it_was_over(void)
{
	struct lj_flow f = tcp_flow();

	CU_ASSERT_EQUAL(fact_of(&f).time_ns, START + SECOND * 3 / 2);
	/* Who is closed may be silent for too long before it has lingered for long enough. */
	CU_ASSERT_EQUAL(fact_with(&f, 3600 * SECOND).time_ns, START + 121 * SECOND);
	f.due = LJ_DUE_IDLE;
	CU_ASSERT_EQUAL(fact_of(&f).time_ns, START + 121 * SECOND);
	f.due = LJ_DUE_FLUSHED;
	CU_ASSERT_EQUAL(fact_of(&f).time_ns, START + 121 * SECOND);
	f.due = LJ_DUE_ACTIVE;
	CU_ASSERT_EQUAL(fact_of(&f).time_ns, START + SECOND);
	CU_ASSERT_EQUAL(fact_of(&f).event, LJ_HOST_END);
	CU_ASSERT_EQUAL(fact_of(&f).duration_ms, 1000);
}

static void early_verdicts_and_later_parts_only_look(void)
{
	struct lj_flow f = tcp_flow();

	f.due = LJ_DUE_EARLY_PACKETS;
	f.early_ns = START + 7;
	CU_ASSERT_EQUAL(fact_of(&f).event, LJ_HOST_LOOK);
	CU_ASSERT_EQUAL(fact_of(&f).time_ns, START + 7);
	f.due = LJ_DUE_IDLE;
	CU_ASSERT_EQUAL(fact_of(&f).event, LJ_HOST_END);
	f.part = 1;
	CU_ASSERT_EQUAL(fact_of(&f).event, LJ_HOST_LOOK);
}

static void begin_and_end_name_the_same_ends(void)
{
	struct lj_flow f = tcp_flow();
	struct lj_flow_begun begun = {.key = f.key, .initiator = f.initiator, .first_ns = START};
	struct lj_host_fact first, last = fact_of(&f);

	lj_host_fact_begin(&first, &begun, 5);
	CU_ASSERT_EQUAL(first.initiator, last.initiator);
	CU_ASSERT_EQUAL(first.responder, last.responder);
	CU_ASSERT_NOT_EQUAL(first.initiator, first.responder);
	CU_ASSERT_EQUAL(first.port, 80);
	CU_ASSERT_EQUAL(last.port, 80);
	f.key.proto = IPPROTO_ICMP;
	CU_ASSERT_EQUAL(fact_of(&f).port, 0);
}

static void nearly_equal_sizes_are_one_size(void)
{
	struct lj_flow a = tcp_flow(), b = tcp_flow();

	a.side[0].payload_sum = 1000;
	b.side[0].payload_sum = 1010;
	CU_ASSERT_EQUAL(fact_of(&a).size, fact_of(&b).size);
	b.side[0].payload_sum = 1300;
	CU_ASSERT_NOT_EQUAL(fact_of(&a).size, fact_of(&b).size);
	b = a;
	b.side[0].packets++;
	CU_ASSERT_NOT_EQUAL(fact_of(&a).size, fact_of(&b).size);
}

int main(void)
{
	static const struct lj_test tests[] = {
		{"a due flow says how it went", a_due_flow_says_how_it_went},
		{"an end stands where packet times say it was over",
		 an_end_stands_where_packet_times_say_it_was_over},
		{"early verdicts and later parts only look",
		 early_verdicts_and_later_parts_only_look},
		{"begin and end name the same ends", begin_and_end_name_the_same_ends},
		{"nearly equal sizes are one size", nearly_equal_sizes_are_one_size},
	};

	return lj_test_run("host_fact", tests, RTE_DIM(tests));
}
