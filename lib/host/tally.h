/*
 * Private: windowed counts of one role of one thing.
 *
 * A ring is one count over all sub-windows of all windows, a vector: to count is one addition, and
 * to move a distinct thing from where it was seen to where it is seen now is one subtraction more,
 * whatever the windows. Two rings are a leaf, which is a line, with the beat that they are as of:
 * what has left the windows since is masked out when the leaf is read, and gone when it is written.
 * So a fact touches the leaves that it counts in and no others, and nothing there depends on what
 * they hold.
 *
 * A tally is some leaves. The first says who its owner is: leaves that name another hold nothing.
 */
#ifndef TALLY_H
#define TALLY_H

#include <rte_branch_prediction.h>
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

/* All sub-windows of all windows, the one under way and the past ones: that with number n of window
 * w is at w * SUBWINDOWS + n % SUBWINDOWS. */
#define SLOTS (LJ_HOST_WINDOWS * SUBWINDOWS)

/* A vector has a few lanes more, for notes. */
#define LANES 16
#define NOTES 0xc0 /* as lanes of 32 bits */

/* More beats than any window has, and few enough for lanes of 16 bits to count on from there. */
#define LONG_AGO 1000

/* Windows that have bytes: from 60 s on. */
#define BYTES_FROM    LJ_HOST_60S
#define BYTES_WINDOWS (LJ_HOST_WINDOWS - BYTES_FROM)

/* Lanes as in a ring; those of notes are such that nothing happens to them. */
struct clock {
	uint16_t age[LANES] __rte_aligned(32); /* beats since each sub-window has begun */
	uint16_t now[LANES];		       /* 1 where it is under way */
	uint16_t past[LANES];		       /* 1 where it is over */
	uint64_t bytes_age[BYTES_WINDOWS][SUBWINDOWS];
	uint64_t bytes_now[BYTES_WINDOWS][SUBWINDOWS]; /* all bits where it is under way */
	uint32_t beat;
};

void host_set_clock(struct clock *clock, uint32_t beat);

struct leaf {
	uint16_t a[SLOTS];
	union {
		struct {
			uint32_t beat; /* both are as of this */
			uint32_t owner;
		};
		uint64_t stamp; /* of both: the owner in its upper half */
	};
	uint16_t b[SLOTS];
	/* Of a tally's first: */
	uint32_t since;	     /* what was marked before is not in here */
	uint32_t bytes_beat; /* that its bytes are as of */
};
LJ_ASSERT_LINES(struct leaf, 1);

/* Two rings, in registers. */
struct rings {
	__m256i a, b;
};

/* Bytes sent and received, of the windows that have them. As of when, the tally's first leaf says.
 */
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
	/* Unsigned: also of a clock that has gone back. */
	return RTE_MIN(clock->beat - beat, (uint32_t)LONG_AGO);
}

static inline uint64_t stamp_of(uint32_t owner, const struct clock *clock)
{
	return (uint64_t)owner << 32 | clock->beat;
}

/* What a leaf holds, now, of the owner that is in the stamp. */
static inline struct rings leaf_read(const struct leaf *l, uint64_t stamp,
				     const struct clock *clock)
{
	/* Of another owner it is long ago too, whichever of both was later. */
	uint64_t beats = RTE_MIN(stamp - l->stamp, (uint64_t)LONG_AGO);
	__m256i age = lanes_of(clock->age), since = _mm256_set1_epi16((short)beats);
	/* Unsigned: sub-windows that had begun by then, and not anew since. */
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

/* A tally that is somebody else's, from the first fact on that touches it. */
static inline void tally_leave(struct leaf *first)
{
	first->beat = 0;
}

/* And from now on. */
static inline void tally_renew(struct leaf *first, const struct clock *clock)
{
	__m256i none = _mm256_setzero_si256();

	leaf_write(first, (struct rings){none, with_notes(none, clock->beat)},
		   stamp_of(first->owner + 1, clock));
}

/* Of a tally that was left to whoever comes first: renews it. Of a clock that has gone back:
 * forgets windows of which an earlier sub-window is under way. */
void host_turn_back(struct leaf *first, uint32_t leaves, struct bytes *bytes,
		    const struct clock *clock);

/* First of all, each time before anything is counted or read. Of a tally with so many leaves, and
 * bytes or NULL. Returns the stamp of what is its owner's, now. */
static inline uint64_t tally_check(struct leaf *first, uint32_t leaves, struct bytes *bytes,
				   const struct clock *clock)
{
	/* Unsigned: never before, or later than now. */
	if (unlikely(first->beat - 1 >= clock->beat))
		host_turn_back(first, leaves, bytes, clock);
	return stamp_of(first->owner, clock);
}

/* Where the first leaf is not counted in; returns what it holds. */
static inline struct rings tally_touch(struct leaf *first, uint64_t stamp,
				       const struct clock *clock)
{
	struct rings r = leaf_read(first, stamp, clock);

	leaf_write(first, r, stamp);
	return r;
}

/* Counts stop at the top. */
static inline __m256i count(__m256i ring, const struct clock *clock)
{
	return _mm256_adds_epu16(ring, lanes_of(clock->now));
}

/* The lanes that a beat is in, if it is one of a tally's. */
static inline __m256i lanes_at(uint32_t beat, uint32_t since, const struct clock *clock)
{
	static const uint16_t last[LANES] __rte_aligned(32) = {
		BEATS_5S - 1,	BEATS_5S - 1,	BEATS_5S - 1,	BEATS_5S - 1,
		BEATS_60S - 1,	BEATS_60S - 1,	BEATS_60S - 1,	BEATS_60S - 1,
		BEATS_600S - 1, BEATS_600S - 1, BEATS_600S - 1, BEATS_600S - 1};
	uint32_t beats = beat >= since ? ago(clock, beat) : LONG_AGO;
	__m256i into = _mm256_sub_epi16(lanes_of(clock->age), _mm256_set1_epi16((short)beats));

	/* Unsigned: from a sub-window's first beat to its last. */
	return _mm256_cmpeq_epi16(_mm256_min_epu16(into, lanes_of(last)), into);
}

/* Counts a distinct thing where it is seen now, and no more where it was seen before; 0: never. */
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

/* Sums of neighbours, each less by 65536: products are of signed numbers. */
static inline __m256i pairs_of(__m256i ring)
{
	__m256i halved = _mm256_xor_si256(ring, _mm256_set1_epi16(INT16_MIN));

	return _mm256_madd_epi16(halved, _mm256_set1_epi16(1));
}

/* Sums over the windows of two rings, which alternate. */
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

/* One window's sub-windows; of those that have begun anew since: nothing. */
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

/* Bytes stop at the top as well. */
static inline void bytes_add(struct bytes *b, struct leaf *first, uint32_t sent, uint32_t received,
			     const struct clock *clock)
{
	__m256i more = _mm256_set1_epi64x((long long)((uint64_t)received << 32 | sent));

	for (uint32_t w = 0; w < BYTES_WINDOWS; w++) {
		__m256i now = _mm256_load_si256((const __m256i *)clock->bytes_now[w]);
		__m256i old = bytes_read(b, first, w, clock);
		__m256i sum = _mm256_add_epi32(old, _mm256_and_si256(more, now));
		/* All bits where the sum has not gone round. */
		__m256i right = _mm256_cmpeq_epi32(_mm256_min_epu32(sum, old), old);
		__m256i top = _mm256_xor_si256(right, _mm256_set1_epi32(-1));

		bytes_write(b, w, _mm256_or_si256(sum, top));
	}
	/* A word that is stored in a vector keeps the next who loads that waiting. */
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
