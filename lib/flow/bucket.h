/* Private: the table's index, in buckets of one cache line. Inlined into its callers. */
#ifndef BUCKET_H
#define BUCKET_H

#include "flow_table.h"

static inline struct bucket *after(const struct lj_flow_table *t, struct bucket *b)
{
	return b == &t->buckets[t->bucket_mask] ? t->buckets : b + 1;
}

/* The key's flow, or NULL. */
static inline struct flow_slot *bucket_find(const struct lj_flow_table *t,
					    const struct lj_flow_key *key, uint64_t hash)
{
	struct bucket *b = home_of(t, hash);

	for (;;) {
		for (uint32_t hit = matches(b, &hash); hit != 0;) {
			uint32_t slot = (uint32_t)__builtin_ctz(hit) / 2;
			uint32_t record = b->record[slot];

			if (record != 0 && same_key(&slot_at(t, record - 1)->key, key))
				return slot_at(t, record - 1);
			hit &= ~(3u << (2 * slot));
		}
		if (b->overflow == 0)
			return NULL;
		b = after(t, b);
	}
}

/* The bucket's slot that holds `record`, or -1. */
static inline int slot_with(const struct bucket *b, uint32_t record)
{
	__m256i all = _mm256_loadu_si256((const __m256i *)b->record);
	__m256i same = _mm256_cmpeq_epi32(all, _mm256_set1_epi32((int32_t)record));
	uint32_t hit = (uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(same));

	return hit != 0 ? __builtin_ctz(hit) : -1;
}

static inline void bucket_insert(struct lj_flow_table *t, uint32_t index, uint64_t hash)
{
	struct bucket *b = home_of(t, hash);
	int slot;

	t->links[index].home = (uint32_t)(b - t->buckets);
	for (; (slot = slot_with(b, 0)) < 0; b = after(t, b))
		b->overflow++;
	b->record[slot] = index + 1;
	b->signature[slot] = signature_of(hash);
}

static inline void bucket_erase(struct lj_flow_table *t, uint32_t index)
{
	struct bucket *b = &t->buckets[t->links[index].home];
	int slot;

	for (; (slot = slot_with(b, index + 1)) < 0; b = after(t, b))
		b->overflow--;
	b->record[slot] = 0;
}

#endif
