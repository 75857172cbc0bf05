/*
 * Workers and an inference lcore stepped by hand, in one thread. Time is a number: the stamp in
 * each queued flow is overwritten, and lj_batch_take() is told what time it is.
 */
#include <string.h>

#include <rte_cycles.h>

#include "lj_batch.h"
#include "lj_test.h"

#define NOON	    (1ULL << 40) /* a TSC reading */
#define QUEUE_FLOWS 32
#define WORKERS_MAX 4
#define REPLAYED    3000

static struct lj_counters counters;
static struct lj_batch_tuning tuning;
static struct lj_queue *queue[WORKERS_MAX];
static struct lj_batcher *batcher;
static struct lj_batch batch;

static uint64_t us(uint64_t n)
{
	return n * rte_get_tsc_hz() / 1000000;
}

static void open_all(uint16_t workers, uint32_t flows, bool ordered, uint32_t size,
		     uint32_t deadline_us)
{
	memset(&counters, 0, sizeof(counters));
	tuning.size = size;
	tuning.deadline_us = deadline_us;
	tuning.shed = LJ_SHED_NONE;
	for (uint16_t i = 0; i < workers; i++) {
		char name[24];

		snprintf(name, sizeof(name), "worker%u_infer0", i);
		queue[i] = lj_queue_create(name, flows, sizeof(struct lj_due_flow), SOCKET_ID_ANY);
		CU_ASSERT_PTR_NOT_NULL_FATAL(queue[i]);
	}
	batcher = lj_batcher_create(queue, workers, ordered, &tuning, &counters);
	CU_ASSERT_PTR_NOT_NULL_FATAL(batcher);
}

static void close_all(void)
{
	lj_batcher_destroy(batcher);
	for (uint16_t i = 0; i < WORKERS_MAX; i++) {
		lj_queue_destroy(queue[i]);
		queue[i] = NULL;
	}
}

static struct lj_flow flow_from(uint32_t address, uint64_t seq)
{
	struct lj_flow f = {.flow_id = seq, .order = {seq, seq % 3}};

	f.key = (struct lj_flow_key){
		.addr = {{[10] = 0xff, 0xff}, {[10] = 0xff, 0xff, 192, 0, 2, 1}},
		.proto = 6,
		.version = 4};
	for (int i = 0; i < 4; i++)
		f.key.addr[0][15 - i] = (uint8_t)(address >> (8 * i));
	return f;
}

/* Worker `worker` offers flow `seq`, as if it had been queued at `queued_tsc`. */
static bool offer_at(uint16_t worker, uint64_t seq, uint64_t queued_tsc)
{
	struct lj_flow f = flow_from(0x0a000001, seq);
	struct lj_due_flow *due;

	if (!lj_batch_offer(&queue[worker], 1, &f, queued_tsc - 1, &counters))
		return false;
	due = lj_queue_at(queue[worker], lj_queue_count(queue[worker]) - 1);
	due->queued_tsc = queued_tsc;
	return true;
}

static void offer_many(uint16_t worker, uint32_t n, uint64_t queued_tsc)
{
	for (uint32_t i = 0; i < n; i++)
		CU_ASSERT(offer_at(worker, i, queued_tsc));
}

static uint32_t take(uint64_t now_tsc)
{
	bool taken = lj_batch_take(batcher, now_tsc, &batch);

	CU_ASSERT_EQUAL(taken, batch.n > 0);
	return batch.n;
}

static uint64_t counted(enum lj_counter which)
{
	return lj_counter_read(&counters, which);
}

