/* Private: the state of the decision-time objective. */
#ifndef HOLD_H
#define HOLD_H

#include <stdatomic.h>

#include "lj_histogram.h"
#include "slo.h"

struct lj_pipeline;

/* main: wo; the words reported: all ro */
struct hold {
	struct slo slo;
	bool looked;
	uint64_t looked_tsc, busy_cycles, lost;
	struct lj_histogram decision, wait, score; /* at the last step */
	/* New maximum of size and deadline. control: sets; main: takes at its next step */
	_Atomic uint32_t wished_size, wished_deadline_us;
	_Atomic bool wished;
	/* Reported by lj_pipeline_slo(). */
	_Atomic uint64_t p99_ns, decisions, held_s, missed_s;
	_Atomic uint32_t state, lcores;
};

void hold_init(struct lj_pipeline *p);
/* Sets batch size and deadline at once, and as the maximum from now on. Thread: any one. */
void hold_limit(struct lj_pipeline *p, uint32_t size, uint32_t deadline_us);
/* One step of the controller; to be called once a second. Thread: main. */
void hold_look(struct lj_pipeline *p, uint64_t now_ns);

#endif
