/*
 * The tree-lane kernel: one lane per tree, 64 trees per register, two rows at a time. A row's
 * columns are in two or four registers, from which each lane selects the one that its node needs,
 * so few rows cost little. Below the lanes' levels the trees are descended one by one.
 */
#include <immintrin.h>
#include <string.h>

#include "forest_parts.h"

#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi")))
#define INLINE static inline __attribute__((always_inline)) TARGET

#define SHARE 16

#define TOGETHER 2 /* rows per call, so that a group's trees are loaded once for both */

typedef struct {
	__m512i of[TOGETHER];
} lanes;

struct top {
	const uint8_t *trees;	      /* the group's part of forest.lanes */
	__m512i quarter[TOGETHER][4]; /* the columns of each row */
	bool wide; /* more than two of the four are used; a compile-time constant */
};

INLINE lanes node(const struct top *t, uint32_t h)
{
	__m512i column = _mm512_load_si512(t->trees + h * 128);
	__m512i rank = _mm512_load_si512(t->trees + h * 128 + 64);
	lanes v;

	for (int r = 0; r < TOGETHER; r++) {
		const __m512i *quarter = t->quarter[r];
		__m512i x = _mm512_permutex2var_epi8(quarter[0], column, quarter[1]);

		if (t->wide)
			x = _mm512_mask_mov_epi8(
				x, _mm512_movepi8_mask(column),
				_mm512_permutex2var_epi8(quarter[2], column, quarter[3]));
		v.of[r] = _mm512_subs_epi8(rank, x);
	}
	return v;
}

INLINE lanes choose(lanes right, lanes a, lanes b)
{
	for (int r = 0; r < TOGETHER; r++)
		a.of[r] = _mm512_ternarylogic_epi32(a.of[r], right.of[r], b.of[r], 0xb8);
	return a;
}

INLINE lanes push(lanes v, lanes bit)
{
	for (int r = 0; r < TOGETHER; r++)
		v.of[r] = _mm512_ternarylogic_epi32(_mm512_srli_epi16(v.of[r], 1),
						    _mm512_set1_epi8((char)0x80), bit.of[r], 0xb8);
	return v;
}

INLINE lanes finish(lanes v, uint32_t levels)
{
	for (int r = 0; r < TOGETHER; r++)
		v.of[r] = _mm512_and_si512(_mm512_srli_epi16(v.of[r], 8 - levels),
					   _mm512_set1_epi8((char)((1U << levels) - 1)));
	return v;
}

#include "forest_select.h"

INLINE void stand(const uint8_t *trees, const uint8_t *row, bool wide, uint32_t levels, uint8_t *at)
{
	/* converts counts to ranks */
	const __m512i sign = _mm512_set1_epi8((char)0x80);
	struct top top = {.trees = trees, .wide = wide};
	lanes code;

	for (int r = 0; r < TOGETHER; r++)
		for (int i = 0; i < (wide ? 4 : 2); i++)
			top.quarter[r][i] = _mm512_xor_si512(
				_mm512_load_si512(row + r * FOREST_COLUMNS_MAX + i * 64), sign);
	code = select_path(&top, levels);
	for (int r = 0; r < TOGETHER; r++)
		_mm512_store_si512(at + r * FOREST_TREES, code.of[r]);
}

/* The node, at the level below the lanes, of two rows in each tree of the group, into at[2][64]. */
TARGET __attribute__((noinline)) static void stand_wide_5(const uint8_t *trees, const uint8_t *row,
							  uint8_t *at)
{
	stand(trees, row, true, 5, at);
}

TARGET __attribute__((noinline)) static void stand_5(const uint8_t *trees, const uint8_t *row,
						     uint8_t *at)
{
	stand(trees, row, false, 5, at);
}

TARGET __attribute__((noinline)) static void stand_6(const uint8_t *trees, const uint8_t *row,
						     uint8_t *at)
{
	stand(trees, row, false, 6, at);
}

/* The leaf reached from node `at`, `below` levels further down. */
INLINE float walk_on(const uint8_t *slots, uint32_t at, uint32_t below, const uint8_t *row)
{
	const uint8_t *slot = slots + at * FOREST_SLOT_BYTES(below);
	const uint8_t *rank = slot + (4U << below), *column = slot + (5U << below);
	uint64_t h = 1;
	float leaf;

	for (uint32_t i = 0; i < below; i++)
		h = forest_step(h, rank, row[column[h]]);
	memcpy(&leaf, slot + 4 * (h - (1U << below)), sizeof(leaf));
	return leaf;
}

