/*
 * The row-lane kernel in AVX2: 32 rows a register. Also the better one for up to 32 rows where
 * there is AVX-512. forest_program.c says what is run.
 */
#include <immintrin.h>

#include "forest_parts.h"

#define TARGET __attribute__((target("avx2,popcnt"))) FOREST_UNCHECKED
#define INLINE static inline __attribute__((always_inline)) TARGET

#define ROWS 32

typedef __m256i lanes;

struct top {
	struct forest_top tree;
	const int8_t *columns;
};

INLINE lanes load(const int8_t *p)
{
	return _mm256_load_si256((const __m256i *)p);
}

INLINE lanes node(const struct top *t, uint32_t h)
{
	__m256i rank = _mm256_set1_epi32((int32_t)t->tree.rank4[h]);

	return _mm256_subs_epi8(rank, load(t->columns + t->tree.offset[h]));
}

INLINE lanes choose(lanes right, lanes a, lanes b)
{
	return _mm256_blendv_epi8(a, b, right);
}

INLINE lanes push(lanes v, lanes bit)
{
	const __m256i top = _mm256_set1_epi8((char)0x80);

	return _mm256_or_si256(_mm256_and_si256(bit, top),
			       _mm256_andnot_si256(top, _mm256_srli_epi16(v, 1)));
}

INLINE lanes finish(lanes v, uint32_t levels)
{
	return _mm256_and_si256(_mm256_srli_epi16(v, (int)(8 - levels)),
				_mm256_set1_epi8((char)((1U << levels) - 1)));
}

#include "forest_select.h"

/* The codes after the levels that are asked node by node. */
INLINE lanes go_on(const struct forest_program *p, lanes code, const int8_t *columns)
{
	const struct forest_single *single = p->single;
	__m256i fresh = _mm256_set1_epi8((char)(1U << p->whole));

	for (uint32_t level = 0; level < p->levels; level++) {
		const struct forest_single *end = single + p->singles[level];
		lanes next = code;

		for (; single < end; single++) {
			__m256i rank = _mm256_set1_epi32((int32_t)single->rank4);
			__m256i here =
				_mm256_cmpeq_epi8(code, _mm256_set1_epi32((int32_t)single->code4));
			__m256i right = _mm256_cmpgt_epi8(load(columns + single->offset), rank);

			next = choose(_mm256_and_si256(here, right), next, fresh);
			fresh = _mm256_sub_epi8(fresh, _mm256_set1_epi8(-1));
		}
		code = next;
	}
	return code;
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

INLINE void add_tree(const struct forest_program *p, const int8_t *columns, uint32_t n, float *sum)
{
	uint8_t code[ROWS] __attribute__((aligned(32)));

	_mm256_store_si256((__m256i *)code, go_on(p, whole(p, columns), columns));
	for (uint32_t r = 0; r < n; r++)
		sum[r] += p->leaf[code[r]];
}

TARGET void forest_add_rows_avx2(struct forest_slot *s, uint32_t n, uint32_t from, uint32_t to)
{
	const struct forest *f = s->forest;

	for (uint32_t half = 0; half < n; half += ROWS)
		for (uint32_t t = from; t < to; t++)
			add_tree(&f->program[t], s->columns + half,
				 RTE_MIN(n - half, (uint32_t)ROWS),
				 s->sums + f->tree[t].output * FOREST_ROWS + half);
}

/* How many of 16 thresholds x reaches. */
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
