/* What limits a batch: size, deadline by measured cost, and shedding. */
#include "batch_fixture.h"

static void size_flows_make_a_batch_and_never_more(void)
{
	open_all(2, QUEUE_FLOWS, false, 8, 1000);
	offer_many(0, 7, NOON);
	offer_many(1, 11, NOON);
	CU_ASSERT_EQUAL(take(NOON), 8);
	lj_batch_done(batcher, &batch, NOON);
	CU_ASSERT_EQUAL(batch.n, 0);
	CU_ASSERT_EQUAL(take(NOON), 8);
	lj_batch_done(batcher, &batch, NOON);
	CU_ASSERT_EQUAL(counted(LJ_C_batches), 2);
	CU_ASSERT_EQUAL(counted(LJ_C_batches_full), 2);
	CU_ASSERT_EQUAL(counted(LJ_C_batches_deadline), 0);
	CU_ASSERT_EQUAL(lj_batcher_waiting(batcher), 2);
	close_all();
}

static void an_idle_lcore_takes_what_waits_at_once(void)
{
	open_all(2, QUEUE_FLOWS, false, 8, 1000);
	CU_ASSERT_EQUAL(score(NOON, 0), 0);
	CU_ASSERT(offer_at(1, 1, NOON));
	CU_ASSERT_EQUAL(score(NOON, us(1)), 1);
	CU_ASSERT(offer_at(0, 2, NOON));
	CU_ASSERT(offer_at(1, 3, NOON));
	CU_ASSERT_EQUAL(score(NOON, us(2)), 2);
	CU_ASSERT_EQUAL(counted(LJ_C_batches), 2);
	CU_ASSERT_EQUAL(counted(LJ_C_batches_full) + counted(LJ_C_batches_deadline), 0);
	close_all();
}

static void a_busy_lcore_finds_what_came_meanwhile(void)
{
	open_all(1, QUEUE_FLOWS, false, 16, 1000);
	CU_ASSERT(offer_at(0, 1, NOON));
	CU_ASSERT_EQUAL(take(NOON), 1);
	offer_many(0, 9, NOON + us(1));
	lj_batch_done(batcher, &batch, NOON + us(2));
	CU_ASSERT_EQUAL(score(NOON + us(2), us(9)), 9);
	close_all();
}

static void a_batch_takes_no_longer_than_the_deadline(void)
{
	open_all(1, 64, false, 64, 50);
	/* The measured cost is 10 us per flow. */
	offer_many(0, 2, NOON);
	CU_ASSERT_EQUAL(score(NOON, us(20)), 2);
	offer_many(0, 12, NOON);
	CU_ASSERT_EQUAL(score(NOON, us(50)), 5);
	CU_ASSERT_EQUAL(score(NOON, us(50)), 5);
	CU_ASSERT_EQUAL(counted(LJ_C_batches_deadline), 2);
	CU_ASSERT_EQUAL(score(NOON, us(20)), 2);
	CU_ASSERT_EQUAL(counted(LJ_C_batches_deadline), 2);
	CU_ASSERT_EQUAL(counted(LJ_C_batches_full), 0);
	close_all();
}

static void a_flow_that_costs_more_than_the_deadline_is_taken_alone(void)
{
	open_all(1, 64, false, 64, 50);
	CU_ASSERT(offer_at(0, 1, NOON));
	CU_ASSERT_EQUAL(score(NOON, us(700)), 1);
	offer_many(0, 3, NOON);
	for (int i = 0; i < 3; i++)
		CU_ASSERT_EQUAL(score(NOON, us(700)), 1);
	close_all();
}

static void a_cost_that_falls_makes_batches_grow(void)
{
	uint32_t n = 0;

	open_all(1, 64, false, 64, 50);
	CU_ASSERT(offer_at(0, 1, NOON));
	CU_ASSERT_EQUAL(score(NOON, us(20)), 1);
	/* With 10 us per call and 2 us per row, 20 rows fit the deadline of 50 us. */
	for (int i = 0; i < 200; i++) {
		offer_many(0, 64 - lj_queue_count(queue[0]), NOON);
		n = take(NOON);
		lj_batch_done(batcher, &batch, NOON + us(10 + 2 * (uint64_t)n));
	}
	CU_ASSERT(n >= 19 && n <= 20);
	close_all();
}

