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

struct clock {
	uint64_t ns;
	uint32_t beat;
	uint32_t sub[LJ_HOST_WINDOWS]; /* the sub-window of each that is under way */
};

/* The number of the sub-window that a beat is in. */
static inline uint32_t subwindow(enum lj_host_window w, uint32_t beat)
{
	switch (w) {
	case LJ_HOST_5S:
		return beat / BEATS_5S;
	case LJ_HOST_60S:
		return beat / BEATS_60S;
	default:
		return beat / BEATS_600S;
	}
}

/* By enum lj_host_count, as far as they go. */
struct counts {
	uint16_t of[LJ_HOST_COMMON];
};
_Static_assert(sizeof(struct counts) == 16, "a vector");

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

#define LIVE_BITS ((1u << SUBWINDOWS) - 1)

static inline uint32_t live_of(const struct tally *t, enum lj_host_window w)
{
	return (uint32_t)t->live >> w * SUBWINDOWS & LIVE_BITS;
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

static inline void add_stopping(uint32_t *sum, uint32_t more)
{
	*sum = *sum > UINT32_MAX - more ? UINT32_MAX : *sum + more;
}

static inline void add_bytes(union aside *now, uint32_t sent, uint32_t received)
{
	add_stopping(&now->bytes[0], sent);
	add_stopping(&now->bytes[1], received);
}

/* One less in the past sub-window where a thing was seen. */
static inline void take_back(uint16_t *count)
{
	*count = (uint16_t)(*count - (*count > 0));
}

/* Where a thing that is seen now was seen last. */
struct seen {
	uint32_t before; /* beat; 0: never */
	uint32_t age[LJ_HOST_WINDOWS], slot[LJ_HOST_WINDOWS];
};

static inline struct seen seen_at(uint32_t before, const struct clock *clock)
{
	struct seen s = {.before = before};

	for (enum lj_host_window w = 0; w < LJ_HOST_WINDOWS; w++) {
		uint32_t sub = subwindow(w, before);

		s.age[w] = clock->sub[w] - sub;
		s.slot[w] = sub % SUBWINDOWS;
	}
	return s;
}

/*
 * Whether a thing is to be counted in the sub-window under way: it is new to the tally, or was seen
 * in another one. `*slot` is where it then no longer counts, or SUBWINDOWS.
 */
static inline bool moves(const struct tally *t, enum lj_host_window w, const struct seen *s,
			 uint32_t *slot)
{
	*slot = SUBWINDOWS;
	/* Marked before this tally began, or out of the window: as good as new. */
	if (s->before < t->since || s->age[w] >= SUBWINDOWS)
		return true;
	if (s->age[w] == 0)
		return false;
	if (live_of(t, w) >> s->slot[w] & 1)
		*slot = s->slot[w];
	return true;
}

/* A common count of distinct things, of one that is seen: a bit for each window where it is to be
 * counted. Where it counted until now it no longer does. */
static inline uint32_t tally_distinct(const struct tally *t, struct past *past,
				      enum lj_host_count what, const struct seen *s)
{
	uint32_t bits = 0, slot;

	for (enum lj_host_window w = 0; w < LJ_HOST_WINDOWS; w++) {
		bits |= (uint32_t)moves(t, w, s, &slot) << w;
		if (slot < SUBWINDOWS)
			take_back(&past[w].sub[slot].of[what]);
	}
	return bits;
}

/* The same for one of the trials. */
static inline uint32_t trials_distinct(const struct tally *t, struct aside_past *past,
				       enum lj_host_count what, const struct seen *s)
{
	uint32_t bits = 0, slot;

	for (enum lj_host_window w = 0; w < LJ_HOST_WINDOWS; w++) {
		bits |= (uint32_t)moves(t, w, s, &slot) << w;
		if (slot < SUBWINDOWS)
			take_back(&past[w].sub[slot].trials[what - LJ_HOST_COMMON]);
	}
	return bits;
}

/* All bits of those 64-bit lanes that stand for a live sub-window, by the bits it has in `lanes`.
 */
static inline __m256i live_lanes(uint32_t live, __m256i lanes)
{
	__m256i bits = _mm256_and_si256(_mm256_set1_epi64x(live), lanes);

	return _mm256_cmpeq_epi64(bits, lanes);
}

/* Sums of the common counts, 32 bits each. */
static inline __m256i tally_sums(const struct tally *t, const struct past *past,
				 enum lj_host_window w)
{
	__m256i sums = _mm256_cvtepu16_epi32(_mm_load_si128((const __m128i *)&t->now[w]));
	const __m256i *sub = (const __m256i *)past[w].sub;
	uint32_t live = live_of(t, w);
	__m256i a, b;

	if (live == 0)
		return sums;
	a = _mm256_and_si256(sub[0], live_lanes(live, _mm256_setr_epi64x(1, 1, 2, 2)));
	b = _mm256_and_si256(sub[1], live_lanes(live, _mm256_setr_epi64x(4, 4, 8, 8)));
	sums = _mm256_add_epi32(sums, _mm256_cvtepu16_epi32(_mm256_castsi256_si128(a)));
	sums = _mm256_add_epi32(sums, _mm256_cvtepu16_epi32(_mm256_extracti128_si256(a, 1)));
	sums = _mm256_add_epi32(sums, _mm256_cvtepu16_epi32(_mm256_castsi256_si128(b)));
	return _mm256_add_epi32(sums, _mm256_cvtepu16_epi32(_mm256_extracti128_si256(b, 1)));
}

static inline __m256i live_asides(const struct aside_past *past, uint32_t live)
{
	__m256i all = _mm256_loadu_si256((const __m256i *)past->sub);

	return _mm256_and_si256(all, live_lanes(live, _mm256_setr_epi64x(1, 2, 4, 8)));
}

/* Sums of the trials, 32 bits each. */
static inline __m128i trials_sums(const union aside *now, const struct aside_past *past,
				  uint32_t live)
{
	__m128i sums = _mm_cvtepu16_epi32(_mm_loadl_epi64((const __m128i *)now));
	__m256i all, pairs;

	if (live == 0)
		return sums;
	all = live_asides(past, live);
	pairs = _mm256_add_epi32(_mm256_cvtepu16_epi32(_mm256_castsi256_si128(all)),
				 _mm256_cvtepu16_epi32(_mm256_extracti128_si256(all, 1)));
	sums = _mm_add_epi32(sums, _mm256_castsi256_si128(pairs));
	return _mm_add_epi32(sums, _mm256_extracti128_si256(pairs, 1));
}

/* Sums of the bytes sent and received, 64 bits each. */
static inline __m128i bytes_sums(const union aside *now, const struct aside_past *past,
				 uint32_t live)
{
	__m128i sums = _mm_cvtepu32_epi64(_mm_loadl_epi64((const __m128i *)now));
	__m256i all, pairs;

	if (live == 0)
		return sums;
	all = live_asides(past, live);
	pairs = _mm256_add_epi64(_mm256_cvtepu32_epi64(_mm256_castsi256_si128(all)),
				 _mm256_cvtepu32_epi64(_mm256_extracti128_si256(all, 1)));
	sums = _mm_add_epi64(sums, _mm256_castsi256_si128(pairs));
	return _mm_add_epi64(sums, _mm256_extracti128_si256(pairs, 1));
}

#endif
