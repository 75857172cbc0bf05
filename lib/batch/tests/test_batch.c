/* The path of due flows: to which lcore, in which order, and that none is lost. */
#include "batch_fixture.h"

#define REPLAYED 3000

static void a_due_flow_travels_as_a_copy(void)
{
	struct lj_flow f = flow_from(0x0a000001, 7);
	uint64_t before = rte_rdtsc();

	open_all(1, QUEUE_FLOWS, false, 8, 0);
	f.packets = 99;
	CU_ASSERT(lj_batch_offer(queue[0], &f, 12345, &counters));
	memset(&f, 0, sizeof(f));
	CU_ASSERT_EQUAL_FATAL(take(rte_rdtsc()), 1);
	CU_ASSERT_EQUAL(batch.due[0]->order.seq, 7);
	CU_ASSERT_EQUAL(batch.due[0]->order.tie, 1);
	CU_ASSERT_EQUAL(batch.due[0]->due_tsc, 12345);
	CU_ASSERT(batch.due[0]->queued_tsc >= before && batch.due[0]->queued_tsc <= rte_rdtsc());
	CU_ASSERT_PTR_EQUAL(batch.flows[0], &batch.due[0]->flow);
	CU_ASSERT_EQUAL(batch.flows[0]->flow_id, 7);
	CU_ASSERT_EQUAL(batch.flows[0]->packets, 99);
	close_all();
}

static void a_full_queue_refuses_and_the_caller_counts(void)
{
	struct lj_flow f = flow_from(1, 1);

	open_all(1, 4, false, 64, 1000);
	offer_many(0, 4, NOON);
	CU_ASSERT_FALSE(lj_batch_offer(queue[0], &f, NOON, &counters));
	CU_ASSERT_EQUAL(counted(LJ_C_batch_queued), 4);
	CU_ASSERT_EQUAL(counted(LJ_C_batch_refused), 0);
	lj_batch_refuse(&counters);
	CU_ASSERT_EQUAL(counted(LJ_C_batch_queued), 4);
	CU_ASSERT_EQUAL(counted(LJ_C_batch_refused), 1);
	close_all();
}

static void an_initiator_has_one_owner(void)
{
	for (uint16_t n = 1; n <= 16; n++) {
		struct lj_flow f = flow_from(0x0a010203, 1), back = f;
		uint16_t owner = lj_batch_owner(&f, n);

		CU_ASSERT(owner < n);
		f.key.port[0] = 4444;
		f.key.proto = 17;
		memset(f.key.addr[1], 9, 16);
		CU_ASSERT_EQUAL(lj_batch_owner(&f, n), owner);
		/* The same host as the other endpoint of the key. */
		memcpy(back.key.addr[1], back.key.addr[0], 16);
		memset(back.key.addr[0], 3, 16);
		back.initiator = 1;
		CU_ASSERT_EQUAL(lj_batch_owner(&back, n), owner);
	}
}

static void owners_share_the_initiators(void)
{
	for (uint16_t n = 2; n <= 8; n++) {
		uint32_t owned[2][8] = {{0}};

		for (uint32_t i = 0; i < 8000; i++) {
			struct lj_flow f = flow_from(0x0a000000 + i, i);

			owned[0][lj_batch_owner(&f, n)]++;
			/* Adjacent addresses in one IPv6 network. */
			memcpy(f.key.addr[0], "\x20\x01\x0d\xb8\0\0\0\0\0\0\0", 12);
			owned[1][lj_batch_owner(&f, n)]++;
		}
		for (uint16_t i = 0; i < n; i++) {
			CU_ASSERT(owned[0][i] > 7000u / n && owned[0][i] < 9000u / n);
			CU_ASSERT(owned[1][i] > 7000u / n && owned[1][i] < 9000u / n);
		}
	}
}

