/*
 * Private: windowed counts of one role of one thing.
 *
 * What the sub-windows under way hold stands together in a line, with the beat they are of: to
 * count is to touch that line, whatever the windows. When the clock has come to another sub-window,
 * what the last one held is put into the window's ring of past ones, a line a window, which is read
 * when all is summed up. A bit says which of those hold anything, so that rings are neither cleared
 * nor read where there is nothing.
 */
#ifndef TALLY_H
#define TALLY_H

#include <rte_vect.h>

#include "lj_host.h"

/*
 * Time goes in beats of 1.25 s, counted from the epoch: the shortest sub-window. The others are
 * whole numbers of beats.
 */
#define BEAT_NS	   1250000000ULL
#define SUBWINDOWS 4
#define BEATS_5S   1
#define BEATS_60S  12
#define BEATS_600S 120

static inline uint32_t subwindow_beats(enum lj_host_window w)
{
	return w == LJ_HOST_5S ? BEATS_5S : w == LJ_HOST_60S ? BEATS_60S : BEATS_600S;
}

/* The number of the sub-window that a beat is in. */
static inline uint32_t subwindow(enum lj_host_window w, uint32_t beat)
{
	return beat / subwindow_beats(w);
}

/* All sub-windows of all windows, the one under way and the past ones, as the bits of tally.live:
 * that with number n of window w is w * SUBWINDOWS + n % SUBWINDOWS. */
#define SLOTS	  (LJ_HOST_WINDOWS * SUBWINDOWS)
#define LIVE_BITS ((1u << SUBWINDOWS) - 1)

/* A bit for each window: that of its first slot. */
#define ALL_WINDOWS (1u << 0 * SUBWINDOWS | 1u << 1 * SUBWINDOWS | 1u << 2 * SUBWINDOWS)
_Static_assert(LJ_HOST_WINDOWS == 3, "windows");

struct clock {
	uint32_t from[SLOTS] __rte_aligned(32); /* the beat at which each has begun */
	uint32_t beat;
	uint32_t sub[LJ_HOST_WINDOWS]; /* the sub-window of each window that is under way */
	uint32_t now;		       /* the slots of those */
};

/* By enum lj_host_count, as far as they go. */
struct counts {
	uint16_t of[LJ_HOST_COMMON];
};
_Static_assert(sizeof(struct counts) == 16, "a vector");

/* Where one of the sub-windows is live, those that are not are zero; where none is, all are
 * anything. */
struct past {
	struct counts sub[SUBWINDOWS]; /* number % SUBWINDOWS; not the one under way */
};
LJ_ASSERT_LINES(struct past, 1);

/* Empty when `beat` is 0, whatever else is there. */
struct tally {
	uint32_t beat;	    /* all is as of this */
	uint16_t live;	    /* past sub-windows that hold something: SUBWINDOWS bits a window */
	uint8_t gaps, ends; /* of a conversation's rhythm: see there */
	union {
		uint32_t since; /* beat of the first count: what was marked before is not in here */
		uint64_t begun_ns; /* conversations, which count nothing distinct: latest flow */
	};
	struct counts now[LJ_HOST_WINDOWS];
};
LJ_ASSERT_LINES(struct tally, 1);

/* Further counts of the same sub-windows, beside a tally. */
union aside {
	uint16_t trials[LJ_HOST_COUNTS - LJ_HOST_COMMON]; /* from LJ_HOST_COMMON on */
	uint32_t bytes[2];				  /* sent, received */
	uint64_t all;
};
_Static_assert(sizeof(union aside) == 8, "half a vector");

struct aside_past {
	union aside sub[SUBWINDOWS];
};

/* Of a window, from the lowest bit on. */
static inline uint32_t live_of(const struct tally *t, enum lj_host_window w)
{
	return (uint32_t)t->live >> w * SUBWINDOWS & LIVE_BITS;
}

static inline bool any_live(const struct tally *t, enum lj_host_window w)
{
	return (t->live & LIVE_BITS << w * SUBWINDOWS) != 0;
}

/* Counts stop at the top. */
static inline void tally_add(struct tally *t, enum lj_host_window w, __m128i more)
{
	__m128i *now = (__m128i *)&t->now[w];

	_mm_store_si128(now, _mm_adds_epu16(_mm_load_si128(now), more));
}

static inline void add_trials(union aside *now, __m128i more)
{
	_mm_storel_epi64((__m128i *)now, _mm_adds_epu16(_mm_loadl_epi64((__m128i *)now), more));
}

/* Bytes of both windows, which stop at the top as well. */
static inline void add_bytes(union aside now[2], uint32_t sent, uint32_t received)
{
	__m128i more = _mm_set1_epi64x((long long)((uint64_t)received << 32 | sent));
	__m128i old = _mm_loadu_si128((const __m128i *)now), sum = _mm_add_epi32(old, more);
	/* All bits where the sum has not gone round. */
	__m128i right = _mm_cmpeq_epi32(_mm_min_epu32(sum, old), old);
	__m128i top = _mm_xor_si128(right, _mm_set1_epi32(-1));

	_mm_storeu_si128((__m128i *)now, _mm_or_si128(sum, top));
}

/* One less in the past sub-window where a thing was seen. */
static inline void take_back(uint16_t *count)
{
	*count = (uint16_t)(*count - (*count > 0));
}

