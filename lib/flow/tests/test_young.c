/* Flows of a few packets: what is kept of them is less than a record, what is handed out is
 * one. And which of them a full table evicts. */
#include "flow_fixture.h"
#include "flow_table.h"

#define S	 LJ_TCP_SYN
#define A	 LJ_TCP_ACK
#define R	 LJ_TCP_RST
#define CAPACITY 1024

static struct lj_flow_table *small_table(void)
{
	struct lj_flow_config config = standard;

	config.capacity = CAPACITY;
	return table_with(config);
}

/* Flow `flow` has one packet, whose payload is its number. */
static bool is_whole(const struct lj_flow *f, uint32_t flow)
{
	return f->key.port[0] == 20000 + flow && f->packets == 1 && f->heard == 1 &&
	       f->side[0].packets == 1 && f->side[0].length_sum == 40 + flow &&
	       f->side[0].first_ns == f->first_ns && f->side[1].packets == 0 &&
	       f->gap_min == UINT64_MAX && f->syn_ns == f->first_ns && f->tcp[0].flags_all == S &&
	       f->splt.length[0] == 40 + flow && strcmp(f->history, flow > 0 ? "SD" : "S") == 0;
}

static void what_a_burst_evicts_stays_as_it_was_until_it_is_settled(void)
{
	struct lj_flow_table *t = small_table();
	struct lj_packet burst[LJ_BURST_MAX];

	for (uint16_t i = 0; i < CAPACITY; i++)
		feed(t, packet(i, false, START + i * SECOND / 10, S, i));
	for (uint16_t round = 0; round < 4; round++) {
		for (uint16_t i = 0; i < LJ_BURST_MAX; i++)
			burst[i] = packet(2000 + round * LJ_BURST_MAX + i, false,
					  START + 104 * SECOND, S, 7);
		CU_ASSERT_EQUAL(lj_flow_update(t, burst, LJ_BURST_MAX, due, &n_due), LJ_BURST_MAX);
		CU_ASSERT_EQUAL_FATAL(n_due, LJ_BURST_MAX);
		for (uint16_t i = 0; i < n_due; i++) {
			CU_ASSERT_EQUAL(due[i]->due, LJ_DUE_EVICTED);
			CU_ASSERT_EQUAL(due[i]->order.seq, burst[i].seq);
			CU_ASSERT(is_whole(due[i], round * LJ_BURST_MAX + i));
		}
		lj_flow_settle(t, due, n_due);
		CU_ASSERT_EQUAL(t->n_spare, SPARE_RECORDS);
	}
	CU_ASSERT_EQUAL(lj_flow_active(t), CAPACITY);
	lj_flow_destroy(t);
}

static void more_may_end_at_once_than_there_are_spare_records(void)
{
	struct lj_flow_table *t = small_table();
	uint32_t ended = 0, wrong = 0;

	for (uint16_t i = 0; i < CAPACITY; i++)
		feed(t, packet(i, false, START + i, S, i));
	seq++;
	while ((n_due = lj_flow_advance(t, START + 200 * SECOND, seq, due, LJ_BURST_MAX)) > 0) {
		for (uint16_t i = 0; i < n_due; i++)
			wrong += !is_whole(due[i], due[i]->key.port[0] - 20000u);
		ended += n_due;
		lj_flow_settle(t, due, n_due);
	}
	CU_ASSERT_EQUAL(ended, CAPACITY);
	CU_ASSERT_EQUAL(wrong, 0);
	CU_ASSERT_EQUAL(t->n_spare, SPARE_RECORDS);
	CU_ASSERT_EQUAL(t->n_free, t->high_water);
	lj_flow_destroy(t);
}

static void what_a_slot_has_no_room_for_makes_a_record_of_it(void)
{
	struct lj_flow_table *t = small_table();
	const struct flow_slot *s = slot_at(t, 0);
	const struct lj_flow *f = record_at(t, 0);

	feed(t, packet(1, false, START + 1, S, 0));
	feed(t, packet(1, true, START + 2, S | A, 0));
	feed(t, packet(1, false, START + 3, A, 10));
	CU_ASSERT(s->young);
	CU_ASSERT_EQUAL(f->side[0].packets + f->side[1].packets, 0);
	feed(t, packet(1, true, START + 4, S | A, 0));
	CU_ASSERT(!s->young);
	CU_ASSERT_EQUAL(f->side[0].packets, 2);
	CU_ASSERT_EQUAL(f->side[1].packets, 2);
	CU_ASSERT_EQUAL(s->pending, 0);
	CU_ASSERT_EQUAL(s->packets, 4);
	lj_flow_destroy(t);
}

