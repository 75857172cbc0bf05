/*
 * Which role runs on which lcore, joined by which queues.
 *
 * Roles: a spreader where one receive queue feeds several workers; workers; inference lcores; the
 * sink. Each is a function that polls once; an lcore is a loop over its roles. Nothing swims
 * upstream: to stop, capture ends first and what is in flight drains forwards.
 *
 * Live, a full queue refuses and the refuser counts. In a replay the refused role waits, so nothing
 * is lost, and queues are merged in the capture's order, so the output does not depend on lcores or
 * speed.
 *
 * Thread: main, unless said otherwise.
 */
#ifndef LJ_PIPELINE_H
#define LJ_PIPELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lj_base.h"
#include "lj_capture.h"
#include "lj_config.h"
#include "lj_drift.h"
#include "lj_histogram.h"
#include "lj_route.h"
#include "lj_sink.h"
#include "lj_stats.h"
#include "lj_verdict.h"

struct lj_pipeline;

/* Opens models, sources and sinks, and allocates everything. The EAL must be up. NULL and `err`. */
struct lj_pipeline *lj_pipeline_create(const struct lj_config *config, struct lj_error *err);

/* Starts the sources and launches the roles on their lcores. 0 or -errno. */
int lj_pipeline_start(struct lj_pipeline *p, struct lj_error *err);

/* Polls every role once, in river order, on the calling thread: for tests, instead of start.
 * Returns work done. */
uint32_t lj_pipeline_step(struct lj_pipeline *p);

/* Asks for a graceful end: capture ends, flows are flushed, verdicts drain. */
void lj_pipeline_end(struct lj_pipeline *p);
/* Stops and resumes taking packets from the sources, without ending flows. */
void lj_pipeline_pause(struct lj_pipeline *p, bool paused);

/* Whether all roles are finished; then whether a source failed on the way (fills `err`, -errno) or
 * a sink lost anything. */
bool lj_pipeline_finished(const struct lj_pipeline *p);
int lj_pipeline_result(struct lj_pipeline *p, struct lj_error *err);

/* Waits for the lcores, after lj_pipeline_finished(). */
void lj_pipeline_join(struct lj_pipeline *p);
/* Flushes and closes the sinks and frees the rest. 0, or -errno and `err` when a sink could not
 * write its last. */
int lj_pipeline_destroy(struct lj_pipeline *p, struct lj_error *err);

/* --- observing: any thread --- */

/* Where each worker's flows will go, by the configuration and this machine's nodes:
 * routes[lcores.workers]. With host context when `hosts`. No pipeline needs to be there. */
void lj_pipeline_routes(const struct lj_config *c, bool hosts, struct lj_route *routes);

enum lj_role_kind { LJ_ROLE_SPREAD, LJ_ROLE_WORKER, LJ_ROLE_INFER, LJ_ROLE_SINK };

struct lj_role_info {
	const char *name; /* "worker0" */
	enum lj_role_kind kind;
	uint32_t lcore;		      /* that polls it now */
	int node;		      /* NUMA node of the lcore it has been given; -1: of several */
	const struct lj_route *route; /* of a worker's flows; otherwise NULL */
	bool finished;
	const struct lj_counters *counters;
};

uint32_t lj_pipeline_roles(const struct lj_pipeline *p);
void lj_pipeline_role(const struct lj_pipeline *p, uint32_t i, struct lj_role_info *info);
uint32_t lj_pipeline_sources(const struct lj_pipeline *p);
struct lj_source *lj_pipeline_source(const struct lj_pipeline *p, uint32_t i);
uint32_t lj_pipeline_sinks(const struct lj_pipeline *p);
const struct lj_sink *lj_pipeline_sink(const struct lj_pipeline *p, uint32_t i);
/* Those in force, until the next lj_pipeline_reload(): main and control, which see to that. */
const struct lj_model_set *lj_pipeline_models(const struct lj_pipeline *p);

/* What a role has taken from a source's queue. */
struct lj_queue_info {
	const char *role; /* who polls it */
	uint64_t packets, bytes;
	/* Samples, one in capture.rss_check: as the counters rss_... */
	uint64_t checked, unexpected, parted;
};
void lj_pipeline_queue(const struct lj_pipeline *p, uint32_t source, uint16_t queue,
		       struct lj_queue_info *info);

/* How the spreader deals what ports with one queue receive: its queues are the workers. NULL when
 * workers receive themselves. */
const struct lj_rss *lj_pipeline_spread(const struct lj_pipeline *p);

struct lj_rebalance {
	uint64_t samples; /* packets checked (capture.rss_check) that the load was told by */
	struct lj_rss_balance balance;
};
/*
 * Moves entries of the RETA from full queues to empty ones (lj_rss_balance()), by what was sampled
 * since the latest time, on all ports alike: both legs of a tap must go on meeting. Flows of the
 * moved entries part: what the old worker's records have is counted (rss_moved_flows,
 * rss_moved_packets), and those records are marked lossy. 0, also when it is even enough to be left
 * alone, or -errno and `err`. One thread at a time.
 */