static void one_interruption_changes_little(void)
{
	open_all(1, 64, false, 64, 50);
	CU_ASSERT(offer_at(0, 1, NOON));
	CU_ASSERT_EQUAL(score(NOON, us(1)), 1);
	/* Preempted by the scheduler for 4 ms. */
	CU_ASSERT(offer_at(0, 2, NOON));
	CU_ASSERT_EQUAL(score(NOON, us(4000)), 1);
	offer_many(0, 60, NOON);
	CU_ASSERT(score(NOON, us(44)) >= 44);
	close_all();
}

static void facts_have_a_cost_of_their_own(void)
{
	const struct lj_host_fact fact = {.event = LJ_HOST_BEGIN};
	uint64_t seq = 0;

	open_all(1, 512, false, 64, 50);
	CU_ASSERT(offer_at(0, seq++, NOON));
	CU_ASSERT_EQUAL(score(NOON, us(5)), 1);
	for (int i = 0; i < 10; i++)
		lj_batch_offer_fact(queue, 1, (struct lj_order){seq++, 0}, &fact, false, 1,
				    &counters);
	CU_ASSERT(lj_batch_take(batcher, NOON, &batch));
	CU_ASSERT_EQUAL(batch.n_records, 10);
	lj_batch_done(batcher, &batch, NOON + us(1));
	/* After 100 facts of 0.1 us there is time for 8 flows of 5 us. */
	for (int i = 0; i < 100; i++)
		lj_batch_offer_fact(queue, 1, (struct lj_order){seq++, 0}, &fact, false, 1,
				    &counters);
	for (int i = 0; i < 20; i++)
		CU_ASSERT(offer_at(0, seq++, NOON));
	CU_ASSERT_EQUAL(score(NOON, us(50)), 8);
	close_all();
}

static void a_deadline_of_0_is_no_limit(void)
{
	open_all(2, 64, false, 64, 0);
	CU_ASSERT_EQUAL(take(NOON), 0);
	CU_ASSERT(offer_at(1, 1, NOON));
	CU_ASSERT_EQUAL(score(NOON, us(100000)), 1);
	offer_many(0, 60, NOON);
	CU_ASSERT_EQUAL(score(NOON, us(100000)), 60);
	CU_ASSERT_EQUAL(counted(LJ_C_batches_deadline), 0);
	close_all();
}

static void control_tunes_size_and_deadline_between_batches(void)
{
	open_all(1, 64, false, 8, 50);
	offer_many(0, 40, NOON);
	CU_ASSERT_EQUAL(score(NOON, us(8)), 8);
	tuning.size = 4;
	CU_ASSERT_EQUAL(score(NOON, us(4)), 4);
	tuning.deadline_us = 2;
	CU_ASSERT_EQUAL(score(NOON, us(2)), 2);
	/* Limited to what a batch can hold. */
	tuning.size = UINT32_MAX;
	tuning.deadline_us = 0;
	CU_ASSERT_EQUAL(score(NOON, us(26)), 26);
	close_all();
}

/* Offers flows 0..n-1 with 1 + k % 4 packets each, so that the queue is more than half full. */
static void overload(uint32_t n, enum lj_shed policy)
{
	open_all(1, 16, false, 4, 0);
	lj_batch_shed_by(&tuning, policy);
	for (uint32_t k = 0; k < n; k++) {
		struct lj_due_flow *due;

		CU_ASSERT(offer_at(0, k, NOON));
		due = lj_queue_at(queue[0], k);
		due->flow.packets = 1 + k % 4;
	}
}

/* The flows that a take scores and sheds, as bit sets. */
static void take_sets(uint32_t *scored, uint32_t *shed)
{
	*scored = *shed = 0;
	take(NOON);
	for (uint32_t i = 0; i < batch.n; i++)
		*scored |= 1u << batch.flows[i]->flow_id;
	for (uint32_t i = 0; i < batch.n_shed; i++) {
		CU_ASSERT(batch.shed[i]->shed);
		*shed |= 1u << batch.shed[i]->flow.flow_id;
	}
	CU_ASSERT_EQUAL(batch.n + batch.n_shed, batch.n_records);
}

static void what_is_over_half_a_queue_is_shed_by_policy(void)
{
	uint32_t scored, shed;

	/* 15 wait, 8 may: of the 7 taken, 4 are scored and 3 shed. */
	overload(15, LJ_SHED_OLDEST);
	take_sets(&scored, &shed);
	CU_ASSERT_EQUAL(shed, 0x07);
	CU_ASSERT_EQUAL(scored, 0x78);
	CU_ASSERT_EQUAL(counted(LJ_C_batch_shed), 3);
	close_all();
	overload(15, LJ_SHED_NEWEST);
	take_sets(&scored, &shed);
	CU_ASSERT_EQUAL(scored, 0x0f);
	CU_ASSERT_EQUAL(shed, 0x70);
	close_all();
	/* Packets are 1 2 3 4 1 2 3: sheds both flows of 1, and the later one of 2. */
	overload(15, LJ_SHED_SMALLEST);
	take_sets(&scored, &shed);
	CU_ASSERT_EQUAL(shed, 0x31);
	CU_ASSERT_EQUAL(scored, 0x4e);
	close_all();
}