/* A jumbogram, or what segmentation offload has not cut. */
static void a_packet_longer_than_a_slot_can_say_is_kept_whole(void)
{
	struct lj_flow_table *t = small_table();

	feed(t, packet(1, false, START + 1, S, 0));
	feed(t, packet(1, true, START + 2, A, 70000));
	CU_ASSERT_EQUAL_FATAL(lj_flow_flush(t, ++seq, due, 64), 1);
	CU_ASSERT_EQUAL(due[0]->side[1].length_sum, 70040);
	CU_ASSERT_EQUAL(due[0]->side[1].payload_sum, 70000);
	lj_flow_settle(t, due, 1);
	lj_flow_destroy(t);
}

static void a_flow_that_ends_young_leaves_its_own_record_alone(void)
{
	static const struct lj_flow untouched;
	struct lj_flow_table *t = small_table();
	const uint32_t n = FIRST_PACKETS + FLOW_LOG - YOUNG_LOG - 1;

	feed(t, packet(1, false, START, S, 0));
	feed(t, packet(1, true, START + 1, S | A, 0));
	for (uint32_t i = 2; i < n; i++)
		feed(t, packet(1, i & 1, START + i, A, 10));
	CU_ASSERT(slot_at(t, 0)->young);
	CU_ASSERT_EQUAL_FATAL(lj_flow_flush(t, ++seq, due, 64), 1);
	CU_ASSERT(due[0]->index >= t->capacity);
	CU_ASSERT_EQUAL(due[0]->packets, n);
	CU_ASSERT_EQUAL(due[0]->side[0].packets + due[0]->side[1].packets, n);
	CU_ASSERT_EQUAL(due[0]->pending + due[0]->young, 0);
	CU_ASSERT_EQUAL(memcmp(record_at(t, 0), &untouched, sizeof(untouched)), 0);
	lj_flow_settle(t, due, 1);
	CU_ASSERT_EQUAL(t->n_spare, SPARE_RECORDS);
	lj_flow_destroy(t);
}

/* Wherever the table has them. */
static void a_live_flow_tells_who_it_is(void)
{
	for (int grown = 0; grown < 2; grown++) {
		struct lj_flow_table *t = small_table();
		struct lj_packet p = packet(1, false, START, S, 0);
		struct lj_flow_identity identity;
		struct lj_flow_head head;

		CU_ASSERT(!lj_flow_live(t, 0, &head, &identity));
		p.vlan = 7;
		feed(t, p);
		if (grown) {
			feed(t, packet(1, false, START + 1, S, 0));
			feed(t, packet(1, false, START + 2, S, 0));
		}
		CU_ASSERT_EQUAL(slot_at(t, 0)->young, !grown);
		CU_ASSERT_FATAL(lj_flow_live(t, 0, &head, &identity));
		CU_ASSERT_EQUAL(memcmp(&head.key, &p.key, sizeof(p.key)), 0);
		CU_ASSERT_EQUAL(head.packets, grown ? 3 : 1);
		CU_ASSERT_EQUAL(identity.flow_id, lj_flow_id(&p.key, START));
		CU_ASSERT_EQUAL(identity.vlan, 7);
		lj_flow_note_parted(t, 0);
		CU_ASSERT_EQUAL_FATAL(lj_flow_flush(t, ++seq, due, 64), 1);
		CU_ASSERT(due[0]->lossy);
		CU_ASSERT(!lj_flow_live(t, 0, &head, &identity));
		lj_flow_settle(t, due, 1);
		lj_flow_destroy(t);
	}
}

/* Stragglers do not move the time when it closed, whatever is kept of it. */
static void a_young_flow_that_closes_lingers(void)
{
	for (int stragglers = 0; stragglers < 3; stragglers++) {
		struct lj_flow_table *t = small_table();

		feed(t, packet(1, false, START, S, 0));
		feed(t, packet(1, true, START + SECOND / 4, R | A, 0));
		for (int i = 0; i < stragglers; i++)
			feed(t, packet(1, false, START + SECOND / 2 + (uint64_t)i, A, 0));
		tick(t, START + SECOND + SECOND / 4);
		CU_ASSERT_EQUAL(n_due, 0);
		tick(t, START + SECOND + SECOND / 2);
		CU_ASSERT_EQUAL_FATAL(n_due, 1);
		CU_ASSERT_EQUAL(due[0]->due, LJ_DUE_RST);
		CU_ASSERT_EQUAL(due[0]->closed_ns, START + SECOND / 4);
		CU_ASSERT_EQUAL(due[0]->packets, 2 + (uint32_t)stragglers);
		lj_flow_settle(t, due, n_due);
		lj_flow_destroy(t);
	}
}

