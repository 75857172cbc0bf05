/* Private: limits a repeating log message to one per minute. Thread: the sink thread. */
#ifndef COMPLAINT_H
#define COMPLAINT_H

#include <stdbool.h>
#include <stdint.h>

#include "lj_clock.h"

#define COMPLAIN_EVERY_NS 60000000000ULL

struct complaint {
	uint64_t tsc; /* of the latest message; 0: none yet */
};

static inline bool complaint_is_due(struct complaint *c)
{
	uint64_t now = rte_rdtsc();

	if (c->tsc != 0 && lj_cycles_to_ns(now - c->tsc) < COMPLAIN_EVERY_NS)
		return false;
	c->tsc = now;
	return true;
}

#endif
