/* Private: what holding the objective keeps between two looks. */
#ifndef HOLD_H
#define HOLD_H

#include <stdatomic.h>

#include "lj_histogram.h"
#include "slo.h"

struct lj_pipeline;

/* main: wo; the words told: all ro */
struct hold {
	struct slo slo;
	bool looked;
	uint64_t looked_tsc, busy_cycles, lost;
	struct lj_histogram decision, wait, score; /* at the latest look */
	/* A new most of size and deadline. control: sets; main: takes up at its next look */
	_Atomic uint32_t wished_size, wished_deadline_us;
	_Atomic bool wished;
	/* Told by lj_pipeline_slo(). */
	_Atomic uint64_t p99_ns, decisions, held_s, missed_s;
	_Atomic uint32_t state, lcores;
};

void hold_init(struct lj_pipeline *p);
/* Control sets size or deadline: in force at once, and the most from now on. Any one thread. */
void hold_limit(struct lj_pipeline *p, uint32_t size, uint32_t deadline_us);
/* Looks and acts; once a second. */
void hold_look(struct lj_pipeline *p, uint64_t now_ns);

#endif
