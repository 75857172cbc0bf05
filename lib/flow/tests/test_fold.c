/*
 * Packets by way of a young flow and of the log, against the same packets one by one: the record
 * must be the same, bit for bit, whatever is kept, wherever the log is cut and whatever comes.
 */
#include "flow_fixture.h"
#include "flow_quick.h"

#define FLOWS_A_KEEP 400
#define PACKETS_MAX  60

static struct lj_flow_table table;

static bool one_in(uint32_t n)
{
	return lj_test_below(n) == 0;
}

/* Mostly what a connection looks like; now and then each thing that a log must leave in order. */
struct traffic {
	uint64_t time_ns, gap_ns;
	uint32_t next[2];
	uint8_t proto, ttl;
	bool kept_order;
};

static struct traffic any_traffic(void)
{
	static const uint64_t gap_ns[] = {100, 1000000, SECOND / 4, 3 * SECOND};

	return (struct traffic){
		.time_ns = START,
		.gap_ns = gap_ns[lj_test_below(RTE_DIM(gap_ns))],
		.next = {lj_test_below(UINT32_MAX), UINT32_MAX - lj_test_below(3000)},
		.proto = one_in(4) ? 17 : 6,
		.ttl = (uint8_t)lj_test_below(256),
		.kept_order = !one_in(3)};
}

static struct lj_packet any_packet(struct traffic *t)
{
	static const uint8_t flags[] = {0x10, 0x18, 0x10, 0x18, 0x10, 0x30, 0x50,
					0x90, 0x00, 0x11, 0x12, 0x02, 0x04, 0x14};
	static const uint32_t payload[] = {0, 1, 4, 60, 1448, 9000, 32707, 65000};
	bool tcp = t->proto == 6, back = one_in(2);
	struct lj_packet p;

	t->time_ns += one_in(5) ? 0 : lj_test_below((uint32_t)t->gap_ns);
	if (one_in(40))
		t->time_ns += 6 * SECOND;
	p = packet(0, back, t->time_ns - (one_in(60) ? 1000 : 0),
		   tcp ? flags[lj_test_below(one_in(5) ? RTE_DIM(flags) : 5)] : 0,
		   payload[lj_test_below(RTE_DIM(payload))]);
	p.key.proto = t->proto;
	p.ttl = (uint8_t)(t->ttl + one_in(10));
	p.fragment = one_in(200) ? LJ_FRAGMENT_FIRST : LJ_FRAGMENT_NONE;
	if (!tcp) {
		p.l4_header_bytes = 8;
		p.tcp_window = 0;
		if (one_in(5))
			p.application = LJ_APPLICATION_DNS_QUERY + (uint8_t)back;
		p.dns_id = p.application == 0 ? 0 : (uint16_t)lj_test_below(3);
		p.dns_type = p.application == 0 ? 0 : (uint16_t)lj_test_below(2);
		p.dns_ttl = p.application == LJ_APPLICATION_DNS_ANSWER ? lj_test_below(9) : 0;
		lj_packet_tell_plain(&p);
		return p;
	}
	p.l4_header_bytes = (uint16_t)(20 + 4 * lj_test_below(11));
	p.l3_bytes = 20 + p.l4_header_bytes + p.payload_bytes;
	p.tcp_mss = (p.tcp_flags & LJ_TCP_SYN) ? 1460 : 0;
	p.tcp_wscale = (p.tcp_flags & LJ_TCP_SYN) ? (uint8_t)lj_test_below(16) : 0;
	p.tcp_window = (uint16_t)(one_in(20) ? 0 : lj_test_below(65536));
	p.tcp_seq = t->next[back];
	if (!t->kept_order && one_in(4))
		p.tcp_seq += lj_test_below(5000) - 2500;
	t->next[back] = p.tcp_seq + p.payload_bytes;
	lj_packet_tell_plain(&p);
	return p;
}

static struct lj_flow_head beginning(const struct lj_packet *p)
{
	return (struct lj_flow_head){.key = p->key,
				     .first_ns = p->time_ns,
				     .last_ns = p->time_ns,
				     .state = LJ_FLOW_OPEN};
}

/* The only flow of a table that has room for one. */
static const struct lj_flow *by_way_of_its_slot(const struct lj_packet *packets, uint32_t n)
{
	static _Alignas(64) struct flow_slot slot;
	static struct lj_flow record;
	static struct flow_link link;
	struct filled filled = {0};

	memset(&slot, 0, sizeof(slot));
	memset(&record, 0, sizeof(record));
	table.slots = &slot;
	table.records = &record;
	table.links = &link;
	table.quick = (struct quick_limits){UINT32_MAX, UINT64_MAX, UINT32_MAX};
	slot.head = beginning(&packets[0]);
	slot.young = 1;
	slot.pending = YOUNG_LOG;
	for (uint32_t i = 0; i < n; i++) {
		if (!one_in(4) && log_quickly(&table, &slot, &packets[i], &filled))
			continue;
		fold_filled(&table, &filled);
		add_packet(&table, &slot, &packets[i], packets[i].side);
		if (one_in(20))
			slot_fold(&table, &slot, slot.pending);
	}
	fold_filled(&table, &filled);
	slot_fold(&table, &slot, slot.pending);
	CU_ASSERT_EQUAL(slot.pending, 0);
	*head_of(&record) = slot.head;
	return &record;
}

