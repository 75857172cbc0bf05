/* Builds the tables of the ranked kernels: complete trees in heap order. */
#include <stdlib.h>
#include <string.h>

#include "forest_parts.h"

static void *aligned_zeroes(size_t bytes)
{
	size_t whole = RTE_ALIGN_CEIL(bytes + 1, RTE_CACHE_LINE_SIZE);
	void *memory = aligned_alloc(RTE_CACHE_LINE_SIZE, whole);

	if (memory != NULL)
		memset(memory, 0, whole);
	return memory;
}

/*
 * Fills heap index h, and all below it, from node i of the tree. A leaf above the last level is
 * repeated in all leaves below it; the padding nodes in between always go left.
 */
static void fill_complete(struct forest *f, const struct forest_tree *tree, uint32_t i, uint32_t h)
{
	const struct forest_node *node = &f->node[tree->node + i];
	bool is_leaf = node->left == i;

	if (h >> tree->levels != 0) {
		f->leaf[tree->table + h - (1U << tree->levels)] = node->leaf;
		return;
	}
	f->rank[tree->table + h] = FOREST_NEVER_RIGHT;
	f->column[tree->table + h] = 0;
	if (!is_leaf)
		f->column[tree->table + h] = forest_column_of(f, node, &f->rank[tree->table + h]);
	fill_complete(f, tree, is_leaf ? i : node->left, 2 * h);
	fill_complete(f, tree, is_leaf ? i : node->left + 1, 2 * h + 1);
}

/* Fills the lane of tree `t` in its group's top; levels that the tree lacks are padded. */
static void fill_lane(struct forest *f, uint32_t t)
{
	const struct forest_tree *tree = &f->tree[t];
	uint8_t *lane = f->lanes + f->group[t / FOREST_TREES].lanes + t % FOREST_TREES;

	for (uint32_t h = 1; h < FOREST_LANE_NODES; h++) {
		bool padded = h >> tree->levels != 0;

		lane[h * 128] = padded ? 0 : f->column[tree->table + h];
		lane[h * 128 + 64] =
			(padded ? FOREST_NEVER_RIGHT : f->rank[tree->table + h]) ^ 0x80U;
	}
}

/* Fills the slots of tree `t`: for each node at the lanes' last level, its subtree. */
static void fill_slots(struct forest *f, uint32_t t)
{
	const struct forest_group *group = &f->group[t / FOREST_TREES];
	const struct forest_tree *tree = &f->tree[t];
	size_t bytes = FOREST_SLOT_BYTES(group->below);
	uint8_t *slot = f->slots + group->slots + ((t - group->first) << group->levels) * bytes;
	uint32_t leaves = 1U << group->below, levels = group->levels + group->below;

	for (uint32_t s = 0; s < 1U << group->levels; s++, slot += bytes) {
		for (uint32_t h = 1; h < leaves; h++) {
			uint32_t level = 31 - (uint32_t)__builtin_clz(h);
			/* Heap index in the tree of the slot's node h. */
			uint32_t at = (((1U << group->levels) + s - 1) << level) + h;
			bool padded = at >> tree->levels != 0;

			slot[leaves * 4 + h] =
				padded ? FOREST_NEVER_RIGHT : f->rank[tree->table + at];
			slot[leaves * 5 + h] = padded ? 0 : f->column[tree->table + at];
		}
		for (uint32_t i = 0; i < leaves; i++)
			memcpy(slot + 4 * i,
			       &f->leaf[tree->table +
					((s * leaves + i) >> (levels - tree->levels))],
			       4);
	}
}

/* Sets the offsets of each group's lanes and slots. Returns the bytes of all slots. */
static size_t place_groups(struct forest *f)
{
	size_t bytes = 0;

	for (uint32_t g = 0; g < f->groups; g++) {
		struct forest_group *group = &f->group[g];
		uint32_t deepest = 0;

		group->first = g * FOREST_TREES;
		group->n = RTE_MIN(f->trees - group->first, (uint32_t)FOREST_TREES);
		group->lanes = g * FOREST_LANE_NODES * 128;
		for (uint32_t t = group->first; t < group->first + group->n; t++)
			deepest = RTE_MAX(deepest, (uint32_t)f->tree[t].levels);
		group->levels = deepest < FOREST_LANE_LEVELS || f->columns > FOREST_NARROW
					? FOREST_LANE_LEVELS - 1
					: FOREST_LANE_LEVELS;
		group->below = deepest > group->levels ? deepest - group->levels : 0;
		group->slots = (uint32_t)bytes;
		bytes += ((size_t)group->n << group->levels) * FOREST_SLOT_BYTES(group->below);
	}
	return bytes;
}

/* Sets the offset of each tree's table. Returns the number of entries. */
static uint64_t place_tables(struct forest *f)
{
	uint64_t entries = 0;

	for (uint32_t t = 0; t < f->trees; t++) {
		f->tree[t].levels = (uint16_t)RTE_MAX(f->tree[t].depth, 1U);
		f->tree[t].table = (uint32_t)entries;
		entries += RTE_MAX(1U << f->tree[t].levels, 16U);
	}
	return entries;
}

bool forest_pack(struct forest *f)
{
	uint64_t entries = place_tables(f);

	f->groups = (f->trees + FOREST_TREES - 1) / FOREST_TREES;
	f->rank = aligned_zeroes(entries);
	f->column = aligned_zeroes(entries);
	f->leaf = aligned_zeroes(entries * sizeof(*f->leaf));
	f->group = calloc(f->groups, sizeof(*f->group));
	f->lanes = aligned_zeroes((uint64_t)f->groups * FOREST_LANE_NODES * 128);
	f->slots = f->group != NULL ? aligned_zeroes(place_groups(f)) : NULL;
	if (f->rank == NULL || f->column == NULL || f->leaf == NULL || f->group == NULL ||
	    f->lanes == NULL || f->slots == NULL)
		return false;
	for (uint32_t t = 0; t < f->trees; t++) {
		fill_complete(f, &f->tree[t], 0, 1);
		fill_lane(f, t);
		fill_slots(f, t);
	}
	return true;
}

void forest_unpack(struct forest *f)
{
	free(f->rank);
	free(f->column);
	free(f->leaf);
	free(f->group);
	free(f->lanes);
	free(f->slots);
}
