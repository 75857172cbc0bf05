/* Computes ranks with AVX-512: 16 rows at a time by binary search, or one row in two steps. */
#include <immintrin.h>

#include "forest_parts.h"

#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,gfni")))
#define INLINE static inline __attribute__((always_inline)) TARGET

#define GROUP		16 /* rows */
#define RANK_ONE_BY_ONE 3  /* up to this many rows, one by one costs less than a group */

/* Transposes 4 values of each of 8 rows into out[4][FOREST_ROWS]. */
INLINE void turn_eight(const float *const rows[8], uint32_t at, float *out)
{
	__m256 pair[4], a, b, c, d;

	for (int i = 0; i < 4; i++)
		pair[i] = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(rows[i] + at)),
					       _mm_loadu_ps(rows[i + 4] + at), 1);
	a = _mm256_unpacklo_ps(pair[0], pair[1]);
	b = _mm256_unpacklo_ps(pair[2], pair[3]);
	c = _mm256_unpackhi_ps(pair[0], pair[1]);
	d = _mm256_unpackhi_ps(pair[2], pair[3]);
	_mm256_store_ps(out, _mm256_shuffle_ps(a, b, 0x44));
	_mm256_store_ps(out + FOREST_ROWS, _mm256_shuffle_ps(a, b, 0xee));
	_mm256_store_ps(out + 2 * FOREST_ROWS, _mm256_shuffle_ps(c, d, 0x44));
	_mm256_store_ps(out + 3 * FOREST_ROWS, _mm256_shuffle_ps(c, d, 0xee));
}

/* Transposes features [at, at + n), n <= 4, of `groups` groups of rows. */
INLINE void turn_features(const float *const *rows, uint32_t at, uint32_t n, uint32_t groups,
			  float *out)
{
	if (n == 4) {
		for (uint32_t r = 0; r < groups * GROUP; r += 8)
			turn_eight(rows + r, at, out + r);
		return;
	}
	for (uint32_t i = 0; i < n; i++)
		for (uint32_t r = 0; r < groups * GROUP; r++)
			out[i * FOREST_ROWS + r] = rows[r][at + i];
}

INLINE __m512 pick_16(__m512i i, const float *table)
{
	return _mm512_permutexvar_ps(i, _mm512_load_ps(table));
}

INLINE __m512 pick_32(__m512i i, const float *table)
{
	return _mm512_permutex2var_ps(_mm512_load_ps(table), i, _mm512_load_ps(table + 16));
}

/* `high` is bit 5 of i. */
INLINE __m512 pick_64(__m512i i, __mmask16 high, const float *table)
{
	return _mm512_mask_blend_ps(high, pick_32(i, table), pick_32(i, table + 32));
}

/* The state of the search of 16 values. */
struct standing {
	__m512 x;
	__m512i at;		/* answers so far */
	__mmask16 fifth, sixth; /* bits 5 and 6 of the answers */
};

/* Which of 16 values are at or above their thresholds; NaN never is. */
INLINE __mmask16 reaches(__m512 x, __m512 threshold)
{
	return _mm512_cmp_ps_mask(x, threshold, _CMP_GE_OQ);
}

/* The first two levels: counts how many of their three thresholds are reached. */
INLINE void begin(struct standing *s, const float *table, uint32_t levels, __m512i one)
{
	__mmask16 low = reaches(s->x, _mm512_set1_ps(table[5]));

	s->at = _mm512_maskz_mov_epi32(low, one);
	if (levels < 2)
		return;
	s->at = _mm512_mask_add_epi32(s->at, reaches(s->x, _mm512_set1_ps(table[6])), s->at, one);
	s->at = _mm512_mask_add_epi32(s->at, reaches(s->x, _mm512_set1_ps(table[7])), s->at, one);
}

