#include "lj_clock.h"

#include <time.h>

#include <rte_common.h>

#define FOLLOW_NS   1000000000	  /* between corrections */
#define CONVERGE_NS 16000000000LL /* an error is corrected over this time */
#define READING_NS  10000	  /* if reading both clocks takes longer, it was interrupted */
#define PAIRS	    64		  /* a pair is reused only after this many seconds */

struct lj_clock lj_clock;
const struct lj_clock *_Atomic lj_clock_latest = &lj_clock;

/* The last readings, and the wall time according to the kernel's clock. Main thread only. */
static struct {
	uint64_t tsc, kernel_ns, wall_ns;
} read_last;

static uint64_t kernel_ns(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

void lj_clock_start(uint64_t tsc, uint64_t wall_ns, uint64_t steady_ns)
{
	read_last.tsc = lj_clock.tsc0 = tsc;
	read_last.wall_ns = lj_clock.wall0_ns = wall_ns;
	read_last.kernel_ns = steady_ns;
	lj_clock.mult = (uint64_t)(((unsigned __int128)1000000000 << 32) / rte_get_tsc_hz());
	atomic_store_explicit(&lj_clock_latest, &lj_clock, memory_order_release);
}

void lj_clock_init(void)
{
	uint64_t wall_ns = kernel_ns(CLOCK_REALTIME), tsc = rte_rdtsc();

	lj_clock_start(tsc, wall_ns, kernel_ns(CLOCK_MONOTONIC));
}

static int64_t between(int64_t value, int64_t least, int64_t most)
{
	return value < least ? least : value > most ? most : value;
}

/* ns per cycle since the last reading, scaled by 2^32. Limited to between half and twice the EAL's
 * rate, since the TSC may jump when a virtual machine is migrated. */
static int64_t rate_since(uint64_t tsc, uint64_t steady_ns)
{
	unsigned __int128 ns = steady_ns - read_last.kernel_ns;
	uint64_t cycles = RTE_MAX(tsc - read_last.tsc, 1UL);
	int64_t mult = (int64_t)lj_clock.mult;
	unsigned __int128 rate = (ns << 32) / cycles;

	return between((int64_t)RTE_MIN(rate, (unsigned __int128)INT64_MAX), mult / 2, mult * 2);
}

void lj_clock_correct(uint64_t tsc, uint64_t steady_ns)
{
	static struct lj_clock pairs[PAIRS];
	static uint32_t next;
	struct lj_clock *c = &pairs[next++ % PAIRS];
	int64_t rate = rate_since(tsc, steady_ns), error;

	read_last.wall_ns += steady_ns - read_last.kernel_ns;
	read_last.kernel_ns = steady_ns;
	read_last.tsc = tsc;
	/* Continue from the current wall time at another rate, so that it never goes back. */
	c->tsc0 = tsc;
	c->wall0_ns = lj_clock_wall_ns(tsc);
	error = between((int64_t)(read_last.wall_ns - c->wall0_ns), -CONVERGE_NS / 2,
			CONVERGE_NS / 2);
	c->mult = (uint64_t)(rate + (int64_t)((__int128)rate * error / CONVERGE_NS));
	atomic_store_explicit(&lj_clock_latest, c, memory_order_release);
}

void lj_clock_follow(void)
{
	uint64_t before = rte_rdtsc(), after, steady_ns;

	if (lj_cycles_to_ns(before - read_last.tsc) < FOLLOW_NS)
		return;
	steady_ns = kernel_ns(CLOCK_MONOTONIC);
	after = rte_rdtsc();
	if (lj_cycles_to_ns(after - before) <= READING_NS)
		lj_clock_correct(before + (after - before) / 2, steady_ns);
}
