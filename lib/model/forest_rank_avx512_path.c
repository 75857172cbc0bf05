/* Ranks by AVX-512: 16 rows at once by binary search, or one row by a search in two steps. */
#include <immintrin.h>

#include "forest_parts.h"

#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi")))
#define INLINE static inline __attribute__((always_inline)) TARGET

#define GROUP		16 /* rows */
#define RANK_ONE_BY_ONE 3  /* rows; a group for them would be more work */

/* Features first: 4 values of each of 16 rows into out[4][16]. */
INLINE void turn_4(const float *const rows[GROUP], uint32_t at, float *out)
{
	__m512 quarter[4], a, b, c, d;

	for (int i = 0; i < 4; i++) {
		__m512 v = _mm512_castps128_ps512(_mm_loadu_ps(rows[i] + at));

		v = _mm512_insertf32x4(v, _mm_loadu_ps(rows[i + 4] + at), 1);
		v = _mm512_insertf32x4(v, _mm_loadu_ps(rows[i + 8] + at), 2);
		quarter[i] = _mm512_insertf32x4(v, _mm_loadu_ps(rows[i + 12] + at), 3);
	}
	a = _mm512_unpacklo_ps(quarter[0], quarter[1]);
	b = _mm512_unpacklo_ps(quarter[2], quarter[3]);
	c = _mm512_unpackhi_ps(quarter[0], quarter[1]);
	d = _mm512_unpackhi_ps(quarter[2], quarter[3]);
	_mm512_store_ps(out, _mm512_shuffle_ps(a, b, 0x44));
	_mm512_store_ps(out + 16, _mm512_shuffle_ps(a, b, 0xee));
	_mm512_store_ps(out + 32, _mm512_shuffle_ps(c, d, 0x44));
	_mm512_store_ps(out + 48, _mm512_shuffle_ps(c, d, 0xee));
}

/* n (1..16) rows, features first, into out[features][16]; lanes over n repeat the last row. */
TARGET static void turn_group(const float *matrix, uint32_t features, uint32_t n, float *out)
{
	const float *rows[GROUP];
	uint32_t at = 0;

	for (uint32_t r = 0; r < GROUP; r++)
		rows[r] = matrix + (size_t)RTE_MIN(r, n - 1) * features;
	for (; at + 4 <= features; at += 4)
		turn_4(rows, at, out + at * GROUP);
	for (; at < features; at++)
		for (uint32_t r = 0; r < GROUP; r++)
			out[at * GROUP + r] = rows[r][at];
}

INLINE __m512 pick_16(__m512i i, const float *table)
{
	return _mm512_permutexvar_ps(i, _mm512_load_ps(table));
}

INLINE __m512 pick_32(__m512i i, const float *table)
{
	return _mm512_permutex2var_ps(_mm512_load_ps(table), i, _mm512_load_ps(table + 16));
}

INLINE __m512 pick_64(__m512i i, const float *table)
{
	return _mm512_mask_blend_ps(_mm512_test_epi32_mask(i, _mm512_set1_epi32(32)),
				    pick_32(i, table), pick_32(i, table + 32));
}

INLINE __m512 pick_128(__m512i i, const float *table)
{
	return _mm512_mask_blend_ps(_mm512_test_epi32_mask(i, _mm512_set1_epi32(64)),
				    pick_64(i, table), pick_64(i, table + 64));
}

/* The next bit of the counts: whether x reaches the threshold in the middle of what is left. */
INLINE __m512i narrow(__m512i count, __m512 x, __m512 threshold)
{
	__mmask16 reached = _mm512_cmp_ps_mask(x, threshold, _CMP_GE_OQ);

	/* 2 * count + reached, by taking away -1. */
	return _mm512_mask_sub_epi32(_mm512_add_epi32(count, count), reached,
				     _mm512_add_epi32(count, count), _mm512_set1_epi32(-1));
}

/* How many of the thresholds each x reaches; NaN reaches none. */
INLINE __m512i count_16(__m512 x, const float *table, uint32_t levels)
{
	__m512i c = _mm512_setzero_si512();

	c = narrow(c, x, _mm512_set1_ps(table[0]));
	if (levels > 1)
		c = narrow(c, x, pick_16(c, table + 16));
	if (levels > 2)
		c = narrow(c, x, pick_16(c, table + 32));
	if (levels > 3)
		c = narrow(c, x, pick_16(c, table + 48));
	if (levels > 4)
		c = narrow(c, x, pick_16(c, table + 64));
	if (levels > 5)
		c = narrow(c, x, pick_32(c, table + 80));
	if (levels > 6)
		c = narrow(c, x, pick_64(c, table + 112));
	if (levels > 7)
		c = narrow(c, x, pick_128(c, table + 176));
	return c;
}

/* Ranks of 16 rows into the columns that are asked for. */
INLINE void rank_16(const struct forest_search *s, __m512 x, uint32_t levels, int8_t *columns)
{
	__m512i rank =
		_mm512_sub_epi32(count_16(x, s->level_table, levels), _mm512_set1_epi32(128));
	__m128i bytes = _mm512_cvtepi32_epi8(rank);
	__mmask16 missing;

	if (s->column[0] >= 0)
		_mm_store_si128((__m128i *)(columns + s->column[0] * FOREST_ROWS), bytes);
	if (s->column[1] < 0)
		return;
	missing = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
	_mm_store_si128((__m128i *)(columns + s->column[1] * FOREST_ROWS),
			_mm_mask_mov_epi8(bytes, missing, _mm_set1_epi8(127)));
}