int lj_pipeline_rebalance(struct lj_pipeline *p, struct lj_rebalance *result, struct lj_error *err);

/* What an lcore was about in an interval. */
struct lj_late {
	uint32_t lcore;	       /* 0: nobody's */
	uint64_t away_ns;      /* its longest loop, from poll to poll */
	uint64_t switches;     /* times the scheduler took its CPU away */
	uint64_t busy_percent; /* of the interval */
};

/* An lcore's loop: all its roles polled once, and the rest until they are polled again. */
struct lj_loop_info {
	uint32_t lcore;
	const struct lj_histogram *loop_ns;
	/* As getrusage(RUSAGE_THREAD) tells, once a second: the scheduler took the CPU away; the
	 * lcore gave it. */
	uint64_t involuntary_switches, voluntary_switches;
	const struct lj_late *latest; /* interval of lj_pipeline_watch() */
	/* The end of the interval with the longest loop, since the epoch; 0: there was none. */
	uint64_t longest_at_ns;
};
uint32_t lj_pipeline_loops(const struct lj_pipeline *p);
void lj_pipeline_loop(const struct lj_pipeline *p, uint32_t i, struct lj_loop_info *info);

/*
 * Looks, at most once a second, for losses and for silent legs of a tap, and at most ten times a
 * second whether ports lose packets, so that records that live then are marked: call it often.
 * main. What is seen is told by the two below, and a silent leg by a line in the log. Once a
 * second, too, it adjusts batches and lcores to the objective (lj_pipeline_slo()).
 */
void lj_pipeline_watch(struct lj_pipeline *p, uint64_t now_ns);

/* A way to lose packets, flows or verdicts. Intervals are of about a second; what is lost in one is
 * told as a rate, a second. */
#define LJ_DROPS_MAX 16
struct lj_drop {
	const char *name, *help;
	uint64_t total, latest; /* since the start; in the latest interval */
	uint64_t worst;		/* in the worst interval since the start */
	uint64_t worst_at_ns;	/* its end, since the epoch; 0: there was none */
	/* Then, of the lcores that should have taken it in time, the one that was away for
	 * longest. */
	struct lj_late worst_late;
};
uint32_t lj_pipeline_drops(const struct lj_pipeline *p, struct lj_drop drops[LJ_DROPS_MAX]);

struct lj_leg_info {
	bool watched, silent;
	uint64_t alarms; /* silences begun */
};
void lj_pipeline_leg(const struct lj_pipeline *p, uint32_t source, struct lj_leg_info *info);

/* Of a port, by whatever it has been watched since the start. 0 or -errno. */
int lj_pipeline_port_stats(const struct lj_pipeline *p, uint32_t source,
			   struct lj_source_stats *stats);
/* Whether TCP conversations are mostly heard from one side only: half-duplex. Live, and where the
 * TCP part of records is kept. */
struct lj_half_info {
	bool half;
	uint64_t alarms; /* times that it began */
};
void lj_pipeline_half(const struct lj_pipeline *p, struct lj_half_info *info);

/* Sum over all roles and ports. */
void lj_pipeline_total(const struct lj_pipeline *p, struct lj_counters *total);

/* Where a decision's time goes. The stages add up to LJ_STAGE_DECISION, to the nanosecond. What was
 * shed was not decided, and is not in here. */
enum lj_stage {
	LJ_STAGE_OFFER,	   /* found due -> in the queue */
	LJ_STAGE_WAIT,	   /* in the queue -> taken in a batch */
	LJ_STAGE_SCORE,	   /* taken -> scored */
	LJ_STAGE_WRITE,	   /* scored -> handed to the sinks */
	LJ_STAGE_DECISION, /* found due -> scored and handed to the sinks */
	LJ_STAGES,
};
extern const char *const lj_stage_name[LJ_STAGES];
/* Fills the caller's histogram of a stage, in ns, of all decisions. */
void lj_pipeline_latency(const struct lj_pipeline *p, enum lj_stage stage, struct lj_histogram *h);
/* The sink's histogram of those that model `model` of the set decided; model 0 when there is none.
 */
const struct lj_histogram *lj_pipeline_model_latency(const struct lj_pipeline *p, uint16_t model,
						     enum lj_stage stage);

/* How the objective slo.decision_us fares: the latest whole second, and seconds since the start. */
struct lj_slo_info {
	const char *state; /* "none", "quiet" (too few decisions), "held", "missed", "missed after
			    * scoring": the sink is late */
	uint64_t target_ns, p99_ns, decisions;
	uint64_t held_s, missed_s;
	uint32_t batch_size, batch_deadline_us; /* in force */
	uint32_t lcores, max_lcores;		/* inference lcores that are not parked, of all */
};
void lj_pipeline_slo(const struct lj_pipeline *p, struct lj_slo_info *info);

