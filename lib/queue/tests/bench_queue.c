/*
 * The cost of passing a record: through our queue in place, and through rte_ring by copy, on one
 * lcore with a warm cache and between two; and the additional cost of a merge.
 */
#include <pthread.h>
#include <sched.h>

#include <rte_ring_elem.h>

#include "lj_bench.h"
#include "lj_merge.h"
#include "lj_queue.h"

#define BURST	   32
#define CAPACITY   1024
#define RECORDS	   (1u << 20)
#define REPEATS	   5
#define QUEUES_MAX 4

/* A due flow's record has slightly more than six cache lines. */
struct record {
	struct lj_order order;
	uint64_t body[50];
};
_Static_assert(sizeof(struct record) == 416, "as struct lj_due_flow, about");

struct bench {
	struct lj_queue *queue[QUEUES_MAX];
	struct lj_merge *merge;
	struct rte_ring *ring;
	uint16_t n_queues;
	uint64_t sum; /* of the data read, so that reading is not optimized away */
	struct record copy[BURST];
};

static struct record sample;

static bool write_in_place(struct lj_queue *q, uint64_t seq)
{
	struct record *r = lj_queue_reserve(q);

	if (r == NULL)
		return false;
	r->order = (struct lj_order){seq, 0};
	memcpy(r->body, sample.body, sizeof(r->body));
	lj_queue_commit(q);
	return true;
}

static uint64_t read_record(const struct record *r)
{
	uint64_t sum = r->order.seq;

	for (size_t i = 0; i < RTE_DIM(r->body); i += 8)
		sum += r->body[i];
	return sum;
}

static uint32_t take_in_place(struct bench *b)
{
	void *out[BURST];
	uint32_t n = lj_queue_peek(b->queue[0], out, BURST);

	for (uint32_t i = 0; i < n; i++)
		b->sum += read_record(out[i]);
	lj_queue_release(b->queue[0], n);
	return n;
}

static bool write_by_copy(struct bench *b, uint64_t seq)
{
	struct record r;

	r.order = (struct lj_order){seq, 0};
	memcpy(r.body, sample.body, sizeof(r.body));
	return rte_ring_sp_enqueue_elem(b->ring, &r, sizeof(r)) == 0;
}

static uint32_t take_by_copy(struct bench *b)
{
	uint32_t n =
		rte_ring_sc_dequeue_burst_elem(b->ring, b->copy, sizeof(b->copy[0]), BURST, NULL);

	for (uint32_t i = 0; i < n; i++)
		b->sum += read_record(&b->copy[i]);
	return n;
}

static void queue_on_one_core(struct bench *b)
{
	for (uint32_t seq = 0; seq < RECORDS; seq += BURST) {
		for (uint32_t i = 0; i < BURST; i++)
			write_in_place(b->queue[0], seq + i);
		take_in_place(b);
	}
}

static void ring_on_one_core(struct bench *b)
{
	for (uint32_t seq = 0; seq < RECORDS; seq += BURST) {
		for (uint32_t i = 0; i < BURST; i++)
			write_by_copy(b, seq + i);
		take_by_copy(b);
	}
}

static void merge_on_one_core(struct bench *b)
{
	for (uint32_t seq = 0; seq < RECORDS; seq += BURST) {
		void *out[BURST];
		uint32_t n;

		for (uint32_t i = 0; i < BURST; i++)
			write_in_place(b->queue[i % b->n_queues], seq + i);
		for (uint16_t i = 0; i < b->n_queues; i++)
			lj_queue_advance(b->queue[i], (struct lj_order){seq + BURST, 0});
		n = lj_merge_take(b->merge, out, BURST);
		for (uint32_t i = 0; i < n; i++)
			b->sum += read_record(out[i]);
		lj_merge_done(b->merge);
	}
}

static void pin(unsigned int cpu)
{
	cpu_set_t set;

	/* With only one usable CPU, both threads share it. */
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
}

static void *fill_queue(void *arg)
{
	struct bench *b = arg;

	pin(1);
	for (uint32_t seq = 0; seq < RECORDS;)
		if (write_in_place(b->queue[0], seq))
			seq++;
		else
			sched_yield();
	return NULL;
}

static void *fill_ring(void *arg)
{
	struct bench *b = arg;

	pin(1);
	for (uint32_t seq = 0; seq < RECORDS;)
		if (write_by_copy(b, seq))
			seq++;
		else
			sched_yield();
	return NULL;
}

