/*
 * The pipeline: roles, the lcores that run them, and the queues between them.
 *
 * Roles: a spreader, if one receive queue feeds several workers; workers; inference lcores; the
 * sink. Each is a function that polls once; an lcore is a loop over its roles. Data flows in one
 * direction only: to stop, capture ends first and the queues drain.
 *
 * In live capture a full queue refuses records, which are counted. In a replay the role waits, so
 * nothing is lost, and queues are merged in the capture's order, so the output does not depend on
 * the number of lcores or on timing.
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

/* Opens models, sources and sinks, and allocates all memory. The EAL must be up. `config` is
 * borrowed. NULL with `err`. */
struct lj_pipeline *lj_pipeline_create(const struct lj_config *config, struct lj_error *err);

/* Starts the sources and launches the roles on their lcores. 0 or -errno. */
int lj_pipeline_start(struct lj_pipeline *p, struct lj_error *err);

/* For tests, instead of start: polls every role once, in pipeline order, on the calling thread.
 * Returns the amount of work done. */
uint32_t lj_pipeline_step(struct lj_pipeline *p);

/* Requests a graceful end: capture ends, flows are flushed, queues drain. Thread: any. */
void lj_pipeline_end(struct lj_pipeline *p);
/* Stops or resumes receiving packets, without ending flows. Thread: any. */
void lj_pipeline_pause(struct lj_pipeline *p, bool paused);

/* Whether all roles have finished. Then the result: 0, or -errno with `err` if a source failed or a
 * sink lost anything. */
bool lj_pipeline_finished(const struct lj_pipeline *p);
int lj_pipeline_result(struct lj_pipeline *p, struct lj_error *err);

/* Waits for the lcores to return, after lj_pipeline_finished(). */
void lj_pipeline_join(struct lj_pipeline *p);
/* Flushes and closes the sinks and frees everything. 0, or -errno with `err` if a sink could not
 * write its last data. */
int lj_pipeline_destroy(struct lj_pipeline *p, struct lj_error *err);

/* --- observing: any thread --- */

/* Computes the routes of all workers, routes[lcores.workers], from the configuration and this
 * machine's NUMA nodes; with host context if `hosts`. Needs no pipeline. */
void lj_pipeline_routes(const struct lj_config *c, bool hosts, struct lj_route *routes);

enum lj_role_kind { LJ_ROLE_SPREAD, LJ_ROLE_WORKER, LJ_ROLE_INFER, LJ_ROLE_SINK };

struct lj_role_info {
	const char *name; /* "worker0" */
	enum lj_role_kind kind;
	uint32_t lcore;		      /* that polls it at present */
	int node;		      /* NUMA node of its configured lcore; -1: several */
	const struct lj_route *route; /* only for workers; otherwise NULL */
	bool finished;
	const struct lj_counters *counters;
};

uint32_t lj_pipeline_roles(const struct lj_pipeline *p);
void lj_pipeline_role(const struct lj_pipeline *p, uint32_t i, struct lj_role_info *info);
uint32_t lj_pipeline_sources(const struct lj_pipeline *p);
struct lj_source *lj_pipeline_source(const struct lj_pipeline *p, uint32_t i);
uint32_t lj_pipeline_sinks(const struct lj_pipeline *p);
const struct lj_sink *lj_pipeline_sink(const struct lj_pipeline *p, uint32_t i);
/* The models in use; valid until the next lj_pipeline_reload(). Callers must exclude that. */
const struct lj_model_set *lj_pipeline_models(const struct lj_pipeline *p);

/* What a role has received from a source's queue. */
struct lj_queue_info {
	const char *role; /* the role that polls it */
	uint64_t packets, bytes;
	/* Samples, one in capture.rss_check; see the counters rss_*. */
	uint64_t checked, unexpected, parted;
};
void lj_pipeline_queue(const struct lj_pipeline *p, uint32_t source, uint16_t queue,
		       struct lj_queue_info *info);

/* The RSS that the spreader applies in software; its queues are the workers. NULL if workers
 * receive packets themselves. */
const struct lj_rss *lj_pipeline_spread(const struct lj_pipeline *p);

struct lj_rebalance {
	uint64_t samples; /* packets from which the load was estimated (capture.rss_check) */
	struct lj_rss_balance balance;
};
/*
 * Moves RETA entries from loaded queues to idle ones (lj_rss_balance()), according to the samples
 * since the last rebalancing. The same on all ports, since both legs of a tap must use the same
 * queues. Flows of the moved entries go to another worker: the old worker's records are marked
 * lossy and counted (rss_moved_flows, rss_moved_packets). 0, also if the load is even enough
 * already; or -errno with `err`. Thread: any, one at a time.
 */
