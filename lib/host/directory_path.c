#include <rte_vect.h>

#include "host_table.h"

#define ESTABLISHED 0x80000000u

static inline uint32_t tag_of(uint64_t hash)
{
	uint32_t tag = (uint32_t)(hash >> 32);

	return tag != 0 ? tag : 1;
}

/* Whether a place has left every window; also when the clock has gone back behind it. */
static inline bool outlived(uint32_t used, uint32_t beat)
{
	return beat - (used & ~ESTABLISHED) >= MEMORY_BEATS;
}

static inline uint32_t way_of(const struct place_set *s, uint32_t tag)
{
	__m256i all = _mm256_load_si256((const __m256i *)s->tag);
	int same = _mm256_movemask_ps(
		_mm256_castsi256_ps(_mm256_cmpeq_epi32(all, _mm256_set1_epi32((int)tag))));

	return same != 0 ? (uint32_t)__builtin_ctz((unsigned int)same) : NONE;
}

/* Places that are empty, or whose owner has left every window: a bit each. */
static inline uint32_t free_ways(const struct place_set *s, uint32_t beat)
{
	__m256i tags = _mm256_load_si256((const __m256i *)s->tag);
	__m256i used = _mm256_and_si256(_mm256_load_si256((const __m256i *)s->used),
					_mm256_set1_epi32(~ESTABLISHED));
	__m256i age = _mm256_sub_epi32(_mm256_set1_epi32((int)beat), used);
	/* As outlived(): an age is below the limit, unsigned, where the lesser of both is itself.
	 */
	__m256i young =
		_mm256_cmpeq_epi32(_mm256_min_epu32(age, _mm256_set1_epi32(MEMORY_BEATS - 1)), age);
	__m256i empty = _mm256_cmpeq_epi32(tags, _mm256_setzero_si256());

	return (uint32_t)(_mm256_movemask_ps(_mm256_castsi256_ps(empty)) |
			  (~_mm256_movemask_ps(_mm256_castsi256_ps(young)) & 0xff));
}

/* Who makes room: the order is in the header's contract. */
static uint32_t weakest(const struct place_set *s, uint32_t beat)
{
	uint32_t free = free_ways(s, beat), best = 0;

	if (free != 0)
		return (uint32_t)__builtin_ctz(free);
	/* The top bit puts the established behind all newcomers. */
	for (uint32_t way = 1; way < WAYS; way++)
		best = s->used[way] < s->used[best] ? way : best;
	return best;
}

uint32_t directory_find(const struct directory *d, uint64_t hash, uint32_t beat)
{
	const struct place_set *s = set_of(d, hash);
	uint32_t way = way_of(s, tag_of(hash));

	if (way == NONE || outlived(s->used[way], beat))
		return NONE;
	return (uint32_t)(hash & d->mask) * WAYS + way;
}

struct place directory_claim(struct directory *d, uint64_t hash, uint32_t beat)
{
	struct place_set *s = set_of(d, hash);
	uint32_t tag = tag_of(hash), way = way_of(s, tag);
	struct place p = {0};

	if (way != NONE && !outlived(s->used[way], beat)) {
		p.before = s->used[way] & ~ESTABLISHED;
		s->used[way] = beat | ESTABLISHED;
	} else {
		if (way == NONE)
			way = weakest(s, beat);
		p.taken = s->tag[way] == 0;
		p.evicted = !p.taken && !outlived(s->used[way], beat);
		s->tag[way] = tag;
		s->used[way] = beat;
	}
	p.index = (uint32_t)(hash & d->mask) * WAYS + way;
	return p;
}
