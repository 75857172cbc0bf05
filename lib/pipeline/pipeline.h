/* Private: the pipeline's parts. */
#ifndef PIPELINE_H
#define PIPELINE_H

#include "failover.h"
#include "hold.h"
#include "late.h"
#include "legs.h"
#include "role.h"
#include "watch.h"

/* The progress of an lcore. main: wo; all: ro */
struct heart {
	_Atomic uint64_t loops;	    /* at the last check */
	_Atomic uint64_t since_tsc; /* when the number last increased */
	_Atomic bool stalled;
	_Atomic uint64_t silent_ns, stalls, longest_ns;
};

struct lcore {
	uint32_t id; /* of the EAL */
	struct role *role[LJ_CONFIG_ROLES * 2 + 2];
	uint32_t n_roles;
	uint32_t n_guests; /* roles of other lcores that may be moved here; they follow in `role` */
	enum lj_idle_mode idle;
	uint64_t max_sleep_ns;
	/* lcore: wo, control: ro */
	uint64_t usage_tsc, involuntary_switches, voluntary_switches;
	struct lj_histogram loop_ns;
	struct heart heart;
	struct lateness lateness;
};

struct lj_pipeline {
	const struct lj_config *config; /* borrowed */
	struct shared shared;
	struct lj_source *source[LJ_CONFIG_PORTS];
	uint32_t n_sources;
	struct failover failover[LJ_CONFIG_PORTS]; /* by source */
	char in_iface[LJ_CONFIG_TEXT];		   /* for EVE, if there is a single port */

	struct spreader *spreader; /* NULL if workers receive packets themselves */
	struct worker *worker[LJ_CONFIG_ROLES];
	struct inferrer *inferrer[LJ_CONFIG_ROLES];
	struct sink_role *sink;
	struct role *role[LJ_CONFIG_ROLES * 2 + 2]; /* all of these, in pipeline order */
	uint32_t n_roles;

	struct lj_queue *spread_queue[LJ_CONFIG_ROLES];
	struct lj_queue *infer_queue[LJ_CONFIG_ROLES][LJ_CONFIG_ROLES]; /* [worker][inferrer] */
	struct lj_queue *sink_queue[LJ_CONFIG_ROLES];

	struct lcore *lcore; /* [n_lcores] */
	uint32_t n_lcores;
	uint64_t started_tsc;
	struct panel *retired; /* the previous one, which may still be in use; or NULL */
	struct watch watch;
	struct hold hold;
	uint64_t rebalanced_load[LJ_RETA_MAX]; /* samples at the last rebalancing */
	uint64_t looked_tsc;		       /* last check of keepalive. main */
};

/* Opens the roles of `p`, which lj_pipeline_destroy() closes even after a failure. 0, or -errno and
 * `err`. */
int open_roles(struct lj_pipeline *p, struct lj_error *err);
void close_roles(struct lj_pipeline *p);
/* Assigns the roles to lcores 1, 2, 3 ..., as placed by the EAL arguments; the last step of
 * open_roles(). */
int deal_roles(struct lj_pipeline *p, struct lj_error *err);

/* The loop of one lcore; returns when all its roles have finished. */
int lcore_main(void *lcore);

#endif