/* Up to SHARE trees of a group, for one row or two. */
struct share {
	const struct forest *forest;
	const struct forest_tree *tree; /* the first one */
	const uint8_t *slots;		/* of the first one */
	uint32_t n;
	const uint8_t *at; /* the node of each row in each tree; FOREST_TREES per row */
	const uint8_t *row;
	float *sums;
	size_t tree_bytes; /* of the slots of one tree */
};

/* `rows` is 1 or 2: two chains of additions hide each other's latency. */
INLINE void add_rows(const struct share *s, uint32_t below, uint32_t rows)
{
	const uint8_t *slots = s->slots;

	for (uint32_t j = 0; j < s->n; j++) {
		float *sum = s->sums + s->tree[j].output;

		for (uint32_t r = 0; r < rows; r++)
			sum[r * s->forest->outputs] +=
				walk_on(slots, s->at[r * FOREST_TREES + j], below,
					s->row + r * FOREST_COLUMNS_MAX);
		slots += s->tree_bytes;
	}
}

/* As add_rows() for one output: the sums stay in registers. */
INLINE void sum_rows(const struct share *s, uint32_t below, uint32_t rows)
{
	const uint8_t *slots = s->slots;
	float sums[2] = {s->sums[0], s->sums[1]};

	for (uint32_t j = 0; j < s->n; j++) {
		for (uint32_t r = 0; r < rows; r++)
			sums[r] += walk_on(slots, s->at[r * FOREST_TREES + j], below,
					   s->row + r * FOREST_COLUMNS_MAX);
		slots += s->tree_bytes;
	}
	for (uint32_t r = 0; r < rows; r++)
		s->sums[r] = sums[r];
}

TARGET static void stand_rows(struct forest_slot *s, uint32_t group, uint32_t n)
{
	const struct forest *f = s->forest;
	const uint8_t *trees = f->lanes + f->group[group].lanes;
	bool wide = f->columns > FOREST_NARROW;

	for (uint32_t r = 0; r < n; r += TOGETHER)
		(wide			      ? stand_wide_5
		 : f->group[group].levels < 6 ? stand_5
					      : stand_6)(trees, s->rows + r * FOREST_COLUMNS_MAX,
							 s->standing + r * FOREST_TREES);
	s->stood = group;
}

/* Adds trees [from, to) of the group, SHARE at a time, so that their slots stay in the L1 cache. */
INLINE void add_trees(struct forest_slot *slot, const struct forest_group *g, uint32_t below,
		      uint32_t n, uint32_t from, uint32_t to)
{
	const struct forest *f = slot->forest;
	size_t tree_bytes = FOREST_SLOT_BYTES(below) << g->levels;

	for (uint32_t i = from; i < to; i += SHARE)
		for (uint32_t r = 0; r < n; r += 2) {
			struct share s = {f,
					  &f->tree[g->first + i],
					  f->slots + g->slots + i * tree_bytes,
					  RTE_MIN(to - i, (uint32_t)SHARE),
					  slot->standing + r * FOREST_TREES + i,
					  slot->rows + r * FOREST_COLUMNS_MAX,
					  slot->sums + r * f->outputs,
					  tree_bytes};

			if (f->outputs == 1 && r + 1 < n)
				sum_rows(&s, below, 2);
			else if (f->outputs == 1)
				sum_rows(&s, below, 1);
			else if (r + 1 < n)
				add_rows(&s, below, 2);
			else
				add_rows(&s, below, 1);
		}
}

TARGET void forest_add_trees_avx512(struct forest_slot *s, uint32_t n, uint32_t from, uint32_t to)
{
	for (uint32_t end; from < to; from = end) {
		const struct forest_group *g = &s->forest->group[from / FOREST_TREES];
		uint32_t first = from - g->first, last;

		end = RTE_MIN(g->first + g->n, to);
		last = end - g->first;
		if (s->stood != from / FOREST_TREES)
			stand_rows(s, from / FOREST_TREES, n);
		switch (g->below) {
		case 0:
			add_trees(s, g, 0, n, first, last);
			break;
		case 1:
			add_trees(s, g, 1, n, first, last);
			break;
		case 2:
			add_trees(s, g, 2, n, first, last);
			break;
		default:
			add_trees(s, g, 3, n, first, last);
		}
	}
}
