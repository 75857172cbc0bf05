/*
 * A small replay: producers, consumers and relays are functions that poll once, like the roles of
 * the pipeline, run in a pseudo-random order or by a thread each. They do the minimum that the
 * contract requires: publish a watermark when they have to wait, and close at the end.
 */
#include <pthread.h>
#include <sched.h>

#include "lj_merge.h"
#include "lj_queue.h"
#include "lj_test.h"

#define RECORDS	     20000
#define PRODUCERS    4
#define CONSUMERS    2
#define ACTORS	     (PRODUCERS + CONSUMERS + 1)
#define HELD	     7
#define STUCK_ROUNDS 64

struct record {
	struct lj_order order;
	uint64_t value;
};

/* The capture: record k has order[k], comes from producer from[k] and is for consumer to[k]. */
static struct lj_order order[RECORDS];
static uint8_t from[RECORDS], to[RECORDS];

struct actor {
	bool (*poll)(struct actor *a); /* returns whether anything was done */
	bool finished;
	uint32_t die;
	uint32_t id;
	uint32_t next; /* producer: next record to queue; consumer: next record expected */
	uint32_t wrong;
	bool generous; /* producer: also publishes watermarks in between */
	bool all;      /* consumer: gets every record, not only its own */
	struct lj_merge *merge;
	struct lj_order told; /* consumer: highest watermark returned by the merge */
	void *held[HELD];
	uint32_t n_held, next_held;
	uint32_t n_out;
	struct lj_queue *out[CONSUMERS];
};

static uint32_t roll(uint32_t *die, uint32_t sides)
{
	*die = *die * 1664525 + 1013904223;
	return (uint32_t)(((uint64_t)*die * sides) >> 32);
}

/* Runs of one producer or consumer have various lengths; up to five records have the same seq. */
static void make_capture(uint32_t producers, uint32_t consumers, uint32_t seed)
{
	struct lj_order at = {1, 0};
	uint32_t die = seed, run_from = 0, run_to = 0;

	for (uint32_t k = 0; k < RECORDS; k++) {
		if (roll(&die, 5) == 0)
			at = (struct lj_order){at.seq + 1 + roll(&die, 3), 0};
		else
			at.tie += 1 + roll(&die, 3);
		if (roll(&die, 6) == 0)
			run_from = roll(&die, producers);
		if (roll(&die, 9) == 0)
			run_to = roll(&die, consumers);
		order[k] = at;
		from[k] = (uint8_t)run_from;
		to[k] = (uint8_t)run_to;
	}
}

static void tell(struct actor *a, struct lj_order watermark)
{
	for (uint32_t i = 0; i < a->n_out; i++)
		lj_queue_advance(a->out[i], watermark);
}

static void finish(struct actor *a)
{
	for (uint32_t i = 0; i < a->n_out; i++)
		lj_queue_close(a->out[i]);
	a->finished = true;
}

static bool put(struct lj_queue *q, struct lj_order at, uint64_t value)
{
	struct record *r = lj_queue_reserve(q);

	if (r == NULL)
		return false;
	*r = (struct record){at, value};
	lj_queue_commit(q);
	return true;
}

static bool produce(struct actor *a)
{
	uint32_t burst = 1 + roll(&a->die, HELD), moved = 0;

	for (; a->next < RECORDS && moved < burst; a->next++) {
		if (from[a->next] != a->id)
			continue;
		if (!put(a->out[to[a->next]], order[a->next], a->next)) {
			tell(a, order[a->next]);
			return moved > 0;
		}
		moved++;
		if (a->generous && roll(&a->die, 3) == 0)
			tell(a, (struct lj_order){order[a->next].seq, order[a->next].tie + 1});
	}
	if (a->next == RECORDS)
		finish(a);
	return true;
}

static uint32_t expected(struct actor *a)
{
	while (!a->all && a->next < RECORDS && to[a->next] != a->id)
		a->next++;
	return a->next++;
}

static bool consume(struct actor *a)
{
	struct lj_order before = lj_merge_watermark(a->merge);
	uint32_t n = lj_merge_take(a->merge, a->held, 1 + roll(&a->die, HELD));

	/* A later call may return an earlier watermark, but the higher one stays true. */
	if (lj_order_before(a->told, before))
		a->told = before;
	for (uint32_t i = 0; i < n; i++) {
		const struct record *r = a->held[i];

		a->wrong += r->value != expected(a) || lj_order_before(r->order, a->told);
	}
	/* Records that were taken stay in the queue for a while, as in a batch that is being
	 * filled. */
	if (n == 0 || roll(&a->die, 2) == 0)
		lj_merge_done(a->merge);
	if (n == 0 && lj_merge_finished(a->merge))
		finish(a);
	return n > 0 || a->finished;
}

static bool hand_on(struct actor *a)
{
	for (; a->next_held < a->n_held; a->next_held++) {
		const struct record *r = a->held[a->next_held];

		if (!put(a->out[0], r->order, r->value)) {
			tell(a, r->order);
			return false;
		}
	}
	lj_merge_done(a->merge);
	a->n_held = a->next_held = 0;
	return true;
}

/* An inference lcore: takes a batch, passes it on, and releases it when all of it has been passed
 * on. */
static bool relay(struct actor *a)
{
	uint32_t had = a->next_held;

	if (!hand_on(a))
		return a->next_held > had;
	a->n_held = lj_merge_take(a->merge, a->held, 1 + roll(&a->die, HELD));
	if (a->n_held == 0) {
		tell(a, lj_merge_watermark(a->merge));
		if (lj_merge_finished(a->merge))
			finish(a);
		return a->finished;
	}
	hand_on(a);
	return true;
}

