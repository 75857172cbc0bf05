/*
 * Private: the row-lane kernel for BLOCKS blocks of ROWS rows, 32 or 64 per register. The including
 * file defines both.
 */
#ifndef FOREST_ROWS_AVX512_H
#define FOREST_ROWS_AVX512_H

#include <immintrin.h>

#include "forest_parts.h"

#define TARGET                                                                                     \
	__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi"))) FOREST_UNCHECKED
#define INLINE static inline __attribute__((always_inline)) TARGET

#if ROWS == 32
typedef __m256i reg;
#define V(operation) _mm256_##operation
#else
typedef __m512i reg;
#define V(operation) _mm512_##operation
#endif

INLINE reg four(uint32_t x)
{
	return V(set1_epi32)((int32_t)x);
}

INLINE reg load(const int8_t *p)
{
	return V(load_epi32)(p);
}

INLINE reg less(reg rank, reg count)
{
	return V(subs_epi8)(rank, count);
}

INLINE reg pick(reg right, reg a, reg b)
{
	return V(ternarylogic_epi32)(a, right, b, 0xb8);
}

INLINE reg shift_in(reg v, reg bit)
{
	return V(ternarylogic_epi32)(V(srli_epi16)(v, 1), V(set1_epi8)((char)0x80), bit, 0xb8);
}

INLINE reg top_bits(reg v, uint32_t n)
{
	return V(srli_epi16)(v, 8 - n) & V(set1_epi8)((char)((1U << n) - 1));
}

INLINE reg next_code(reg v)
{
	return V(sub_epi8)(v, V(set1_epi8)(-1));
}

INLINE reg walk(reg next, reg code, reg asked, reg rank, reg count, reg fresh)
{
	return V(mask_mov_epi8)(
		next, V(mask_cmplt_epi8_mask)(V(cmpeq_epi8_mask)(code, asked), rank, count), fresh);
}

/* The codes in a full register; lanes from 32 on are undefined. */
INLINE __m512i widened(reg v)
{
#if ROWS == 32
	return _mm512_castsi256_si512(v);
#else
	return v;
#endif
}

#include "forest_rows.h"

/* Looks up one byte of each lane's leaf. */
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

/* Adds the leaves to sum[ROWS]; each byte of a leaf is looked up separately. */
INLINE void add_leaves(__m512i code, const uint8_t *planes, uint32_t width, float *sum)
{
	/* Makes the interleaving below, which works within 16 bytes, end with the rows in order. */
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
	for (int i = 0; i < ROWS / 16; i++)
		_mm512_store_ps(sum + 16 * i, _mm512_add_ps(_mm512_load_ps(sum + 16 * i),
							    _mm512_castsi512_ps(v[i])));
}

/* Adds the leaves of one tree to sum[ROWS]. */
INLINE void add_tree(const struct forest_program *p, __m512i code, float *sum)
{
	if (p->width == 64)
		add_leaves(code, p->planes, 64, sum);
	else if (p->width == 128)
		add_leaves(code, p->planes, 128, sum);
	else
		add_leaves(code, p->planes, 256, sum);
}

/* The slots whose blocks are scored together. */
struct block_slots {
	struct forest_slot *of[BLOCKS];
};

/* Looks up rank and column offset of each lane's node, into row i of the window. */
INLINE void pick_nodes(struct forest_window *w, uint32_t i, const struct forest_pick *pick,
		       uint32_t width)
{
	__m512i code = _mm512_load_si512(w->code[i]);
	__m512i column = look_up(pick->column, width, code);
	__m512i low = _mm512_cvtepu8_epi16(_mm512_castsi512_si256(column));
	__m512i high = _mm512_cvtepu8_epi16(_mm512_extracti64x4_epi64(column, 1));

	_mm512_store_si512(w->rank[i], look_up((const uint8_t *)pick->rank, width, code));
	_mm512_store_si512(w->offset[i], _mm512_slli_epi16(low, FOREST_ROWS_LOG2));
	_mm512_store_si512(w->offset[i] + 32, _mm512_slli_epi16(high, FOREST_ROWS_LOG2));
}

/* Fetches the rows' counts in the columns of their nodes: the only step that is not vectorized. */
INLINE void fetch_counts(struct forest_window *w, uint32_t i, const int8_t *columns, uint32_t n)
{
	const uint16_t *offset = w->offset[i];
	int8_t *count = w->count[i];

	for (size_t r = 0; r < n; r += 8)
		for (size_t k = r; k < r + 8; k++)
			count[k] = columns[offset[k] + k];
}

INLINE void go_down(struct forest_window *w, uint32_t i)
{
	__m512i code = _mm512_load_si512(w->code[i]), twice = _mm512_add_epi8(code, code);
	__mmask64 right = _mm512_cmplt_epi8_mask(_mm512_load_si512(w->rank[i]),
						 _mm512_load_si512(w->count[i]));

	_mm512_store_si512(w->code[i],
			   _mm512_mask_sub_epi8(twice, right, twice, _mm512_set1_epi8(-1)));
}

/*
 * Evaluates one picked level of the trees from `from` on. Each step is done for all trees, to avoid
 * store-forwarding stalls: data are read in other sizes than they are written.
 */
INLINE void pick_level(struct forest_slot *s, uint32_t from, uint32_t n, uint32_t level)
{
	const struct forest_program *p = &s->forest->program[from];
	struct forest_window *w = s->window;

	for (uint32_t i = 0; i < n; i++)
		if (p[i].picks > level)
			pick_nodes(w, i, &p[i].pick[level], level == 0 ? 64 : 128);
	for (uint32_t i = 0; i < n; i++)
		if (p[i].picks > level)
			fetch_counts(w, i, s->columns, s->n);
	for (uint32_t i = 0; i < n; i++)
		if (p[i].picks > level)
			go_down(w, i);
}

/* Adds the leaves of up to FOREST_WINDOW trees from `from` on. */
INLINE void add_window(const struct block_slots *slots, const struct blocks *blocks, uint32_t from,
		       uint32_t n)
{
	const struct forest *f = slots->of[0]->forest;

	for (uint32_t i = 0; i < n; i++) {
		lanes code = find_codes(&f->program[from + i], blocks);

		for (int b = 0; b < BLOCKS; b++)
			_mm512_store_si512(slots->of[b]->window->code[i], widened(code.of[b]));
	}
	for (int b = 0; b < BLOCKS; b++) {
		for (uint32_t level = 0; level < FOREST_PICKS; level++)
			pick_level(slots->of[b], from, n, level);
		for (uint32_t i = 0; i < n; i++)
			add_tree(&f->program[from + i],
				 _mm512_load_si512(slots->of[b]->window->code[i]),
				 slots->of[b]->sums + f->tree[from + i].output * FOREST_ROWS);
	}
}

/* Adds the leaves of trees [from, to) to the sums of each block. */
INLINE void add_trees(const struct block_slots *slots, uint32_t from, uint32_t to)
{
	const struct forest *f = slots->of[0]->forest;
	struct blocks blocks;

	for (int b = 0; b < BLOCKS; b++)
		blocks.columns[b] = slots->of[b]->columns;
	for (; from < to && f->picks; from += FOREST_WINDOW)
		add_window(slots, &blocks, from, RTE_MIN(to - from, (uint32_t)FOREST_WINDOW));
	for (; from < to; from++) {
		lanes code = find_codes(&f->program[from], &blocks);

		for (int b = 0; b < BLOCKS; b++)
			add_tree(&f->program[from], widened(code.of[b]),
				 slots->of[b]->sums + f->tree[from].output * FOREST_ROWS);
	}
}

#endif
