/*
 * What one setting of work-conserving batches gives at every load, beside batches of 1: the latency
 * of batch 1 at light load, the throughput of full batches at heavy load. `bench_batch [--json
 * PATH|-] [--seconds S] [--realtime]`.
 */
#include "bench_open.h"

#define RUNS 3

static const double loads[] = {0.05, 0.25, 0.5, 0.75, 0.9, 1.1};

/* Medians of flows a second, p50, p99 and of flows in a batch. */
static void measure(struct open_loop *o, double rate, double seconds, double median[4])
{
	static struct open_result r;
	double runs[4][RUNS];

	for (int i = 0; i < RUNS; i++) {
		open_run(o, seconds, constant_rate, &rate, &r);
		runs[0][i] = (double)r.decided / r.seconds;
		runs[1][i] = percentile_us(&r.decision, 50);
		runs[2][i] = percentile_us(&r.decision, 99);
		runs[3][i] = r.mean_batch;
	}
	for (int f = 0; f < 4; f++) {
		qsort(runs[f], RUNS, sizeof(double), compare_doubles);
		median[f] = runs[f][RUNS / 2];
	}
}

static void run_load(struct open_loop *o, double load, double capacity, double seconds, FILE *text,
		     json_t *json)
{
	double single[4], batched[4];

	o->rig->p->shared.batch.size = 64;
	measure(o, load * capacity, seconds, batched);
	o->rig->p->shared.batch.size = 1;
	measure(o, load * capacity, seconds, single);
	fprintf(text,
		"%3.0f %% load: size 64 (%4.1f a batch) %8.0f flows/s p50 %7.1f p99 %8.1f us; size 1 "
		"%8.0f flows/s p50 %7.1f p99 %8.1f us; p50 %.2f, flows/s %.2f times\n",
		load * 100, batched[3], batched[0], batched[1], batched[2], single[0], single[1],
		single[2], single[1] / batched[1], batched[0] / single[0]);
	fflush(text);
	json_array_append_new(json, json_pack("{s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f}",
					      "load", load, "mean_batch", batched[3], "flows_per_s",
					      batched[0], "p50_us", batched[1], "p99_us",
					      batched[2], "batch_1_flows_per_s", single[0],
					      "batch_1_p50_us", single[1], "batch_1_p99_us",
					      single[2], "ratio", batched[0] / single[0]));
}

int main(int argc, char **argv)
{
	struct bench_options options = {.name = "bench_batch", .seconds = 10};
	json_t *json = json_array();
	static struct open_loop o;
	struct rig rig = {0};
	double seconds, capacity;
	FILE *text;

	bench_parse(&options, argc, argv);
	text = bench_text(&options);
	lj_bench_eal(options.name, 1024);
	lj_clock_init();
	rig_open(&rig, 1, "auto");
	open_start(&o, &rig);
	if (options.realtime && !open_own_cpus(&o, true))
		rig_needs_cpus(&options);
	seconds = options.seconds / (2 * RUNS * RTE_DIM(loads) + 2);
	open_capacity(&o, seconds); /* warms up */
	capacity = open_capacity(&o, seconds);
	fprintf(text, "# capacity: %.0f flows/s\n", capacity);
	for (size_t i = 0; i < RTE_DIM(loads); i++)
		run_load(&o, loads[i], capacity, seconds, text, json);
	open_stop(&o);
	rig_close(&rig);
	free(rig.flow);
	free(rig.fact);
	return bench_write(&options, json);
}
