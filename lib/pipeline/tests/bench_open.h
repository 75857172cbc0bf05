/*
 * An open loop: flows fall due at times that a rate alone decides, whether or not inference keeps
 * up. This thread offers them and takes the verdicts; one inference role runs on a thread of its
 * own.
 *
 * A flow counts from the time at which it was to be due, not from when this thread came to offer
 * it: what the load makes late is not forgotten. Nor is what the scheduler does to this thread,
 * which `lag` shows by itself: due to queued.
 *
 * On shared CPUs the scheduler decides most of a percentile, in a machine with as many busy threads
 * as CPUs. With CPUs of their own (open_own_cpus()) the two threads stand for roles on isolated
 * cores.
 */
#ifndef BENCH_OPEN_H
#define BENCH_OPEN_H

#include <math.h>

#include "bench_rig.h"

struct open_loop {
	struct rig *rig;
	struct inferrer *inferrer;
	struct lj_host *host;	     /* put aside while host context is off */
	struct lj_counters counters; /* the worker's */
	pthread_t thread;
	_Atomic bool running, stop;
	_Atomic bool own_cpus;
	uint64_t offered; /* in all runs */
	uint64_t seed;
};

/* Flows a second at `at` (0..1 of the run). */
typedef double rate_at(double at, void *arg);

struct open_result {
	struct lj_histogram decision, lag;
	uint64_t due, decided, shed, refused;
	double seconds, mean_batch;
	double backlog_until_s; /* when last more flows waited than a batch holds */
};

/* On a CPU of one's own a pause will do; on a shared one the other thread may be waiting for it, so
 * it is given away after a short spin, as the daemon's lcores do. */
static inline void open_rest(const struct open_loop *o, uint32_t idle_polls)
{
	if (o->own_cpus || idle_polls < 64)
		rte_pause();
	else
		sched_yield();
}

static void *open_infer(void *arg)
{
	struct open_loop *o = arg;
	uint32_t idle_polls = 0;

	o->running = true;
	while (!o->stop)
		if (inferrer_poll(&o->inferrer->role, rte_rdtsc()) == 0)
			open_rest(o, idle_polls++);
		else
			idle_polls = 0;
	return NULL;
}

static inline void open_start(struct open_loop *o, struct rig *rig)
{
	o->rig = rig;
	o->inferrer = rig->p->inferrer[0];
	o->seed = 1;
	if (pthread_create(&o->thread, NULL, open_infer, o) != 0)
		exit(EXIT_FAILURE);
	while (!o->running)
		usleep(100);
}

/* While it is measured, a CPU for each thread. False when there are not two, or no right to
 * (CAP_SYS_NICE). */
static inline bool open_own_cpus(struct open_loop *o, bool own)
{
	if (own && (sysconf(_SC_NPROCESSORS_ONLN) < 2 || !rig_realtime(pthread_self(), true)))
		return false;
	rig_realtime(pthread_self(), false);
	o->own_cpus = own;
	return rig_pin(pthread_self(), 0, own) && rig_pin(o->thread, 1, own);
}

static inline void open_begin(struct open_loop *o)
{
	if (o->own_cpus) {
		rig_realtime(o->thread, true);
		rig_realtime(pthread_self(), true);
	}
}

/* The kernel stops what is realtime for 50 ms when it has taken 950 of 1,000: it shall never come
 * to that. */
static inline void open_end(struct open_loop *o, double seconds)
{
	if (o->own_cpus) {
		rig_realtime(o->thread, false);
		rig_realtime(pthread_self(), false);
		usleep((useconds_t)(seconds * 0.15e6) + 1000);
	}
}

static inline void open_stop(struct open_loop *o)
{
	o->stop = true;
	pthread_join(o->thread, NULL);
	if (o->inferrer->host == NULL)
		o->inferrer->host = o->host;
}

/* Host context off: the stage sees nothing, and each flow stands beside an empty context. Only at
 * rest. */
static inline void open_set_host(struct open_loop *o, bool on)
{
	if (o->inferrer->host != NULL)
		o->host = o->inferrer->host;
	__atomic_store_n(&o->inferrer->host, on ? o->host : NULL, __ATOMIC_RELEASE);
	if (!on)
		memset(o->inferrer->contexts, 0, LJ_BATCH_MAX * sizeof(*o->inferrer->contexts));
}

static inline double open_uniform(struct open_loop *o)
{
	o->seed = o->seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return ((double)(o->seed >> 33) + 0.5) / 2147483648.0;
}

