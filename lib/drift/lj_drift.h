/*
 * Drift detection: whether the traffic still resembles a model's training data.
 *
 * A bundle may include a reference: for each feature, and for the score, the edges of bins and the
 * share of the training data in each. The features and scores of sampled verdicts are counted into
 * the same bins over a sliding window of packet time, and compared by the population stability
 * index, PSI = sum (a - e) ln(a / e) over bins (Siddiqi, 2006): under 0.1 similar, 0.1 to 0.25
 * shifted, from 0.25 on a different population.
 *
 * There are three alarms, each logged and counted once until its condition ends: a model's scores
 * have drifted (PSI 0.25 or more), it has been silent (no flow over its threshold) for too long, or
 * it is flooding (too many flows over it). They are evaluated only when the window slides, so that
 * they do not flap.
 *
 * Thread: the sink's; lj_drift_report() from any.
 */
#ifndef LJ_DRIFT_H
#define LJ_DRIFT_H

#include <stdbool.h>
#include <stdint.h>

#include "lj_base.h"
#include "lj_stats.h"
#include "lj_verdict.h"

#define LJ_DRIFT_PSI	   0.25f
#define LJ_DRIFT_PSI_MOVED 0.1f
#define LJ_DRIFT_ROWS_MIN  500	/* samples in the window required for a PSI */
#define LJ_DRIFT_FLOWS_MIN 1000 /* verdicts in the window required for a share */

struct lj_drift;

struct lj_drift_config {
	uint32_t every;		/* one in so many verdicts is sampled; at least 1 */
	uint64_t window_ns;	/* of packet time; slides by a sixth */
	uint64_t silent_ns;	/* 0: no alarm */
	uint32_t flood_percent; /* 0: no alarm */
};

/* Whether a flow is sampled. Depends on its id, so a capture always gives the same sample. Path. */
static inline bool lj_drift_samples(uint64_t flow_id, uint32_t every)
{
	return every > 0 && (flow_id * 0x9e3779b97f4a7c15ULL >> 32) % every == 0;
}

/* Reads the references of the set's bundles. The set and `counters` are borrowed. NULL with `err`.
 */
struct lj_drift *lj_drift_create(const struct lj_model_set *models,
				 const struct lj_drift_config *config, struct lj_counters *counters,
				 struct lj_error *err);
void lj_drift_destroy(struct lj_drift *d);

/* Advances the window to packet time `now_ns`, that of the next verdict. If it slides, evaluates it
 * first, and returns true. */
bool lj_drift_look(struct lj_drift *d, uint64_t now_ns);

/* Counts a verdict, and its features if it is sampled and has rows. Path. */
void lj_drift_count(struct lj_drift *d, const struct lj_verdict *v);

/* Evaluates the current window and updates the reports; raises alarms only with `alarm`. */
void lj_drift_judge(struct lj_drift *d, bool alarm);

/* The state of one model. */
struct lj_drift_report {
	bool reference;			/* the bundle has one */
	bool bounds;			/* mode decide: scores are bounds, only features compare */
	uint64_t verdicts;		/* in the window */
	uint64_t sampled;		/* of them, with their features */
	uint64_t over;			/* of them, at or over the threshold */
	uint64_t quiet_ns;		/* since the latest of those, or since the first verdict */
	float score_psi;		/* NaN: not enough samples, or bounds */
	bool drifted, silent, flooding; /* in the current window */
	uint64_t alarms;		/* raised so far */
};
void lj_drift_report(const struct lj_drift *d, uint16_t model, struct lj_drift_report *report);
/* The PSI of one of the model's features; NaN: no reference, or not enough samples. */
float lj_drift_feature(const struct lj_drift *d, uint16_t model, uint32_t feature);

#endif
