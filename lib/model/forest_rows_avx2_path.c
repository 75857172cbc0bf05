/*
 * The row-lane kernel in AVX2, for CPUs without AVX-512: 32 rows per register. For the program that
 * it runs see forest.h and forest_program.c.
 */
#include <immintrin.h>

#include "forest_parts.h"

#define TARGET __attribute__((target("avx2,popcnt"))) FOREST_UNCHECKED
#define INLINE static inline __attribute__((always_inline)) TARGET

#define ROWS   32
#define BLOCKS 1

typedef __m256i reg;

INLINE reg four(uint32_t x)
{
	return _mm256_set1_epi32((int32_t)x);
}

INLINE reg load(const int8_t *p)
{
	return _mm256_load_si256((const __m256i *)p);
}

INLINE reg less(reg rank, reg count)
{
	return _mm256_subs_epi8(rank, count);
}

INLINE reg pick(reg right, reg a, reg b)
{
	return _mm256_blendv_epi8(a, b, right);
}

INLINE reg shift_in(reg v, reg bit)
{
	const __m256i top = _mm256_set1_epi8((char)0x80);

	return _mm256_or_si256(_mm256_and_si256(bit, top),
			       _mm256_andnot_si256(top, _mm256_srli_epi16(v, 1)));
}

INLINE reg top_bits(reg v, uint32_t n)
{
	return _mm256_and_si256(_mm256_srli_epi16(v, (int)(8 - n)),
				_mm256_set1_epi8((char)((1U << n) - 1)));
}

INLINE reg next_code(reg v)
{
	return _mm256_sub_epi8(v, _mm256_set1_epi8(-1));
}

INLINE reg walk(reg next, reg code, reg asked, reg rank, reg count, reg fresh)
{
	__m256i here = _mm256_cmpeq_epi8(code, asked);

	return pick(_mm256_and_si256(here, _mm256_cmpgt_epi8(count, rank)), next, fresh);
}

#include "forest_rows.h"

/* Evaluates the picked levels, row by row. */
INLINE void pick_levels(const struct forest_program *p, const int8_t *columns, uint32_t n,
			uint8_t *code)
{
	for (uint32_t i = 0; i < p->picks; i++)
		for (uint32_t r = 0; r < n; r++) {
			int8_t count = columns[p->pick[i].column[code[r]] * FOREST_ROWS + r];

			code[r] = (uint8_t)(2 * code[r] + (p->pick[i].rank[code[r]] < count));
		}
}

INLINE void add_tree(const struct forest_program *p, const struct blocks *half, uint32_t n,
		     float *sum)
{
	uint8_t code[ROWS] __attribute__((aligned(32)));

	_mm256_store_si256((__m256i *)code, find_codes(p, half).of[0]);
	pick_levels(p, half->columns[0], n, code);
	for (uint32_t r = 0; r < n; r++)
		sum[r] += p->leaf[code[r]];
}

TARGET void forest_add_rows_avx2(struct forest_slot *s, uint32_t n, uint32_t from, uint32_t to)
{
	const struct forest *f = s->forest;

	for (uint32_t half = 0; half < n; half += ROWS) {
		const struct blocks blocks = {{s->columns + half}};

		for (uint32_t t = from; t < to; t++)
			add_tree(&f->program[t], &blocks, RTE_MIN(n - half, (uint32_t)ROWS),
				 s->sums + half + f->tree[t].output * FOREST_ROWS);
	}
}

/* The number of 16 thresholds that are at or below x. */
INLINE uint32_t count_16(const float *threshold, __m256 x)
{
	__m256 low = _mm256_cmp_ps(x, _mm256_load_ps(threshold), _CMP_GE_OQ);
	__m256 high = _mm256_cmp_ps(x, _mm256_load_ps(threshold + 8), _CMP_GE_OQ);

	return (uint32_t)__builtin_popcount((uint32_t)_mm256_movemask_ps(low) |
					    (uint32_t)_mm256_movemask_ps(high) << 8);
}

TARGET void forest_rank_columns_avx2(struct forest_slot *s, const float *matrix, uint32_t n)
{
	const struct forest *f = s->forest;

	for (uint32_t i = 0; i < f->searches; i++) {
		const struct forest_search *search = &f->search[i];

		for (uint32_t r = 0; r < n; r++) {
			float value = matrix[(size_t)r * f->features + search->feature];
			__m256 x = _mm256_set1_ps(value);
			uint32_t skip = 0;
			int8_t rank;

			if (search->n >= 16)
				skip = 16 * count_16(search->splitter, x);
			rank = (int8_t)((int32_t)(skip + count_16(search->threshold + skip, x)) -
					128);
			if (search->column[0] >= 0)
				s->columns[search->column[0] * FOREST_ROWS + r] = rank;
			if (search->column[1] >= 0)
				s->columns[search->column[1] * FOREST_ROWS + r] =
					value != value ? 127 : rank;
		}
	}
}
