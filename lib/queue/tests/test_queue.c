#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "lj_merge.h"
#include "lj_queue.h"
#include "lj_test.h"

struct record {
	struct lj_order order;
	uint64_t value;
};

static bool push(struct lj_queue *q, uint64_t seq, uint64_t tie, uint64_t value)
{
	struct record *r = lj_queue_reserve(q);

	if (r == NULL)
		return false;
	*r = (struct record){{seq, tie}, value};
	lj_queue_commit(q);
	return true;
}

static void records_leave_in_the_order_they_came(void)
{
	struct lj_queue *q = lj_queue_create("a_b", 5, sizeof(struct record), SOCKET_ID_ANY);
	void *out[8];

	CU_ASSERT_EQUAL(lj_queue_capacity(q), 8);
	for (uint64_t round = 0; round < 5; round++) {
		for (uint64_t i = 0; i < 8; i++)
			CU_ASSERT(push(q, i, 0, round * 8 + i));
		CU_ASSERT_FALSE(push(q, 9, 0, 0));
		CU_ASSERT_EQUAL(lj_queue_count(q), 8);
		CU_ASSERT_EQUAL(lj_queue_peek(q, out, 3), 3);
		CU_ASSERT_EQUAL(lj_queue_peek(q, out, 8), 8);
		for (uint64_t i = 0; i < 8; i++)
			CU_ASSERT_EQUAL(((struct record *)out[i])->value, round * 8 + i);
		lj_queue_release(q, 8);
		CU_ASSERT_PTR_NULL(lj_queue_at(q, 0));
	}
	lj_queue_destroy(q);
	lj_queue_destroy(NULL);
}

static void a_record_size_that_is_no_multiple_of_8_is_refused(void)
{
	CU_ASSERT_PTR_NULL(lj_queue_create("a_b", 8, 12, SOCKET_ID_ANY));
}

static void a_merge_waits_for_what_may_come_earlier(void)
{
	struct lj_queue *q[2] = {lj_queue_create("a_c", 8, sizeof(struct record), SOCKET_ID_ANY),
				 lj_queue_create("b_c", 8, sizeof(struct record), SOCKET_ID_ANY)};
	struct lj_merge *m = lj_merge_create(q, 2, true);
	void *out[8];

	push(q[0], 5, 0, 50);
	CU_ASSERT_EQUAL(lj_merge_take(m, out, 8), 0);
	lj_queue_advance(q[1], (struct lj_order){4, 9});
	CU_ASSERT_EQUAL(lj_merge_take(m, out, 8), 0);
	push(q[1], 4, 10, 41);
	CU_ASSERT_EQUAL(lj_merge_take(m, out, 8), 1);
	CU_ASSERT_EQUAL(((struct record *)out[0])->value, 41);
	lj_queue_advance(q[1], (struct lj_order){6, 0});
	CU_ASSERT_EQUAL(lj_merge_take(m, out, 8), 1);
	CU_ASSERT_EQUAL(((struct record *)out[0])->value, 50);
	lj_merge_done(m);
	CU_ASSERT_EQUAL(lj_queue_count(q[0]) + lj_queue_count(q[1]), 0);
	CU_ASSERT_FALSE(lj_merge_finished(m));
	lj_queue_close(q[0]);
	lj_queue_close(q[1]);
	CU_ASSERT(lj_merge_finished(m));
	lj_merge_destroy(m);
	lj_queue_destroy(q[0]);
	lj_queue_destroy(q[1]);
}

/* Two producers scatter one order over two consumers through queues of four; nobody may block
 * anybody for ever. */
#define RECORDS 200000

struct producer {
	struct lj_queue *to[2];
	int parity;
};

static void *produce(void *arg)
{
	struct producer *p = arg;
	uint32_t random = 7 + (uint32_t)p->parity;

	for (uint64_t i = 0; i < RECORDS; i++) {
		/* Ten records of a seq: ties within it, as the records of one tick have. */
		struct lj_order order = {i / 10, 2 * (i % 10) + (uint64_t)p->parity};
		int to;

		random = random * 1664525 + 1013904223;
		to = random >> 31;
		while (!push(p->to[to], order.seq, order.tie, i)) {
			lj_queue_advance(p->to[0], order);
			lj_queue_advance(p->to[1], order);
			sched_yield();
		}
		if (i % 10 == 9)
			for (int k = 0; k < 2; k++)
				lj_queue_advance(p->to[k], (struct lj_order){order.seq + 1, 0});
	}
	lj_queue_close(p->to[0]);
	lj_queue_close(p->to[1]);
	return NULL;
}