static void a_batcher_is_finished_when_the_last_batch_is_done(void)
{
	open_all(2, QUEUE_FLOWS, false, 8, 1000);
	offer_many(1, 3, NOON);
	lj_queue_close(queue[0]);
	lj_queue_close(queue[1]);
	CU_ASSERT_FALSE(lj_batcher_finished(batcher));
	CU_ASSERT_EQUAL(take(NOON), 3);
	CU_ASSERT_FALSE(lj_batcher_finished(batcher));
	lj_batch_done(batcher, &batch, NOON);
	CU_ASSERT(lj_batcher_finished(batcher));
	CU_ASSERT_EQUAL(take(NOON), 0);
	close_all();
}

static void flows_keep_their_place_until_done(void)
{
	open_all(1, 4, false, 4, 1000);
	offer_many(0, 4, NOON);
	CU_ASSERT_EQUAL(take(NOON), 4);
	CU_ASSERT_FALSE(offer_at(0, 9, NOON));
	for (uint64_t i = 0; i < 4; i++)
		CU_ASSERT_EQUAL(batch.flows[i]->flow_id, i);
	lj_batch_done(batcher, &batch, NOON);
	CU_ASSERT(offer_at(0, 9, NOON));
	close_all();
}

static void the_ledger_of_queued_flows_balances(void)
{
	uint64_t taken = 0;

	open_all(2, QUEUE_FLOWS, false, 5, 250);
	for (uint64_t step = 0; step < 200; step++) {
		offer_many((uint16_t)(step % 2), (uint32_t)(step % 8), NOON);
		taken += score(NOON, us(step < 100 ? 10 : 500));
		CU_ASSERT_EQUAL(counted(LJ_C_batch_queued), counted(LJ_C_batch_waiting) + taken);
		if (step % 8 == 7)
			while (lj_batcher_waiting(batcher) > 0)
				taken += score(NOON, us(10));
	}
	CU_ASSERT(taken > 600);
	CU_ASSERT(counted(LJ_C_batches_full) > 0 && counted(LJ_C_batches_deadline) > 0);
	close_all();
}

static void an_ordered_batch_waits_for_nobody_but_the_order(void)
{
	open_all(2, 4, true, 64, 1000000);
	for (uint64_t seq = 1; seq <= 4; seq++)
		CU_ASSERT(offer_at(0, seq, NOON));
	/* Worker 1 may still queue an earlier flow. */
	CU_ASSERT_EQUAL(take(NOON), 0);
	lj_batch_advance(&queue[1], 1, (struct lj_order){2, 9});
	/* Worker 0's queue is full, so its flows are taken, although size and deadline are not
	 * reached. */
	CU_ASSERT_EQUAL(take(NOON), 2);
	CU_ASSERT(lj_batcher_watermark(batcher).seq <= 1);
	lj_batch_done(batcher, &batch, NOON);
	CU_ASSERT_EQUAL(lj_batcher_watermark(batcher).seq, 2);
	CU_ASSERT(offer_at(0, 5, NOON));
	lj_batch_advance(queue, 2, (struct lj_order){6, 0});
	CU_ASSERT_EQUAL(take(NOON), 3);
	lj_batch_done(batcher, &batch, NOON);
	CU_ASSERT_EQUAL(lj_batcher_watermark(batcher).seq, 6);
	close_all();
}

static uint32_t roll(uint32_t *die, uint32_t sides)
{
	*die = *die * 1664525 + 1013904223;
	return (uint32_t)(((uint64_t)*die * sides) >> 32);
}

/*
 * Replays flows 0..REPLAYED-1, flow k from worker `from[k]`, in a random interleaving; returns
 * whether they come out as 0, 1, 2 ... in batches of at most `size`.
 */
static bool replays_in_order(uint16_t workers, const uint8_t *from, uint32_t size, uint32_t die)
{
	uint64_t next[WORKERS_MAX] = {0}, expected = 0, told = 0, rounds = 0;
	bool good = true;

	while (!lj_batcher_finished(batcher) && rounds++ < 100 * REPLAYED) {
		uint16_t worker = (uint16_t)roll(&die, (uint32_t)workers + 1);

		if (worker < workers) {
			uint64_t *k = &next[worker];

			while (*k < REPLAYED && from[*k] != worker)
				(*k)++;
			if (*k == REPLAYED) {
				lj_queue_close(queue[worker]);
			} else if (offer_at(worker, *k, NOON)) {
				(*k)++;
			} else {
				/* As a worker does that has to wait. */
				lj_batch_advance(&queue[worker], 1, (struct lj_order){*k, *k % 3});
			}
			continue;
		}
		told = RTE_MAX(told, lj_batcher_watermark(batcher).seq);
		for (uint32_t i = 0, n = take(NOON); i < n; i++) {
			good &= batch.flows[i]->flow_id == expected++ && n <= size;
			good &= batch.flows[i]->order.seq >= told;
		}
		if (batch.n > 0)
			lj_batch_done(batcher, &batch, NOON);
	}
	return good && expected == REPLAYED;
}