int lj_pipeline_rebalance(struct lj_pipeline *p, struct lj_rebalance *result, struct lj_error *err);

/* The activity of an lcore in an interval. */
struct lj_late {
	uint32_t lcore;	       /* 0: none */
	uint64_t away_ns;      /* its longest loop, from poll to poll */
	uint64_t switches;     /* involuntary context switches */
	uint64_t busy_percent; /* of the interval */
};

/* An lcore's loop: polling all its roles once, and resting until the next poll. */
struct lj_loop_info {
	uint32_t lcore;
	const struct lj_histogram *loop_ns;
	/* Context switches, from getrusage(RUSAGE_THREAD), updated once a second. */
	uint64_t involuntary_switches, voluntary_switches;
	const struct lj_late *latest; /* in the last interval of lj_pipeline_watch() */
	/* The end of the interval with the longest loop, since the epoch; 0: none yet. */
	uint64_t longest_at_ns;
};
uint32_t lj_pipeline_loops(const struct lj_pipeline *p);
void lj_pipeline_loop(const struct lj_pipeline *p, uint32_t i, struct lj_loop_info *info);

/*
 * Periodic checks; call it often. Once a second it looks for losses, silent legs of a tap and
 * half-duplex traffic, which are logged and reported by the functions below, and adjusts batches
 * and lcores to the objective (lj_pipeline_slo()). Ten times a second it checks whether ports lose
 * packets, so that live records are marked lossy. Thread: main.
 */
void lj_pipeline_watch(struct lj_pipeline *p, uint64_t now_ns);

/* A reason for losing packets, flows or verdicts. Intervals last about a second; losses in an
 * interval are given per second. */
#define LJ_DROPS_MAX 16
struct lj_drop {
	const char *name, *help;
	uint64_t total, latest; /* since the start; in the last interval */
	uint64_t worst;		/* in the worst interval since the start */
	uint64_t worst_at_ns;	/* its end, since the epoch; 0: none yet */
	/* Of the lcores responsible, the one with the longest loop in that interval. */
	struct lj_late worst_late;
};
uint32_t lj_pipeline_drops(const struct lj_pipeline *p, struct lj_drop drops[LJ_DROPS_MAX]);

struct lj_leg_info {
	bool watched, silent;
	uint64_t alarms; /* how often it fell silent */
};
void lj_pipeline_leg(const struct lj_pipeline *p, uint32_t source, struct lj_leg_info *info);

/* A port's statistics since the start, including those from before a failover. 0 or -errno. */
int lj_pipeline_port_stats(const struct lj_pipeline *p, uint32_t source,
			   struct lj_source_stats *stats);
/* Whether of most TCP conversations only one direction is seen (half-duplex). Only in live capture,
 * and if the TCP part of records is kept. */
struct lj_half_info {
	bool half;
	uint64_t alarms; /* how often it began */
};
void lj_pipeline_half(const struct lj_pipeline *p, struct lj_half_info *info);

/* The sum of all roles' counters and all ports' statistics. */
void lj_pipeline_total(const struct lj_pipeline *p, struct lj_counters *total);

/* The stages of a decision. Their times add up exactly to LJ_STAGE_DECISION. Shed flows are not
 * included. */
enum lj_stage {
	LJ_STAGE_OFFER,	   /* found due -> queued */
	LJ_STAGE_WAIT,	   /* queued -> taken in a batch */
	LJ_STAGE_SCORE,	   /* taken -> scored */
	LJ_STAGE_WRITE,	   /* scored -> passed to the sinks */
	LJ_STAGE_DECISION, /* found due -> passed to the sinks */
	LJ_STAGES,
};
extern const char *const lj_stage_name[LJ_STAGES];
/* Fills the histogram of a stage, in ns, over all decisions. */
void lj_pipeline_latency(const struct lj_pipeline *p, enum lj_stage stage, struct lj_histogram *h);
/* The histogram of the decisions made by model `model` of the set; model 0 if there are no models.
 */
const struct lj_histogram *lj_pipeline_model_latency(const struct lj_pipeline *p, uint16_t model,
						     enum lj_stage stage);

/* The state of the objective slo.decision_us: in the last second, and in seconds since the start.
 */
