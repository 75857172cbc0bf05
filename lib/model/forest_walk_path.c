/* The scalar kernels: by floats, for every forest, and by ranks, for ranked ones. */
#include <math.h>
#include <string.h>

#include "forest_parts.h"

/* Rows processed in parallel, so that their loads overlap. */
#define SIDE_BY_SIDE 8

/* In deeper trees most rows reach a leaf long before the deepest one, so each descends alone. */
#define LOCKSTEP_DEPTH 16

static inline uint32_t step(const struct forest_node *nodes, uint32_t at, const float *row)
{
	const struct forest_node *node = &nodes[at];
	float x = row[node->feature];

	/* At most one of the two is true; in a leaf, whose threshold is NaN, neither. */
	return node->left + ((x >= node->threshold) | (node->missing_right & (x != x)));
}

static float walk_one(const struct forest_node *nodes, const float *row)
{
	uint32_t at = 0;

	while (nodes[at].left != at)
		at = step(nodes, at, row);
	return nodes[at].leaf;
}

static inline void walk_eight(const struct forest_node *nodes, uint32_t depth,
			      const float *const *row, float leaf[SIDE_BY_SIDE])
{
	uint32_t at[SIDE_BY_SIDE] = {0};

	for (uint32_t level = 0; level < depth; level++)
		for (uint32_t r = 0; r < SIDE_BY_SIDE; r++)
			at[r] = step(nodes, at[r], row[r]);
	for (uint32_t r = 0; r < SIDE_BY_SIDE; r++)
		leaf[r] = nodes[at[r]].leaf;
}

void forest_begin_walk(struct forest_slot *s, const float *matrix, uint32_t n)
{
	for (uint32_t r = 0; r < n; r++)
		s->row[r] = matrix + (size_t)r * s->forest->features;
}

void forest_add_walk(struct forest_slot *s, uint32_t n, uint32_t from, uint32_t to)
{
	const struct forest *f = s->forest;
	float leaf[SIDE_BY_SIDE];

	for (uint32_t t = from; t < to; t++) {
		const struct forest_tree *tree = &f->tree[t];
		const struct forest_node *nodes = f->node + tree->node;
		float *out = s->sums + tree->output;
		uint32_t r = 0;

		for (; tree->depth <= LOCKSTEP_DEPTH && r + SIDE_BY_SIDE <= n; r += SIDE_BY_SIDE) {
			walk_eight(nodes, tree->depth, s->row + r, leaf);
			for (uint32_t j = 0; j < SIDE_BY_SIDE; j++)
				out[(r + j) * f->outputs] += leaf[j];
		}
		for (; r < n; r++)
			out[r * f->outputs] += walk_one(nodes, s->row[r]);
	}
}

/* The number of thresholds at or below x: a binary search; the thresholds are padded with NaN. */
static inline uint32_t count_thresholds(const struct forest_search *s, float x)
{
	uint32_t count = 0;

	for (uint32_t half = 1U << s->levels >> 1; half > 0; half >>= 1)
		count += x >= s->threshold[count + half - 1] ? half : 0;
	return count;
}

void forest_begin_ranks(struct forest_slot *slot, const float *matrix, uint32_t n)
{
	const struct forest *f = slot->forest;

	for (uint32_t i = 0; i < f->searches; i++) {
		const struct forest_search *s = &f->search[i];

		for (uint32_t r = 0; r < n; r++) {
			float x = matrix[(size_t)r * f->features + s->feature];
			uint8_t count = (uint8_t)count_thresholds(s, x);
			uint8_t *row = slot->rows + r * FOREST_COLUMNS_MAX;

			if (s->column[0] >= 0)
				row[s->column[0]] = count;
			if (s->column[1] >= 0)
				row[s->column[1]] = x != x ? FOREST_MISSING_RIGHT : count;
		}
	}
}

void forest_add_ranks(struct forest_slot *s, uint32_t n, uint32_t from, uint32_t to)
{
	const struct forest *f = s->forest;

	for (uint32_t t = from; t < to; t++) {
		const struct forest_tree *tree = &f->tree[t];
		const uint8_t *rank = f->rank + tree->table;
		const uint8_t *column = f->column + tree->table;
		const float *leaf = f->leaf + tree->table - (1U << tree->levels);

		for (uint32_t r = 0; r < n; r++) {
			const uint8_t *row = s->rows + r * FOREST_COLUMNS_MAX;
			uint64_t h = 1;

			for (uint32_t level = 0; level < tree->levels; level++)
				h = forest_step(h, rank, row[column[h]]);
			s->sums[r * f->outputs + tree->output] += leaf[h];
		}
	}
}