static void a_replay_comes_out_the_same_for_any_interleaving(void)
{
	static uint8_t from[REPLAYED];

	for (uint32_t run = 0; run < 60; run++) {
		uint16_t workers = (uint16_t)(1 + run % WORKERS_MAX);
		uint32_t die = run * 2654435761u, size = 1 + run % 17, worker = 0;

		for (uint32_t k = 0; k < REPLAYED; k++) {
			if (roll(&die, 1 + run % 9) == 0)
				worker = roll(&die, workers);
			from[k] = (uint8_t)worker;
		}
		open_all(workers, 2u << (run % 6), true, size, run % 2 ? 0 : 1000000);
		CU_ASSERT(replays_in_order(workers, from, size, die));
		CU_ASSERT_EQUAL(counted(LJ_C_batch_queued), REPLAYED);
		CU_ASSERT_EQUAL(counted(LJ_C_batch_waiting), 0);
		close_all();
	}
}

static void a_fact_goes_to_all_and_the_flow_to_its_owner(void)
{
	const struct lj_host_fact fact = {.event = LJ_HOST_END, .flow_id = 9};
	struct lj_flow f = flow_from(0x0a000001, 7);
	uint16_t owner = lj_batch_owner(&f, 3);

	open_all(3, QUEUE_FLOWS, false, 8, 0);
	CU_ASSERT(lj_batch_offer_with(queue, 3, &f, &fact, true, 1, &counters));
	for (uint16_t i = 0; i < 3; i++) {
		const struct lj_due_flow *due = lj_queue_at(queue[i], 0);

		CU_ASSERT_PTR_NOT_NULL_FATAL(due);
		CU_ASSERT_EQUAL(due->fact_alone, i != owner);
		CU_ASSERT_EQUAL(due->fact.flow_id, 9);
		CU_ASSERT_EQUAL(due->order.seq, 7);
	}
	CU_ASSERT_EQUAL(counted(LJ_C_batch_queued), 1);
	CU_ASSERT_EQUAL(counted(LJ_C_host_queued), 2);
	close_all();
}

/* A look is not counted at other lcores. */
static void a_look_is_its_owners_alone(void)
{
	const struct lj_host_fact look = {.event = LJ_HOST_LOOK};
	struct lj_flow f = flow_from(0x0a000001, 7);
	uint16_t owner = lj_batch_owner(&f, 3);

	open_all(3, QUEUE_FLOWS, false, 8, 0);
	CU_ASSERT(lj_batch_offer_with(queue, 3, &f, &look, true, 1, &counters));
	for (uint16_t i = 0; i < 3; i++)
		CU_ASSERT_EQUAL(lj_queue_count(queue[i]), i == owner);
	CU_ASSERT_EQUAL(counted(LJ_C_host_queued), 0);
	close_all();
}

static void a_flow_without_room_takes_its_fact_along(void)
{
	const struct lj_host_fact fact = {.event = LJ_HOST_END};
	struct lj_flow f = flow_from(0x0a000001, 7);
	uint16_t owner = lj_batch_owner(&f, 2);

	open_all(2, QUEUE_FLOWS, false, 8, 0);
	offer_many(owner, QUEUE_FLOWS, NOON);
	CU_ASSERT_FALSE(lj_batch_offer_with(queue, 2, &f, &fact, false, 1, &counters));
	CU_ASSERT_EQUAL(counted(LJ_C_batch_queued), QUEUE_FLOWS);
	CU_ASSERT_EQUAL(counted(LJ_C_host_queued), 1);
	CU_ASSERT_EQUAL(counted(LJ_C_host_refused), 1);
	close_all();
}

