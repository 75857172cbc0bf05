/*
 * Private: the panel, the models in force and what the sink keeps beside them.
 *
 * A published object: immutable but for what its comments say, behind an atomic pointer. Inference
 * lcores take a new one up between two batches, the sink between two bursts, and each says which
 * it has. A verdict names the models that made it, so those in flight are written by theirs. One
 * that has been replaced is closed when all have left it and the sink has taken the last verdict
 * of it: a reader's quiescence alone, as of rte_rcu_qsbr, would not wait for the queues between.
 */
#ifndef PANEL_H
#define PANEL_H

#include <stdatomic.h>

#include "explain.h"
#include "lj_drift.h"

struct panel {
	struct lj_model_set set;
	struct explaining explaining; /* the sink's */
	struct lj_drift *drift;	      /* the sink's; NULL: not watched */
	_Atomic uint64_t taken;	      /* verdicts of it, by the sink. sink: wo; control: ro */
};

/* Who reads a panel says which it has, the generation of its set. role: wo; control: ro */
struct panel_reader {
	struct panel *panel; /* the role's alone */
	/* Its generation, once nothing of the one before is touched any more. */
	_Atomic uint32_t adopted;
};

static inline struct panel *panel_of(const struct lj_verdict *v)
{
	return container_of((struct lj_model_set *)(uintptr_t)v->models, struct panel, set);
}

/* Takes up what is published; true when that is another one. Path. */
static inline bool panel_adopt(struct panel_reader *r, struct panel *_Atomic *published)
{
	struct panel *now = atomic_load_explicit(published, memory_order_acquire);

	if (now == r->panel)
		return false;
	r->panel = now;
	return true;
}

struct lj_pipeline;

/* Opens the configured models, and the settings that go by them. 0 or -errno. */
int panel_open_models(struct lj_pipeline *p, struct lj_error *err);
/* Then, what the sink keeps of them; its counters have to be there. 0 or -errno. */
int panel_open_watch(struct lj_pipeline *p, struct lj_error *err);
void panel_close(struct panel *panel);

/* LJ_KEEP_* bits and LJ_HOST_PART_* that the set's models read. */
uint32_t panel_keep(const struct lj_model_set *set);
uint32_t panel_context(const struct lj_model_set *set);

#endif