/* Runs the actors in pseudo-random order. False if nothing has moved for so long that it never
 * will. */
static bool run_stepped(struct actor *a, uint32_t n, uint32_t seed)
{
	uint32_t die = seed, still = 0, running = n;

	while (running > 0 && still < STUCK_ROUNDS * n) {
		struct actor *turn = &a[roll(&die, n)];

		if (turn->finished)
			continue;
		still = turn->poll(turn) ? 0 : still + 1;
		running -= turn->finished;
	}
	return running == 0;
}

static void *run_thread(void *arg)
{
	struct actor *a = arg;

	while (!a->finished)
		if (!a->poll(a))
			sched_yield();
	return NULL;
}

static void run_threaded(struct actor *a, uint32_t n)
{
	pthread_t thread[ACTORS];

	for (uint32_t i = 0; i < n; i++)
		CU_ASSERT_EQUAL_FATAL(pthread_create(&thread[i], NULL, run_thread, &a[i]), 0);
	for (uint32_t i = 0; i < n; i++)
		pthread_join(thread[i], NULL);
}

struct shape {
	uint32_t producers, consumers, capacity;
	bool sink; /* consumers are relays to one sink */
	bool generous;
};

static struct lj_queue *queue[PRODUCERS + 1][CONSUMERS];

static void set_up(const struct shape *s, struct actor *a, uint32_t seed)
{
	struct actor *sink = &a[s->producers + s->consumers];

	make_capture(s->producers, s->consumers, seed);
	for (uint32_t p = 0; p < s->producers; p++)
		a[p] = (struct actor){.poll = produce,
				      .id = p,
				      .generous = s->generous,
				      .die = seed + p,
				      .n_out = s->consumers};
	for (uint32_t c = 0; c < s->consumers; c++) {
		struct actor *consumer = &a[s->producers + c];
		struct lj_queue *in[PRODUCERS];

		*consumer = (struct actor){.poll = s->sink ? relay : consume,
					   .id = c,
					   .die = ~seed - c,
					   .n_out = s->sink};
		for (uint32_t p = 0; p < s->producers; p++) {
			in[p] = lj_queue_create("p_c", s->capacity, sizeof(struct record),
						SOCKET_ID_ANY);
			queue[p][c] = a[p].out[c] = in[p];
		}
		queue[PRODUCERS][c] = consumer->out[0] = lj_queue_create(
			"c_sink", s->capacity, sizeof(struct record), SOCKET_ID_ANY);
		consumer->merge = lj_merge_create(in, (uint16_t)s->producers, true);
	}
	if (s->sink) {
		*sink = (struct actor){.poll = consume, .all = true, .die = seed ^ 0x5eed};
		sink->merge = lj_merge_create(queue[PRODUCERS], (uint16_t)s->consumers, true);
	}
}

/* Checks that every record arrived exactly once, in its position in the capture. */
static void check(const struct shape *s, struct actor *a, uint32_t n)
{
	uint32_t consumers = 0;

	for (uint32_t i = s->producers; i < n; i++) {
		if (a[i].poll == consume) {
			consumers++;
			CU_ASSERT_EQUAL(a[i].wrong, 0);
			CU_ASSERT_EQUAL(expected(&a[i]), RECORDS);
		}
		lj_merge_destroy(a[i].merge);
	}
	CU_ASSERT_EQUAL(consumers, s->sink ? 1 : s->consumers);
	for (uint32_t c = 0; c < s->consumers; c++) {
		for (uint32_t p = 0; p < s->producers; p++)
			lj_queue_destroy(queue[p][c]);
		lj_queue_destroy(queue[PRODUCERS][c]);
	}
}

static void replay(const struct shape *s, uint32_t seed)
{
	uint32_t n = s->producers + s->consumers + s->sink;
	struct actor a[ACTORS];

	set_up(s, a, seed);
	CU_ASSERT(run_stepped(a, n, seed));
	check(s, a, n);
	set_up(s, a, seed);
	run_threaded(a, n);
	check(s, a, n);
}

static void one_to_four_queues_give_one_order(void)
{
	for (uint32_t producers = 1; producers <= PRODUCERS; producers++)
		for (uint32_t capacity = 2; capacity <= 8; capacity *= 2)
			for (uint32_t generous = 0; generous < 2; generous++) {
				struct shape s = {producers, 1, capacity, false, generous};

				replay(&s, 100 * producers + capacity + generous);
			}
}

static void two_producers_never_block_two_consumers(void)
{
	struct shape s = {2, 2, 4, false, false};

	for (uint32_t seed = 1; seed <= 8; seed++)
		replay(&s, seed);
}

static void relays_hand_one_order_on_to_a_sink(void)
{
	for (uint32_t producers = 1; producers <= PRODUCERS; producers++)
		for (uint32_t capacity = 2; capacity <= 4; capacity += 2) {
			struct shape s = {producers, 2, capacity, true, producers % 2};

			replay(&s, 1000 * producers + capacity);
		}
}

int main(void)
{
	static const struct lj_test tests[] = {
		{"one to four tiny queues give one order", one_to_four_queues_give_one_order},
		{"two producers never block two consumers for ever",
		 two_producers_never_block_two_consumers},
		{"two relays hand the one order on to a sink", relays_hand_one_order_on_to_a_sink},
	};

	lj_test_eal("merge", NULL);
	return lj_test_run("merge", tests, RTE_DIM(tests));
}