static void a_replay_puts_a_fact_into_all_queues_or_into_none(void)
{
	const struct lj_host_fact fact = {.event = LJ_HOST_BEGIN};

	open_all(2, QUEUE_FLOWS, false, 8, 0);
	offer_many(1, QUEUE_FLOWS, NOON);
	CU_ASSERT_FALSE(
		lj_batch_offer_fact(queue, 2, (struct lj_order){1, 0}, &fact, true, 1, &counters));
	CU_ASSERT_EQUAL(lj_queue_count(queue[0]), 0);
	CU_ASSERT_EQUAL(counted(LJ_C_host_refused), 0);
	/* In live capture nothing waits. */
	CU_ASSERT(
		lj_batch_offer_fact(queue, 2, (struct lj_order){1, 0}, &fact, false, 1, &counters));
	CU_ASSERT_EQUAL(lj_queue_count(queue[0]), 1);
	CU_ASSERT_EQUAL(counted(LJ_C_host_refused), 1);
	close_all();
}

static void facts_take_no_place_in_a_batch(void)
{
	const struct lj_host_fact fact = {.event = LJ_HOST_BEGIN};

	open_all(1, QUEUE_FLOWS, false, 3, 0);
	for (uint64_t i = 0; i < 12; i++) {
		bool offered = i % 4 == 3 ? offer_at(0, i, NOON)
					  : lj_batch_offer_fact(queue, 1, (struct lj_order){i, 0},
								&fact, true, 1, &counters);

		CU_ASSERT(offered);
	}
	CU_ASSERT_EQUAL_FATAL(take(NOON), 3);
	CU_ASSERT_EQUAL(batch.n_records, 12);
	for (uint32_t i = 0; i < batch.n_records; i++)
		CU_ASSERT_EQUAL(((struct lj_due_flow *)batch.records[i])->fact_alone, i % 4 != 3);
	lj_batch_done(batcher, &batch, NOON);
	CU_ASSERT(
		lj_batch_offer_fact(queue, 1, (struct lj_order){20, 0}, &fact, true, 1, &counters));
	CU_ASSERT(lj_batch_take(batcher, NOON, &batch));
	CU_ASSERT_EQUAL(batch.n, 0);
	CU_ASSERT_EQUAL(batch.n_records, 1);
	lj_batch_done(batcher, &batch, NOON);
	close_all();
}

static const struct lj_test tests[] = {
	{"a due flow travels as a copy, with its order and both stamps",
	 a_due_flow_travels_as_a_copy},
	{"a full queue refuses, and only the caller counts it",
	 a_full_queue_refuses_and_the_caller_counts},
	{"an initiator has one owner, whatever its flow", an_initiator_has_one_owner},
	{"owners share the initiators about evenly", owners_share_the_initiators},
	{"a batcher is finished when the last batch is done",
	 a_batcher_is_finished_when_the_last_batch_is_done},
	{"flows keep their place in the queue until the batch is done",
	 flows_keep_their_place_until_done},
	{"queued = waiting + taken, at every step", the_ledger_of_queued_flows_balances},
	{"an ordered batch waits for nobody but the order",
	 an_ordered_batch_waits_for_nobody_but_the_order},
	{"a fact goes to all, and the flow to its owner",
	 a_fact_goes_to_all_and_the_flow_to_its_owner},
	{"a look is its owner's alone", a_look_is_its_owners_alone},
	{"a flow without room takes its fact along", a_flow_without_room_takes_its_fact_along},
	{"a replay puts a fact into all queues or into none",
	 a_replay_puts_a_fact_into_all_queues_or_into_none},
	{"facts take no place in a batch", facts_take_no_place_in_a_batch},
	{"a replay comes out the same for any interleaving",
	 a_replay_comes_out_the_same_for_any_interleaving},
};

int main(void)
{
	lj_test_eal("batch", NULL);
	return lj_test_run("batch", tests, RTE_DIM(tests));
}
