/*
 * Private: the controller that holds a decision-time objective, a pure function of what is seen.
 *
 * Once a second it compares the 99th percentile of decision time with the objective.
 * - Late though inference has time to spare: batches are what others wait for, so size and deadline
 *   are halved at once. With half of the objective to spare they grow again, by an eighth a second.
 * - Late and busy: full batches score most a second, so size and deadline go back to what was
 *   configured, and when it stays so for 60 s, one more lcore is woken.
 * - When one lcore fewer would have been less than 60 % busy for 300 s, one is parked. Since it is
 *   woken at 80 %, parking does not bring about the next waking.
 * - Late after scoring (the sink): nothing here can mend that, and it is said.
 */
#ifndef SLO_H
#define SLO_H

#include <stdbool.h>
#include <stdint.h>

#define SLO_WAKE_AFTER_NS 60000000000ULL
#define SLO_PARK_AFTER_NS 300000000000ULL
#define SLO_DECISIONS_MIN 100 /* that an interval must have for its percentile to mean anything */

enum slo_state {
	SLO_NONE,  /* no objective */
	SLO_QUIET, /* too few decisions to tell */
	SLO_HELD,
	SLO_MISSED,	 /* by inference */
	SLO_MISSED_SINK, /* after scoring */
	SLO_STATES
};

struct slo_seen { /* in the interval that ends now */
	uint64_t now_ns;
	uint64_t decisions;
	uint64_t p99_ns;	   /* of decision time */
	uint64_t inference_p99_ns; /* of its part until scored: p99 of waiting and of scoring */
	uint64_t lost;		   /* flows shed or refused */
	double busy;		   /* 0..1, of the active inference lcores' time */
};

struct slo {
	uint64_t target_ns; /* 0: no objective */
	/* The most that is configured; parking is not possible with min_lcores = max_lcores. */
	uint32_t max_size, max_deadline_us, max_lcores, min_lcores;
	/* In force. */
	uint32_t size, deadline_us, lcores;
	enum slo_state state;
	uint64_t short_since_ns, ample_since_ns; /* 0: they are not */
};

/* `deadline_us` 0 (no limit) is as good as half of the objective: a decision takes up to two
 * batches' time, so no longer one is ever used. */
void slo_init(struct slo *s, uint64_t target_ns, uint32_t size, uint32_t deadline_us,
	      uint32_t min_lcores, uint32_t max_lcores);
/* Whether anything in force has changed. */
bool slo_step(struct slo *s, const struct slo_seen *seen);

#endif
