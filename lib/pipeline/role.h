/*
 * Private: the roles and what they share.
 *
 * A role's poll does a bounded piece of work and says how much: items, 0 for nothing to do, or
 * POLL_REFUSED when a queue ahead is full. `finished` is set by the role, once, after it closed its
 * own queues.
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
 * Timeouts that may change while running. main writes all fields, then the generation (release); a
 * worker that sees a new generation reads the fields. A torn mixture lasts one poll: each field is
 * valid by itself.
 */
struct flow_tuning {
	_Atomic uint32_t generation;
	_Atomic uint32_t classify_at;
	_Atomic uint64_t classify_after_ns, idle_timeout_ns, active_timeout_ns, tcp_linger_ns;
};

/*
 * A rebalancing: main gives the ports another RETA, keeps the one before here, then counts the
 * generation up (release). A worker that sees a new one looks once at all its records, and
 * acknowledges; until all have, there is no next one.
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
	uint32_t lcore; /* at home */
	int node;	/* of that; -1: of several */
	/* Who polls it: only the lcore that `holder` names, and only it names the next one, the
	 * one that main wants. */
	_Atomic uint32_t wanted; /* main: wo; holder: ro */
	_Atomic uint32_t holder; /* holder: wo; all: ro */
	_Atomic bool finished;	 /* role: wo; all: ro */
};

/* What every role can see. */
struct shared {
	bool replay;
	uint64_t reorder_ns; /* longest that a tap's packets are held; 0: they are not */
	bool ordered;	     /* replay with something to merge: order matters between lcores */
	_Atomic int command; /* enum command */
	struct flow_tuning flow;
	struct rebalancing rebalancing;
	_Atomic uint32_t losses; /* goes up when packets were lost before a worker */
	struct lj_batch_tuning batch;
	struct panel *_Atomic panel;	  /* control: wo; who reads it: panel_adopt() */
	struct lj_feature_plan *evidence; /* NULL unless a features file is written */
	bool explain;			  /* alerts carry the rows of their models */
	uint32_t drift_every;		  /* and one in so many verdicts; 0: none */
	uint32_t keep;			  /* LJ_KEEP_* that a model, the evidence or a sink needs */
	bool hosts;			  /* among them host context */
	uint32_t context;		  /* and LJ_HOST_PART_*: of it these */
	size_t row_floats;		  /* room for rows in verdicts; 0: they have none */
	uint64_t host_seed;		  /* of the facts' hashes */
};

/* Takes from a spreader's queue, or from receive queues itself. */
struct worker {
	struct role role;
	struct shared *shared;
	uint16_t queue;			 /* of every port, or of the spreader's RETA: its number */
	const struct spreader *spreader; /* NULL: receives itself */
	struct lj_queue *spread;	 /* likewise */
	struct receiver receiver;
	struct lj_queue *infer[LJ_CONFIG_ROLES]; /* [route.n] */
	struct lj_route route;

	struct sequencer sequencer;
	struct lj_flow_table *table;
	struct lj_flow_config flow_config;
	uint32_t tuning_generation, losses;
	uint32_t rebalancing_seen, rebalancing_at; /* the latest, and the record it has come to */
	_Atomic uint32_t rebalancing_done;	   /* worker: wo; main: ro */
	uint64_t clock_ns; /* latest packet time, of sources that keep their own */

	uint16_t n_items, next_item; /* in sequencer.item */
	uint16_t n_due, next_due;
	struct lj_flow *due[SEQUENCE_MAX + 1];
	uint16_t n_begun, next_begun; /* of what the latest update began */
	const struct lj_flow_begun *begun;
	uint64_t due_tsc;
	bool ended; /* the capture's end has been seen */
};

struct spreader {
	struct role role;
	struct shared *shared;
	struct receiver receiver;
	struct lj_queue *worker[LJ_CONFIG_ROLES];
	uint16_t n_workers;
	struct lj_rss rss;	      /* workers as a NIC's queues; its RETA is main's to change */
	uint64_t bucket[LJ_RETA_MAX]; /* packets dealt by each entry. spreader: wo; main: ro */

	struct sequencer sequencer;
	uint16_t n_items, next_item;
	uint16_t next_worker; /* of a tick that goes to all */
	bool ended;
};

struct inferrer {
	struct role role;
	struct shared *shared;
	struct panel_reader reader;
	uint64_t offered_since;	 /* verdicts offered before the panel was taken up */
	uint64_t offered_before; /* of the panel before; told by reader.adopted */
	uint16_t slot;
	struct lj_batcher *batcher;
	struct lj_queue *sink;
	struct lj_opinion *opinions[LJ_MODELS_MAX];
	struct lj_host *host;		  /* NULL: no model needs context */
	struct lj_host_context *contexts; /* [LJ_BATCH_MAX], beside the batch's flows; or NULL */
	struct lj_host_step *steps;	  /* [LJ_BATCH_RECORDS]; or NULL */
	struct lj_batch batch;
	uint32_t next; /* of batch, when the sink's queue was full */
	bool waited;   /* for room, with this batch: then the time is not the batch's own */
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
	uint32_t late;	      /* verdicts waiting from which on alerts go without an explanation */
	uint64_t explain_tsc; /* from when on the next alert may be explained */
	struct lj_explanation explanation[LJ_BURST_MAX]; /* of the burst's alerts */
	bool unjudged; /* verdicts were counted since the drift was judged */
	uint64_t judged_tsc;
	struct lj_tally tally;
	struct lj_histogram stage[LJ_MODELS_MAX][LJ_STAGES]; /* by deciding model */
	struct lj_verdict *verdict[LJ_BURST_MAX];
};

/* By which the spreader deals a flow to the queue of its RETA: either direction has the same. */
uint32_t spread_hash(const struct lj_rss *rss, const struct lj_flow_key *key);

/* A worker's part of a rebalancing, a bounded piece of it: counts and marks the records whose flows
 * now go to another worker. */
void rebalance_records(struct worker *w);

int worker_poll(struct role *role, uint64_t now_tsc);
int spreader_poll(struct role *role, uint64_t now_tsc);
int inferrer_poll(struct role *role, uint64_t now_tsc);
int sink_poll(struct role *role, uint64_t now_tsc);

#endif
