/* What a record says of the packets it was made of: TCP's state and sequence space, and the marks.
 */
#include "flow_fixture.h"

#define S  LJ_TCP_SYN
#define A  LJ_TCP_ACK
#define F  LJ_TCP_FIN
#define R  LJ_TCP_RST
#define P  LJ_TCP_PSH
#define SA (S | A)

struct segment {
	bool back;
	uint8_t flags;
	uint32_t seq, payload;
};
#define SEGMENTS 8

static struct lj_flow_table *table;

/* The record of the segments, a millisecond apart; the table stays open until close_table(). Resets
 * have a window of 0, as nearly all have, which says nothing. */
static const struct lj_flow *record_of(const struct segment *s, uint32_t n)
{
	table = table_with(standard);
	for (uint32_t i = 0; i < n; i++) {
		struct lj_packet p =
			packet(1, s[i].back, START + i * 1000000, s[i].flags, s[i].payload);

		p.tcp_seq = s[i].seq;
		if (s[i].flags & R)
			p.tcp_window = 0;
		CU_ASSERT_EQUAL(feed(table, p), 1);
	}
	CU_ASSERT_EQUAL_FATAL(lj_flow_flush(table, ++seq, due, 64), 1);
	CU_ASSERT_EQUAL(due[0]->tcp[0].zero_windows + due[0]->tcp[1].zero_windows, 0);
	return due[0];
}

static void close_table(void)
{
	lj_flow_settle(table, due, 1);
	lj_flow_destroy(table);
}

/* docs.zeek.org, base/protocols/conn/main.zeek: conn_state and history. */
static void state_and_history_are_zeeks(void)
{
	static const struct {
		struct segment segment[SEGMENTS];
		uint32_t n;
		const char *state, *history;
	} cases[] = {
		{{{0, S, 0, 0}}, 1, "S0", "S"},
		{{{0, S, 0, 0}, {1, SA, 0, 0}, {0, A, 1, 0}}, 3, "S1", "ShA"},
		{{{0, S, 0, 0},
		  {1, SA, 0, 0},
		  {0, A, 1, 0},
		  {0, A | P, 1, 9},
		  {1, A | P, 1, 9},
		  {0, F | A, 10, 0},
		  {1, F | A, 10, 0}},
		 7,
		 "SF",
		 "ShADdFf"},
		{{{0, S, 0, 0}, {1, R | A, 0, 0}}, 2, "REJ", "Sr"},
		{{{0, S, 0, 0}, {0, R, 1, 0}}, 2, "RSTOS0", "SR"},
		{{{0, S, 0, 0}, {1, SA, 0, 0}, {0, A, 1, 0}, {0, R, 1, 0}}, 4, "RSTO", "ShAR"},
		{{{0, S, 0, 0}, {1, SA, 0, 0}, {0, A, 1, 0}, {1, R, 1, 0}}, 4, "RSTR", "ShAr"},
		{{{0, S, 0, 0}, {0, F | A, 1, 0}}, 2, "SH", "SF"},
		{{{0, S, 0, 0}, {1, SA, 0, 0}, {0, F | A, 1, 0}}, 3, "S2", "ShF"},
		{{{0, S, 0, 0}, {1, SA, 0, 0}, {1, F | A, 1, 0}}, 3, "S3", "Shf"},
		{{{0, A | P, 5, 10}, {1, A, 5, 0}}, 2, "OTH", "Da"},
		{{{1, SA, 0, 0}, {1, R, 1, 0}}, 2, "RSTRH", "^hr"},
		{{{1, SA, 0, 0}, {1, F | A, 1, 0}}, 2, "SHR", "^hf"},
		{{{1, SA, 0, 0}}, 1, "OTH", "^h"},
		{{{0, S, 0, 0}, {1, A, 5, 0}}, 2, "OTH", "Sa"},
	};

	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		const struct lj_flow *f = record_of(cases[i].segment, cases[i].n);

		if (strcmp(lj_flow_conn_state(f), cases[i].state) != 0 ||
		    strcmp(f->history, cases[i].history) != 0) {
			fprintf(stderr, "case %zu: %s %s, not %s %s\n", i, lj_flow_conn_state(f),
				f->history, cases[i].state, cases[i].history);
			CU_FAIL("not what Zeek says");
		}
		close_table();
	}
}

