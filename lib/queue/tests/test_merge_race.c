/*
 * The race between a merge and a producer in another thread: a producer queues a record before it
 * raises the watermark or closes, so the merge must check the queue again after it has read these.
 * The producer waits until its queue is empty and then does both at once, while the merge pauses
 * before each read, so that all interleavings occur.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include <rte_pause.h>

#include "lj_merge.h"
#include "lj_queue.h"
#include "lj_test.h"

#define RECORDS	   (1u << 14)
#define PAIRS	   1024u
#define PAUSES	   16 /* maximum pause */
#define YIELD_EACH 64 /* yields after so many, since on one CPU the other thread needs it */

static void dawdle(uint32_t *die)
{
	*die = *die * 1664525 + 1013904223;
	for (uint32_t i = (*die >> 8) % PAUSES; i > 0; i--)
		rte_pause();
	if ((*die >> 16) % YIELD_EACH == 0)
		sched_yield();
}

static uint32_t merge_die;

static struct lj_order late_watermark(const struct lj_queue *q)
{
	dawdle(&merge_die);
	return lj_queue_watermark(q);
}

static bool late_closed(const struct lj_queue *q)
{
	dawdle(&merge_die);
	return lj_queue_closed(q);
}

static void *late_at(struct lj_queue *q, uint32_t i)
{
	dawdle(&merge_die);
	return lj_queue_at(q, i);
}

#define lj_queue_watermark late_watermark
#define lj_queue_closed	   late_closed
#define lj_queue_at	   late_at
#include "merge_path.c"
#undef lj_queue_watermark
#undef lj_queue_closed
#undef lj_queue_at

/* The two queues of a merge: one is complete, the other is being filled. */
struct pair {
	struct lj_queue *ready, *late;
	struct lj_merge *merge;
};

static struct pair pair[PAIRS];
static _Atomic uint32_t turn; /* the pair being merged */

static void put(struct lj_queue *q, uint64_t seq)
{
	struct lj_order *order = lj_queue_reserve(q);

	*order = (struct lj_order){seq, 0};
	lj_queue_commit(q);
}

static void open_pair(struct pair *p, uint32_t capacity)
{
	struct lj_queue *both[2];

	for (int i = 0; i < 2; i++)
		both[i] = lj_queue_create("race", i == 0 ? capacity : 2, sizeof(struct lj_order),
					  SOCKET_ID_ANY);
	CU_ASSERT_FATAL(both[0] != NULL && both[1] != NULL);
	*p = (struct pair){both[0], both[1], lj_merge_create(both, 2, true)};
	CU_ASSERT_PTR_NOT_NULL_FATAL(p->merge);
}

static void close_pair(struct pair *p)
{
	lj_merge_destroy(p->merge);
	lj_queue_destroy(p->ready);
	lj_queue_destroy(p->late);
}

/* Queues the even records; the odd ones are queued already. */
static void *tell_watermarks(void *arg)
{
	struct lj_queue *q = ((struct pair *)arg)->late;
	uint32_t die = 1;

	for (uint64_t k = 0; k < RECORDS; k++) {
		do
			dawdle(&die);
		while (lj_queue_count(q) > 0);
		put(q, 2 * k);
		lj_queue_advance(q, (struct lj_order){2 * k + 2, 0});
	}
	lj_queue_close(q);
	return NULL;
}

static void *close_queues(void *arg)
{
	struct pair *p = arg;
	uint32_t die = 1;

	for (uint32_t i = 0; i < PAIRS; i++) {
		do
			dawdle(&die);
		while (atomic_load_explicit(&turn, memory_order_acquire) < i);
		put(p[i].late, 1);
		lj_queue_close(p[i].late);
	}
	return NULL;
}

/* Takes `n` records; returns how many were not the next one, or were before a published
 * watermark. */
static uint32_t merge_all(struct pair *p, uint32_t n, uint64_t next)
{
	struct lj_order told = {0, 0};
	uint32_t wrong = 0, taken = 0;

	for (uint32_t poll = 0; taken < n; poll++) {
		struct lj_order watermark = {0, 0};
		void *record;

		if (poll % 2 == 0)
			watermark = lj_merge_watermark(p->merge);
		if (lj_order_before(told, watermark))
			told = watermark;
		if (lj_merge_take(p->merge, &record, 1) == 0)
			continue;
		wrong += ((struct lj_order *)record)->seq != next + taken ||
			 lj_order_before(*(struct lj_order *)record, told);
		taken++;
		lj_merge_done(p->merge);
	}
	return wrong;
}

static void a_record_before_a_watermark_is_seen_with_it(void)
{
	pthread_t producer;

	open_pair(&pair[0], RECORDS);
	for (uint64_t k = 0; k < RECORDS; k++)
		put(pair[0].ready, 2 * k + 1);
	lj_queue_close(pair[0].ready);
	CU_ASSERT_EQUAL_FATAL(pthread_create(&producer, NULL, tell_watermarks, &pair[0]), 0);
	CU_ASSERT_EQUAL(merge_all(&pair[0], 2 * RECORDS, 0), 0);
	pthread_join(producer, NULL);
	CU_ASSERT(lj_merge_finished(pair[0].merge));
	close_pair(&pair[0]);
}

static void a_record_before_the_end_is_seen_with_it(void)
{
	pthread_t producer;
	uint32_t wrong = 0;

	for (uint32_t i = 0; i < PAIRS; i++) {
		open_pair(&pair[i], 2);
		put(pair[i].ready, 2);
		lj_queue_close(pair[i].ready);
	}
	atomic_store(&turn, 0);
	CU_ASSERT_EQUAL_FATAL(pthread_create(&producer, NULL, close_queues, pair), 0);
	for (uint32_t i = 0; i < PAIRS; i++) {
		atomic_store_explicit(&turn, i, memory_order_release);
		wrong += merge_all(&pair[i], 2, 1);
	}
	CU_ASSERT_EQUAL(wrong, 0);
	pthread_join(producer, NULL);
	for (uint32_t i = 0; i < PAIRS; i++)
		close_pair(&pair[i]);
}

int main(void)
{
	static const struct lj_test tests[] = {
		{"a record before a watermark is seen with it",
		 a_record_before_a_watermark_is_seen_with_it},
		{"a record before the end is seen with it",
		 a_record_before_the_end_is_seen_with_it},
	};

	lj_test_eal("merge-race", NULL);
	return lj_test_run("merge_race", tests, RTE_DIM(tests));
}
