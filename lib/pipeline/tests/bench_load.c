/*
 * Decision time under loads that come whether or not they are served: steady, ramp, spike, wave and
 * random, with host context off and on, beside batches of 1; and a search for the rates that are
 * stable, degrading and failing. `bench_load [--json PATH|-] [--seconds S] [--realtime]`.
 *
 * Rates are shares of the capacity measured first. A decision is from due to the verdict being
 * taken from the sink's queue. On shared CPUs first; then half of the capacity, and the search, on
 * CPUs of their own, as far as this machine lets them have such; with --realtime all of it.
 */
#include "bench_open.h"

#define RUNS   3
#define TARGET 100 /* us, of p99 */

struct pattern {
	const char *name;
	rate_at *rate;
};

/* Shares of the capacity; `arg` is the capacity. */
static double steady(double at, void *arg)
{
	RTE_SET_USED(at);
	return 0.5 * *(const double *)arg;
}

static double ramp(double at, void *arg)
{
	return (0.05 + 0.85 * at) * *(const double *)arg;
}

#define SPIKE_BEGIN 0.4
#define SPIKE_END   0.5

/* Ten times as much, half as much again as can be served. */
static double spike(double at, void *arg)
{
	bool on = at >= SPIKE_BEGIN && at < SPIKE_END;

	return (on ? 1.5 : 0.15) * *(const double *)arg;
}

static double wave(double at, void *arg)
{
	return (0.5 + 0.4 * sin(at * 8 * M_PI)) * *(const double *)arg;
}

/* Fifty rates, one after the other, that a hash draws. */
static double irregular(double at, void *arg)
{
	uint32_t hash = ((uint32_t)(at * 50) + 1) * 2654435761u;

	return (0.05 + 0.85 * (hash >> 8) / 16777216.0) * *(const double *)arg;
}

static const struct pattern patterns[] = {{"steady", steady},
					  {"ramp", ramp},
					  {"spike", spike},
					  {"wave", wave},
					  {"random", irregular}};

static const double percents[] = {50, 95, 99, 99.9, 100};

struct figures {
	double flows_per_s, us[RTE_DIM(percents)], lag_p99_us, mean_batch, shed, refused,
		recovery_us;
};

static double median(double *values)
{
	qsort(values, RUNS, sizeof(double), compare_doubles);
	return values[RUNS / 2];
}

static struct figures figures_of(const struct open_result *r, double seconds)
{
	double after_s = r->backlog_until_s - SPIKE_END * seconds;
	struct figures f = {
		.flows_per_s = (double)r->decided / r->seconds,
		.lag_p99_us = percentile_us(&r->lag, 99),
		.mean_batch = r->mean_batch,
		.shed = (double)r->shed,
		.refused = (double)r->refused,
		.recovery_us = RTE_MAX(after_s, 0) * 1e6,
	};

	for (size_t i = 0; i < RTE_DIM(percents); i++)
		f.us[i] = percentile_us(&r->decision, percents[i]);
	return f;
}

/* Each figure's median of several runs. */
static struct figures measure(struct open_loop *o, rate_at *rate, double *arg, double seconds)
{
	static struct open_result r;
	struct figures runs[RUNS], result;
	double values[RUNS];

	for (int i = 0; i < RUNS; i++) {
		open_run(o, seconds, rate, arg, &r);
		runs[i] = figures_of(&r, seconds);
	}
	for (size_t f = 0; f < sizeof(result) / sizeof(double); f++) {
		for (int i = 0; i < RUNS; i++)
			values[i] = ((const double *)&runs[i])[f];
		((double *)&result)[f] = median(values);
	}
	return result;
}

static json_t *figures_json(const struct figures *f)
{
	return json_pack("{s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "flows_per_s",
			 f->flows_per_s, "p50_us", f->us[0], "p95_us", f->us[1], "p99_us", f->us[2],
			 "p999_us", f->us[3], "max_us", f->us[4], "lag_p99_us", f->lag_p99_us,
			 "mean_batch", f->mean_batch, "shed", f->shed, "refused", f->refused);
}

static void set_size(struct open_loop *o, uint32_t size)
{
	o->rig->p->shared.batch.size = size;
}

static const char *cpus_of(const struct open_loop *o)
{
	return o->own_cpus ? "own" : "shared";
}