/* Where a thing that is seen now counts until now. */
struct seen {
	uint32_t before; /* beat; 0: never */
	uint16_t moved;	 /* windows (as in ALL_WINDOWS): not in the sub-window under way */
	uint16_t past;	 /* slots of the past ones that it is in */
};

/* The slots that a beat is in. */
static inline uint32_t slots_at(const struct clock *clock, uint32_t beat)
{
	static const uint32_t last[SLOTS] __rte_aligned(32) = {
		BEATS_5S - 1,	BEATS_5S - 1,	BEATS_5S - 1,	BEATS_5S - 1,
		BEATS_60S - 1,	BEATS_60S - 1,	BEATS_60S - 1,	BEATS_60S - 1,
		BEATS_600S - 1, BEATS_600S - 1, BEATS_600S - 1, BEATS_600S - 1};
	__m256i since = _mm256_sub_epi32(_mm256_set1_epi32((int)beat),
					 _mm256_load_si256((const __m256i *)clock->from));
	__m128i since_600s = _mm_sub_epi32(_mm_set1_epi32((int)beat),
					   _mm_load_si128((const __m128i *)&clock->from[8]));
	/* Unsigned: from the first beat to the last. */
	__m256i in = _mm256_cmpeq_epi32(
		_mm256_min_epu32(since, _mm256_load_si256((const __m256i *)last)), since);
	__m128i in_600s = _mm_cmpeq_epi32(
		_mm_min_epu32(since_600s, _mm_load_si128((const __m128i *)&last[8])), since_600s);

	return (uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(in)) |
	       (uint32_t)_mm_movemask_ps(_mm_castsi128_ps(in_600s)) << 8;
}

static inline struct seen seen_at(uint32_t before, const struct clock *clock)
{
	uint32_t slots = slots_at(clock, before), now = slots & clock->now;

	/* To the lowest bit of each window's. */
	now |= now >> 2;
	now |= now >> 1;
	return (struct seen){.before = before,
			     .moved = (uint16_t)(~now & ALL_WINDOWS),
			     .past = (uint16_t)(slots & ~clock->now)};
}

/* The windows where a thing is to be counted; in `*past` the slots where it then no longer is. */
static inline uint32_t moves(const struct tally *t, const struct seen *s, uint32_t *past)
{
	/* Marked before this tally began: as good as new. */
	bool known = s->before >= t->since;

	*past = known ? s->past & t->live : 0;
	return known ? s->moved : ALL_WINDOWS;
}

/* A common count of distinct things, of one that is seen: the windows where it is to be counted. */
static inline uint32_t tally_distinct(const struct tally *t, struct past *past,
				      enum lj_host_count what, const struct seen *s)
{
	uint32_t slots, windows = moves(t, s, &slots);

	for (; slots != 0; slots &= slots - 1) {
		uint32_t slot = (uint32_t)__builtin_ctz(slots);

		take_back(&past[slot / SUBWINDOWS].sub[slot % SUBWINDOWS].of[what]);
	}
	return windows;
}

/* The same for one of the trials. */
static inline uint32_t trials_distinct(const struct tally *t, struct aside_past *past,
				       enum lj_host_count what, const struct seen *s)
{
	uint32_t slots, windows = moves(t, s, &slots);

	for (; slots != 0; slots &= slots - 1) {
		uint32_t slot = (uint32_t)__builtin_ctz(slots);
		union aside *sub = &past[slot / SUBWINDOWS].sub[slot % SUBWINDOWS];

		take_back(&sub->trials[what - LJ_HOST_COMMON]);
	}
	return windows;
}

/* Sums of the common counts, 32 bits each. */
static inline __m256i tally_sums(const struct tally *t, const struct past *past,
				 enum lj_host_window w)
{
	const __m128i *sub = (const __m128i *)past[w].sub;
	__m256i sums = _mm256_cvtepu16_epi32(_mm_load_si128((const __m128i *)&t->now[w]));

	if (!any_live(t, w))
		return sums;
	for (uint32_t i = 0; i < SUBWINDOWS; i++)
		sums = _mm256_add_epi32(sums, _mm256_cvtepu16_epi32(_mm_load_si128(&sub[i])));
	return sums;
}

/* Sums of the trials, 32 bits each. */
static inline __m128i trials_sums(const union aside *now, const struct aside_past *past, bool live)
{
	__m128i sums = _mm_cvtepu16_epi32(_mm_loadl_epi64((const __m128i *)now));

	for (uint32_t i = 0; live && i < SUBWINDOWS; i++)
		sums = _mm_add_epi32(
			sums, _mm_cvtepu16_epi32(_mm_loadl_epi64((const __m128i *)&past->sub[i])));
	return sums;
}

/* Sums of the bytes sent and received, 64 bits each. */
static inline __m128i bytes_sums(const union aside *now, const struct aside_past *past, bool live)
{
	__m128i sums = _mm_cvtepu32_epi64(_mm_loadl_epi64((const __m128i *)now));

	for (uint32_t i = 0; live && i < SUBWINDOWS; i++)
		sums = _mm_add_epi64(
			sums, _mm_cvtepu32_epi64(_mm_loadl_epi64((const __m128i *)&past->sub[i])));
	return sums;
}

#endif
