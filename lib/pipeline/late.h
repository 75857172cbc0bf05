/*
 * Private: who was late. What each lcore did in the latest second stands beside what was lost in
 * it: full queues have one of two reasons, an lcore that was busy all the time, or one that was
 * away. main: wo; control: ro. Words are stored whole.
 */
#ifndef LATE_H
#define LATE_H

#include "lj_histogram.h"
#include "lj_pipeline.h"

/* Of one lcore. */
struct lateness {
	struct lj_histogram loops; /* at the latest look */
	uint64_t busy_cycles, switches;
	uint64_t looked_ns, silent_ns; /* how long no loop has ended */
	uint64_t longest_ns;	       /* loop of the worst second */
	/* Told. */
	struct lj_late latest;	/* of the latest interval */
	uint64_t longest_at_ns; /* the end of the worst second, since the epoch; 0: none yet */
};

/* Sees what every lcore did in the `elapsed_tsc` since the latest time. */
void late_look(struct lj_pipeline *p, uint64_t elapsed_tsc, uint64_t now_ns);
/* Of the lcores that hold a role of `kind` the one that was away for longest in the latest
 * interval. */
struct lj_late late_of(const struct lj_pipeline *p, enum lj_role_kind kind);

#endif
