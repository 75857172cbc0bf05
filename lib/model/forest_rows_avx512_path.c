/*
 * The row-lane kernel: a lane is a row, 64 of them a register. Each tree is asked whole, six levels
 * at most; what lies below is walked row by row.
 */
#include <immintrin.h>
#include <string.h>

#include "forest_parts.h"

#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi")))
#define INLINE static inline __attribute__((always_inline)) TARGET

typedef __m512i lanes;

struct top {
	const struct forest_top *tree;
	const int8_t *columns;
};

INLINE lanes node(const struct top *t, uint32_t h)
{
	__m512i rank = _mm512_set1_epi32((int32_t)t->tree->rank4[h]);

	return _mm512_subs_epi8(rank, _mm512_load_si512(t->columns + t->tree->offset[h]));
}

INLINE lanes choose(lanes right, lanes a, lanes b)
{
	/* `a` comes first because its register is the one to be written: it is never used again. */
	return _mm512_ternarylogic_epi32(a, right, b, 0xb8);
}

INLINE lanes push(lanes v, lanes bit)
{
	return choose(_mm512_set1_epi8((char)0x80), _mm512_srli_epi16(v, 1), bit);
}

INLINE lanes finish(lanes v, uint32_t levels)
{
	return _mm512_and_si512(_mm512_srli_epi16(v, 8 - levels),
				_mm512_set1_epi8((char)((1U << levels) - 1)));
}

#include "forest_select.h"

/* Adds to sum[64] the leaves of a tree of up to 64: each byte of a leaf is looked up by itself. */
INLINE void add_leaves(lanes leaf, const uint8_t *planes, float *sum)
{
	/* So that the interleaving below, which stays within 16 bytes, ends with rows in order. */
	const __m512i turn =
		_mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
	__m512i byte[4], low, high, v[4];

	leaf = _mm512_permutexvar_epi32(turn, leaf);
	for (int i = 0; i < 4; i++)
		byte[i] = _mm512_permutexvar_epi8(leaf, _mm512_load_si512(planes + i * 64));
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

/* As add_leaves(), of a tree of more levels: `at` is where the six above lead to. */
INLINE void walk_on(const struct forest *f, const struct forest_tree *tree, const int8_t *columns,
		    lanes at, uint32_t below, uint32_t n, float *sum)
{
	const uint8_t *rank = f->rank + tree->table;
	const uint8_t *column = f->column + tree->table;
	const float *leaf = f->leaf + tree->table - (64U << below);
	uint8_t from[64] __attribute__((aligned(64)));

	_mm512_store_si512(from, at);
	for (uint32_t r = 0; r < n; r++) {
		uint64_t h = 64 + from[r];

		for (uint32_t i = 0; i < below; i++)
			h = forest_step(h, rank,
					(uint8_t)columns[column[h] * FOREST_ROWS + r] ^ 0x80U);
		sum[r] += leaf[h];
	}
}

INLINE void add_tree(const struct forest *f, uint32_t t, const int8_t *columns, uint32_t n,
		     float *sum)
{
	const struct forest_tree *tree = &f->tree[t];
	const struct top top = {&f->top[t], columns};
	const uint8_t *planes = f->leaf_planes + t * 256;

	switch (tree->levels) {
	case 1:
		add_leaves(select_path(&top, 1), planes, sum);
		break;
	case 2:
		add_leaves(select_path(&top, 2), planes, sum);
		break;
	case 3:
		add_leaves(select_path(&top, 3), planes, sum);
		break;
	case 4:
		add_leaves(select_path(&top, 4), planes, sum);
		break;
	case 5:
		add_leaves(select_path(&top, 5), planes, sum);
		break;
	case 6:
		add_leaves(select_path(&top, 6), planes, sum);
		break;
	case 7:
		walk_on(f, tree, columns, select_path(&top, 6), 1, n, sum);
		break;
	default:
		walk_on(f, tree, columns, select_path(&top, 6), 2, n, sum);
	}
}

TARGET void forest_rows_avx512(struct forest_slot *s, const float *matrix, uint32_t n,
			       float *margins)
{
	const struct forest *f = s->forest;
	float sum[FOREST_ROWS] __attribute__((aligned(64)));
	uint32_t i = 0;

	forest_rank_columns_avx512(s, matrix, n);
	for (uint32_t k = 0; k < f->outputs; k++) {
		for (uint32_t r = 0; r < FOREST_ROWS; r++)
			sum[r] = f->base_margin;
		for (; i < f->order_end[k]; i++)
			add_tree(f, f->order[i], s->columns, n, sum);
		for (uint32_t r = 0; r < n; r++)
			margins[r * f->outputs + k] = sum[r];
	}
}
