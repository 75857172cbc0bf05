/*
 * Whether the traffic still looks like what a model was trained on.
 *
 * A bundle may keep a reference: for each feature, and for the score, the edges of bins and the
 * share of the training data in each. The features and scores of sampled verdicts are counted into
 * the same bins over a sliding window of packet time, and compared by the population stability
 * index, PSI = sum (a - e) ln(a / e) over bins (Siddiqi, 2006): under 0.1 alike, 0.1 to 0.25
 * moved, from 0.25 another population.
 *
 * Alarms, each a line in the log and a count, raised once until it is over: a model's scores have
 * drifted (PSI from 0.25), it has not been over its threshold for too long, or is so for too many.
 * They are raised when the window slides, not at every look, so that none flutters.
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
#define LJ_DRIFT_ROWS_MIN  500	/* sampled in the window before a PSI means anything */
#define LJ_DRIFT_FLOWS_MIN 1000 /* verdicts in the window before a share does */

struct lj_drift;

struct lj_drift_config {
	uint32_t every;		/* one in so many verdicts is sampled; at least 1 */
	uint64_t window_ns;	/* of packet time; slides by a sixth */
	uint64_t silent_ns;	/* 0: never an alarm */
	uint32_t flood_percent; /* 0: never an alarm */
};

/* Whether a flow is sampled: by its id, so that the same capture gives the same sample. Path. */
static inline bool lj_drift_samples(uint64_t flow_id, uint32_t every)
{
	return every > 0 && (flow_id * 0x9e3779b97f4a7c15ULL >> 32) % every == 0;
}

/* Reads the references of the set's bundles; the set is borrowed. NULL and `err`. */
struct lj_drift *lj_drift_create(const struct lj_model_set *models,
				 const struct lj_drift_config *config, struct lj_counters *counters,
				 struct lj_error *err);
void lj_drift_destroy(struct lj_drift *d);

/* Moves the window on to packet time `now_ns`, of the verdict that is counted next; judges it when
 * it has moved, and returns whether. */
bool lj_drift_look(struct lj_drift *d, uint64_t now_ns);

/* Counts a verdict; its features when it is sampled and has rows. Path. */
void lj_drift_count(struct lj_drift *d, const struct lj_verdict *v);

/* Judges the window as it stands, for the reports; alarms are raised with `alarm`. */
void lj_drift_judge(struct lj_drift *d, bool alarm);

/* What is known of one model's window. */
struct lj_drift_report {
	bool reference;			/* the bundle has one */
	bool bounds;			/* of mode decide: scores are no measure, features are */
	uint64_t verdicts;		/* in the window */
	uint64_t sampled;		/* of them, with their features */
	uint64_t over;			/* at or over the threshold */
	uint64_t quiet_ns;		/* since the latest of those, or since the first verdict */
	float score_psi;		/* NaN: not enough sampled, or bounds */
	bool drifted, silent, flooding; /* as the window stands */
	uint64_t alarms;		/* raised so far */
};
void lj_drift_report(const struct lj_drift *d, uint16_t model, struct lj_drift_report *report);
/* PSI of one of the model's features; NaN: no reference, or not enough sampled. */
float lj_drift_feature(const struct lj_drift *d, uint16_t model, uint32_t feature);

#endif
