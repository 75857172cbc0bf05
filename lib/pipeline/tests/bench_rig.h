/*
 * What the benches of inference share: the flows of the demo capture as due flows, a pipeline whose
 * inference roles are polled by threads of the bench, and results as text and JSON.
 *
 * The roles, queues, batcher, host stage, features and model are those of the daemon. A bench is
 * the worker, that offers due flows, and the sink, that takes verdicts.
 */
#ifndef BENCH_RIG_H
#define BENCH_RIG_H

#include <getopt.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>
#include <rte_pause.h>

#include "lj_bench.h"
#include "lj_clock.h"
#include "pipeline.h"

struct rig {
	struct lj_config config;
	struct lj_pipeline *p;
	struct lj_flow *flow; /* what is offered, in turn */
	struct lj_host_fact *fact;
	uint32_t n_flows;
	uint64_t span_ns; /* of the capture: a further round is as much later */
};

struct bench_options {
	const char *name, *json;
	double seconds;
	bool realtime;
};

static inline void bench_parse(struct bench_options *o, int argc, char **argv)
{
	static const struct option longs[] = {{"json", required_argument, NULL, 'j'},
					      {"seconds", required_argument, NULL, 's'},
					      {"realtime", no_argument, NULL, 'r'},
					      {0}};
	int found;

	while ((found = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (found == 'j')
			o->json = optarg;
		else if (found == 's' && atof(optarg) > 0)
			o->seconds = atof(optarg);
		else if (found == 'r')
			o->realtime = true;
		else
			goto usage;
	}
	if (optind == argc)
		return;
usage:
	fprintf(stderr, "usage: %s [--json PATH|-] [--seconds S] [--realtime]\n", o->name);
	exit(2);
}

/* Text goes to stdout, unless the JSON does. */
static inline FILE *bench_text(const struct bench_options *o)
{
	return o->json != NULL && strcmp(o->json, "-") == 0 ? stderr : stdout;
}

static inline int bench_write(const struct bench_options *o, json_t *json)
{
	int ret = 0;

	if (o->json != NULL && strcmp(o->json, "-") == 0)
		ret = json_dumpf(json, stdout, JSON_INDENT(1));
	else if (o->json != NULL)
		ret = json_dump_file(json, o->json, JSON_INDENT(1));
	json_decref(json);
	return ret == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* From the folder of the sources or from build/. */
static inline struct lj_pipeline *rig_create(struct lj_config *c, uint32_t infer,
					     const char *engine)
{
	const char *root = access("models/default", R_OK) == 0 ? "." : "..";
	struct lj_error err = {0};
	struct lj_pipeline *p;
	char set[5][512];

	lj_config_init(c);
	snprintf(set[0], sizeof(set[0]), "capture.files=%s/tools/data/demo.pcap", root);
	snprintf(set[1], sizeof(set[1]), "models=%s/models/default", root);
	snprintf(set[2], sizeof(set[2]), "flow.capacity=65536");
	snprintf(set[3], sizeof(set[3]), "lcores.infer=%u", infer);
	snprintf(set[4], sizeof(set[4]), "model.engine=%s", engine);
	for (int i = 0; i < 5; i++)
		if (lj_config_set(c, set[i], &err) != 0)
			goto failed;
	p = lj_pipeline_create(c, &err);
	if (p != NULL)
		return p;
failed:
	fprintf(stderr, "bench: %s: %s\n", err.where, err.what);
	exit(EXIT_FAILURE);
}

/* The flows that a worker makes of the capture, and their facts. */
static inline void rig_load_flows(struct rig *r)
{
	struct lj_config c;
	struct lj_pipeline *p = rig_create(&c, 1, "auto");
	struct worker *w = p->worker[0];
	uint64_t first_ns = UINT64_MAX, last_ns = 0;
	uint32_t room = 65536;
	void *record;

	r->flow = calloc(room, sizeof(*r->flow));
	r->fact = calloc(room, sizeof(*r->fact));
	if (r->flow == NULL || r->fact == NULL)
		exit(EXIT_FAILURE);
	while (!w->role.finished || lj_queue_count(w->infer[0]) > 0) {
		w->role.poll(&w->role, rte_rdtsc());
		for (; lj_queue_peek(w->infer[0], &record, 1) == 1;
		     lj_queue_release(w->infer[0], 1)) {
			const struct lj_due_flow *due = record;

			if (due->fact_alone || r->n_flows == room)
				continue;
			r->flow[r->n_flows] = due->flow;
			r->fact[r->n_flows++] = due->fact;
			first_ns = RTE_MIN(first_ns, due->fact.time_ns);
			last_ns = RTE_MAX(last_ns, due->fact.time_ns);
		}
	}
	r->span_ns = last_ns - first_ns + 1;
	lj_pipeline_destroy(p, NULL);
	lj_config_free(&c);
}

static inline void rig_open(struct rig *r, uint32_t infer, const char *engine)
{
	if (r->flow == NULL)
		rig_load_flows(r);
	r->p = rig_create(&r->config, infer, engine);
	/* As live: a full queue refuses, too much is shed. */
	r->p->shared.replay = false;
	lj_batch_shed_by(&r->p->shared.batch, LJ_SHED_SMALLEST);
}

static inline void rig_close(struct rig *r)
{
	lj_pipeline_destroy(r->p, NULL);
	lj_config_free(&r->config);
}

/* Offers the `i`-th flow to inference role `to`. */
static inline bool rig_offer(struct rig *r, uint64_t i, uint32_t to, uint64_t due_tsc,
			     struct lj_counters *counters)
{
	struct lj_host_fact fact = r->fact[i % r->n_flows];

	fact.time_ns += i / r->n_flows * r->span_ns;
	fact.flow_id += i / r->n_flows * r->n_flows;
	return lj_batch_offer_with(&r->p->infer_queue[0][to], 1, &r->flow[i % r->n_flows], &fact,
				   false, due_tsc, counters);
}

/* Fixes a thread to a CPU, or lets it go. False when it must not. */
static inline bool rig_pin(pthread_t thread, uint32_t cpu, bool pinned)
{
	uint32_t n = (uint32_t)sysconf(_SC_NPROCESSORS_ONLN);
	cpu_set_t set;

	CPU_ZERO(&set);
	for (uint32_t i = 0; i < n; i++)
		if (!pinned || i == cpu % n)
			CPU_SET(i, &set);
	return pthread_setaffinity_np(thread, sizeof(set), &set) == 0;
}

/* Has a thread run before all that is not realtime, as on a core of its own; or not. */
static inline bool rig_realtime(pthread_t thread, bool on)
{
	const struct sched_param priority = {.sched_priority = on};

	return pthread_setschedparam(thread, on ? SCHED_FIFO : SCHED_OTHER, &priority) == 0;
}

static inline void rig_needs_cpus(const struct bench_options *o)
{
	fprintf(stderr, "%s: --realtime needs two CPUs and CAP_SYS_NICE\n", o->name);
	exit(EXIT_FAILURE);
}

static inline int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static inline double percentile_us(const struct lj_histogram *h, double percent)
{
	return (double)lj_histogram_percentile(h, percent) / 1e3;
}

#endif