static void a_due_flow_travels_as_a_copy(void)
{
	struct lj_flow f = flow_from(0x0a000001, 7);
	uint64_t before = rte_rdtsc();

	open_all(1, QUEUE_FLOWS, false, 8, 0);
	f.packets = 99;
	CU_ASSERT(lj_batch_offer(queue, 1, &f, 12345, &counters));
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
	CU_ASSERT_FALSE(lj_batch_offer(queue, 1, &f, NOON, &counters));
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
		/* The same host as the key's other endpoint. */
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
			/* Neighbours in one IPv6 network. */
			memcpy(f.key.addr[0], "\x20\x01\x0d\xb8\0\0\0\0\0\0\0", 12);
			owned[1][lj_batch_owner(&f, n)]++;
		}
		for (uint16_t i = 0; i < n; i++) {
			CU_ASSERT(owned[0][i] > 7000u / n && owned[0][i] < 9000u / n);
			CU_ASSERT(owned[1][i] > 7000u / n && owned[1][i] < 9000u / n);
		}
	}
}

static void an_offer_goes_to_the_owner(void)
{
	open_all(3, 512, false, 8, 0);
	for (uint32_t i = 0; i < 300; i++) {
		struct lj_flow f = flow_from(i * 7919, i);

		CU_ASSERT(lj_batch_offer(queue, 3, &f, 1, &counters));
	}
	for (uint16_t i = 0; i < 3; i++) {
		struct lj_due_flow *due;

		CU_ASSERT(lj_queue_count(queue[i]) > 0);
		for (uint32_t k = 0; (due = lj_queue_at(queue[i], k)) != NULL; k++)
			CU_ASSERT_EQUAL(lj_batch_owner(&due->flow, 3), i);
	}
	close_all();
}

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

