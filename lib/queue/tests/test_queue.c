#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include <rte_memory.h>

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
	errno = 0;
	CU_ASSERT_PTR_NULL(lj_queue_create("a_b", 8, 12, SOCKET_ID_ANY));
	CU_ASSERT_EQUAL(errno, EINVAL);
	CU_ASSERT_PTR_NULL(lj_queue_create("a_b", 8, 0, SOCKET_ID_ANY));
	CU_ASSERT_PTR_NULL(lj_queue_create("a_b", (1u << 30) + 1, 8, SOCKET_ID_ANY));
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

static void a_watermark_only_rises(void)
{
	struct lj_queue *q = lj_queue_create("a_b", 8, sizeof(struct record), SOCKET_ID_ANY);
	static const struct lj_order tell[] = {{5, 1}, {4, 9}, {5, 0}, {5, 2}, {6, 0}, {0, 0}};
	static const struct lj_order read[] = {{5, 1}, {5, 1}, {5, 1}, {5, 2}, {6, 0}, {6, 0}};

	for (size_t i = 0; i < RTE_DIM(tell); i++) {
		struct lj_order told;

		lj_queue_advance(q, tell[i]);
		told = lj_queue_watermark(q);
		CU_ASSERT_EQUAL(told.seq, read[i].seq);
		CU_ASSERT_EQUAL(told.tie, read[i].tie);
	}
	lj_queue_destroy(q);
}

#define TOLD 2000000

/* The highest tie that is published with a seq. */
static uint64_t highest_tie(uint64_t seq)
{
	return seq % 3 == 0 ? 1000 : seq % 3;
}

static void *tell_watermarks(void *arg)
{
	for (uint64_t seq = 1; seq <= TOLD; seq++) {
		lj_queue_advance(arg, (struct lj_order){seq, seq % 2});
		lj_queue_advance(arg, (struct lj_order){seq, highest_tie(seq)});
	}
	return NULL;
}

static void a_watermark_is_never_read_as_more_than_was_told(void)
{
	struct lj_queue *q = lj_queue_create("a_b", 8, sizeof(struct record), SOCKET_ID_ANY);
	struct lj_order told = {0, 0};
	uint64_t too_much = 0, back = 0;
	pthread_t thread;

	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, tell_watermarks, q), 0);
	while (told.seq < TOLD) {
		struct lj_order was = told;

		told = lj_queue_watermark(q);
		back += told.seq < was.seq;
		/* An old seq with a newer tie is below the true watermark, which is allowed. A new
		 * seq with an old tie would be above it. */
		too_much += was.tie > highest_tie(was.seq) && told.seq == was.seq;
	}
	pthread_join(thread, NULL);
	CU_ASSERT_EQUAL(too_much, 0);
	CU_ASSERT_EQUAL(back, 0);
	lj_queue_destroy(q);
}

#define PUSHED 300000

static void *push_all(void *arg)
{
	for (uint64_t i = 0; i < PUSHED;)
		if (push(arg, i, ~i, i * 3))
			i++;
		else
			sched_yield();
	lj_queue_close(arg);
	return NULL;
}

static void nothing_is_lost_between_two_threads(void)
{
	struct lj_queue *q = lj_queue_create("a_b", 4, sizeof(struct record), SOCKET_ID_ANY);
	uint64_t taken = 0, wrong = 0;
	bool closed = false;
	pthread_t thread;
	void *out[3];

	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, push_all, q), 0);
	while (!closed || lj_queue_at(q, 0) != NULL) {
		uint32_t n = lj_queue_peek(q, out, 1 + (uint32_t)(taken % 3));

		for (uint32_t i = 0; i < n; i++, taken++) {
			const struct record *r = out[i];

			wrong += r->value != taken * 3 || r->order.seq != taken ||
				 r->order.tie != ~taken || lj_queue_at(q, i) != r;
		}
		wrong += lj_queue_count(q) > lj_queue_capacity(q);
		lj_queue_release(q, n);
		if (n == 0)
			sched_yield();
		closed = lj_queue_closed(q);
	}
	pthread_join(thread, NULL);
	CU_ASSERT_EQUAL(taken, PUSHED);
	CU_ASSERT_EQUAL(wrong, 0);
	lj_queue_destroy(q);
}

/* Creates a queue while the process may map only `more` bytes of address space. Returns errno, or 0
 * on success. */