static void compare_flow(uint32_t keep)
{
	static struct lj_packet packets[PACKETS_MAX];
	static struct lj_flow plain;
	struct traffic t = any_traffic();
	uint32_t n = 1 + lj_test_below(one_in(3) ? FIRST_PACKETS + 2 : PACKETS_MAX);

	table.config.keep = keep;
	memset(&plain, 0, sizeof(plain));
	for (uint32_t i = 0; i < n; i++) {
		packets[i] = any_packet(&t);
		if (i == 0)
			*head_of(&plain) = beginning(&packets[0]);
		account_packet(head_of(&plain), &plain, &packets[i], packets[i].side, keep);
	}
	CU_ASSERT_EQUAL(memcmp(by_way_of_its_slot(packets, n), &plain, sizeof(plain)), 0);
}

static void logged_is_as_accounted_one_by_one(void)
{
	for (uint32_t keep = 0; keep <= LJ_KEEP_ALL; keep++)
		for (uint32_t i = 0; i < FLOWS_A_KEEP; i++)
			compare_flow(keep);
}

/* Runs a flow of any traffic through the table, to its end. */
static void use_a_record(struct lj_flow_table *t)
{
	struct traffic traffic = any_traffic();
	uint32_t n = 1 + lj_test_below(PACKETS_MAX);

	for (uint32_t i = 0; i < n; i++) {
		struct lj_packet p = any_packet(&traffic);

		while (feed(t, p) == 0)
			lj_flow_settle(t, due, n_due);
		lj_flow_settle(t, due, n_due);
	}
	while ((n_due = lj_flow_flush(t, ++seq, due, 1)) > 0)
		lj_flow_settle(t, due, n_due);
}

/* The table's only flow, ended; its place in the table left out. */
static struct lj_flow *flushed(struct lj_flow_table *t)
{
	CU_ASSERT_EQUAL_FATAL(lj_flow_flush(t, 1, due, 1), 1);
	due[0]->index = 0;
	return due[0];
}

static void a_record_used_before_is_as_new(void)
{
	for (uint32_t i = 0; i < 2000; i++) {
		struct lj_flow_config config = standard;
		struct lj_flow_table *fresh, *used;

		config.keep = lj_test_below(LJ_KEEP_ALL + 1);
		fresh = table_with(config);
		used = table_with(config);
		use_a_record(used);
		CU_ASSERT_EQUAL(lj_flow_active(used), 0);
		lj_flow_advance(fresh, START + 900 * SECOND, ++seq, due, 1);
		lj_flow_advance(used, START + 900 * SECOND, ++seq, due, 1);
		for (uint32_t at = 0, n = 1 + lj_test_below(4); at < n; at++) {
			const struct lj_packet p = packet(1, one_in(3), START + 1000 * SECOND + at,
							  at == 0 ? LJ_TCP_SYN : LJ_TCP_ACK, at);

			feed(fresh, p);
			feed(used, p);
		}
		CU_ASSERT_EQUAL(used->n_free + 1, used->high_water);
		CU_ASSERT_EQUAL(memcmp(flushed(used), flushed(fresh), sizeof(struct lj_flow)), 0);
		lj_flow_destroy(fresh);
		lj_flow_destroy(used);
	}
}

/* The log is what is tested above only if it is used: until it is full the record is untouched. */
static void plain_packets_are_logged(void)
{
	struct lj_flow_table *t = table_with(standard);
	const struct flow_slot *s = slot_at(t, 0);
	const struct lj_flow *f = record_at(t, 0);
	uint32_t n = 0;

	feed(t, packet(1, false, START + ++n, LJ_TCP_SYN, 0));
	feed(t, packet(1, true, START + ++n, LJ_TCP_SYN | LJ_TCP_ACK, 0));
	for (uint32_t i = YOUNG_LOG; i < FLOW_LOG - 1; i++)
		feed(t, packet(1, i & 1, START + ++n, LJ_TCP_ACK, 10));
	CU_ASSERT(s->young);
	CU_ASSERT_EQUAL(s->pending, FLOW_LOG - 1);
	CU_ASSERT_EQUAL(f->side[0].packets + f->side[1].packets, 0);
	for (int round = 0; round < 2; round++) {
		feed(t, packet(1, false, START + ++n, LJ_TCP_ACK, 10));
		CU_ASSERT(!s->young);
		CU_ASSERT_EQUAL(s->pending, 0);
		CU_ASSERT_EQUAL(f->side[0].packets + f->side[1].packets, n);
		for (uint32_t i = 0; i < FLOW_LOG - 1; i++)
			feed(t, packet(1, i & 1, START + ++n, LJ_TCP_ACK, 10));
		CU_ASSERT_EQUAL(s->pending, FLOW_LOG - 1);
		CU_ASSERT_EQUAL(f->side[0].packets + f->side[1].packets, n - (FLOW_LOG - 1));
	}
	lj_flow_destroy(t);
}

int main(void)
{
	static const struct lj_test tests[] = {
		{"a log gives what its packets one by one give", logged_is_as_accounted_one_by_one},
		{"a record used before is as new", a_record_used_before_is_as_new},
		{"plain packets are logged", plain_packets_are_logged},
	};

	return lj_test_run("fold", tests, RTE_DIM(tests));
}
