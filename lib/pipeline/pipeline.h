/* Private: the pipeline's parts. */
#ifndef PIPELINE_H
#define PIPELINE_H

#include "role.h"

struct lcore {
	uint32_t id; /* of the EAL */
	struct role *role[LJ_CONFIG_ROLES * 2 + 2];
	uint32_t n_roles;
	enum lj_idle_mode idle;
	uint64_t max_sleep_ns;
};

struct lj_pipeline {
	const struct lj_config *config; /* borrowed */
	struct shared shared;
	struct lj_source *source[LJ_CONFIG_PORTS];
	uint32_t n_sources;
	char in_iface[LJ_CONFIG_TEXT]; /* EVE's, of the only port */

	struct spreader *spreader; /* NULL where workers receive themselves */
	struct worker *worker[LJ_CONFIG_ROLES];
	struct inferrer *inferrer[LJ_CONFIG_ROLES];
	struct sink_role *sink;
	struct role *role[LJ_CONFIG_ROLES * 2 + 2]; /* all of these in river order */
	uint32_t n_roles;

	struct lj_queue *spread_queue[LJ_CONFIG_ROLES];
	struct lj_queue *infer_queue[LJ_CONFIG_ROLES][LJ_CONFIG_ROLES]; /* [worker][inferrer] */
	struct lj_queue *sink_queue[LJ_CONFIG_ROLES];

	struct lcore *lcore; /* [n_lcores] */
	uint32_t n_lcores;
	uint64_t started_tsc;
	uint64_t lost; /* by the ports, when lj_pipeline_watch() last looked */
};

/* Opening: each fills its part of `p`, which lj_pipeline_destroy() closes whatever was reached. 0
 * or -errno. */
int open_models(struct lj_pipeline *p, struct lj_error *err);
int open_sources(struct lj_pipeline *p, struct lj_error *err);
int open_roles(struct lj_pipeline *p, struct lj_error *err);
int open_sinks(struct lj_pipeline *p, struct lj_error *err);
void close_roles(struct lj_pipeline *p);

/* The loop of one lcore: until all its roles are finished. */
int lcore_main(void *lcore);

#endif