static void run_pattern(struct open_loop *o, const struct pattern *p, bool host, double capacity,
			double seconds, FILE *text, json_t *json)
{
	struct figures f, single;
	json_t *row;

	set_size(o, 64);
	f = measure(o, p->rate, &capacity, seconds);
	set_size(o, 1);
	single = measure(o, p->rate, &capacity, seconds);
	row = figures_json(&f);
	json_object_set_new(row, "pattern", json_string(p->name));
	json_object_set_new(row, "cpus", json_string(cpus_of(o)));
	json_object_set_new(row, "host", json_boolean(host));
	json_object_set_new(row, "batch_1_p99_us", json_real(single.us[2]));
	json_object_set_new(row, "ratio", json_real(single.us[2] / f.us[2]));
	json_object_set_new(row, "recovery_us",
			    p->rate == spike ? json_real(f.recovery_us) : json_null());
	json_array_append_new(json_object_get(json, "patterns"), row);
	fprintf(text,
		"%-7s host %-3s %-6s CPUs %8.0f flows/s  p50 %7.1f  p95 %7.1f  p99 %7.1f (offered "
		"late %6.1f)  p99.9 %8.1f  max %8.1f us  batch %4.1f  shed %.0f  refused %.0f  "
		"(batch 1: p99 %.1f us, %.2f)",
		p->name, host ? "on" : "off", cpus_of(o), f.flows_per_s, f.us[0], f.us[1], f.us[2],
		f.lag_p99_us, f.us[3], f.us[4], f.mean_batch, f.shed, f.refused, single.us[2],
		single.us[2] / f.us[2]);
	if (p->rate == spike)
		fprintf(text, "  recovered after %.0f us", f.recovery_us);
	fprintf(text, "\n");
	fflush(text);
}

/* Stable: p99 within the target. Degrading: over it, yet nothing is lost. Failing: flows are lost.
 */
static void search(struct open_loop *o, double capacity, double seconds, FILE *text, json_t *json)
{
	static const char *const names[] = {"stable", "degrading", "failing"};
	json_t *rows = json_array();
	double best[3] = {0};

	set_size(o, 64);
	for (int tenth = 1; tenth <= 15; tenth++) {
		double rate = capacity * tenth / 10;
		struct figures f = measure(o, constant_rate, &rate, seconds);
		int state = f.shed + f.refused > 0 ? 2 : f.us[2] > TARGET ? 1 : 0;
		json_t *row = figures_json(&f);

		json_object_set_new(row, "rate", json_real(rate));
		json_object_set_new(row, "of_capacity", json_real(tenth / 10.0));
		json_object_set_new(row, "state", json_string(names[state]));
		json_object_set_new(row, "cpus", json_string(cpus_of(o)));
		json_array_append_new(rows, row);
		fprintf(text, "%8.0f flows/s (%3d %%)  p50 %7.1f  p99 %8.1f us  batch %4.1f  %s\n",
			rate, tenth * 10, f.us[0], f.us[2], f.mean_batch, names[state]);
		/* The most up to which all are stable; the least that is not. */
		if (state == 0 ? best[1] + best[2] == 0 : best[state] == 0)
			best[state] = rate;
	}
	fprintf(text,
		"stable up to %.0f flows/s, degrading from %.0f, failing from %.0f (0: never)\n",
		best[0], best[1], best[2]);
	json_object_set_new(json, "search", rows);
	for (int state = 0; state < 3; state++)
		json_object_set_new(json, names[state], json_real(best[state]));
}

/* All patterns; half of the capacity, and the search, on own CPUs. */
static void run_host(struct open_loop *o, bool host, bool realtime, double seconds, FILE *text,
		     json_t *json)
{
	double capacity;

	open_set_host(o, host);
	set_size(o, 64);
	open_capacity(o, seconds); /* warms up */
	capacity = open_capacity(o, seconds);
	fprintf(text, "# capacity with host context %s: %.0f flows/s\n", host ? "on" : "off",
		capacity);
	json_object_set_new(json, host ? "capacity_host" : "capacity", json_real(capacity));
	for (size_t i = 0; i < RTE_DIM(patterns); i++)
		run_pattern(o, &patterns[i], host, capacity, seconds, text, json);
	if (!realtime && open_own_cpus(o, true)) {
		set_size(o, 64);
		capacity = open_capacity(o, seconds);
		run_pattern(o, &patterns[0], host, capacity, seconds, text, json);
	}
	if (host)
		search(o, capacity, seconds, text, json);
	if (!realtime)
		open_own_cpus(o, false);
}

int main(int argc, char **argv)
{
	struct bench_options options = {.name = "bench_load", .seconds = 20};
	json_t *json = json_pack("{s:[]}", "patterns");
	static struct open_loop o;
	struct rig rig = {0};
	double seconds;
	FILE *text;

	bench_parse(&options, argc, argv);
	text = bench_text(&options);
	lj_bench_eal(options.name, 1024);
	lj_clock_init();
	rig_open(&rig, 1, "auto");
	open_start(&o, &rig);
	if (options.realtime && !open_own_cpus(&o, true))
		rig_needs_cpus(&options);
	seconds = options.seconds / (RUNS * (2 * 2 * (RTE_DIM(patterns) + 1) + 15) + 6);
	for (int host = 0; host < 2; host++)
		run_host(&o, host, options.realtime, seconds, text, json);
	open_stop(&o);
	rig_close(&rig);
	free(rig.flow);
	free(rig.fact);
	return bench_write(&options, json);
}
