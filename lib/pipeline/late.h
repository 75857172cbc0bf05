/*
 * Private: lateness of lcores. The activity of each lcore in the last second is reported together
 * with the losses in it, since a queue overflows for one of two reasons: an lcore that was busy all
 * the time, or one that was not running. main: wo; control: ro, word by word.
 */
#ifndef LATE_H
#define LATE_H

#include "lj_histogram.h"
#include "lj_pipeline.h"

/* Of one lcore. */
struct lateness {
	struct lj_histogram loops; /* at the last call */
	uint64_t busy_cycles, switches;
	uint64_t looked_ns, silent_ns; /* how long no loop has ended */
	uint64_t longest_ns;	       /* loop of the worst second */
	/* Reported. */
	struct lj_late latest;	/* in the last interval */
	uint64_t longest_at_ns; /* the end of the worst second, since the epoch; 0: none yet */
};

/* Updates the lateness of every lcore; `elapsed_tsc` is the time since the last call. */
void late_look(struct lj_pipeline *p, uint64_t elapsed_tsc, uint64_t now_ns);
/* Of the lcores that run a role of `kind`, the one with the longest loop in the last interval. */
struct lj_late late_of(const struct lj_pipeline *p, enum lj_role_kind kind);

#endif