/* How many were there. */
static inline uint32_t open_collect(struct open_loop *o, struct open_result *r)
{
	void *records[64];
	uint32_t n = lj_queue_peek(o->inferrer->sink, records, 64);
	uint64_t now = rte_rdtsc();

	for (uint32_t i = 0; i < n; i++) {
		const struct lj_verdict *v = records[i];
		uint64_t lag = v->queued_tsc > v->due_tsc ? v->queued_tsc - v->due_tsc : 0;

		if (v->shed) {
			r->shed++;
			continue;
		}
		lj_histogram_record(&r->decision, lj_cycles_to_ns(now - v->due_tsc));
		lj_histogram_record(&r->lag, lj_cycles_to_ns(lag));
		r->decided++;
	}
	lj_queue_release(o->inferrer->sink, n);
	return n;
}

/* Until the queues are empty and inference is idle. */
static inline void open_drain(struct open_loop *o, struct open_result *r)
{
	while (lj_queue_count(o->rig->p->infer_queue[0][0]) > 0 ||
	       lj_queue_count(o->inferrer->sink) > 0)
		if (open_collect(o, r) == 0)
			open_rest(o, UINT32_MAX);
}

static inline uint64_t open_count(const struct open_loop *o, enum lj_counter which)
{
	return lj_counter_read(&o->inferrer->role.counters, which) +
	       lj_counter_read(&o->counters, which);
}

/* Arrivals are a Poisson process of the rate given. */
static inline void open_run(struct open_loop *o, double seconds, rate_at *rate, void *arg,
			    struct open_result *r)
{
	double hz = (double)rte_get_tsc_hz(), due;
	struct lj_queue *q = o->rig->p->infer_queue[0][0];
	uint64_t refused = open_count(o, LJ_C_verdict_refused), batches, scored, began;
	uint32_t idle_polls = 0;

	memset(r, 0, sizeof(*r));
	lj_histogram_init(&r->decision);
	lj_histogram_init(&r->lag);
	batches = open_count(o, LJ_C_batches);
	scored = open_count(o, LJ_C_model_scored);
	open_begin(o);
	began = rte_rdtsc();
	due = 0;
	for (;;) {
		double now = (double)(rte_rdtsc() - began);

		for (; due <= now && due < seconds * hz; r->due++) {
			double per_s = rate(due / (seconds * hz), arg);

			if (!rig_offer(o->rig, o->offered++, 0, began + (uint64_t)due,
				       &o->counters))
				r->refused++;
			due -= log(open_uniform(o)) * hz / per_s;
			/* Verdicts are taken while an overload is offered, too. */
			if (r->due % 32 == 31)
				open_collect(o, r);
		}
		if (open_collect(o, r) == 0)
			open_rest(o, idle_polls++);
		else
			idle_polls = 0;
		if (lj_queue_count(q) > o->rig->p->shared.batch.size)
			r->backlog_until_s = (double)(rte_rdtsc() - began) / hz;
		if (due >= seconds * hz)
			break;
	}
	open_drain(o, r);
	r->seconds = (double)(rte_rdtsc() - began) / hz;
	open_end(o, r->seconds);
	r->refused += open_count(o, LJ_C_verdict_refused) - refused;
	batches = open_count(o, LJ_C_batches) - batches;
	scored = open_count(o, LJ_C_model_scored) - scored;
	r->mean_batch = batches > 0 ? (double)scored / (double)batches : 0;
}

/* Flows a second with the queue always full: what `rate` can be a share of. */
static inline double open_capacity(struct open_loop *o, double seconds)
{
	static struct open_result r;
	double per_s;
	uint64_t end, began;

	memset(&r, 0, sizeof(r));
	lj_histogram_init(&r.decision);
	lj_histogram_init(&r.lag);
	lj_batch_shed_by(&o->rig->p->shared.batch, LJ_SHED_NONE);
	open_begin(o);
	began = rte_rdtsc();
	end = began + (uint64_t)(seconds * (double)rte_get_tsc_hz());
	do {
		for (int i = 0; i < 32; i++)
			if (lj_queue_count(o->rig->p->infer_queue[0][0]) < 2048)
				rig_offer(o->rig, o->offered++, 0, rte_rdtsc(), &o->counters);
		if (open_collect(o, &r) == 0)
			open_rest(o, UINT32_MAX);
	} while (rte_rdtsc() < end);
	open_drain(o, &r);
	per_s = (double)r.decided * 1e9 / (double)lj_cycles_to_ns(rte_rdtsc() - began);
	open_end(o, seconds);
	lj_batch_shed_by(&o->rig->p->shared.batch, LJ_SHED_SMALLEST);
	return per_s;
}

static inline double constant_rate(double at, void *arg)
{
	RTE_SET_USED(at);
	return *(const double *)arg;
}

#endif
