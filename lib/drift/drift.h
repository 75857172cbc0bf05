/* Private: windows and references. */
#ifndef DRIFT_H
#define DRIFT_H

#include "lj_drift.h"

#define EDGES_MAX 15
#define BINS_MAX  (EDGES_MAX + 2) /* [0] is for missing values */
#define PANES	  6

/* Bins of one feature, or of the score: bin 1 + the number of edges at or below the value. */
struct reference {
	uint32_t edges; /* 0: the value is constant, or not watched */
	float edge[EDGES_MAX];
	float share[BINS_MAX];
};

/* A sixth of the window. */
struct pane {
	uint64_t verdicts, sampled, over;
	uint32_t *bin; /* [features + 1][BINS_MAX], the score last */
};

struct watched {
	uint32_t features;
	const char *name;
	float threshold;
	struct reference *reference; /* [features + 1], the score last; NULL: the bundle has none */
	struct pane pane[PANES];
	uint64_t fired_ns;		/* packet time when it was last over its threshold */
	bool drifted, silent, flooding; /* alarms that are active */

	/* sink: wo; all: ro */
	struct lj_drift_report report;
	float *psi; /* [features] */
};

struct lj_drift {
	struct lj_drift_config config;
	const struct lj_model_set *models;
	struct lj_counters *counters;
	uint64_t now_ns, pane_end_ns; /* packet time; 0: none yet */
	uint32_t pane;		      /* the current one */
	struct watched model[LJ_MODELS_MAX];
};

/* Reads reference[features + 1] of a bundle, the score last; the caller frees it. NULL with `err`,
 * or with err->what unchanged if the bundle has none. */
struct reference *reference_load(const struct lj_model *m, struct lj_error *err);

static inline uint32_t bin_of(const struct reference *r, float value)
{
	uint32_t bin = 1;

	if (value != value)
		return 0;
	for (uint32_t i = 0; i < r->edges; i++)
		bin += value >= r->edge[i];
	return bin;
}

#endif