static void half_a_queue_is_no_overload(void)
{
	uint32_t scored, shed;

	overload(8, LJ_SHED_SMALLEST);
	take_sets(&scored, &shed);
	CU_ASSERT_EQUAL(shed, 0);
	CU_ASSERT_EQUAL(scored, 0x0f);
	close_all();
	/* Nothing is shed if workers wait. */
	overload(16, LJ_SHED_NONE);
	take_sets(&scored, &shed);
	CU_ASSERT_EQUAL(shed, 0);
	CU_ASSERT_EQUAL(scored, 0x0f);
	close_all();
}

static void among_large_flows_the_newest_are_shed(void)
{
	uint32_t scored, shed;

	overload(16, LJ_SHED_SMALLEST);
	for (uint32_t k = 0; k < 16; k++)
		((struct lj_due_flow *)lj_queue_at(queue[0], k))->flow.packets = 1000 - k;
	take_sets(&scored, &shed);
	/* Sizes above 255 packets are equal: the newest are shed. */
	CU_ASSERT_EQUAL(scored, 0x0f);
	CU_ASSERT_EQUAL(shed, 0xf0);
	close_all();
}

static enum lj_shed_class class_of(uint8_t proto, uint16_t port, uint32_t answers, enum lj_due due)
{
	struct lj_flow f = {.packets = 9, .due = (uint8_t)due};

	f.key.proto = proto;
	f.key.port[1] = port;
	f.side[1].packets = answers;
	return lj_shed_class_of(&f);
}

static void each_flow_has_a_class(void)
{
	struct lj_flow f = {.syn_ns = 1, .synack_ns = 2, .key = {.proto = 6, .port = {4000, 53}}};

	CU_ASSERT_EQUAL(class_of(6, 443, 3, LJ_DUE_FIN), LJ_SHED_TCP);
	CU_ASSERT_EQUAL(class_of(17, 443, 3, LJ_DUE_IDLE), LJ_SHED_UDP);
	CU_ASSERT_EQUAL(class_of(17, 53, 3, LJ_DUE_IDLE), LJ_SHED_DNS);
	CU_ASSERT_EQUAL(class_of(6, 53, 3, LJ_DUE_FIN), LJ_SHED_DNS);
	/* ICMP type and code are not ports. */
	CU_ASSERT_EQUAL(class_of(1, 53, 3, LJ_DUE_IDLE), LJ_SHED_OTHER);
	CU_ASSERT_EQUAL(class_of(132, 53, 3, LJ_DUE_ACTIVE), LJ_SHED_OTHER);
	CU_ASSERT_EQUAL(class_of(17, 53, 0, LJ_DUE_IDLE), LJ_SHED_UNANSWERED);
	CU_ASSERT_EQUAL(class_of(1, 0, 0, LJ_DUE_IDLE), LJ_SHED_UNANSWERED);
	CU_ASSERT_EQUAL(class_of(17, 53, 0, LJ_DUE_EARLY_PACKETS), LJ_SHED_EARLY);
	CU_ASSERT_EQUAL(class_of(6, 443, 3, LJ_DUE_EARLY_AGE), LJ_SHED_EARLY);
	/* Half-open: only SYN and SYN-ACK; or refused. */
	f.side[1].packets = 1;
	CU_ASSERT_EQUAL(lj_shed_class_of(&f), LJ_SHED_UNANSWERED);
	f.ack_ns = 3;
	CU_ASSERT_EQUAL(lj_shed_class_of(&f), LJ_SHED_DNS);
}

static void make_class(uint32_t k, enum lj_shed_class class)
{
	struct lj_flow *f = &((struct lj_due_flow *)lj_queue_at(queue[0], k))->flow;

	f->side[1].packets = class != LJ_SHED_UNANSWERED;
	f->key.proto = class == LJ_SHED_UDP || class == LJ_SHED_DNS ? 17 : 6;
	f->key.port[0] = class == LJ_SHED_DNS ? 53 : 9999;
	f->due = class == LJ_SHED_EARLY ? LJ_DUE_EARLY_PACKETS : LJ_DUE_IDLE;
}

