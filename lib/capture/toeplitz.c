#include <string.h>

#include "lj_rss.h"

/* 32 bits of the key, starting at bit `at`. */
static uint32_t window(const uint8_t *key, uint32_t at)
{
	uint64_t bits = 0;

	for (uint32_t i = 0; i < 5; i++)
		bits = bits << 8 | key[at / 8 + i];
	return (uint32_t)(bits >> (8 - at % 8));
}

/* Row r maps the bits of a tuple byte to bit r, counted from the top, of a hash byte. */
static uint64_t matrix(const uint8_t *key, uint32_t k)
{
	uint64_t m = 0;

	for (uint32_t r = 0; r < 8; r++)
		m |= (uint64_t)(window(key, 8 * k + r) >> 24) << (8 * r);
	return m;
}

void lj_toeplitz_init(struct lj_toeplitz *t, const uint8_t *key, uint8_t bytes,
		      enum lj_toeplitz_way way)
{
	uint8_t padded[LJ_RSS_KEY_MAX + 8] = {0};

	memset(t, 0, sizeof(*t));
	memcpy(padded, key, RTE_MIN(bytes, LJ_RSS_KEY_MAX));
	for (uint32_t half = 0; half < RTE_DIM(t->nibble); half++)
		for (uint32_t value = 0; value < 16; value++)
			for (uint32_t bit = 0; bit < 4; bit++)
				if (value & 8 >> bit)
					t->nibble[half][value] ^= window(padded, half * 4 + bit);
	for (uint32_t k = 0; k < LJ_RSS_TUPLE_MAX + 3; k++)
		t->matrix[k] = matrix(padded, k);
	/* Not rte_thash_gfni_supported(), which depends on how DPDK was compiled. */
	t->gfni = way != LJ_TOEPLITZ_TABLE && __builtin_cpu_supports("gfni");
}

void lj_rss_symmetric_key(uint8_t *key, uint8_t bytes)
{
	for (uint8_t i = 0; i < bytes; i++)
		key[i] = i % 2 == 0 ? 0x6d : 0x5a;
}

void lj_rss_set_key(struct lj_rss *rss, const uint8_t *key, uint8_t bytes)
{
	rss->key_bytes = RTE_MIN(bytes, LJ_RSS_KEY_MAX);
	memcpy(rss->key, key, rss->key_bytes);
	lj_toeplitz_init(&rss->toeplitz, rss->key, rss->key_bytes, LJ_TOEPLITZ_BEST);
}

void lj_rss_init(struct lj_rss *rss, enum lj_rss_mode mode, uint16_t queues, uint8_t key_bytes,
		 uint16_t reta_entries)
{
	uint8_t key[LJ_RSS_KEY_MAX];

	memset(rss, 0, sizeof(*rss));
	rss->mode = mode;
	rss->queues = queues;
	rss->reta_entries = reta_entries;
	for (uint16_t i = 0; i < reta_entries; i++)
		rss->reta[i] = i % queues;
	key_bytes = RTE_MIN(key_bytes, LJ_RSS_KEY_MAX);
	lj_rss_symmetric_key(key, key_bytes);
	lj_rss_set_key(rss, key, key_bytes);
}

/* xorshift: the same tuples in every run. */
static uint32_t next_random(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

static uint16_t queue_of(const struct lj_rss *rss, const uint8_t *src, const uint8_t *dst,
			 uint32_t address_bytes, const uint8_t *ports, const uint32_t order[2])
{
	uint8_t tuple[LJ_RSS_TUPLE_MAX];
	uint32_t n = 2 * address_bytes;

	memcpy(tuple, src, address_bytes);
	memcpy(tuple + address_bytes, dst, address_bytes);
	if (ports != NULL) {
		memcpy(tuple + n, ports + order[0], 2);
		memcpy(tuple + n + 2, ports + order[1], 2);
		n += 4;
	}
	return lj_rss_queue(rss, lj_toeplitz_hash(&rss->toeplitz, tuple, n));
}

uint32_t lj_rss_self_test(const struct lj_rss *there, const struct lj_rss *back)
{
	uint32_t random = 1, parted = 0, word[9];

	for (uint32_t i = 0; i < LJ_RSS_TEST_PAIRS; i++) {
		uint32_t bytes = i & 1 ? 16 : 4;
		const uint8_t *tuple = (const uint8_t *)word;
		const uint8_t *ports = i & 2 ? tuple + 32 : NULL;

		for (uint32_t w = 0; w < RTE_DIM(word); w++)
			word[w] = next_random(&random);
		parted += queue_of(there, tuple, tuple + 16, bytes, ports, (uint32_t[]){0, 2}) !=
			  queue_of(back, tuple + 16, tuple, bytes, ports, (uint32_t[]){2, 0});
	}
	return parted;
}
