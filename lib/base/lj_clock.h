/*
 * Time as nanoseconds. The TSC is the only clock read on a path.
 *
 * Wall time begins at the kernel's and goes on by the TSC, whose rate the EAL knows to 10 MHz at
 * times: as much as minutes a day. So main compares it with the kernel's steady clock, which NTP
 * steers, every second, and lets it go faster or slower until both agree; it never goes back.
 * Durations are told by the EAL's rate.
 *
 * Thread: lj_clock_init() once, before lcores start; lj_clock_follow() main; the rest any.
 */
#ifndef LJ_CLOCK_H
#define LJ_CLOCK_H

#include <stdatomic.h>
#include <stdint.h>

#include <rte_cycles.h>

/* A pair of readings, wall time and TSC, and the rate from there on. main: wo, until it is
 * published; all: ro. */
struct lj_clock {
	uint64_t tsc0;
	uint64_t wall0_ns; /* wall time at tsc0 */
	uint64_t mult;	   /* ns per cycle, scaled by 2^32 */
};
extern struct lj_clock lj_clock;		       /* of the beginning, by the EAL's rate */
extern const struct lj_clock *_Atomic lj_clock_latest; /* main: wo; all: ro */

/* Takes the readings; the EAL must be up (it knows the TSC's rate). */
void lj_clock_init(void);
/* The same with somebody else's: `steady_ns` is CLOCK_MONOTONIC at that time. */
void lj_clock_start(uint64_t tsc, uint64_t wall_ns, uint64_t steady_ns);
/* Compares the clocks, once a second however often it is called, and steers ours. */
void lj_clock_follow(void);
/* The same now, with somebody else's readings, later than those before. */
void lj_clock_correct(uint64_t tsc, uint64_t steady_ns);

/* Cycles as nanoseconds; exact to 2^-32, no overflow below 2^64 ns. */
static inline uint64_t lj_cycles_to_ns(uint64_t cycles)
{
	return (uint64_t)(((unsigned __int128)cycles * lj_clock.mult) >> 32);
}

/* Nanoseconds since the epoch by the TSC: monotonic, does not follow later clock steps. */
static inline uint64_t lj_clock_wall_ns(uint64_t tsc)
{
	const struct lj_clock *c = atomic_load_explicit(&lj_clock_latest, memory_order_acquire);
	/* Signed: the TSC may have been read before the pair was. */
	__int128 cycles = (int64_t)(tsc - c->tsc0);

	return c->wall0_ns + (uint64_t)((cycles * (int64_t)c->mult) >> 32);
}

#endif
