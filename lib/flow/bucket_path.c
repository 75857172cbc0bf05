#include "flow_table.h"

static inline struct bucket *after(const struct lj_flow_table *t, struct bucket *b)
{
	return b == &t->buckets[t->bucket_mask] ? t->buckets : b + 1;
}

struct lj_flow *bucket_find(const struct lj_flow_table *t, const struct lj_flow_key *key,
			    uint64_t hash)
{
	struct bucket *b = home_of(t, hash);

	for (;;) {
		for (uint32_t hit = matches(b, signature_of(hash)); hit != 0;) {
			uint32_t slot = (uint32_t)__builtin_ctz(hit) / 2;
			uint32_t record = b->record[slot];

			if (record != 0 && same_key(&record_at(t, record - 1)->key, key))
				return record_at(t, record - 1);
			hit &= ~(3u << (2 * slot));
		}
		if (b->overflow == 0)
			return NULL;
		b = after(t, b);
	}
}

void bucket_insert(struct lj_flow_table *t, const struct lj_flow *f)
{
	struct bucket *b = home_of(t, f->hash);

	for (;; b = after(t, b)) {
		for (int slot = 0; slot < BUCKET_SLOTS; slot++)
			if (b->record[slot] == 0) {
				b->record[slot] = f->index + 1;
				b->signature[slot] = signature_of(f->hash);
				return;
			}
		b->overflow++;
	}
}

void bucket_erase(struct lj_flow_table *t, const struct lj_flow *f)
{
	struct bucket *b = home_of(t, f->hash);

	for (;; b = after(t, b)) {
		for (int slot = 0; slot < BUCKET_SLOTS; slot++)
			if (b->record[slot] == f->index + 1) {
				b->record[slot] = 0;
				return;
			}
		b->overflow--;
	}
}