static void old_data_is_late_or_sent_again(void)
{
	static const struct {
		const char *name;
		struct segment segment[SEGMENTS];
		uint32_t n, retransmitted, bytes, out_of_order, lost;
	} cases[] = {
		{"in order", {{0, A, 100, 10}, {0, A, 110, 10}}, 2, 0, 0, 0, 0},
		{"sent again", {{0, A, 100, 10}, {0, A, 110, 10}, {0, A, 100, 10}}, 3, 1, 10, 0, 0},
		{"a gap", {{0, A, 100, 10}, {0, A, 130, 10}}, 2, 0, 0, 1, 20},
		{"a gap filled late",
		 {{0, A, 100, 10}, {0, A, 130, 10}, {0, A, 110, 20}},
		 3,
		 0,
		 0,
		 2,
		 0},
		{"sent again while a gap is open",
		 {{0, A, 100, 10}, {0, A, 130, 10}, {0, A, 130, 10}, {0, A, 100, 10}},
		 4,
		 2,
		 20,
		 1,
		 20},
		{"a gap filled from the middle",
		 {{0, A, 100, 10},
		  {0, A, 140, 10},
		  {0, A, 120, 10},
		  {0, A, 130, 10},
		  {0, A, 110, 10}},
		 5,
		 0,
		 0,
		 4,
		 0},
		{"two gaps, the older filled",
		 {{0, A, 100, 10}, {0, A, 120, 10}, {0, A, 140, 10}, {0, A, 110, 10}},
		 4,
		 0,
		 0,
		 3,
		 10},
		{"two gaps, the later filled and that sent again",
		 {{0, A, 100, 10},
		  {0, A, 120, 10},
		  {0, A, 140, 10},
		  {0, A, 130, 10},
		  {0, A, 130, 10}},
		 5,
		 1,
		 10,
		 3,
		 10},
		{"a gap filled in part, from before it",
		 {{0, A, 100, 10}, {0, A, 130, 10}, {0, A, 105, 10}},
		 3,
		 0,
		 0,
		 2,
		 15},
		{"older than the first", {{0, A, 100, 10}, {0, A, 90, 10}}, 2, 0, 0, 1, 0},
		{"partly new", {{0, A, 100, 10}, {0, A, 105, 10}}, 2, 1, 5, 0, 0},
		{"new but for the last byte",
		 {{0, A, 100, 10}, {0, A, 109, 10}, {0, A, 119, 10}},
		 3,
		 1,
		 1,
		 0,
		 0},
		{"a keep-alive", {{0, A, 100, 10}, {0, A, 109, 1}, {0, A, 109, 0}}, 3, 0, 0, 0, 0},
		{"a keep-alive while a gap is open",
		 {{0, A, 100, 10}, {0, A, 130, 10}, {0, A, 139, 1}},
		 3,
		 0,
		 0,
		 1,
		 20},
		{"a SYN sent again", {{0, S, 99, 0}, {0, S, 99, 0}}, 2, 1, 0, 0, 0},
		{"over the end of the sequence space",
		 {{0, A, 0xfffffff0, 32}, {0, A, 16, 10}, {0, A, 0xfffffff0, 32}},
		 3,
		 1,
		 32,
		 0,
		 0},
		{"a reset's number means nothing", {{0, A, 100, 10}, {0, R, 7, 0}}, 2, 0, 0, 0, 0},
	};

	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		const struct lj_flow_tcp *t = &record_of(cases[i].segment, cases[i].n)->tcp[0];

		if (t->retransmitted_packets != cases[i].retransmitted ||
		    t->retransmitted_bytes != cases[i].bytes ||
		    t->out_of_order != cases[i].out_of_order || t->lost_bytes != cases[i].lost) {
			fprintf(stderr, "%s: %u (%u bytes) sent again, %u out of order, %u lost\n",
				cases[i].name, t->retransmitted_packets,
				(uint32_t)t->retransmitted_bytes, t->out_of_order, t->lost_bytes);
			CU_FAIL("sequence space misjudged");
		}
		close_table();
	}
}

static void sizes_fall_into_netflows_bins(void)
{
	static const uint32_t payload[] = {0, 88, 89, 216, 217, 472, 473, 984, 985, 1474, 1475};
	static const uint32_t wanted[LJ_SIZES] = {2, 2, 2, 2, 2};
	struct segment s[RTE_DIM(payload)];
	uint32_t at = 0;
	const struct lj_flow *f;

	for (size_t i = 0; i < RTE_DIM(payload); i++) {
		s[i] = (struct segment){0, A, at, payload[i]};
		at += payload[i];
	}
	f = record_of(s, RTE_DIM(s));
	for (int i = 0; i < LJ_SIZES; i++)
		CU_ASSERT_EQUAL(f->sizes[i], wanted[i]);
	close_table();
}