/* The latest of the tick that comes first, of flows by their numbers. */
static uint32_t next_to_go(const uint64_t tick_of[], const bool live[], uint32_t n)
{
	uint32_t next = n;

	for (uint32_t i = 0; i < n; i++)
		if (live[i] && (next == n || tick_of[i] <= tick_of[next]))
			next = i;
	return next;
}

static void the_next_to_go_is_found_wherever_the_wheel_stands(void)
{
	enum { FLOWS = 4 * CAPACITY };
	static uint64_t tick_of[FLOWS];
	static bool live[FLOWS];
	struct lj_flow_table *t = small_table();
	uint64_t now = START;
	uint32_t evicted = 0;

	for (uint16_t i = 0; i < FLOWS; i++) {
		/* Through more than a turn of the wheel, and nobody is silent for too long. */
		now += i % 7 == 0 ? SECOND / 2 : SECOND / 100;
		tick(t, now);
		CU_ASSERT_EQUAL(n_due, 0);
		feed(t, packet(i, false, now, S, 0));
		if (n_due > 0) {
			uint32_t expected = next_to_go(tick_of, live, i);

			CU_ASSERT_EQUAL_FATAL(n_due, 1);
			CU_ASSERT_EQUAL(due[0]->key.port[0], 20000 + expected);
			live[expected] = false;
			evicted++;
			lj_flow_settle(t, due, n_due);
		}
		live[i] = true;
		tick_of[i] = (now + standard.idle_timeout_ns) / LJ_FLOW_TICK_NS;
	}
	CU_ASSERT_EQUAL(evicted, FLOWS - CAPACITY);
	lj_flow_destroy(t);
}

/* A full table's flows: 40 ask for their early verdicts, the latest begun first, and then there is
 * one more. Who goes for it. */
static uint16_t gone_in_bursts_of(uint16_t most)
{
	enum { EARLY = 40 };
	struct lj_flow_config config = standard;
	struct lj_packet packets[EARLY + 1];
	struct lj_flow_table *t;
	uint16_t at = 0, gone = 0;

	config.capacity = CAPACITY;
	config.classify_at = 2;
	t = table_with(config);
	for (uint16_t i = 0; i < CAPACITY; i++)
		feed(t, packet(i, false, START + i, S, 0));
	for (uint16_t i = 0; i < EARLY; i++)
		packets[i] = packet(CAPACITY - 1 - i, false, START + SECOND + i, A, 0);
	packets[EARLY] = packet(CAPACITY, false, START + 2 * SECOND, S, 0);
	while (at < EARLY + 1) {
		uint16_t n = (uint16_t)RTE_MIN(most, EARLY + 1 - at);

		at += lj_flow_update(t, packets + at, n, due, &n_due);
		for (uint16_t i = 0; i < n_due; i++)
			if (due[i]->due == LJ_DUE_EVICTED)
				gone = due[i]->key.port[0];
		lj_flow_settle(t, due, n_due);
	}
	CU_ASSERT_EQUAL(counters.value[LJ_C_flow_ended_evicted], 1);
	CU_ASSERT_EQUAL(counters.value[LJ_C_flow_refused], 0);
	lj_flow_destroy(t);
	return gone;
}

/* Not even when all that are looked at have lived on, and the one to go is lent. */
static void who_goes_does_not_depend_on_the_bursts(void)
{
	uint16_t one_by_one = gone_in_bursts_of(1);

	CU_ASSERT_EQUAL(one_by_one, 20000 + CAPACITY - 1);
	for (uint16_t most = 2; most <= LJ_BURST_MAX; most++)
		CU_ASSERT_EQUAL(gone_in_bursts_of(most), one_by_one);
}

int main(void)
{
	static const struct lj_test tests[] = {
		{"what a burst evicts stays as it was until it is settled",
		 what_a_burst_evicts_stays_as_it_was_until_it_is_settled},
		{"more may end at once than there are spare records",
		 more_may_end_at_once_than_there_are_spare_records},
		{"what a slot has no room for makes a record of it",
		 what_a_slot_has_no_room_for_makes_a_record_of_it},
		{"a packet longer than a slot can say is kept whole",
		 a_packet_longer_than_a_slot_can_say_is_kept_whole},
		{"a flow that ends young leaves its own record alone",
		 a_flow_that_ends_young_leaves_its_own_record_alone},
		{"a live flow tells who it is", a_live_flow_tells_who_it_is},
		{"a young flow that closes lingers", a_young_flow_that_closes_lingers},
		{"the next to go is found wherever the wheel stands",
		 the_next_to_go_is_found_wherever_the_wheel_stands},
		{"who goes does not depend on the bursts", who_goes_does_not_depend_on_the_bursts},
	};

	return lj_test_run("young", tests, RTE_DIM(tests));
}
