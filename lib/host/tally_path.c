#include <string.h>

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
	/* The lanes of notes never expire. */
	for (uint32_t lane = SLOTS; lane < LANES; lane++)
		clock->age[lane] = UINT16_MAX;
}

/* A mask of the windows that have the same current sub-window at beats a and b. */
static __m256i same_windows(uint32_t a, uint32_t b)
{
	uint16_t same[LANES] __rte_aligned(32);

	memset(same, 0xff, sizeof(same));
	for (enum lj_host_window w = 0; w < LJ_HOST_WINDOWS; w++)
		if (a / subwindow_beats(w) != b / subwindow_beats(w))
			memset(&same[w * SUBWINDOWS], 0, SUBWINDOWS * sizeof(*same));
	return lanes_of(same);
}

/* Restores the tally as of its last update, and clears windows whose sub-window differs. */
static void cut_back(struct leaf *first, uint32_t leaves, struct bytes *bytes,
		     const struct clock *clock)
{
	uint64_t stamp = (uint64_t)first->owner << 32 | first->beat;
	__m256i kept = same_windows(clock->beat, first->beat);
	struct clock then = {0};

	host_set_clock(&then, first->beat);
	for (uint32_t w = 0; bytes != NULL && w < BYTES_WINDOWS; w++) {
		uint32_t length = subwindow_beats(BYTES_FROM + w);
		bool same = clock->beat / length == then.beat / length;

		bytes_write(bytes, w,
			    same ? bytes_read(bytes, first, w, &then) : _mm256_setzero_si256());
	}
	for (uint32_t i = 0; i < leaves; i++) {
		struct rings r = leaf_read(&first[i], stamp, &then);

		r.a = _mm256_and_si256(r.a, kept);
		r.b = _mm256_and_si256(r.b, kept);
		leaf_write(&first[i], r, stamp_of(first->owner, clock));
	}
	first->since = first->bytes_beat = clock->beat;
}

void host_turn_back(struct leaf *first, uint32_t leaves, struct bytes *bytes,
		    const struct clock *clock)
{
	if (first->beat == 0)
		tally_renew(first, clock);
	else
		cut_back(first, leaves, bytes, clock);
}
