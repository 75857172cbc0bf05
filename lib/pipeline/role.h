/*
 * Private: the roles and their shared state.
 *
 * A role's poll does a bounded amount of work and returns how much: items, 0 if there is nothing to
 * do, or POLL_REFUSED if a queue ahead is full. The role sets `finished` once, after it has closed
 * its output queues.
 */
#ifndef ROLE_H
#define ROLE_H

#include <stdatomic.h>

#include "lj_clock.h"
#include "lj_pipeline.h"
#include "panel.h"
#include "receive.h"
#include "sequence.h"

#define POLL_REFUSED (-1)

/* main: wo, lcores: ro */
enum command { COMMAND_RUN, COMMAND_PAUSE, COMMAND_END };

/*
 * Timeouts that may change while running. main writes all fields, then increments the generation
 * (release); a worker that sees a new generation reads the fields. It may see some fields of the
 * next change early, which is harmless: each field is valid by itself.
 */
struct flow_tuning {
	_Atomic uint32_t generation;
	_Atomic uint32_t classify_at;
	_Atomic uint64_t classify_after_ns, idle_timeout_ns, active_timeout_ns, tcp_linger_ns;
};

/*
 * A rebalancing: main stores the old RETA here, sets the new one on the ports, then increments the
 * generation (release). A worker that sees a new generation checks all its records once and
 * acknowledges; the next rebalancing is only possible when all have done so.
 */
struct rebalancing {
	_Atomic uint32_t generation;
	uint16_t before[LJ_RETA_MAX];
};

struct role {
	struct lj_counters counters; /* role: wo, main: ro */
	int (*poll)(struct role *role, uint64_t now_tsc);
	char name[24];
	enum lj_role_kind kind;
	uint32_t lcore; /* as configured */
	int node;	/* of that lcore; -1: several */
	/* Only the lcore `holder` polls the role. When main wants another one, the holder itself
	 * passes the role on by storing its id. */
	_Atomic uint32_t wanted; /* main: wo; holder: ro */
	_Atomic uint32_t holder; /* holder: wo; all: ro */
	_Atomic bool finished;	 /* role: wo; all: ro */
};

/* Shared by all roles. */
struct shared {
	bool replay;
	uint64_t reorder_ns; /* maximum time that a tap's packets are held; 0: no reordering */
	bool ordered;	     /* a replay with several workers or inference lcores */
	_Atomic int command; /* enum command */
	struct flow_tuning flow;
	struct rebalancing rebalancing;
	_Atomic uint32_t losses; /* incremented when packets were lost before a worker */
	struct lj_batch_tuning batch;
	struct panel *_Atomic panel;	  /* control: wo; roles: panel_adopt() */
	struct lj_feature_plan *evidence; /* NULL unless a features file is written */
	bool explain;			  /* alerts include the rows of their models */
	uint32_t drift_every;		  /* and so does one in so many verdicts; 0: none */
	uint32_t keep;			  /* LJ_KEEP_* needed by a model, the evidence or a sink */
	bool hosts;			  /* host context is needed */
	uint32_t context;		  /* LJ_HOST_PART_* needed */
	size_t row_floats;		  /* room for rows in verdicts; 0: none */
	uint64_t host_seed;		  /* of the hashes in host facts */
};

/* Receives packets from a spreader, or from receive queues itself. */
struct worker {
	struct role role;
	struct shared *shared;
	uint16_t queue; /* its receive queue number, or that in the spreader's RETA */
	const struct spreader *spreader; /* NULL: receives packets itself */
	struct lj_queue *spread;	 /* from the spreader, or NULL */
	struct receiver receiver;
	struct lj_queue *infer[LJ_CONFIG_ROLES]; /* [route.n] */
	struct lj_route route;

	struct sequencer sequencer;
	struct lj_flow_table *table;
	struct lj_flow_config flow_config;
	uint32_t tuning_generation, losses;
	uint32_t rebalancing_seen, rebalancing_at; /* the latest, and the next record to check */
	_Atomic uint32_t rebalancing_done;	   /* worker: wo; main: ro */
	uint64_t clock_ns; /* latest packet time, for sources with timestamps of their own */

	uint16_t n_items, next_item; /* in sequencer.item */
	uint16_t n_due, next_due;
	struct lj_flow *due[SEQUENCE_MAX + 1];
	uint16_t n_begun, next_begun; /* in `begun` */
	const struct lj_flow_begun *begun;
	uint64_t due_tsc;
	bool ended; /* the end of the capture has been reached */
};

struct spreader {
	struct role role;
	struct shared *shared;
	struct receiver receiver;
	struct lj_queue *worker[LJ_CONFIG_ROLES];
	uint16_t n_workers;
	struct lj_rss rss;	      /* its queues are the workers. RETA: main: wo; spreader: ro */
	uint64_t bucket[LJ_RETA_MAX]; /* packets by RETA entry. spreader: wo; main: ro */

	struct sequencer sequencer;
	uint16_t n_items, next_item;
	uint16_t next_worker; /* for a tick or end, which go to all */
	bool ended;
};

struct inferrer {
	struct role role;
	struct shared *shared;
	struct panel_reader reader;
	uint64_t offered_since;	 /* verdicts queued before the switch to the current panel */
	uint64_t offered_before; /* verdicts of the previous panel; published by reader.adopted */
	uint16_t slot;
	struct lj_batcher *batcher;
	struct lj_queue *sink;
	struct lj_opinion *opinions[LJ_MODELS_MAX];
	struct lj_host *host;		  /* NULL: no model needs context */
	struct lj_host_context *contexts; /* [LJ_BATCH_MAX], of the batch's flows; or NULL */
	struct lj_host_step *steps;	  /* [LJ_BATCH_RECORDS]; or NULL */
	struct lj_batch batch;
	uint32_t next; /* flow of the batch to queue next; > 0 after the sink's queue was full */
	bool waited;   /* the batch had to wait for room, so its time is not a cost of scoring */
	uint64_t taken_tsc, scored_tsc;
};

#define SINKS_MAX 4

struct sink_role {
	struct role role;
	struct shared *shared;
	struct panel_reader reader;
	struct lj_merge *merge;
	struct lj_sink *sink[SINKS_MAX];
	uint16_t n_sinks;
	bool dirty;
	uint64_t flushed_tsc;
	uint32_t late;	      /* with more verdicts waiting alerts are not explained */
	uint64_t explain_tsc; /* no alert is explained before this time */
	struct lj_explanation explanation[LJ_BURST_MAX]; /* of the burst's alerts */
	bool unjudged; /* verdicts were counted since the drift was judged */
	uint64_t judged_tsc;
	struct lj_tally tally;
	struct lj_histogram stage[LJ_MODELS_MAX][LJ_STAGES]; /* by decisive model */
	struct lj_verdict *verdict[LJ_BURST_MAX];
};

/* The hash by which the spreader assigns a flow to a worker; the same for both directions. */
uint32_t spread_hash(const struct lj_rss *rss, const struct lj_flow_key *key);

/* A worker's part of a rebalancing, in bounded steps: counts and marks the records whose flows now
 * go to another worker. */
void rebalance_records(struct worker *w);

int worker_poll(struct role *role, uint64_t now_tsc);
int spreader_poll(struct role *role, uint64_t now_tsc);
int inferrer_poll(struct role *role, uint64_t now_tsc);
int sink_poll(struct role *role, uint64_t now_tsc);

#endif