static void a_record_that_lived_through_a_loss_is_marked(void)
{
	struct lj_flow_table *t = table_with(standard);

	feed(t, packet(1, false, START, S, 0));
	lj_flow_note_loss(t);
	feed(t, packet(2, false, START + 1, S, 0));
	CU_ASSERT_EQUAL_FATAL(lj_flow_flush(t, ++seq, due, 64), 2);
	CU_ASSERT_EQUAL(due[0]->lossy + due[1]->lossy, 1);
	CU_ASSERT_EQUAL(due[0]->key.port[0] == 20001 ? due[0]->lossy : due[1]->lossy, 1);
	lj_flow_settle(t, due, 2);
	lj_flow_destroy(t);
}

static void an_early_verdict_after_a_loss_is_marked(void)
{
	for (int lost = 0; lost < 2; lost++) {
		struct lj_flow_config config = standard;
		struct lj_flow_table *t;

		config.classify_at = 2;
		t = table_with(config);
		feed(t, packet(1, false, START, S, 0));
		if (lost)
			lj_flow_note_loss(t);
		feed(t, packet(1, false, START + 1, A, 0));
		CU_ASSERT_EQUAL_FATAL(n_due, 1);
		CU_ASSERT_EQUAL(due[0]->due, LJ_DUE_EARLY_PACKETS);
		CU_ASSERT_EQUAL(due[0]->lossy, lost);
		lj_flow_settle(t, due, 1);
		lj_flow_destroy(t);
	}
}

/* RFC 7012's registry, flowEndReason (RFC 5102). */
static void why_a_flow_ended_is_told_as_ipfix_has_it(void)
{
	enum { IDLE_TIMEOUT = 1, ACTIVE_TIMEOUT, END_DETECTED, FORCED_END, LACK_OF_RESOURCES };

	CU_ASSERT_EQUAL(lj_due_ipfix(LJ_DUE_IDLE), IDLE_TIMEOUT);
	CU_ASSERT_EQUAL(lj_due_ipfix(LJ_DUE_ACTIVE), ACTIVE_TIMEOUT);
	CU_ASSERT_EQUAL(lj_due_ipfix(LJ_DUE_FIN), END_DETECTED);
	CU_ASSERT_EQUAL(lj_due_ipfix(LJ_DUE_RST), END_DETECTED);
	CU_ASSERT_EQUAL(lj_due_ipfix(LJ_DUE_FLUSHED), FORCED_END);
	CU_ASSERT_EQUAL(lj_due_ipfix(LJ_DUE_EVICTED), LACK_OF_RESOURCES);
}

/* A later fragment has no TCP header: its zeros are no flags, no window, no sequence number. */
static void a_later_fragment_says_nothing_of_tcp(void)
{
	struct lj_flow_table *t = table_with(standard);
	struct lj_packet later;

	feed(t, packet(1, false, START, A | P, 100));
	later = packet(1, false, START + 1, 0, 500);
	later.fragment = LJ_FRAGMENT_LATER;
	later.tcp_window = 0;
	feed(t, later);
	CU_ASSERT_EQUAL_FATAL(lj_flow_flush(t, ++seq, due, 64), 1);
	CU_ASSERT_EQUAL(due[0]->packets, 2);
	CU_ASSERT_EQUAL(due[0]->side[0].payload_sum, 600);
	CU_ASSERT_EQUAL(due[0]->fragments, 1);
	CU_ASSERT_EQUAL(due[0]->tcp[0].zero_windows, 0);
	CU_ASSERT_EQUAL(due[0]->tcp[0].window_last, 1000);
	CU_ASSERT_EQUAL(due[0]->tcp[0].flag_ack, 1);
	lj_flow_settle(t, due, 1);
	lj_flow_destroy(t);
}

