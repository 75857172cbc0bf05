/*
 * What a record costs to send: through our queue in place, and through rte_ring by copy, on one
 * warm core and between two; and what a merge adds. `bench_queue [--json PATH|-]`.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_ring_elem.h>

#include "lj_merge.h"
#include "lj_queue.h"

#define BURST	   32
#define CAPACITY   1024
#define RECORDS	   (1u << 20)
#define REPEATS	   5
#define QUEUES_MAX 4

/* A due flow's record is six cache lines and a bit. */
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
	uint64_t sum; /* of what was read, so that reading is not left out */
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

	/* Where there is one CPU only, or it is not ours, the numbers are those of sharing. */
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

static const struct {
	const char *name;
	void (*run)(struct bench *b);
	uint16_t n_queues; /* 0: the ring */
	bool ordered;
} cases[] = {
	{"queue_in_place_one_core", queue_on_one_core, 1, false},
	{"rte_ring_copy_one_core", ring_on_one_core, 0, false},
	{"queue_in_place_two_threads", queue_between_two, 1, false},
	{"rte_ring_copy_two_threads", ring_between_two, 0, false},
	{"merge_fair_4_queues", merge_on_one_core, 4, false},
	{"merge_ordered_1_queue", merge_on_one_core, 1, true},
	{"merge_ordered_4_queues", merge_on_one_core, 4, true},
};

static bool set_up(struct bench *b, uint16_t n_queues, bool ordered)
{
	memset(b, 0, sizeof(*b));
	b->n_queues = n_queues;
	if (n_queues == 0) {
		b->ring = rte_ring_create_elem("bench", sizeof(struct record), CAPACITY,
					       SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
		return b->ring != NULL;
	}
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

/* Cycles per record: the best of some repeats, since everything that disturbs only adds. */
static double measure(struct bench *b, void (*run)(struct bench *b))
{
	uint64_t best = UINT64_MAX;

	for (int i = 0; i <= REPEATS; i++) {
		uint64_t start = rte_rdtsc_precise(), cycles;

		run(b);
		cycles = rte_rdtsc_precise() - start;
		if (i > 0) /* the first run warms up */
			best = RTE_MIN(best, cycles);
	}
	return (double)best / RECORDS;
}

static bool run_cases(FILE *json, FILE *text)
{
	static struct bench b;
	double ghz = (double)rte_get_tsc_hz() / 1e9;

	if (json != NULL)
		fprintf(json, "{\"bench\": \"queue\", \"record_bytes\": %zu, \"cases\": [",
			sizeof(struct record));
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		double cycles;

		if (!set_up(&b, cases[i].n_queues, cases[i].ordered))
			return false;
		cycles = measure(&b, cases[i].run);
		fprintf(text, "%-28s %8.1f ns %8.1f cycles per record\n", cases[i].name,
			cycles / ghz, cycles);
		if (json != NULL)
			fprintf(json, "%s\n  {\"name\": \"%s\", \"ns\": %.2f, \"cycles\": %.1f}",
				i == 0 ? "" : ",", cases[i].name, cycles / ghz, cycles);
		tear_down(&b);
	}
	if (json != NULL)
		fprintf(json, "\n]}\n");
	return true;
}

int main(int argc, char **argv)
{
	char *eal[] = {(char *)"bench",
		       (char *)"--no-huge",
		       (char *)"-m64",
		       (char *)"--no-pci",
		       (char *)"--no-shconf",
		       (char *)"--no-telemetry",
		       (char *)"--lcores=0",
		       (char *)"--file-prefix=lj-bench-queue",
		       (char *)"--log-level=*:warning"};
	const char *path = argc == 3 && strcmp(argv[1], "--json") == 0 ? argv[2] : NULL;
	bool to_stdout = path != NULL && strcmp(path, "-") == 0;
	FILE *json = NULL;
	int ret = EXIT_SUCCESS;

	if (argc != 1 && path == NULL) {
		fprintf(stderr, "usage: bench_queue [--json PATH|-]\n");
		return EXIT_FAILURE;
	}
	if (path != NULL)
		json = to_stdout ? stdout : fopen(path, "w");
	if (path != NULL && json == NULL) {
		perror(path);
		return EXIT_FAILURE;
	}
	if (rte_eal_init(RTE_DIM(eal), eal) < 0) {
		fprintf(stderr, "bench_queue: the EAL does not start\n");
		return EXIT_FAILURE;
	}
	pin(0);
	if (!run_cases(json, to_stdout ? stderr : stdout)) {
		fprintf(stderr, "bench_queue: not enough memory\n");
		ret = EXIT_FAILURE;
	}
	if (json != NULL && fclose(json) != 0) {
		perror(path);
		ret = EXIT_FAILURE;
	}
	return ret;
}
