#include "lj_clock.h"

#include <time.h>

struct lj_clock lj_clock;

void lj_clock_init(void)
{
	struct timespec wall;

	clock_gettime(CLOCK_REALTIME, &wall);
	lj_clock.tsc0 = rte_rdtsc();
	lj_clock.wall0_ns = (uint64_t)wall.tv_sec * 1000000000 + (uint64_t)wall.tv_nsec;
	lj_clock.mult = (uint64_t)(((unsigned __int128)1000000000 << 32) / rte_get_tsc_hz());
}
