/*
 * Private: windowed counts of one role of one item.
 *
 * A ring is one count over all sub-windows of all windows, as a vector: counting is one addition,
 * and moving a distinct item from the sub-window where it was last seen to the current one is one
 * more subtraction. Two rings make a leaf, which is a cache line, with the beat of its last update:
 * sub-windows that have expired since are masked out when the leaf is read, and cleared when it is
 * written. So a fact touches only the leaves in which it counts, without branching on their
 * contents.
 *
 * A tally is several leaves. The first one holds the current owner number; leaves with another
 * owner number count as empty.
 */
#ifndef TALLY_H
#define TALLY_H

#include <rte_branch_prediction.h>
#include <rte_vect.h>

#include "lj_host.h"

/*
 * Time is measured in beats of 1.25 s since the epoch: the shortest sub-window. The others are
 * multiples of it.
 */
#define BEAT_NS	   1250000000ULL
#define SUBWINDOWS 4
#define BEATS_5S   1
#define BEATS_60S  12
#define BEATS_600S 120

/* All sub-windows of all windows, the current and the past ones: sub-window number n of window w is
 * at w * SUBWINDOWS + n % SUBWINDOWS. */
#define SLOTS (LJ_HOST_WINDOWS * SUBWINDOWS)

/* A vector has four more 16-bit lanes, for `stamp` or `since`. */
#define LANES 16
#define NOTES 0xc0 /* mask of these, as 32-bit lanes */

/* Longer than any window, and small enough for arithmetic in 16-bit lanes. */
#define LONG_AGO 1000

/* Windows that count bytes: 60 s and longer. */
#define BYTES_FROM    LJ_HOST_60S
#define BYTES_WINDOWS (LJ_HOST_WINDOWS - BYTES_FROM)

/* Lanes as in a ring; those of the notes have values that leave them unchanged. */
struct clock {
	uint16_t age[LANES] __rte_aligned(32); /* beats since the sub-window began */
	uint16_t now[LANES];		       /* 1: the current sub-window */
	uint16_t past[LANES];		       /* 1: a past one */
	uint64_t bytes_age[BYTES_WINDOWS][SUBWINDOWS];
	uint64_t bytes_now[BYTES_WINDOWS][SUBWINDOWS]; /* all ones: the current sub-window */
	uint32_t beat;
};

void host_set_clock(struct clock *clock, uint32_t beat);

struct leaf {
	uint16_t a[SLOTS];
	union {
		struct {
			uint32_t beat; /* of the last update */
			uint32_t owner;
		};
		uint64_t stamp; /* both; the owner in the upper half */
	};
	uint16_t b[SLOTS];
	/* Only in a tally's first leaf: */
	uint32_t since;	     /* marks older than this beat were not counted here */
	uint32_t bytes_beat; /* beat of the last update of the bytes */
};
LJ_ASSERT_LINES(struct leaf, 1);

/* The two rings of a leaf, in registers. */
struct rings {
	__m256i a, b;
};

/* Bytes sent and received. The beat of their last update is in the tally's first leaf. */
struct bytes {
	uint32_t sub[BYTES_WINDOWS][SUBWINDOWS][2];
};
LJ_ASSERT_LINES(struct bytes, 1);

static inline __m256i lanes_of(const uint16_t *at)
{
	return _mm256_load_si256((const __m256i *)at);
}

static inline uint32_t ago(const struct clock *clock, uint32_t beat)
{
	/* Unsigned: also LONG_AGO if the clock has gone back. */
	return RTE_MIN(clock->beat - beat, (uint32_t)LONG_AGO);
}

static inline uint64_t stamp_of(uint32_t owner, const struct clock *clock)
{
	return (uint64_t)owner << 32 | clock->beat;
}