/* The thresholds to compare with at a level from 2 on, selected by `at`. */
INLINE __m512 threshold(const struct standing *s, const float *table, uint32_t level)
{
	switch (level) {
	case 2:
		return pick_16(s->at, table);
	case 3: /* 8 thresholds; the upper half is not selected */
		return _mm512_permutexvar_ps(s->at,
					     _mm512_castps256_ps512(_mm256_load_ps(table + 8)));
	case 4:
		return pick_16(s->at, table + 16);
	case 5:
		return pick_32(s->at, table + 32);
	case 6:
		return pick_64(s->at, s->fifth, table + 64);
	default:
		return _mm512_mask_blend_ps(s->sixth, pick_64(s->at, s->fifth, table + 128),
					    pick_64(s->at, s->fifth, table + 192));
	}
}

/* One level of all groups: the latency of one group's compare is hidden by the other groups. */
INLINE void ask(struct standing *s, const float *table, uint32_t level, uint32_t groups,
		__m512i one)
{
	for (uint32_t g = 0; g < groups; g++) {
		__mmask16 reached = reaches(s[g].x, threshold(&s[g], table, level));

		s[g].at = _mm512_mask_or_epi32(s[g].at, reached, s[g].at, one);
		if (level == 5)
			s[g].fifth = reached;
		if (level == 6)
			s[g].sixth = reached;
	}
}

INLINE void search(struct standing *s, const float *table, uint32_t levels, uint32_t groups,
		   const __m512i *one)
{
	for (uint32_t g = 0; g < groups; g++)
		begin(&s[g], table, levels, one[0]);
	if (levels > 2)
		ask(s, table, 2, groups, one[1]);
	if (levels > 3)
		ask(s, table, 3, groups, one[2]);
	if (levels > 4)
		ask(s, table, 4, groups, one[3]);
	if (levels > 5)
		ask(s, table, 5, groups, one[4]);
	if (levels > 6)
		ask(s, table, 6, groups, one[5]);
	if (levels > 7)
		ask(s, table, 7, groups, one[6]);
}

/* The GF(2) matrix that turns a byte of answers into a count. */
INLINE uint64_t counting(uint32_t levels)
{
	uint64_t matrix = 0;

	/* Row 7 - i of the matrix selects bit i of the count: the answer of level - 1 - i. */
	for (uint32_t i = 0; i < levels; i++) {
		uint32_t level = levels - 1 - i;
		/* The answers of the first two levels are already a number. */
		uint32_t k = level < 2 && levels > 1 ? level ^ 1 : level;

		matrix |= 1ULL << (8 * (7 - i) + k);
	}
	return matrix;
}

/* Converts the answers of up to 64 rows to ranks. */
INLINE __m512i to_ranks(const struct standing *s, uint32_t groups, uint32_t levels)
{
	const __m512i order = _mm512_set_epi32(0x3f3b3733, 0x2f2b2723, 0x1f1b1713, 0x0f0b0703,
					       0x3e3a3632, 0x2e2a2622, 0x1e1a1612, 0x0e0a0602,
					       0x3d393531, 0x2d292521, 0x1d191511, 0x0d090501,
					       0x3c383430, 0x2c282420, 0x1c181410, 0x0c080400);
	__m512i all = s[0].at;

	for (uint32_t g = 1; g < groups; g++)
		all = _mm512_or_si512(all, _mm512_slli_epi32(s[g].at, 8 * g));
	all = _mm512_permutexvar_epi8(order, all);
	return _mm512_gf2p8affine_epi64_epi8(all, _mm512_set1_epi64((int64_t)counting(levels)),
					     0x80);
}

INLINE void store(int8_t *column, uint32_t groups, __m512i ranks)
{
	if (groups == 1)
		_mm_store_si128((__m128i *)column, _mm512_castsi512_si128(ranks));
	else if (groups == 2)
		_mm256_store_si256((__m256i *)column, _mm512_castsi512_si256(ranks));
	else
		_mm512_store_si512(column, ranks);
}