static int errno_with(size_t more, uint32_t count)
{
	struct rlimit was, now;
	unsigned long pages = 0;
	struct lj_queue *q;
	FILE *f = fopen("/proc/self/statm", "r");

	CU_ASSERT_FATAL(f != NULL && fscanf(f, "%lu", &pages) == 1);
	fclose(f);
	getrlimit(RLIMIT_AS, &was);
	now = was;
	now.rlim_cur = pages * (rlim_t)sysconf(_SC_PAGESIZE) + more;
	setrlimit(RLIMIT_AS, &now);
	errno = 0;
	q = lj_queue_create("a_b", count, sizeof(struct record), SOCKET_ID_ANY);
	setrlimit(RLIMIT_AS, &was);
	if (q == NULL)
		return errno;
	lj_queue_destroy(q);
	return 0;
}

static void a_queue_without_memory_is_not_made(void)
{
	CU_ASSERT_EQUAL(errno_with(0, 8), ENOMEM);
	/* Enough for the ring, but not for its records. */
	CU_ASSERT_EQUAL(errno_with(1 << 20, 1 << 20), ENOMEM);
	CU_ASSERT_EQUAL(errno_with(1 << 20, 8), 0);
}

static void a_merge_holds_back_what_two_queues_tie_on(void)
{
	struct lj_queue *q[2] = {lj_queue_create("a_c", 2, sizeof(struct record), SOCKET_ID_ANY),
				 lj_queue_create("b_c", 2, sizeof(struct record), SOCKET_ID_ANY)};
	struct lj_merge *m = lj_merge_create(q, 2, true);
	struct lj_order watermark;
	void *out[8];

	/* Equal seq on both sides: the tie decides, once it is known. */
	push(q[0], 7, 3, 73);
	lj_queue_advance(q[1], (struct lj_order){7, 2});
	watermark = lj_merge_watermark(m);
	CU_ASSERT_EQUAL(watermark.seq, 7);
	CU_ASSERT_EQUAL(watermark.tie, 2);
	CU_ASSERT_EQUAL(lj_merge_take(m, out, 8), 0);
	push(q[1], 7, 2, 72);
	push(q[1], 7, 4, 74);
	CU_ASSERT_EQUAL(lj_merge_take(m, out, 8), 2);
	CU_ASSERT_EQUAL(((struct record *)out[0])->value, 72);
	CU_ASSERT_EQUAL(((struct record *)out[1])->value, 73);
	/* Taken but not released: the space stays in use, and further takes continue after them. */
	CU_ASSERT_FALSE(push(q[1], 8, 0, 80));
	lj_queue_close(q[0]);
	CU_ASSERT_EQUAL(lj_merge_take(m, out, 8), 1);
	CU_ASSERT_EQUAL(((struct record *)out[0])->value, 74);
	lj_queue_close(q[1]);
	CU_ASSERT_FALSE(lj_merge_finished(m));
	lj_merge_done(m);
	CU_ASSERT(lj_merge_finished(m));
	lj_merge_destroy(m);
	lj_merge_destroy(NULL);
	lj_queue_destroy(q[0]);
	lj_queue_destroy(q[1]);
}

/* Waiting for a higher watermark could deadlock, since the other producer may itself wait for
 * room. */
static void a_merge_takes_what_stands_at_anothers_watermark(void)
{
	struct lj_queue *q[2] = {lj_queue_create("a_c", 2, sizeof(struct record), SOCKET_ID_ANY),
				 lj_queue_create("b_c", 2, sizeof(struct record), SOCKET_ID_ANY)};
	struct lj_merge *m = lj_merge_create(q, 2, true);
	void *out[8];

	push(q[0], 7, 0, 70);
	lj_queue_advance(q[1], (struct lj_order){6, UINT64_MAX});
	CU_ASSERT_EQUAL(lj_merge_take(m, out, 8), 0);
	lj_queue_advance(q[1], (struct lj_order){7, 0});
	CU_ASSERT_EQUAL(lj_merge_take(m, out, 8), 1);
	lj_merge_destroy(m);
	lj_queue_destroy(q[0]);
	lj_queue_destroy(q[1]);
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
		{"a queue without memory is not made", a_queue_without_memory_is_not_made},
		{"a watermark only rises", a_watermark_only_rises},
		{"a watermark is never read as more than was told",
		 a_watermark_is_never_read_as_more_than_was_told},
		{"nothing is lost between two threads", nothing_is_lost_between_two_threads},
		{"a merge waits for what may come earlier",
		 a_merge_waits_for_what_may_come_earlier},
		{"a merge holds back what two queues tie on",
		 a_merge_holds_back_what_two_queues_tie_on},
		{"a merge takes what stands at another's watermark",
		 a_merge_takes_what_stands_at_anothers_watermark},
		{"an unordered merge takes from all in turn",
		 an_unordered_merge_takes_from_all_in_turn},
	};

	lj_test_eal("queue", NULL);
	return lj_test_run("queue", tests, RTE_DIM(tests));
}
