/*
 * Time in nanoseconds. The TSC is the only clock that is read on the data path.
 *
 * Wall time starts from the kernel's and then advances with the TSC. The EAL may know the TSC rate
 * only to 10 MHz, an error of minutes a day, so every second the main thread compares our wall time
 * with CLOCK_MONOTONIC, which NTP disciplines, and adjusts the rate until both agree. Wall time
 * never goes back. Durations use the EAL's rate.
 *
 * Thread: lj_clock_init() once, before lcores start; lj_clock_follow() main; the rest any.
 */
#ifndef LJ_CLOCK_H
#define LJ_CLOCK_H

#include <stdatomic.h>
#include <stdint.h>

#include <rte_cycles.h>

/* Wall time and TSC read together, and the rate from then on. main: wo, until published; all: ro.
 */
struct lj_clock {
	uint64_t tsc0;
	uint64_t wall0_ns; /* wall time at tsc0 */
	uint64_t mult;	   /* ns per cycle, scaled by 2^32 */
};
extern struct lj_clock lj_clock;		       /* at lj_clock_init(), with the EAL's rate */
extern const struct lj_clock *_Atomic lj_clock_latest; /* main: wo; all: ro */

/* Reads the clocks; the EAL must be up (it knows the TSC rate). */
void lj_clock_init(void);
/* The same with given readings, for tests: `steady_ns` is CLOCK_MONOTONIC at that time. */
void lj_clock_start(uint64_t tsc, uint64_t wall_ns, uint64_t steady_ns);
/* Compares the clocks and adjusts ours; at most once a second, however often it is called. */
void lj_clock_follow(void);
/* The same at once with given readings, for tests; they must be later than the previous ones. */
void lj_clock_correct(uint64_t tsc, uint64_t steady_ns);

/* Cycles as nanoseconds; exact to 2^-32, no overflow below 2^64 ns. */
static inline uint64_t lj_cycles_to_ns(uint64_t cycles)
{
	return (uint64_t)(((unsigned __int128)cycles * lj_clock.mult) >> 32);
}

/* Nanoseconds since the epoch at `tsc`: monotonic, does not follow steps of the system clock. */
static inline uint64_t lj_clock_wall_ns(uint64_t tsc)
{
	const struct lj_clock *c = atomic_load_explicit(&lj_clock_latest, memory_order_acquire);
	/* Signed: `tsc` may have been read before the latest pair was published. */
	__int128 cycles = (int64_t)(tsc - c->tsc0);

	return c->wall0_ns + (uint64_t)((cycles * (int64_t)c->mult) >> 32);
}

#endif