struct lj_slo_info {
	const char *state; /* "none", "quiet" (too few decisions), "held", "missed", or "missed
			    * after scoring" (the sink is late) */
	uint64_t target_ns, p99_ns, decisions;
	uint64_t held_s, missed_s;
	uint32_t batch_size, batch_deadline_us; /* in effect */
	uint32_t lcores, max_lcores;		/* active inference lcores, of all */
};
void lj_pipeline_slo(const struct lj_pipeline *p, struct lj_slo_info *info);

/* The shedding policy of each class. */
void lj_pipeline_shed(const struct lj_pipeline *p, enum lj_shed policy[LJ_SHED_CLASSES]);

/* Bytes of all inference lcores' host stages; 0 if no model needs host context. */
uint64_t lj_pipeline_host_memory(const struct lj_pipeline *p);

/* Totals of the verdicts that the sink has processed. sink: wo; control: ro */
struct lj_tally {
	uint64_t records, early, unclassified, shed, alerts, wire_bytes;
	uint64_t class_count[LJ_MODELS_MAX][LJ_CLASSES_MAX]; /* by decisive model */
	uint64_t alert_score[10];   /* alerts by score: [0.0,0.1) ... [0.9,1.0] */
	uint64_t first_ns, last_ns; /* packet times: begin of the first flow, end of the last */
};
const struct lj_tally *lj_pipeline_tally(const struct lj_pipeline *p);

/* The drift state; NULL if drift is not watched. Valid as lj_pipeline_models(). */
const struct lj_drift *lj_pipeline_drift(const struct lj_pipeline *p);

/* Seconds from the start until the last role finished (or until now). */
double lj_pipeline_elapsed_s(const struct lj_pipeline *p);

/* --- failover --- */

/*
 * Checks the ports every 10 ms; call it often. A port that died, or whose link stays down, is
 * failed over by policy (capture.failover); any port by command. True if lj_pipeline_failover() has
 * something to do. Thread: main.
 */
bool lj_pipeline_failover_due(struct lj_pipeline *p, uint64_t now_ns);
/* Performs the failover. Sources are replaced, so no other thread except the lcores may use them.
 * May take some 100 ms. Thread: main. */
void lj_pipeline_failover(struct lj_pipeline *p);

/* Requests that a port be watched by `way` (from lj_way_find()), or if NULL by the next one that
 * works. 0, or -errno with `err`. Thread: any. */
int lj_pipeline_ask_failover(struct lj_pipeline *p, uint32_t source, const char *way,
			     struct lj_error *err);

struct lj_failover_info {
	const char *way;   /* how the port is watched: lj_source_way() */
	const char *state; /* "well", "link down", "dead", "letting go", "blind" */
	uint64_t ill_ns;   /* for how long it has not been well */
	uint64_t count;	   /* failovers since the start; the following is about the last one */
	const char *from, *why;
	uint64_t at_ns; /* its end, since the epoch; 0: none yet */
	/* From when the old source was last known to work (a packet, or a successful check) until
	 * the new one was started; while in progress, until now. */
	uint64_t blind_ns;
	uint64_t worst_blind_ns;
};
void lj_pipeline_failover_info(const struct lj_pipeline *p, uint32_t source,
			       struct lj_failover_info *info);

/* --- keepalive --- */

/*
 * Checks the progress of every lcore; to be called every few ms. An lcore that has not completed a
 * loop over its roles for keepalive.stall_ms is stalled; the begin and the end of a stall are
 * logged. Returns for how long the worst one has been stalled, in ns; 0 if none is. Does nothing in
 * a replay, which may have to wait for a pipe or a disk. Thread: main.
 */
uint64_t lj_pipeline_keepalive(struct lj_pipeline *p);

/* The result of the last check. Thread: any. */
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
/* Takes effect at each lcore's next poll. Values must be in the configuration's ranges. */
void lj_pipeline_tune(struct lj_pipeline *p, const struct lj_tuning *tuning);

/* --- reloading models while it runs: one thread at a time, and no other may use the models --- */

/*
 * Reloads the configured bundles: each inference lcore switches to the new models after its current
 * batch; verdicts already queued still refer to the models that scored them. May take seconds,
 * while the lcores continue. Name and classes of each bundle must be the same as before, and its
 * features must only need what is kept. 0, or -errno with `err` and the models unchanged.
 */
int lj_pipeline_reload(struct lj_pipeline *p, struct lj_error *err);
/* Whether the previous models are no longer in use; if so, closes them. */
bool lj_pipeline_reloaded(struct lj_pipeline *p);

#endif