static void dns_and_ftp_are_kept(void)
{
	struct lj_flow_table *t = table_with(standard);
	struct lj_packet p = packet(1, false, START, A, 30);

	p.application = LJ_APPLICATION_DNS_QUERY;
	p.dns_id = 7;
	p.dns_type = 1;
	feed(t, p);
	p = packet(1, true, START + 1, A, 60);
	p.application = LJ_APPLICATION_DNS_ANSWER;
	p.dns_id = 8;
	p.dns_type = 28;
	p.dns_ttl = 300;
	feed(t, p);
	p = packet(1, true, START + 2, A, 60);
	p.application = LJ_APPLICATION_FTP_REPLY;
	p.ftp_code = 530;
	feed(t, p);
	CU_ASSERT_EQUAL_FATAL(lj_flow_flush(t, ++seq, due, 64), 1);
	CU_ASSERT_EQUAL(due[0]->dns_id, 7);
	CU_ASSERT_EQUAL(due[0]->dns_type, 1);
	CU_ASSERT_EQUAL(due[0]->dns_ttl, 300);
	CU_ASSERT_EQUAL(due[0]->ftp_code, 530);
	lj_flow_settle(t, due, 1);
	lj_flow_destroy(t);
}

/* The other end's SYN, of a connection that it opens on the same ports, is none. */
static void a_handshake_begins_with_the_initiators_syn(void)
{
	static const struct segment s[] = {{0, A, 5, 1}, {1, S, 9, 0}, {0, SA, 3, 0}};
	const struct lj_flow *f = record_of(s, RTE_DIM(s));

	CU_ASSERT_EQUAL(f->syn_ns, 0);
	CU_ASSERT_EQUAL(f->synack_ns, 0);
	CU_ASSERT_EQUAL(f->ack_ns, 0);
	close_table();
}

/* From a port that stays the same, as hping3 --keep sends it. */
static void a_flood_of_syns_or_resets_is_counted_to_its_end(void)
{
	const uint32_t packets = 70000;

	table = table_with(standard);
	for (uint32_t i = 0; i < packets; i++)
		feed(table, packet(1, false, START + i, i < packets - 1 ? S : S | R, 0));
	for (uint32_t i = 0; i < packets; i++)
		feed(table, packet(1, true, START + packets + i, R, 0));
	CU_ASSERT_EQUAL_FATAL(lj_flow_flush(table, ++seq, due, 64), 1);
	CU_ASSERT_EQUAL(due[0]->packets, 2 * packets);
	CU_ASSERT_EQUAL(due[0]->side[0].flag_syn, packets);
	CU_ASSERT_EQUAL(due[0]->side[1].flag_rst, packets);
	close_table();
}

/* A connection with ECN marks of congestion to the end, or urgent all along. */
static void urgent_and_congested_packets_are_counted_to_their_end(void)
{
	const uint32_t packets = 70000;

	table = table_with(standard);
	for (uint32_t i = 0; i < packets; i++)
		feed(table, packet(1, false, START + i, A | LJ_TCP_URG | LJ_TCP_CWR, 1));
	for (uint32_t i = 0; i < packets; i++)
		feed(table, packet(1, true, START + packets + i, A | LJ_TCP_ECE, 0));
	CU_ASSERT_EQUAL_FATAL(lj_flow_flush(table, ++seq, due, 64), 1);
	CU_ASSERT_EQUAL(due[0]->side[0].flag_urg, packets);
	CU_ASSERT_EQUAL(due[0]->side[0].flag_cwr, packets);
	CU_ASSERT_EQUAL(due[0]->side[0].flag_ece, 0);
	CU_ASSERT_EQUAL(due[0]->side[1].flag_ece, packets);
	CU_ASSERT_EQUAL(due[0]->side[1].flag_urg, 0);
	close_table();
}

int main(void)
{
	static const struct lj_test tests[] = {
		{"state and history are Zeek's", state_and_history_are_zeeks},
		{"old data is late, or sent again", old_data_is_late_or_sent_again},
		{"sizes fall into NetFlow's bins", sizes_fall_into_netflows_bins},
		{"a record that lived through a loss is marked",
		 a_record_that_lived_through_a_loss_is_marked},
		{"an early verdict after a loss is marked",
		 an_early_verdict_after_a_loss_is_marked},
		{"why a flow ended is told as IPFIX has it",
		 why_a_flow_ended_is_told_as_ipfix_has_it},
		{"a later fragment says nothing of TCP", a_later_fragment_says_nothing_of_tcp},
		{"DNS and FTP are kept", dns_and_ftp_are_kept},
		{"a handshake begins with the initiator's SYN",
		 a_handshake_begins_with_the_initiators_syn},
		{"a flood of SYNs or resets is counted to its end",
		 a_flood_of_syns_or_resets_is_counted_to_its_end},
		{"urgent and congested packets are counted to their end",
		 urgent_and_congested_packets_are_counted_to_their_end},
	};

	return lj_test_run("record", tests, RTE_DIM(tests));
}
