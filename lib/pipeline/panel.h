/*
 * Private: the panel: the models in use, and what the sink needs for them.
 *
 * It is published by an atomic pointer, and immutable except as commented. Inference lcores switch
 * to a new panel between batches, the sink between bursts, and each publishes which one it uses. A
 * verdict refers to the models that made it, so verdicts in the queues keep theirs. An old panel is
 * closed when no role uses it and the sink has taken the last of its verdicts. QSBR (rte_rcu_qsbr)
 * would not be sufficient, since it does not cover the queues.
 */
#ifndef PANEL_H
#define PANEL_H

#include <stdatomic.h>

#include "explain.h"
#include "lj_drift.h"

struct panel {
	struct lj_model_set set;
	struct explaining explaining; /* used by the sink only */
	struct lj_drift *drift;	      /* used by the sink only; NULL: not watched */
	_Atomic uint64_t taken;	      /* its verdicts taken by the sink. sink: wo; control: ro */
};

/* A role's reference to the panel. role: wo; control: ro */
struct panel_reader {
	struct panel *panel; /* used by the role only */
	/* The generation of its set; stored once the previous panel is no longer accessed. */
	_Atomic uint32_t adopted;
};

static inline struct panel *panel_of(const struct lj_verdict *v)
{
	return container_of((struct lj_model_set *)(uintptr_t)v->models, struct panel, set);
}

/* Switches to the published panel; true if it is a new one. Path. */
static inline bool panel_adopt(struct panel_reader *r, struct panel *_Atomic *published)
{
	struct panel *now = atomic_load_explicit(published, memory_order_acquire);

	if (now == r->panel)
		return false;
	r->panel = now;
	return true;
}

struct lj_pipeline;

/* Opens the configured models, and applies the settings that depend on them. 0 or -errno. */
int panel_open_models(struct lj_pipeline *p, struct lj_error *err);
/* Opens what the sink needs for them; to be called once the sink's role exists. 0 or -errno. */
int panel_open_watch(struct lj_pipeline *p, struct lj_error *err);
void panel_close(struct panel *panel);

/* The LJ_KEEP_* and LJ_HOST_PART_* that the set's models need. */
uint32_t panel_keep(const struct lj_model_set *set);
uint32_t panel_context(const struct lj_model_set *set);

#endif
