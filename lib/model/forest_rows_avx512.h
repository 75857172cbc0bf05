/*
 * Private: the row-lane kernel for BLOCKS blocks of rows, which the file that includes this
 * defines: 64 rows are a register.
 */
#ifndef FOREST_ROWS_AVX512_H
#define FOREST_ROWS_AVX512_H

#include <immintrin.h>

#include "forest_parts.h"

#define TARGET                                                                                     \
	__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi"))) FOREST_UNCHECKED
#define INLINE static inline __attribute__((always_inline)) TARGET

typedef __m512i reg;

INLINE reg four(uint32_t x)
{
	return _mm512_set1_epi32((int32_t)x);
}

INLINE reg load(const int8_t *p)
{
	return _mm512_load_si512(p);
}

INLINE reg less(reg rank, reg count)
{
	return _mm512_subs_epi8(rank, count);
}

INLINE reg pick(reg right, reg a, reg b)
{
	return _mm512_ternarylogic_epi32(a, right, b, 0xb8);
}

INLINE reg shift_in(reg v, reg bit)
{
	return _mm512_ternarylogic_epi32(_mm512_srli_epi16(v, 1), _mm512_set1_epi8((char)0x80), bit,
					 0xb8);
}

INLINE reg top_bits(reg v, uint32_t n)
{
	return _mm512_and_si512(_mm512_srli_epi16(v, 8 - n),
				_mm512_set1_epi8((char)((1U << n) - 1)));
}

INLINE reg next_code(reg v)
{
	return _mm512_sub_epi8(v, _mm512_set1_epi8(-1));
}

INLINE reg walk(reg next, reg code, reg asked, reg rank, reg count, reg fresh)
{
	__mmask64 here = _mm512_cmpeq_epi8_mask(code, asked);

	return _mm512_mask_mov_epi8(next, _mm512_mask_cmplt_epi8_mask(here, rank, count), fresh);
}

#include "forest_rows.h"

/* One byte of the leaf of each lane. */
INLINE __m512i look_up(const uint8_t *plane, uint32_t width, __m512i code)
{
	__m512i low, high;

	if (width == 64)
		return _mm512_permutexvar_epi8(code, _mm512_load_si512(plane));
	low = _mm512_permutex2var_epi8(_mm512_load_si512(plane), code,
				       _mm512_load_si512(plane + 64));
	if (width == 128)
		return low;
	high = _mm512_permutex2var_epi8(_mm512_load_si512(plane + 128), code,
					_mm512_load_si512(plane + 192));
	return _mm512_mask_mov_epi8(low, _mm512_movepi8_mask(code), high);
}

/* Adds the leaves to sum[64]; each byte of a leaf is looked up by itself. */
INLINE void add_leaves(__m512i code, const uint8_t *planes, uint32_t width, float *sum)
{
	/* So that the interleaving below, which stays within 16 bytes, ends with rows in order. */
	const __m512i turn =
		_mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
	__m512i byte[4], low, high, v[4];

	code = _mm512_permutexvar_epi32(turn, code);
	for (uint32_t i = 0; i < 4; i++)
		byte[i] = look_up(planes + i * width, width, code);
	low = _mm512_unpacklo_epi8(byte[0], byte[1]);
	high = _mm512_unpacklo_epi8(byte[2], byte[3]);
	v[0] = _mm512_unpacklo_epi16(low, high);
	v[1] = _mm512_unpackhi_epi16(low, high);
	low = _mm512_unpackhi_epi8(byte[0], byte[1]);
	high = _mm512_unpackhi_epi8(byte[2], byte[3]);
	v[2] = _mm512_unpacklo_epi16(low, high);
	v[3] = _mm512_unpackhi_epi16(low, high);
	for (int i = 0; i < 4; i++)
		_mm512_store_ps(sum + 16 * i, _mm512_add_ps(_mm512_load_ps(sum + 16 * i),
							    _mm512_castsi512_ps(v[i])));
}

/* The leaves of one tree to sums[64] of its output in each block. */
INLINE void add_tree(const struct forest_program *p, const struct blocks *blocks, uint32_t output)
{
	lanes code = leaf_codes(p, blocks);

	for (int b = 0; b < BLOCKS; b++) {
		float *sum = blocks->sums[b] + output * FOREST_ROWS;

		if (p->width == 64)
			add_leaves(code.of[b], p->planes, 64, sum);
		else if (p->width == 128)
			add_leaves(code.of[b], p->planes, 128, sum);
		else
			add_leaves(code.of[b], p->planes, 256, sum);
	}
}

#endif