/* Runs one search for all rows, with values x, and stores the ranks in the columns in use. */
INLINE void rank_levels(const struct forest_search *s, const float *x, uint32_t groups,
			uint32_t levels, const __m512i *one, int8_t *columns)
{
	struct standing at[4];
	__mmask64 missing = 0;
	__m512i ranks;

	for (uint32_t g = 0; g < groups; g++)
		at[g] = (struct standing){.x = _mm512_load_ps(x + g * GROUP)};
	search(at, s->level_table, levels, groups, one);
	ranks = to_ranks(at, groups, levels);
	if (s->column[0] >= 0)
		store(columns + s->column[0] * FOREST_ROWS, groups, ranks);
	if (s->column[1] < 0)
		return;
	for (uint32_t g = 0; g < groups; g++)
		missing |= (__mmask64)_mm512_cmp_ps_mask(at[g].x, at[g].x, _CMP_UNORD_Q)
			   << (16 * g);
	store(columns + s->column[1] * FOREST_ROWS, groups,
	      _mm512_mask_mov_epi8(ranks, missing, _mm512_set1_epi8(127)));
}

INLINE void rank_search(const struct forest_search *s, const float *x, uint32_t groups,
			const __m512i *one, int8_t *columns)
{
	switch (s->levels) {
	case 1:
		rank_levels(s, x, groups, 1, one, columns);
		break;
	case 2:
		rank_levels(s, x, groups, 2, one, columns);
		break;
	case 3:
		rank_levels(s, x, groups, 3, one, columns);
		break;
	case 4:
		rank_levels(s, x, groups, 4, one, columns);
		break;
	case 5:
		rank_levels(s, x, groups, 5, one, columns);
		break;
	case 6:
		rank_levels(s, x, groups, 6, one, columns);
		break;
	case 7:
		rank_levels(s, x, groups, 7, one, columns);
		break;
	default:
		rank_levels(s, x, groups, 8, one, columns);
	}
}

/*
 * Transposes four features at a time, so that they stay in the L1 cache, and one step ahead, to
 * avoid store-forwarding stalls: the vectors are read in other sizes than they are written.
 */
INLINE void rank_groups(struct forest_slot *slot, const float *const *rows, uint32_t groups)
{
	const struct forest *f = slot->forest;
	float *turned[2] = {slot->turned, slot->turned + 4 * FOREST_ROWS};
	__m512i one[7];

	for (uint32_t i = 0; i < 7; i++) {
		one[i] = _mm512_set1_epi32(i > 0 ? 2 << i : 1);
		/* Keeps the constants in registers: compilers would recreate them in each
		 * search. */
		__asm__("" : "+v"(one[i]));
	}
	turn_features(rows, 0, RTE_MIN(4U, f->features), groups, turned[0]);
	for (uint32_t i = 0, at = 0; i < f->searches; at += 4) {
		const float *now = turned[at / 4 % 2];

		if (at + 4 < f->features)
			turn_features(rows, at + 4, RTE_MIN(4U, f->features - at - 4), groups,
				      turned[(at / 4 + 1) % 2]);
		for (; i < f->searches && f->search[i].feature < at + 4; i++)
			rank_search(&f->search[i], now + (f->search[i].feature - at) * FOREST_ROWS,
				    groups, one, slot->columns);
	}
}

TARGET void forest_rank_columns_avx512(struct forest_slot *s, const float *matrix, uint32_t n)
{
	uint32_t groups = (n + GROUP - 1) / GROUP;
	const float *rows[FOREST_ROWS];

	/* Unused lanes repeat the last row. */
	for (uint32_t r = 0; r < groups * GROUP; r++)
		rows[r] = matrix + (size_t)RTE_MIN(r, n - 1) * s->forest->features;
	switch (groups) {
	case 1:
		rank_groups(s, rows, 1);
		break;
	case 2:
		rank_groups(s, rows, 2);
		break;
	case 3:
		rank_groups(s, rows, 3);
		break;
	default:
		rank_groups(s, rows, 4);
	}
}

/* Transposes 16 by 16 bytes from `in` (rows FOREST_ROWS apart) to `out` (FOREST_COLUMNS_MAX
 * apart). */
INLINE void turn_bytes(const int8_t *in, uint8_t *out, uint32_t n)
{
	const __m128i sign = _mm_set1_epi8((char)0x80); /* converts ranks to counts */
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

/* Two steps: finds the sixteenth by the splitters, then counts among its 16 thresholds. */
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