INLINE void rank_groups(const struct forest_search *s, const float *turned, size_t group,
			uint32_t groups, uint32_t levels, int8_t *columns)
{
	for (uint32_t g = 0; g < groups; g++)
		rank_16(s, _mm512_load_ps(turned + g * group), levels, columns + g * GROUP);
}

TARGET void forest_rank_columns_avx512(struct forest_slot *s, const float *matrix, uint32_t n)
{
	const struct forest *f = s->forest;
	uint32_t groups = (n + GROUP - 1) / GROUP;
	size_t group = (size_t)f->features * GROUP;

	for (uint32_t g = 0; g < groups; g++)
		turn_group(matrix + (size_t)g * GROUP * f->features, f->features,
			   RTE_MIN(n - g * GROUP, (uint32_t)GROUP), s->turned + g * group);
	for (uint32_t i = 0; i < f->searches; i++) {
		const struct forest_search *search = &f->search[i];
		const float *turned = s->turned + search->feature * GROUP;

		switch (search->levels) {
		case 1:
			rank_groups(search, turned, group, groups, 1, s->columns);
			break;
		case 2:
			rank_groups(search, turned, group, groups, 2, s->columns);
			break;
		case 3:
			rank_groups(search, turned, group, groups, 3, s->columns);
			break;
		case 4:
			rank_groups(search, turned, group, groups, 4, s->columns);
			break;
		case 5:
			rank_groups(search, turned, group, groups, 5, s->columns);
			break;
		case 6:
			rank_groups(search, turned, group, groups, 6, s->columns);
			break;
		case 7:
			rank_groups(search, turned, group, groups, 7, s->columns);
			break;
		default:
			rank_groups(search, turned, group, groups, 8, s->columns);
		}
	}
}

/* The 16 by 16 bytes at `in` (rows FOREST_ROWS apart) into `out` (FOREST_COLUMNS_MAX apart). */
INLINE void turn_bytes(const int8_t *in, uint8_t *out, uint32_t n)
{
	const __m128i sign = _mm_set1_epi8((char)0x80); /* from ranks to counts */
	__m128i a[16], b[16];

	for (int i = 0; i < 16; i++)
		a[i] = _mm_xor_si128(_mm_load_si128((const __m128i *)(in + i * FOREST_ROWS)), sign);
	for (int step = 0; step < 4; step++) {
		for (int i = 0; i < 8; i++) {
			b[2 * i] = _mm_unpacklo_epi8(a[i], a[i + 8]);
			b[2 * i + 1] = _mm_unpackhi_epi8(a[i], a[i + 8]);
		}
		for (int i = 0; i < 16; i++)
			a[i] = b[i];
	}
	for (uint32_t i = 0; i < n; i++)
		_mm_store_si128((__m128i *)(out + i * FOREST_COLUMNS_MAX), a[i]);
}

/* Two steps: among 16 sixteenths, then among the 16 thresholds of that one. */
INLINE uint32_t count_one(const struct forest_search *s, float value)
{
	__m512 x = _mm512_set1_ps(value);
	uint32_t skipped = 0;

	if (s->n >= 16)
		skipped = 16 * (uint32_t)__builtin_popcount(_mm512_cmp_ps_mask(
				       x, _mm512_load_ps(s->splitter), _CMP_GE_OQ));
	return skipped + (uint32_t)__builtin_popcount(_mm512_cmp_ps_mask(
				 x, _mm512_load_ps(s->threshold + skipped), _CMP_GE_OQ));
}

INLINE void rank_one(const struct forest *f, const float *values, uint8_t *row)
{
	for (uint32_t i = 0; i < f->searches; i++) {
		const struct forest_search *s = &f->search[i];
		float x = values[s->feature];
		uint8_t count = (uint8_t)count_one(s, x);

		if (s->column[0] >= 0)
			row[s->column[0]] = count;
		if (s->column[1] >= 0)
			row[s->column[1]] = x != x ? FOREST_MISSING_RIGHT : count;
	}
}

TARGET void forest_begin_trees_avx512(struct forest_slot *s, const float *matrix, uint32_t n)
{
	const struct forest *f = s->forest;

	s->stood = UINT32_MAX;
	if (n <= RANK_ONE_BY_ONE) {
		for (uint32_t r = 0; r < n; r++)
			rank_one(f, matrix + (size_t)r * f->features,
				 s->rows + r * FOREST_COLUMNS_MAX);
		return;
	}
	forest_rank_columns_avx512(s, matrix, n);
	for (uint32_t c = 0; c < f->columns; c += 16)
		for (uint32_t r = 0; r < n; r += 16)
			turn_bytes(s->columns + c * FOREST_ROWS + r,
				   s->rows + r * FOREST_COLUMNS_MAX + c, RTE_MIN(n - r, 16U));
}
