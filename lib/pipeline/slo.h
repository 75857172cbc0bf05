/*
 * Private: the controller for the decision-time objective, without side effects.
 *
 * Once a second it compares the 99th percentile of the decision time with the objective.
 * - Late, but inference is not busy: flows wait for other batches, so size and deadline are halved.
 *   With half of the objective to spare they grow again, by an eighth per second.
 * - Late and busy: full batches have the highest throughput, so size and deadline are reset to the
 *   configured values; if this lasts for 60 s, one more lcore is woken.
 * - If one lcore fewer would have been less than 60 % busy for 300 s, one is parked. Waking needs
 *   80 %, so parking does not cause the next waking.
 * - Late after scoring (in the sink): cannot be corrected here, only reported.
 */
#ifndef SLO_H
#define SLO_H

#include <stdbool.h>
#include <stdint.h>

#define SLO_WAKE_AFTER_NS 60000000000ULL
#define SLO_PARK_AFTER_NS 300000000000ULL
#define SLO_DECISIONS_MIN 100 /* per interval, required for a percentile */

enum slo_state {
	SLO_NONE,  /* no objective */
	SLO_QUIET, /* too few decisions */
	SLO_HELD,
	SLO_MISSED,	 /* by inference */
	SLO_MISSED_SINK, /* after scoring */
	SLO_STATES
};

struct slo_seen { /* in the interval that ends now */
	uint64_t now_ns;
	uint64_t decisions;
	uint64_t p99_ns;	   /* of decision time */
	uint64_t inference_p99_ns; /* p99 of waiting plus p99 of scoring */
	uint64_t lost;		   /* flows shed or refused */
	double busy;		   /* 0..1, of the active inference lcores' time */
};

struct slo {
	uint64_t target_ns; /* 0: no objective */
	/* As configured; no parking if min_lcores = max_lcores. */
	uint32_t max_size, max_deadline_us, max_lcores, min_lcores;
	/* In effect. */
	uint32_t size, deadline_us, lcores;
	enum slo_state state;
	uint64_t short_since_ns, ample_since_ns; /* 0: not at present */
};

/* The deadline is limited to half of the objective, also if `deadline_us` is 0 (no limit), since a
 * decision takes up to the time of two batches. */
void slo_init(struct slo *s, uint64_t target_ns, uint32_t size, uint32_t deadline_us,
	      uint32_t min_lcores, uint32_t max_lcores);
/* Returns whether anything in effect has changed. */
bool slo_step(struct slo *s, const struct slo_seen *seen);

#endif
