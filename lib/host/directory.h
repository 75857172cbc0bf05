/*
 * Private: a set-associative directory, which maps hashes to table indexes.
 *
 * Each set is a cache line: the tags of eight entries, and when each was last used. lj_host.h
 * describes the replacement. A table holds the first entries of all sets, then all second ones, and
 * so on, so that few items touch little of its memory.
 */
#ifndef DIRECTORY_H
#define DIRECTORY_H

#include <rte_vect.h>

#include "lj_base.h"

#define WAYS	    8
#define NONE	    UINT32_MAX
#define ESTABLISHED 0x80000000u

/* Entries that were not used for so many beats (BEAT_NS) have expired. */
#define MEMORY_BEATS 480

/* A tag of 0 is an empty entry. */
struct place_set {
	uint32_t tag[WAYS];
	uint32_t used[WAYS]; /* beat of the last use; top bit: established */
};
LJ_ASSERT_LINES(struct place_set, 1);

struct directory {
	struct place_set *sets;
	uint64_t mask;
	uint32_t shift; /* 2^shift sets */
};

/* The set and the tag of a hash. */
struct spot {
	uint32_t set, tag;
};

struct place {
	uint32_t index;
	uint32_t before; /* beat of the previous use; 0: a new entry */
	bool taken;	 /* the entry was empty */
	bool evicted;	 /* the entry belonged to another item that had not expired */
};

static inline struct spot spot_of(const struct directory *d, uint64_t hash)
{
	uint32_t tag = (uint32_t)(hash >> 32);

	return (struct spot){(uint32_t)(hash & d->mask), tag != 0 ? tag : 1};
}

static inline struct place_set *set_of(const struct directory *d, struct spot spot)
{
	return &d->sets[spot.set];
}

/* Whether an entry is outside of all windows; also true if the clock has gone back behind it. */
static inline bool outlived(uint32_t used, uint32_t beat)
{
	return beat - (used & ~ESTABLISHED) >= MEMORY_BEATS;
}

/* A bit for each lane that is not 0. */
static inline uint32_t lanes(__m256i mask)
{
	return (uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(mask));
}

static inline uint32_t way_of(const struct place_set *s, uint32_t tag)
{
	__m256i tags = _mm256_load_si256((const __m256i *)s->tag);
	uint32_t same = lanes(_mm256_cmpeq_epi32(tags, _mm256_set1_epi32((int)tag)));

	return same != 0 ? (uint32_t)__builtin_ctz(same) : NONE;
}

/* The first entry that is empty or expired, else the least recently used one; the top bit sorts
 * established entries after all others. */
static inline uint32_t weakest(const struct place_set *s, uint32_t beat)
{
	__m256i tags = _mm256_load_si256((const __m256i *)s->tag);
	__m256i used = _mm256_load_si256((const __m256i *)s->used);
	__m256i age = _mm256_sub_epi32(_mm256_set1_epi32((int)beat),
				       _mm256_and_si256(used, _mm256_set1_epi32(~ESTABLISHED)));
	/* As outlived(): unsigned age >= MEMORY_BEATS. */
	__m256i old =
		_mm256_cmpeq_epi32(_mm256_max_epu32(age, _mm256_set1_epi32(MEMORY_BEATS)), age);
	uint32_t free =
		lanes(_mm256_or_si256(old, _mm256_cmpeq_epi32(tags, _mm256_setzero_si256())));
	__m256i least;

	if (free != 0)
		return (uint32_t)__builtin_ctz(free);
	least = _mm256_min_epu32(used, _mm256_permute2x128_si256(used, used, 1));
	least = _mm256_min_epu32(least, _mm256_shuffle_epi32(least, 0x4e));
	least = _mm256_min_epu32(least, _mm256_shuffle_epi32(least, 0xb1));
	return (uint32_t)__builtin_ctz(lanes(_mm256_cmpeq_epi32(used, least)));
}

static inline uint32_t index_of(const struct directory *d, struct spot spot, uint32_t way)
{
	return way << d->shift | spot.set;
}

/* The entry's index, or NONE; does not count as a use. */
static inline uint32_t directory_find(const struct directory *d, struct spot spot, uint32_t beat)
{
	const struct place_set *s = set_of(d, spot);
	uint32_t way = way_of(s, spot.tag);

	return way != NONE && !outlived(s->used[way], beat) ? index_of(d, spot, way) : NONE;
}

/* Finds or allocates the entry, and counts as a use: with the second one it becomes established. */
static inline struct place directory_claim(struct directory *d, struct spot spot, uint32_t beat)
{
	struct place_set *s = set_of(d, spot);
	uint32_t way = way_of(s, spot.tag);
	struct place p = {0};

	if (way != NONE && !outlived(s->used[way], beat)) {
		p.before = s->used[way] & ~ESTABLISHED;
		s->used[way] = beat | ESTABLISHED;
	} else {
		if (way == NONE)
			way = weakest(s, beat);
		p.taken = s->tag[way] == 0;
		p.evicted = !p.taken && !outlived(s->used[way], beat);
		s->tag[way] = spot.tag;
		s->used[way] = beat;
	}
	p.index = index_of(d, spot, way);
	return p;
}

#endif