/* The leaf's rings as of now; empty unless the leaf's owner is that of the stamp. */
static inline struct rings leaf_read(const struct leaf *l, uint64_t stamp,
				     const struct clock *clock)
{
	/* Unsigned: a leaf of another owner is LONG_AGO, too. */
	uint64_t beats = RTE_MIN(stamp - l->stamp, (uint64_t)LONG_AGO);
	__m256i age = lanes_of(clock->age), since = _mm256_set1_epi16((short)beats);
	/* Unsigned age >= since: the sub-window has not been reused since. */
	__m256i live = _mm256_cmpeq_epi16(_mm256_max_epu16(age, since), age);

	return (struct rings){_mm256_and_si256(lanes_of(l->a), live),
			      _mm256_and_si256(lanes_of(l->b), live)};
}

static inline __m256i with_notes(__m256i ring, uint64_t notes)
{
	return _mm256_blend_epi32(ring, _mm256_set1_epi64x((long long)notes), NOTES);
}

static inline void leaf_write(struct leaf *l, struct rings r, uint64_t stamp)
{
	_mm256_store_si256((__m256i *)l->a, with_notes(r.a, stamp));
	_mm256_store_si256((__m256i *)l->b, r.b);
}

/* Marks a tally for renewal by the next fact that touches it: its entry has a new item. */
static inline void tally_leave(struct leaf *first)
{
	first->beat = 0;
}

/* Renews a tally: empties it by taking the next owner number. */
static inline void tally_renew(struct leaf *first, const struct clock *clock)
{
	__m256i none = _mm256_setzero_si256();

	leaf_write(first, (struct rings){none, with_notes(none, clock->beat)},
		   stamp_of(first->owner + 1, clock));
}

/* Renews a tally after tally_leave(). If the clock has gone back, clears those windows whose
 * current sub-window is an earlier one. */
void host_turn_back(struct leaf *first, uint32_t leaves, struct bytes *bytes,
		    const struct clock *clock);

/* To be called before anything is counted in or read from a tally with so many `leaves`; `bytes`
 * may be NULL. Returns the stamp of its owner as of now. */
static inline uint64_t tally_check(struct leaf *first, uint32_t leaves, struct bytes *bytes,
				   const struct clock *clock)
{
	/* Unsigned: 0, or later than now. */
	if (unlikely(first->beat - 1 >= clock->beat))
		host_turn_back(first, leaves, bytes, clock);
	return stamp_of(first->owner, clock);
}

/* Updates a first leaf in which nothing is counted; returns its rings. */
static inline struct rings tally_touch(struct leaf *first, uint64_t stamp,
				       const struct clock *clock)
{
	struct rings r = leaf_read(first, stamp, clock);

	leaf_write(first, r, stamp);
	return r;
}

/* Adds one to the current sub-windows, saturating. */
static inline __m256i count(__m256i ring, const struct clock *clock)
{
	return _mm256_adds_epu16(ring, lanes_of(clock->now));
}

/* A mask of the sub-windows that contain `beat`; none if it is before `since`. */
static inline __m256i lanes_at(uint32_t beat, uint32_t since, const struct clock *clock)
{
	static const uint16_t last[LANES] __rte_aligned(32) = {
		BEATS_5S - 1,	BEATS_5S - 1,	BEATS_5S - 1,	BEATS_5S - 1,
		BEATS_60S - 1,	BEATS_60S - 1,	BEATS_60S - 1,	BEATS_60S - 1,
		BEATS_600S - 1, BEATS_600S - 1, BEATS_600S - 1, BEATS_600S - 1};
	uint32_t beats = beat >= since ? ago(clock, beat) : LONG_AGO;
	__m256i into = _mm256_sub_epi16(lanes_of(clock->age), _mm256_set1_epi16((short)beats));

	/* Unsigned into <= last: within the sub-window. */
	return _mm256_cmpeq_epi16(_mm256_min_epu16(into, lanes_of(last)), into);
}

/* Counts a distinct item in the current sub-windows, and no longer in those of `before`, the beat
 * of its last use; 0: none. */
static inline __m256i count_distinct(__m256i ring, uint32_t before, uint32_t since,
				     const struct clock *clock)
{
	__m256i in = lanes_at(before, since, clock);
	__m256i less = _mm256_and_si256(in, lanes_of(clock->past));
	__m256i more = _mm256_andnot_si256(in, lanes_of(clock->now));

	return _mm256_adds_epu16(_mm256_subs_epu16(ring, less), more);
}

