/*
 * Workers and an inference lcore, stepped by hand in one thread. Time is a parameter: the timestamp
 * of each queued flow is overwritten, and lj_batch_take() and lj_batch_done() are given the time.
 */
#ifndef BATCH_FIXTURE_H
#define BATCH_FIXTURE_H

#include <string.h>

#include <rte_cycles.h>

#include "lj_batch.h"
#include "lj_test.h"

#define NOON	    (1ULL << 40) /* a TSC reading */
#define QUEUE_FLOWS 32
#define WORKERS_MAX 4

static struct lj_counters counters;
static struct lj_batch_tuning tuning;
static struct lj_queue *queue[WORKERS_MAX];
static struct lj_batcher *batcher;
static struct lj_batch batch;

static inline uint64_t us(uint64_t n)
{
	return n * rte_get_tsc_hz() / 1000000;
}

static inline void open_all(uint16_t workers, uint32_t flows, bool ordered, uint32_t size,
			    uint32_t deadline_us)
{
	memset(&counters, 0, sizeof(counters));
	tuning.size = size;
	tuning.deadline_us = deadline_us;
	lj_batch_shed_by(&tuning, LJ_SHED_NONE);
	for (uint16_t i = 0; i < workers; i++) {
		char name[24];

		snprintf(name, sizeof(name), "worker%u_infer0", i);
		queue[i] = lj_queue_create(name, flows, sizeof(struct lj_due_flow), SOCKET_ID_ANY);
		CU_ASSERT_PTR_NOT_NULL_FATAL(queue[i]);
	}
	batcher = lj_batcher_create(queue, workers, ordered, &tuning, &counters);
	CU_ASSERT_PTR_NOT_NULL_FATAL(batcher);
}

static inline void close_all(void)
{
	lj_batcher_destroy(batcher);
	for (uint16_t i = 0; i < WORKERS_MAX; i++) {
		lj_queue_destroy(queue[i]);
		queue[i] = NULL;
	}
}

static inline struct lj_flow flow_from(uint32_t address, uint64_t seq)
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
static inline bool offer_at(uint16_t worker, uint64_t seq, uint64_t queued_tsc)
{
	struct lj_flow f = flow_from(0x0a000001, seq);
	struct lj_due_flow *due;

	if (!lj_batch_offer(queue[worker], &f, queued_tsc - 1, &counters))
		return false;
	due = lj_queue_at(queue[worker], lj_queue_count(queue[worker]) - 1);
	due->queued_tsc = queued_tsc;
	return true;
}

static inline void offer_many(uint16_t worker, uint32_t n, uint64_t queued_tsc)
{
	for (uint32_t i = 0; i < n; i++)
		CU_ASSERT(offer_at(worker, i, queued_tsc));
}

static inline uint32_t take(uint64_t now_tsc)
{
	bool taken = lj_batch_take(batcher, now_tsc, &batch);

	CU_ASSERT_EQUAL(taken, batch.n > 0);
	return batch.n;
}

static inline uint64_t counted(enum lj_counter which)
{
	return lj_counter_read(&counters, which);
}

/* Takes a batch at `at`, and finishes it `cost` cycles later. Returns the number of flows. */
static inline uint32_t score(uint64_t at, uint64_t cost)
{
	uint32_t n = take(at);

	if (batch.n_records > 0)
		lj_batch_done(batcher, &batch, at + cost);
	return n;
}

#endif