struct consumer {
	struct lj_merge *merge;
	uint64_t taken, disorder;
};

static void *consume(void *arg)
{
	struct consumer *c = arg;
	struct lj_order last = {0, 0};
	bool first = true;

	while (!lj_merge_finished(c->merge)) {
		void *out[3];
		uint32_t n = lj_merge_take(c->merge, out, 3);

		for (uint32_t i = 0; i < n; i++) {
			const struct lj_order *order = out[i];

			c->disorder += !first && !lj_order_before(last, *order);
			last = *order;
			first = false;
		}
		c->taken += n;
		lj_merge_done(c->merge);
		if (n == 0)
			sched_yield();
	}
	return NULL;
}

static void threads_merge_into_one_order_without_deadlock(void)
{
	struct lj_queue *q[2][2]; /* [producer][consumer] */
	struct producer p[2];
	struct consumer c[2] = {0};
	pthread_t thread[4];

	for (int i = 0; i < 2; i++)
		for (int k = 0; k < 2; k++)
			q[i][k] = lj_queue_create("p_c", 4, sizeof(struct record), SOCKET_ID_ANY);
	for (int k = 0; k < 2; k++) {
		struct lj_queue *in[2] = {q[0][k], q[1][k]};

		c[k].merge = lj_merge_create(in, 2, true);
		pthread_create(&thread[k], NULL, consume, &c[k]);
	}
	for (int i = 0; i < 2; i++) {
		p[i] = (struct producer){{q[i][0], q[i][1]}, i};
		pthread_create(&thread[2 + i], NULL, produce, &p[i]);
	}
	for (int i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
	CU_ASSERT_EQUAL(c[0].taken + c[1].taken, 2 * RECORDS);
	CU_ASSERT_EQUAL(c[0].disorder + c[1].disorder, 0);
	for (int k = 0; k < 2; k++) {
		lj_merge_destroy(c[k].merge);
		lj_queue_destroy(q[0][k]);
		lj_queue_destroy(q[1][k]);
	}
}

static void an_unordered_merge_takes_from_all_in_turn(void)
{
	struct lj_queue *q[2] = {lj_queue_create("a_c", 8, sizeof(struct record), SOCKET_ID_ANY),
				 lj_queue_create("b_c", 8, sizeof(struct record), SOCKET_ID_ANY)};
	struct lj_merge *m = lj_merge_create(q, 2, false);
	void *out[8];

	push(q[0], 9, 0, 1);
	push(q[1], 1, 0, 2);
	CU_ASSERT_EQUAL(lj_merge_take(m, out, 1), 1);
	CU_ASSERT_EQUAL(lj_merge_take(m, out + 1, 7), 1);
	CU_ASSERT_EQUAL(lj_merge_waiting(m), 2);
	lj_merge_done(m);
	CU_ASSERT_EQUAL(lj_merge_waiting(m), 0);
	lj_merge_destroy(m);
	lj_queue_destroy(q[0]);
	lj_queue_destroy(q[1]);
}

int main(void)
{
	static const struct lj_test tests[] = {
		{"records leave in the order they came", records_leave_in_the_order_they_came},
		{"a record size that is no multiple of 8 is refused",
		 a_record_size_that_is_no_multiple_of_8_is_refused},
		{"a merge waits for what may come earlier",
		 a_merge_waits_for_what_may_come_earlier},
		{"threads merge into one order without deadlock",
		 threads_merge_into_one_order_without_deadlock},
		{"an unordered merge takes from all in turn",
		 an_unordered_merge_takes_from_all_in_turn},
	};

	lj_test_eal("queue", NULL);
	return lj_test_run("queue", tests, RTE_DIM(tests));
}