static void between_two(struct bench *b, void *(*fill)(void *), uint32_t (*take)(struct bench *))
{
	uint32_t taken = 0;
	pthread_t thread;

	if (pthread_create(&thread, NULL, fill, b) != 0) {
		fprintf(stderr, "bench_queue: no second thread\n");
		exit(EXIT_FAILURE);
	}
	while (taken < RECORDS) {
		uint32_t n = take(b);

		taken += n;
		if (n == 0)
			sched_yield();
	}
	pthread_join(thread, NULL);
}

static void queue_between_two(struct bench *b)
{
	between_two(b, fill_queue, take_in_place);
}

static void ring_between_two(struct bench *b)
{
	between_two(b, fill_ring, take_by_copy);
}

static const struct bench_case {
	const char *name;
	void (*run)(struct bench *b);
	void (*baseline)(struct bench *b); /* with rte_ring */
	uint16_t n_queues;
	bool ordered;
} cases[] = {
	{"queue, one core", queue_on_one_core, ring_on_one_core, 1, false},
	{"queue, two threads", queue_between_two, ring_between_two, 1, false},
	{"merge of 4, fair", merge_on_one_core, ring_on_one_core, 4, false},
	{"merge of 1, ordered", merge_on_one_core, ring_on_one_core, 1, true},
	{"merge of 4, ordered", merge_on_one_core, ring_on_one_core, 4, true},
};

static bool set_up(struct bench *b, uint16_t n_queues, bool ordered)
{
	memset(b, 0, sizeof(*b));
	b->n_queues = n_queues;
	b->ring = rte_ring_create_elem("bench", sizeof(struct record), CAPACITY, SOCKET_ID_ANY,
				       RING_F_SP_ENQ | RING_F_SC_DEQ);
	if (b->ring == NULL)
		return false;
	for (uint16_t i = 0; i < n_queues; i++) {
		b->queue[i] =
			lj_queue_create("bench", CAPACITY, sizeof(struct record), SOCKET_ID_ANY);
		if (b->queue[i] == NULL)
			return false;
	}
	b->merge = lj_merge_create(b->queue, n_queues, ordered);
	return b->merge != NULL;
}

static void tear_down(struct bench *b)
{
	lj_merge_destroy(b->merge);
	for (uint16_t i = 0; i < b->n_queues; i++)
		lj_queue_destroy(b->queue[i]);
	rte_ring_free(b->ring);
}

struct result {
	double own, ring, ratio; /* ns per record, medians */
};

static double run_once(struct bench *b, void (*run)(struct bench *b))
{
	uint64_t began_ns = lj_bench_clock_ns();

	run(b);
	return lj_bench_ns_since(began_ns) / RECORDS;
}

/* Alternately, so that other load affects both. */
static void measure(struct bench *b, const struct bench_case *c, struct result *r)
{
	double own[REPEATS], ring[REPEATS], ratio[REPEATS];

	c->run(b); /* warm up */
	for (int i = 0; i < REPEATS; i++) {
		own[i] = run_once(b, c->run);
		ring[i] = run_once(b, c->baseline);
		ratio[i] = ring[i] / own[i];
	}
	*r = (struct result){lj_bench_median(own, REPEATS), lj_bench_median(ring, REPEATS),
			     lj_bench_median(ratio, REPEATS)};
}

static bool run_case(struct lj_bench *out, const struct bench_case *c)
{
	static struct bench b;
	struct result r;
	bool good = set_up(&b, c->n_queues, c->ordered);

	if (good) {
		measure(&b, c, &r);
		fprintf(out->text, "%-20s %7.1f ns a record, rte_ring %7.1f ns (%.2f)\n", c->name,
			r.own, r.ring, r.ratio);
		lj_bench_row(out,
			     "\"name\": \"%s\", \"record_bytes\": %zu, \"ns_per_record\": %.2f, "
			     "\"rte_ring_ns\": %.2f, \"ratio\": %.3f",
			     c->name, sizeof(struct record), r.own, r.ring, r.ratio);
	}
	tear_down(&b);
	return good;
}

int main(int argc, char **argv)
{
	struct lj_bench out;

	lj_bench_open(&out, "bench_queue", argc, argv, NULL, 0);
	lj_bench_eal(out.name, 64);
	pin(0);
	for (size_t i = 0; i < RTE_DIM(cases); i++)
		if (!run_case(&out, &cases[i])) {
			fprintf(stderr, "bench_queue: not enough memory\n");
			return EXIT_FAILURE;
		}
	return lj_bench_close(&out);
}