static void classes_are_shed_in_turn_each_by_its_own_policy(void)
{
	uint32_t scored, shed;

	/* Of the 7 taken 3 are shed: both early ones, and one of the three of DNS. */
	overload(15, LJ_SHED_SMALLEST);
	tuning.shed[LJ_SHED_DNS] = LJ_SHED_NEWEST;
	make_class(0, LJ_SHED_TCP);
	make_class(1, LJ_SHED_DNS);
	make_class(2, LJ_SHED_EARLY);
	make_class(3, LJ_SHED_UDP);
	make_class(4, LJ_SHED_DNS);
	make_class(5, LJ_SHED_EARLY);
	make_class(6, LJ_SHED_DNS);
	take_sets(&scored, &shed);
	CU_ASSERT_EQUAL(shed, 1u << 2 | 1u << 5 | 1u << 6);
	CU_ASSERT_EQUAL(scored, 0x7f & ~shed);
	CU_ASSERT_EQUAL(counted(LJ_C_batch_shed), 3);
	CU_ASSERT_EQUAL(counted(LJ_C_batch_shed_early), 2);
	CU_ASSERT_EQUAL(counted(LJ_C_batch_shed_dns), 1);
	CU_ASSERT_EQUAL(counted(LJ_C_batch_shed_tcp) + counted(LJ_C_batch_shed_udp), 0);
	close_all();
	/* If a class has too few, all of it is shed, then flows of the next class by its policy. */
	overload(15, LJ_SHED_SMALLEST);
	tuning.shed[LJ_SHED_TCP] = LJ_SHED_OLDEST;
	for (uint32_t k = 0; k < 7; k++)
		make_class(k, k == 3 ? LJ_SHED_UNANSWERED : LJ_SHED_TCP);
	take_sets(&scored, &shed);
	CU_ASSERT_EQUAL(shed, 0x0b);
	close_all();
}

static void queued_is_waiting_and_taken_and_shed(void)
{
	uint64_t taken = 0, offered = 0;

	open_all(2, 32, false, 4, 100);
	lj_batch_shed_by(&tuning, LJ_SHED_SMALLEST);
	for (uint64_t step = 0; step < 500; step++) {
		for (uint16_t w = 0; w < 2; w++)
			for (uint64_t i = 0; i < step % 13; i++)
				offered += offer_at(w, step, NOON);
		taken += score(NOON, us(20));
		CU_ASSERT_EQUAL(counted(LJ_C_batch_queued), offered);
		CU_ASSERT_EQUAL(offered,
				counted(LJ_C_batch_waiting) + taken + counted(LJ_C_batch_shed));
		/* At most half of each queue still waits. */
		CU_ASSERT(lj_batcher_waiting(batcher) <= 32);
	}
	CU_ASSERT(counted(LJ_C_batch_shed) > 100);
	close_all();
}

static const struct lj_test tests[] = {
	{"size flows make a batch, and never more", size_flows_make_a_batch_and_never_more},
	{"an idle lcore takes what waits, at once", an_idle_lcore_takes_what_waits_at_once},
	{"a busy lcore finds what came meanwhile", a_busy_lcore_finds_what_came_meanwhile},
	{"a batch takes no longer than the deadline, by what flows have cost",
	 a_batch_takes_no_longer_than_the_deadline},
	{"a flow that costs more than the deadline is taken alone",
	 a_flow_that_costs_more_than_the_deadline_is_taken_alone},
	{"a cost that falls with the rows makes batches grow to the deadline",
	 a_cost_that_falls_makes_batches_grow},
	{"one interruption changes the cost little", one_interruption_changes_little},
	{"facts have a cost of their own", facts_have_a_cost_of_their_own},
	{"a deadline of 0 is no limit", a_deadline_of_0_is_no_limit},
	{"control tunes size and deadline between batches",
	 control_tunes_size_and_deadline_between_batches},
	{"what is over half a queue is shed: oldest, newest or smallest",
	 what_is_over_half_a_queue_is_shed_by_policy},
	{"half a queue is no overload, and no policy sheds nothing", half_a_queue_is_no_overload},
	{"among large flows the newest are shed", among_large_flows_the_newest_are_shed},
	{"each flow has a class to be shed by", each_flow_has_a_class},
	{"classes are shed in turn, each by its own policy",
	 classes_are_shed_in_turn_each_by_its_own_policy},
	{"queued = waiting + taken + shed, at every step", queued_is_waiting_and_taken_and_shed},
};

int main(void)
{
	lj_test_eal("take", NULL);
	return lj_test_run("take", tests, RTE_DIM(tests));
}
