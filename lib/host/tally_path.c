#include "tally.h"

static inline uint32_t subwindow_beats(enum lj_host_window w)
{
	return w == LJ_HOST_5S ? BEATS_5S : w == LJ_HOST_60S ? BEATS_60S : BEATS_600S;
}

static void set_window(struct clock *clock, enum lj_host_window w)
{
	uint32_t length = subwindow_beats(w), sub = clock->beat / length;

	for (uint32_t back = 0; back < SUBWINDOWS; back++) {
		uint32_t slot = (sub - back) % SUBWINDOWS, lane = w * SUBWINDOWS + slot;
		uint32_t age = clock->beat - (sub - back) * length;

		clock->age[lane] = (uint16_t)age;
		clock->now[lane] = back == 0;
		clock->past[lane] = back > 0;
		if (w < BYTES_FROM)
			continue;
		clock->bytes_age[w - BYTES_FROM][slot] = age;
		clock->bytes_now[w - BYTES_FROM][slot] = back == 0 ? UINT64_MAX : 0;
	}
}

void host_set_clock(struct clock *clock, uint32_t beat)
{
	clock->beat = beat;
	for (enum lj_host_window w = 0; w < LJ_HOST_WINDOWS; w++)
		set_window(clock, w);
	/* Notes have begun before anything, and are never over. */
	for (uint32_t lane = SLOTS; lane < LANES; lane++)
		clock->age[lane] = UINT16_MAX;
}
