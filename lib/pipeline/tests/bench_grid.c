/*
 * Decision time and flows a second by batch and workers, as Basuki et al. draw them (Figure 5),
 * beside one worker that scores flow by flow with XGBoost's C API. `bench_grid [--json PATH|-]
 * [--seconds S]`; the text is CSV.
 *
 * A worker here is an inference role on a thread of its own. It is given `batch` flows, and the
 * next ones when it has decided these: so a decision's time is from all of them being due to its
 * verdict.
 */
#include "bench_rig.h"

#define RUNS 3

static const struct cell {
	uint32_t batch, workers;
} cells[] = {{1, 1},  {10, 1}, {10, 4}, {20, 1}, {20, 3},
	     {32, 1}, {32, 2}, {50, 1}, {50, 3}, {100, 1}};

struct grid_worker {
	struct rig *rig;
	pthread_barrier_t *start;
	uint32_t index, batch;
	uint64_t cycles; /* to run for */
	uint64_t decided, took_cycles;
	struct lj_histogram decision;
	struct lj_counters counters;
};

static uint32_t take_verdicts(struct grid_worker *w, struct lj_queue *q)
{
	void *records[64];
	uint32_t n = lj_queue_peek(q, records, 64);
	uint64_t now = rte_rdtsc();

	for (uint32_t i = 0; i < n; i++) {
		const struct lj_verdict *v = records[i];

		lj_histogram_record(&w->decision, lj_cycles_to_ns(now - v->due_tsc));
	}
	lj_queue_release(q, n);
	return n;
}

static void *run_worker(void *arg)
{
	struct grid_worker *w = arg;
	struct inferrer *r = w->rig->p->inferrer[w->index];
	uint64_t began, now;

	lj_histogram_init(&w->decision);
	pthread_barrier_wait(w->start);
	began = now = rte_rdtsc();
	/* A batch at the least, however long the thread waited for its CPU. */
	do {
		uint32_t decided = 0;

		for (uint32_t i = 0; i < w->batch; i++)
			rig_offer(w->rig, w->decided + i, w->index, now, &w->counters);
		while (decided < w->batch) {
			inferrer_poll(&r->role, rte_rdtsc());
			decided += take_verdicts(w, r->sink);
		}
		w->decided += decided;
		now = rte_rdtsc();
	} while (now - began < w->cycles);
	w->took_cycles = now - began;
	return NULL;
}

struct result {
	double flows_per_s, mean_us, p99_us;
};

static struct result run(struct rig *rig, const struct cell *cell, double seconds)
{
	static struct grid_worker workers[4];
	static struct lj_histogram all;
	pthread_t thread[4];
	pthread_barrier_t start;
	struct result result = {0};

	rig->p->shared.batch.size = cell->batch;
	rig->p->shared.batch.deadline_us = 0;
	lj_histogram_init(&all);
	pthread_barrier_init(&start, NULL, cell->workers);
	for (uint32_t i = 0; i < cell->workers; i++) {
		memset(&workers[i], 0, sizeof(workers[i]));
		workers[i].rig = rig;
		workers[i].start = &start;
		workers[i].index = i;
		workers[i].batch = cell->batch;
		workers[i].cycles = (uint64_t)(seconds * (double)rte_get_tsc_hz());
		if (pthread_create(&thread[i], NULL, run_worker, &workers[i]) != 0)
			exit(EXIT_FAILURE);
	}
	for (uint32_t i = 0; i < cell->workers; i++) {
		pthread_join(thread[i], NULL);
		lj_histogram_add(&all, &workers[i].decision);
		result.flows_per_s += (double)workers[i].decided * 1e9 /
				      (double)lj_cycles_to_ns(workers[i].took_cycles);
	}
	pthread_barrier_destroy(&start);
	result.mean_us = lj_histogram_mean(&all) / 1e3;
	result.p99_us = percentile_us(&all, 99);
	return result;
}

/* The medians of each figure. */
static struct result measure(struct rig *rig, const struct cell *cell, double seconds)
{
	double rate[RUNS], mean[RUNS], p99[RUNS];

	for (int i = 0; i < RUNS; i++) {
		struct result one = run(rig, cell, seconds);

		rate[i] = one.flows_per_s;
		mean[i] = one.mean_us;
		p99[i] = one.p99_us;
	}
	qsort(rate, RUNS, sizeof(double), compare_doubles);
	qsort(mean, RUNS, sizeof(double), compare_doubles);
	qsort(p99, RUNS, sizeof(double), compare_doubles);
	return (struct result){rate[RUNS / 2], mean[RUNS / 2], p99[RUNS / 2]};
}

static void report(const char *name, const char *engine, const struct cell *cell,
		   const struct result *r, const struct result *base, FILE *text, json_t *json)
{
	fprintf(text, "%s,%s,%u,%u,%.0f,%.3f,%.3f,%.2f\n", name, engine, cell->batch, cell->workers,
		r->flows_per_s, r->mean_us, r->p99_us, r->flows_per_s / base->flows_per_s);
	fflush(text);
	json_array_append_new(json,
			      json_pack("{s:s, s:s, s:i, s:i, s:f, s:f, s:f, s:f}", "name", name,
					"engine", engine, "batch", (int)cell->batch, "workers",
					(int)cell->workers, "flows_per_s", r->flows_per_s,
					"decision_mean_us", r->mean_us, "decision_p99_us",
					r->p99_us, "ratio", r->flows_per_s / base->flows_per_s));
}

int main(int argc, char **argv)
{
	struct bench_options o = {.name = "bench_grid", .seconds = 10};
	json_t *json = json_array();
	struct result base, result;
	struct rig rig = {0};
	double seconds;
	FILE *text;

	bench_parse(&o, argc, argv);
	text = bench_text(&o);
	lj_bench_eal(o.name, 1024);
	lj_clock_init();
	seconds = o.seconds / (RUNS * (1 + RTE_DIM(cells)));
	fprintf(text, "name,engine,batch,workers,flows_per_s,decision_mean_us,decision_p99_us,"
		      "times_sequential\n");
	rig_open(&rig, 1, "xgboost");
	base = measure(&rig, &cells[0], seconds);
	report("sequential", "xgboost", &cells[0], &base, &base, text, json);
	rig_close(&rig);
	rig_open(&rig, 4, "auto");
	for (size_t i = 0; i < RTE_DIM(cells); i++) {
		char name[32];

		snprintf(name, sizeof(name), "%ub%uw", cells[i].batch, cells[i].workers);
		result = measure(&rig, &cells[i], seconds);
		report(name, lj_model_info(lj_pipeline_models(rig.p)->model[0])->engine, &cells[i],
		       &result, &base, text, json);
	}
	rig_close(&rig);
	free(rig.flow);
	free(rig.fact);
	return bench_write(&o, json);
}
