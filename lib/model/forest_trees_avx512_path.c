/*
 * The tree-lane kernel: a lane is a tree, 64 of them a register, one row at a time. A row's columns
 * are in two registers, from which each lane picks the one it asks for. So few rows cost little;
 * below five levels the trees are walked one by one.
 */
#include <immintrin.h>

#include "forest_parts.h"

#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi")))
#define INLINE static inline __attribute__((always_inline)) TARGET

typedef __m512i lanes;

struct top {
	const uint8_t *trees; /* forest.lanes from the group's place */
	__m512i low, high;    /* the row's columns */
};

INLINE lanes node(const struct top *t, uint32_t h)
{
	__m512i column = _mm512_load_si512(t->trees + h * 128);
	__m512i rank = _mm512_load_si512(t->trees + h * 128 + 64);

	return _mm512_subs_epi8(rank, _mm512_permutex2var_epi8(t->low, column, t->high));
}

INLINE lanes choose(lanes right, lanes a, lanes b)
{
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

/* Where each tree of the group stands five levels down, into at[64]. */
TARGET __attribute__((noinline)) static void stand(const uint8_t *trees, const int8_t *row,
						   uint8_t *at)
{
	const struct top top = {trees, _mm512_load_si512(row), _mm512_load_si512(row + 64)};

	_mm512_store_si512(at, select_path(&top, FOREST_LANE_LEVELS));
}

/* The leaf of one tree, `levels` deep in all, from where it stands. */
INLINE float walk_on(const struct forest *f, size_t table, uint32_t levels, uint32_t at,
		     const int8_t *row)
{
	const int8_t *rank = f->rank + table;
	const uint8_t *column = f->column + table;
	uint32_t h = FOREST_LANE_NODES + at;

	if (levels < FOREST_LANE_LEVELS)
		h >>= FOREST_LANE_LEVELS - levels;
	for (uint32_t i = FOREST_LANE_LEVELS; i < levels; i++)
		h = 2 * h + (rank[h] < row[column[h]]);
	return f->leaf[table + h - (1U << levels)];
}

/* Two rows side by side: each sum waits for its last addition, so two wait together. */
INLINE void add_two(const struct forest *f, const struct forest_group *g, uint32_t levels,
		    const uint8_t *at, const int8_t *row, float *margins, uint32_t next)
{
	const struct forest_tree *tree = &f->tree[g->first];

	for (uint32_t j = 0; j < g->n; j++, tree++) {
		uint32_t depth = levels != 0 ? levels : tree->levels;

		margins[tree->output] += walk_on(f, tree->table, depth, at[j], row);
		margins[next + tree->output] += walk_on(f, tree->table, depth, at[FOREST_TREES + j],
							row + FOREST_COLUMNS_MAX);
	}
}

/* As add_two(), where there is one output: the sums stay in registers. */
INLINE void sum_two(const struct forest *f, const struct forest_group *g, uint32_t levels,
		    const uint8_t *at, const int8_t *row, float *margins, uint32_t next)
{
	size_t table = f->tree[g->first].table, size = RTE_MAX(1U << levels, 16U);
	float a = margins[0], b = margins[next];

	for (uint32_t j = 0; j < g->n; j++, table += size) {
		a += walk_on(f, table, levels, at[j], row);
		b += walk_on(f, table, levels, at[FOREST_TREES + j], row + FOREST_COLUMNS_MAX);
	}
	margins[0] = a;
	margins[next] = b;
}

INLINE void add_group(const struct forest *f, const struct forest_group *g, uint32_t levels,
		      const int8_t *rows, uint32_t n, float *margins)
{
	uint8_t at[2 * FOREST_TREES] __attribute__((aligned(64)));
	const uint8_t *trees = f->lanes + g->lanes;

	for (uint32_t r = 0; r < n; r += 2) {
		const int8_t *row = rows + r * FOREST_COLUMNS_MAX;
		float *out = margins + r * f->outputs;

		stand(trees, row, at);
		stand(trees, row + FOREST_COLUMNS_MAX, at + FOREST_TREES);
		if (f->outputs == 1 && levels != 0)
			sum_two(f, g, levels, at, row, out, f->outputs);
		else
			add_two(f, g, levels, at, row, out, f->outputs);
	}
}

TARGET void forest_trees_avx512(struct forest_slot *s, const float *matrix, uint32_t n,
				float *margins)
{
	const struct forest *f = s->forest;
	float *sums = s->sums; /* of an odd row's partner, too */

	forest_rank_rows_avx512(s, matrix, n);
	for (uint32_t i = 0; i < (n + 1) * f->outputs; i++)
		sums[i] = f->base_margin;
	for (uint32_t i = 0; i < f->groups; i++) {
		const struct forest_group *g = &f->group[i];

		switch (g->levels) {
		case 5:
			add_group(f, g, 5, s->rows, n, sums);
			break;
		case 6:
			add_group(f, g, 6, s->rows, n, sums);
			break;
		case 7:
			add_group(f, g, 7, s->rows, n, sums);
			break;
		case 8:
			add_group(f, g, 8, s->rows, n, sums);
			break;
		default:
			add_group(f, g, 0, s->rows, n, sums);
		}
	}
	for (uint32_t i = 0; i < n * f->outputs; i++)
		margins[i] = sums[i];
}