/* Takes all that may be taken at `at`, and is done `cost` cycles later. How many flows. */
static uint32_t score(uint64_t at, uint64_t cost)
{
	uint32_t n = take(at);

	if (batch.n_records > 0)
		lj_batch_done(batcher, &batch, at + cost);
	return n;
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
	/* 10 us a flow is what they cost. */
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
	/* A call that costs 10 us and a row that costs 2: 20 of them in the deadline of 50. */
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
	/* The scheduler takes 4 ms away. */
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
	/* 100 facts at 0.1 us leave time for 8 flows at 5. */
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

static void control_tunes_size_and_deadline_between_batches(void)
{
	open_all(1, 64, false, 8, 50);
	offer_many(0, 40, NOON);
	CU_ASSERT_EQUAL(score(NOON, us(8)), 8);
	tuning.size = 4;
	CU_ASSERT_EQUAL(score(NOON, us(4)), 4);
	tuning.deadline_us = 2;
	CU_ASSERT_EQUAL(score(NOON, us(2)), 2);
	/* Out of range is held to what a batch can carry. */
	tuning.size = UINT32_MAX;
	tuning.deadline_us = 0;
	CU_ASSERT_EQUAL(score(NOON, us(26)), 26);
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
	/* Worker 1 may still bring an earlier flow. */
	CU_ASSERT_EQUAL(take(NOON), 0);
	lj_batch_advance(&queue[1], 1, (struct lj_order){2, 9});
	/* Worker 0 has no room left, so what there is goes, far below size and deadline. */
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
 * Replays flows 0..REPLAYED-1, flow k coming from worker `from[k]`, in an interleaving the die
 * decides; whether they came out as 0, 1, 2 ... in batches of at most `size`.
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
				/* As a worker that has to wait does. */
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

static void a_replay_puts_a_fact_into_all_queues_or_into_none(void)
{
	const struct lj_host_fact fact = {.event = LJ_HOST_BEGIN};

	open_all(2, QUEUE_FLOWS, false, 8, 0);
	offer_many(1, QUEUE_FLOWS, NOON);
	CU_ASSERT_FALSE(
		lj_batch_offer_fact(queue, 2, (struct lj_order){1, 0}, &fact, true, 1, &counters));
	CU_ASSERT_EQUAL(lj_queue_count(queue[0]), 0);
	CU_ASSERT_EQUAL(counted(LJ_C_host_refused), 0);
	/* Live, nobody waits. */
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

/* Offers flows 0..n-1 of 1 + k % 4 packets, so that more than half of the queue waits. */
static void overload(uint32_t n, enum lj_shed policy)
{
	open_all(1, 16, false, 4, 0);
	tuning.shed = policy;
	for (uint32_t k = 0; k < n; k++) {
		struct lj_due_flow *due;

		CU_ASSERT(offer_at(0, k, NOON));
		due = lj_queue_at(queue[0], k);
		due->flow.packets = 1 + k % 4;
	}
}

/* Which flows a take scores and which it sheds, as sets of bits. */
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

	/* 15 wait where 8 may: 4 are scored, and of the 7 too many the 3 that those leave are shed.
	 */
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
	/* Of 1 2 3 4 1 2 3 packets: both of 1, and the later one of 2. */
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
	/* Nor is anything shed where workers wait. */
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
	/* Beyond 255 packets all are alike: the newest go. */
	CU_ASSERT_EQUAL(scored, 0x0f);
	CU_ASSERT_EQUAL(shed, 0xf0);
	close_all();
}

static void queued_is_waiting_and_taken_and_shed(void)
{
	uint64_t taken = 0, offered = 0;

	open_all(2, 32, false, 4, 100);
	tuning.shed = LJ_SHED_SMALLEST;
	for (uint64_t step = 0; step < 500; step++) {
		for (uint16_t w = 0; w < 2; w++)
			for (uint64_t i = 0; i < step % 13; i++)
				offered += offer_at(w, step, NOON);
		taken += score(NOON, us(20));
		CU_ASSERT_EQUAL(counted(LJ_C_batch_queued), offered);
		CU_ASSERT_EQUAL(offered,
				counted(LJ_C_batch_waiting) + taken + counted(LJ_C_batch_shed));
		/* Room for the next ones, but for what the batch does not reach. */
		CU_ASSERT(lj_batcher_waiting(batcher) <= 32);
	}
	CU_ASSERT(counted(LJ_C_batch_shed) > 100);
	close_all();
}

static const struct lj_test tests[] = {
	{"a due flow travels as a copy, with its order and both stamps",
	 a_due_flow_travels_as_a_copy},
	{"a full queue refuses, and only the caller counts it",
	 a_full_queue_refuses_and_the_caller_counts},
	{"an initiator has one owner, whatever its flow", an_initiator_has_one_owner},
	{"owners share the initiators about evenly", owners_share_the_initiators},
	{"an offer goes to the owner's queue", an_offer_goes_to_the_owner},
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
	{"a batcher is finished when the last batch is done",
	 a_batcher_is_finished_when_the_last_batch_is_done},
	{"control tunes size and deadline between batches",
	 control_tunes_size_and_deadline_between_batches},
	{"flows keep their place in the queue until the batch is done",
	 flows_keep_their_place_until_done},
	{"queued = waiting + taken, at every step", the_ledger_of_queued_flows_balances},
	{"an ordered batch waits for nobody but the order",
	 an_ordered_batch_waits_for_nobody_but_the_order},
	{"a fact goes to all, and the flow to its owner",
	 a_fact_goes_to_all_and_the_flow_to_its_owner},
	{"a replay puts a fact into all queues or into none",
	 a_replay_puts_a_fact_into_all_queues_or_into_none},
	{"facts take no place in a batch", facts_take_no_place_in_a_batch},
	{"what is over half a queue is shed: oldest, newest or smallest",
	 what_is_over_half_a_queue_is_shed_by_policy},
	{"half a queue is no overload, and no policy sheds nothing", half_a_queue_is_no_overload},
	{"among large flows the newest are shed", among_large_flows_the_newest_are_shed},
	{"queued = waiting + taken + shed, at every step", queued_is_waiting_and_taken_and_shed},
	{"a replay comes out the same for any interleaving",
	 a_replay_comes_out_the_same_for_any_interleaving},
};

int main(void)
{
	lj_test_eal("batch", NULL);
	return lj_test_run("batch", tests, RTE_DIM(tests));
}
