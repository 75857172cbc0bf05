#include <string.h>

#include <immintrin.h>

#include <rte_branch_prediction.h>

#include "lj_rss.h"

#define HASH_BYTES 4

static uint32_t hash_table(const struct lj_toeplitz *t, const uint8_t *tuple, uint32_t n)
{
	uint32_t hash = 0;

	for (uint32_t i = 0; i < n; i++)
		hash ^= t->nibble[2 * i][tuple[i] >> 4] ^ t->nibble[2 * i + 1][tuple[i] & 15];
	return hash;
}

/* Four bytes of the tuple from `at` on, zeros beyond its end. */
static inline uint32_t word_at(const uint8_t *tuple, uint32_t at, uint32_t n)
{
	uint32_t word = 0;

	if (likely(at + sizeof(word) <= n))
		memcpy(&word, tuple + at, sizeof(word));
	else
		for (uint32_t i = at; i < n; i++)
			word |= (uint32_t)tuple[i] << (8 * (i - at));
	return word;
}

/*
 * Byte j of the hash is the sum over i of matrix[i + j] times byte i of the tuple. So matrix k is
 * multiplied by the bytes k - 3 .. k, each for a different byte of the hash. A 64-bit word of the
 * vector holds one k, four k are processed at a time, and the sum of all words is the hash, with
 * its first byte on top.
 */
__attribute__((target("gfni,avx2"))) static uint32_t hash_gfni(const struct lj_toeplitz *t,
							       const uint8_t *tuple, uint32_t n)
{
	const __m256i windows =
		_mm256_setr_epi8(0, 1, 2, 3, -1, -1, -1, -1, 1, 2, 3, 4, -1, -1, -1, -1, 2, 3, 4, 5,
				 -1, -1, -1, -1, 3, 4, 5, 6, -1, -1, -1, -1);
	__m256i sum = _mm256_setzero_si256();
	uint64_t before = 0;
	__m128i half;

	for (uint32_t k = 0; k < n + HASH_BYTES - 1; k += 4) {
		uint64_t word = word_at(tuple, k, n);
		__m256i x = _mm256_set1_epi64x((long long)(before >> 8 | word << 24));
		__m256i m = _mm256_loadu_si256((const __m256i *)&t->matrix[k]);

		x = _mm256_shuffle_epi8(x, windows);
		sum = _mm256_xor_si256(sum, _mm256_gf2p8affine_epi64_epi8(x, m, 0));
		before = word;
	}
	half = _mm_xor_si128(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
	return (uint32_t)_mm_cvtsi128_si32(_mm_xor_si128(half, _mm_unpackhi_epi64(half, half)));
}

uint32_t lj_toeplitz_hash(const struct lj_toeplitz *t, const void *tuple, uint32_t n)
{
	return t->gfni ? hash_gfni(t, tuple, n) : hash_table(t, tuple, n);
}