/* Sums over windows of four rings, 32 bits each. */
struct sums {
	__m256i first; /* of 5 s in the lower half, of 600 s in the upper */
	__m256i other; /* of 60 s in the lower half */
};

/* Sums of adjacent lanes, minus 65536, since madd multiplies signed numbers. */
static inline __m256i pairs_of(__m256i ring)
{
	__m256i halved = _mm256_xor_si256(ring, _mm256_set1_epi16(INT16_MIN));

	return _mm256_madd_epi16(halved, _mm256_set1_epi16(1));
}

/* Sums over each window of two rings, interleaved. */
static inline __m256i windows_of(__m256i a, __m256i b)
{
	return _mm256_add_epi32(_mm256_hadd_epi32(pairs_of(a), pairs_of(b)),
				_mm256_set1_epi32(2 * 65536));
}

static inline struct sums sums_of(__m256i a, __m256i b, __m256i c, __m256i d)
{
	__m256 ab = _mm256_castsi256_ps(windows_of(a, b));
	__m256 cd = _mm256_castsi256_ps(windows_of(c, d));

	return (struct sums){_mm256_castps_si256(_mm256_shuffle_ps(ab, cd, 0x88)),
			     _mm256_castps_si256(_mm256_shuffle_ps(ab, cd, 0xdd))};
}

static inline __m128i sums_5s(const struct sums *s)
{
	return _mm256_castsi256_si128(s->first);
}

static inline __m128i sums_60s(const struct sums *s)
{
	return _mm256_castsi256_si128(s->other);
}

static inline __m128i sums_600s(const struct sums *s)
{
	return _mm256_extracti128_si256(s->first, 1);
}

/* One window's sub-windows, 0 for those that have expired. */
static inline __m256i bytes_read(const struct bytes *b, const struct leaf *first, uint32_t w,
				 const struct clock *clock)
{
	uint32_t beats = ago(clock, first->bytes_beat);
	__m256i age = _mm256_load_si256((const __m256i *)clock->bytes_age[w]);
	__m256i gone = _mm256_cmpgt_epi64(_mm256_set1_epi64x(beats), age);

	return _mm256_andnot_si256(gone, _mm256_load_si256((const __m256i *)b->sub[w]));
}

static inline void bytes_write(struct bytes *b, uint32_t w, __m256i subs)
{
	_mm256_store_si256((__m256i *)b->sub[w], subs);
}

/* Adds bytes to the current sub-windows, saturating. */
static inline void bytes_add(struct bytes *b, struct leaf *first, uint32_t sent, uint32_t received,
			     const struct clock *clock)
{
	__m256i more = _mm256_set1_epi64x((long long)((uint64_t)received << 32 | sent));

	for (uint32_t w = 0; w < BYTES_WINDOWS; w++) {
		__m256i now = _mm256_load_si256((const __m256i *)clock->bytes_now[w]);
		__m256i old = bytes_read(b, first, w, clock);
		__m256i sum = _mm256_add_epi32(old, _mm256_and_si256(more, now));
		/* All ones where the sum has not wrapped. */
		__m256i right = _mm256_cmpeq_epi32(_mm256_min_epu32(sum, old), old);
		__m256i top = _mm256_xor_si256(right, _mm256_set1_epi32(-1));

		bytes_write(b, w, _mm256_or_si256(sum, top));
	}
	/* Avoid the store if possible: a vector load after a partial store stalls. */
	if (first->bytes_beat != clock->beat)
		first->bytes_beat = clock->beat;
}

/* Sums of the bytes sent and received, 64 bits each. */
static inline __m128i bytes_sums(__m256i subs)
{
	__m256i sums = _mm256_add_epi64(_mm256_cvtepu32_epi64(_mm256_castsi256_si128(subs)),
					_mm256_cvtepu32_epi64(_mm256_extracti128_si256(subs, 1)));

	return _mm_add_epi64(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
}

#endif