/* By which policy each class of flow is shed. */
void lj_pipeline_shed(const struct lj_pipeline *p, enum lj_shed policy[LJ_SHED_CLASSES]);

/* Bytes of all inference lcores' host stages; 0 when no model needs host context. */
uint64_t lj_pipeline_host_memory(const struct lj_pipeline *p);

/* What the sink has seen. sink: wo; control: ro */
struct lj_tally {
	uint64_t records, early, unclassified, shed, alerts, wire_bytes;
	uint64_t class_count[LJ_MODELS_MAX][LJ_CLASSES_MAX]; /* by deciding model */
	uint64_t alert_score[10]; /* alerts by score: [0.0,0.1) ... [0.9,1.0] */
	uint64_t first_ns,
		last_ns; /* packet time from the first flow's begin to the last one's end */
};
const struct lj_tally *lj_pipeline_tally(const struct lj_pipeline *p);

/* What the sink knows of drift; NULL when it is not watched. As lj_pipeline_models(). */
const struct lj_drift *lj_pipeline_drift(const struct lj_pipeline *p);

/* Seconds from start to the last role's finish (or to now). */
double lj_pipeline_elapsed_s(const struct lj_pipeline *p);

/* --- fail-over --- */

/*
 * Looks after the ports: call it often, it looks each 10 ms. A port that died, or whose link stays
 * down, is failed over by policy (capture.failover), any by command. True when
 * lj_pipeline_failover() has something to do. main
 */
bool lj_pipeline_failover_due(struct lj_pipeline *p, uint64_t now_ns);
/* Does it: sources change, so nobody else may be looking at them; the lcores are not concerned. It
 * may take some 100 ms, in which main looks at nothing else. main */
void lj_pipeline_failover(struct lj_pipeline *p);

/* Asks for a port to be watched by `way` (of lj_way_find()), or when NULL by the next that goes.
 * Any thread. 0, or -errno and `err`. */
int lj_pipeline_ask_failover(struct lj_pipeline *p, uint32_t source, const char *way,
			     struct lj_error *err);

struct lj_failover_info {
	const char *way;   /* that the port is watched by */
	const char *state; /* "well", "link down", "dead", "letting go", "blind" */
	uint64_t ill_ns;   /* for how long it has not been well */
	uint64_t count;	   /* fail-overs since the start; the latest: */
	const char *from, *why;
	uint64_t at_ns; /* its end, since the epoch; 0: there was none */
	/* From when the old one was last known to see (a packet, or a look that found it well)
	 * until the new one was started. Of one that goes on, so far. */
	uint64_t blind_ns;
	uint64_t worst_blind_ns;
};
void lj_pipeline_failover_info(const struct lj_pipeline *p, uint32_t source,
			       struct lj_failover_info *info);

/* --- keepalive --- */

/*
 * Looks at the progress of every lcore: one that has not completed a loop over its roles for
 * keepalive.stall_ms is stalled. That, and its end, are logged with the lcore's and its roles'
 * names. Returns for how long the worst one has been stalled, in ns; 0 when all are well. In a
 * replay, which may wait for a pipe or a disk, nothing is looked for. main, every few ms.
 */
uint64_t lj_pipeline_keepalive(struct lj_pipeline *p);

/* What the latest look found. Any thread. */
struct lj_health {
	uint32_t lcore;
	char roles[96]; /* "worker0 infer0" */
	bool finished, stalled;
	uint64_t silent_ns;	     /* since the latest progress seen */
	uint64_t stalls, longest_ns; /* since the start */
};
uint32_t lj_pipeline_lcores(const struct lj_pipeline *p);
void lj_pipeline_health(const struct lj_pipeline *p, uint32_t i, struct lj_health *health);

/* --- tuning while it runs: main --- */

struct lj_tuning {
	uint32_t batch_size, batch_deadline_us, classify_at;
	uint64_t classify_after_ns, idle_timeout_ns, active_timeout_ns, tcp_linger_ns;
};
void lj_pipeline_tuning(const struct lj_pipeline *p, struct lj_tuning *tuning);
/* Taken up by every lcore at its next poll. Values must be in config's ranges. */
void lj_pipeline_tune(struct lj_pipeline *p, const struct lj_tuning *tuning);

/* --- other models while it runs: one thread at a time, and none that looks at the models --- */

/*
 * Reads the configured bundles anew and puts them in force: each inference lcore takes them up
 * after its batch, and what was scored before is written by the models that scored it. It may take
 * seconds: the lcores go on, the caller waits. A bundle has to have the name and classes it had,
 * and features of kinds that are kept. 0; -errno and `err`: then the models are those of before.
 */
int lj_pipeline_reload(struct lj_pipeline *p, struct lj_error *err);
/* Whether nothing uses the models of before any more; closes them. */
bool lj_pipeline_reloaded(struct lj_pipeline *p);

#endif
