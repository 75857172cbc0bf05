/*
 * Private: the row-lane kernel for BLOCKS blocks of rows, which the file that includes this
 * defines: a lane is a row, 64 of them a register. What is loaded of a tree serves every block.
 * forest_program.c says what is run.
 */
#ifndef FOREST_ROWS_AVX512_H
#define FOREST_ROWS_AVX512_H

#include <immintrin.h>

#include "forest_parts.h"

#define TARGET                                                                                     \
	__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi"))) FOREST_UNCHECKED
#define INLINE static inline __attribute__((always_inline)) TARGET

typedef struct {
	__m512i of[BLOCKS];
} lanes;

struct blocks {
	const int8_t *columns[BLOCKS];
	float *sums[BLOCKS];
};

struct top {
	struct forest_top tree;
	const struct blocks *blocks;
};

INLINE lanes node(const struct top *t, uint32_t h)
{
	__m512i rank = _mm512_set1_epi32((int32_t)t->tree.rank4[h]);
	lanes v;

	for (int b = 0; b < BLOCKS; b++)
		v.of[b] = _mm512_subs_epi8(
			rank, _mm512_load_si512(t->blocks->columns[b] + t->tree.offset[h]));
	return v;
}

INLINE lanes choose(lanes right, lanes a, lanes b)
{
	/* `a` comes first because its register is the one to be written: it is never used again. */
	for (int i = 0; i < BLOCKS; i++)
		a.of[i] = _mm512_ternarylogic_epi32(a.of[i], right.of[i], b.of[i], 0xb8);
	return a;
}

INLINE lanes push(lanes v, lanes bit)
{
	for (int b = 0; b < BLOCKS; b++)
		v.of[b] = _mm512_ternarylogic_epi32(_mm512_srli_epi16(v.of[b], 1),
						    _mm512_set1_epi8((char)0x80), bit.of[b], 0xb8);
	return v;
}

INLINE lanes finish(lanes v, uint32_t levels)
{
	for (int b = 0; b < BLOCKS; b++)
		v.of[b] = _mm512_and_si512(_mm512_srli_epi16(v.of[b], 8 - levels),
					   _mm512_set1_epi8((char)((1U << levels) - 1)));
	return v;
}

#include "forest_select.h"

/* The codes after the levels that are asked node by node. */
INLINE lanes go_on(const struct forest_program *p, lanes code, const struct blocks *blocks)
{
	const struct forest_single *single = p->single;
	__m512i fresh = _mm512_set1_epi8((char)(1U << p->whole));

	for (uint32_t level = 0; level < p->levels; level++) {
		const struct forest_single *end = single + p->singles[level];
		lanes next = code;

		for (; single < end; single++) {
			__m512i rank = _mm512_set1_epi32((int32_t)single->rank4);
			__m512i asked = _mm512_set1_epi32((int32_t)single->code4);

			for (int b = 0; b < BLOCKS; b++) {
				__mmask64 here = _mm512_cmpeq_epi8_mask(code.of[b], asked);
				__mmask64 right = _mm512_mask_cmplt_epi8_mask(
					here, rank,
					_mm512_load_si512(blocks->columns[b] + single->offset));

				next.of[b] = _mm512_mask_mov_epi8(next.of[b], right, fresh);
			}
			fresh = _mm512_sub_epi8(fresh, _mm512_set1_epi8(-1));
		}
		code = next;
	}
	return code;
}

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

INLINE lanes whole(const struct forest_program *p, const struct blocks *blocks)
{
	const struct top top = {p->top, blocks};

	switch (p->whole) {
	case 1:
		return select_path(&top, 1);
	case 2:
		return select_path(&top, 2);
	case 3:
		return select_path(&top, 3);
	case 4:
		return select_path(&top, 4);
	case 5:
		return select_path(&top, 5);
	case 6:
		return select_path(&top, 6);
	case 7:
		return select_path(&top, 7);
	default:
		return select_path(&top, 8);
	}
}

/* The leaves of one tree to sums[64] of its output in each block. */
INLINE void add_tree(const struct forest_program *p, const struct blocks *blocks, uint32_t output)
{
	lanes code = go_on(p, whole(p, blocks), blocks);

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
