/*
 * The row-lane kernel: a lane is a row, 64 of them a register. forest_program.c says what is run.
 */
#include <immintrin.h>
#include <string.h>

#include "forest_parts.h"

#define TARGET                                                                                     \
	__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi"))) FOREST_UNCHECKED
#define INLINE static inline __attribute__((always_inline)) TARGET

typedef __m512i lanes;

struct top {
	struct forest_top tree;
	const int8_t *columns;
};

INLINE lanes node(const struct top *t, uint32_t h)
{
	__m512i rank = _mm512_set1_epi32((int32_t)t->tree.rank4[h]);

	return _mm512_subs_epi8(rank, _mm512_load_si512(t->columns + t->tree.offset[h]));
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

/* The codes after the levels that are asked node by node. */
INLINE lanes go_on(const struct forest_program *p, lanes code, const int8_t *columns)
{
	const struct forest_single *single = p->single;
	__m512i fresh = _mm512_set1_epi8((char)(1U << p->whole));

	for (uint32_t level = 0; level < p->levels; level++) {
		const struct forest_single *end = single + p->singles[level];
		lanes next = code;

		for (; single < end; single++) {
			__m512i rank = _mm512_set1_epi32((int32_t)single->rank4);
			__mmask64 here = _mm512_cmpeq_epi8_mask(
				code, _mm512_set1_epi32((int32_t)single->code4));
			__mmask64 right = _mm512_mask_cmplt_epi8_mask(
				here, rank, _mm512_load_si512(columns + single->offset));

			next = _mm512_mask_mov_epi8(next, right, fresh);
			fresh = _mm512_sub_epi8(fresh, _mm512_set1_epi8(-1));
		}
		code = next;
	}
	return code;
}

/* One byte of the leaf of each lane. */
INLINE __m512i look_up(const uint8_t *plane, uint32_t width, lanes code)
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
INLINE void add_leaves(lanes code, const uint8_t *planes, uint32_t width, float *sum)
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

INLINE lanes whole(const struct forest_program *p, const int8_t *columns)
{
	const struct top top = {p->top, columns};

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

INLINE void add_tree(const struct forest_program *p, const int8_t *columns, float *sum)
{
	lanes code = go_on(p, whole(p, columns), columns);

	if (p->width == 64)
		add_leaves(code, p->planes, 64, sum);
	else if (p->width == 128)
		add_leaves(code, p->planes, 128, sum);
	else
		add_leaves(code, p->planes, 256, sum);
}

TARGET void forest_add_rows_avx512(struct forest_slot *s, uint32_t n, uint32_t from, uint32_t to)
{
	const struct forest *f = s->forest;

	RTE_SET_USED(n); /* idle lanes cost nothing */
	for (uint32_t t = from; t < to; t++)
		add_tree(&f->program[t], s->columns, s->sums + f->tree[t].output * FOREST_ROWS);
}
