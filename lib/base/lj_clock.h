/*
 * Time as nanoseconds. The TSC is the only clock read on a path.
 * Thread: lj_clock_init() once, before lcores start; the rest from any thread.
 */
#ifndef LJ_CLOCK_H
#define LJ_CLOCK_H

#include <stdint.h>

#include <rte_cycles.h>

/* One frozen pair of readings: wall time and TSC, and the rate between. main: wo; all: ro. */
struct lj_clock {
	uint64_t tsc0;
	uint64_t wall0_ns; /* CLOCK_REALTIME at tsc0 */
	uint64_t mult;	   /* ns per cycle, scaled by 2^32 */
};
extern struct lj_clock lj_clock;

/* Takes the readings; the EAL must be up (it knows the TSC's rate). */
void lj_clock_init(void);

/* Cycles as nanoseconds; exact to 2^-32, no overflow below 2^64 ns. */
static inline uint64_t lj_cycles_to_ns(uint64_t cycles)
{
	return (uint64_t)(((unsigned __int128)cycles * lj_clock.mult) >> 32);
}

/* Nanoseconds since the epoch by the TSC: monotonic, does not follow later clock steps. */
static inline uint64_t lj_clock_wall_ns(uint64_t tsc)
{
	return lj_clock.wall0_ns + lj_cycles_to_ns(tsc - lj_clock.tsc0);
}

#endif
