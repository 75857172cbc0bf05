/*
 * Builds the program that the row-lane kernels run for each tree. The first levels are evaluated
 * whole, whichever nodes the lanes are at; deeper levels node by node, for the lanes at that node,
 * or by picks. So the cost of a tree depends on the nodes that it has.
 */
#include <stdlib.h>
#include <string.h>

#include "forest_parts.h"

/* A level is whole if at least this share of its nodes exists. On AMD Zen 4, 45 to 90 makes little
 * difference; 30 costs a tenth. */
#define WHOLE_PERCENT 75
#define WHOLE_LEAST   5

/*
 * Costs on AMD Zen 4, relative to one node of a whole level: a single node; a level of which each
 * lane picks its node.
 */
#define SINGLE_COST 1.4
#define PICK_COST   30

/* For each code, the heap index of the node that its lanes are at. */
struct standing {
	uint32_t at[256];
	uint32_t n;
};

static bool is_inner(const struct forest *f, const struct forest_tree *tree, uint32_t h)
{
	return h >> tree->levels == 0 && f->rank[tree->table + h] != FOREST_NEVER_RIGHT;
}

static uint32_t whole_levels(const struct forest *f, const struct forest_tree *tree)
{
	uint32_t level = RTE_MIN(tree->levels, (uint16_t)WHOLE_LEAST);

	for (; level < tree->levels; level++) {
		uint32_t inner = 0;

		for (uint32_t h = 1U << level; h < 2U << level; h++)
			inner += is_inner(f, tree, h);
		if (inner * 100 < (uint32_t)WHOLE_PERCENT << level)
			break;
	}
	return level;
}

static void fill_whole(const struct forest *f, const struct forest_tree *tree,
		       struct forest_program *p)
{
	for (uint32_t h = 1; h < 1U << p->whole; h++) {
		p->top.rank4[h] = (f->rank[tree->table + h] ^ 0x80U) * 0x01010101U;
		p->top.offset[h] = (uint16_t)(f->column[tree->table + h] * FOREST_ROWS);
	}
}

/* Fills one level's single nodes: lanes that go left keep their code, lanes that go right get the
 * next unused one. */
static void fill_level(const struct forest *f, const struct forest_tree *tree,
		       struct forest_program *p, struct standing *s, struct forest_single *single)
{
	uint32_t codes = s->n, n = 0;

	for (uint32_t code = 0; code < codes; code++) {
		uint32_t h = s->at[code];

		if (!is_inner(f, tree, h)) {
			s->at[code] = 2 * h;
			continue;
		}
		if (single != NULL)
			single[n] = (struct forest_single){
				.code4 = code * 0x01010101U,
				.rank4 = (f->rank[tree->table + h] ^ 0x80U) * 0x01010101U,
				.offset = f->column[tree->table + h] * FOREST_ROWS,
			};
		n++;
		s->at[code] = 2 * h;
		s->at[s->n++] = 2 * h + 1;
	}
	p->singles[p->levels++] = (uint16_t)n;
}

/* Fills the levels below the whole ones as single nodes; only counts them if `single` is NULL. */
static void fill_singles(const struct forest *f, const struct forest_tree *tree,
			 struct forest_program *p, struct standing *s, struct forest_single *single)
{
	s->n = 1U << p->whole;
	for (uint32_t i = 0; i < s->n; i++)
		s->at[i] = s->n + i;
	p->levels = 0;
	for (uint32_t level = p->whole; level < tree->levels; level++) {
		fill_level(f, tree, p, s, single);
		if (single != NULL)
			single += p->singles[p->levels - 1];
	}
	p->width = s->n <= 64 ? 64 : s->n <= 128 ? 128 : 256;
}

/* Whether picking is cheaper than single nodes for the levels from FOREST_PICK_LEVEL on. */
static bool better_picked(const struct forest_tree *tree, const struct forest_program *p)
{
	double singles = 1U << p->whole;

	if (tree->levels <= FOREST_PICK_LEVEL)
		return false;
	for (uint32_t i = 0; i < p->levels; i++)
		singles += SINGLE_COST * p->singles[i];
	return (1U << FOREST_PICK_LEVEL) + PICK_COST * (tree->levels - FOREST_PICK_LEVEL) < singles;
}

/* Plans the levels: whole ones, then single nodes or picks. */
static void plan(const struct forest *f, const struct forest_tree *tree, struct forest_program *p,
		 struct standing *s)
{
	p->whole = (uint8_t)whole_levels(f, tree);
	fill_singles(f, tree, p, s, NULL);
	if (!better_picked(tree, p))
		return;
	p->whole = FOREST_PICK_LEVEL;
	p->levels = 0;
	p->picks = (uint8_t)(tree->levels - FOREST_PICK_LEVEL);
	p->width = (uint16_t)(1U << tree->levels);
}

static void fill_picks(const struct forest *f, const struct forest_tree *tree,
		       struct forest_program *p, struct standing *s)
{
	for (uint32_t i = 0; i < p->picks; i++) {
		uint32_t n = 1U << (FOREST_PICK_LEVEL + i);

		for (uint32_t k = 0; k < n; k++)
			p->pick[i].rank[k] = (int8_t)(f->rank[tree->table + n + k] ^ 0x80U);
		memcpy(p->pick[i].column, f->column + tree->table + n, n);
	}
	s->n = 1U << tree->levels;
	for (uint32_t i = 0; i < s->n; i++)
		s->at[i] = s->n + i;
}

static void fill_leaves(const struct forest *f, const struct forest_tree *tree,
			struct forest_program *p, const struct standing *s)
{
	for (uint32_t code = 0; code < s->n; code++) {
		uint32_t i = s->at[code] - (1U << tree->levels);
		uint8_t bytes[4];

		p->leaf[code] = f->leaf[tree->table + i];
		memcpy(bytes, &p->leaf[code], sizeof(bytes));
		for (uint32_t b = 0; b < 4; b++)
			p->planes[b * p->width + code] = bytes[b];
	}
}

/* Sets the program's pointers into its memory. Returns the bytes; with NULL, only for that. */
static size_t place(struct forest_program *p, uint8_t *memory)
{
	uintptr_t from = (uintptr_t)memory;
	size_t whole = 1U << p->whole, singles = 0, at;

	for (uint32_t i = 0; i < p->levels; i++)
		singles += p->singles[i];
	p->planes = memory;
	at = 4U * p->width;
	for (uint32_t i = 0; i < p->picks; i++) {
		p->pick[i].rank = (int8_t *)(from + at);
		at += 1U << (FOREST_PICK_LEVEL + i);
		p->pick[i].column = (uint8_t *)(from + at);
		at += 1U << (FOREST_PICK_LEVEL + i);
	}
	p->top.rank4 = (uint32_t *)(from + at);
	at += whole * sizeof(uint32_t);
	p->top.offset = (uint16_t *)(from + at);
	at = RTE_ALIGN_CEIL(at + whole * sizeof(uint16_t), 4UL);
	p->single = (struct forest_single *)(from + at);
	return RTE_ALIGN_CEIL(at + singles * sizeof(struct forest_single), 64UL);
}

bool forest_program(struct forest *f)
{
	struct standing s;
	size_t bytes = 0, leaves = 0;

	f->program = calloc(f->trees, sizeof(*f->program));
	if (f->program == NULL)
		return false;
	for (uint32_t t = 0; t < f->trees; t++) {
		plan(f, &f->tree[t], &f->program[t], &s);
		f->picks |= f->program[t].picks > 0;
		bytes += place(&f->program[t], NULL);
		leaves += f->program[t].width;
	}
	f->program_memory = aligned_alloc(64, bytes);
	f->program_leaves = malloc(leaves * sizeof(float));
	if (f->program_memory == NULL || f->program_leaves == NULL)
		return false;
	memset(f->program_memory, 0, bytes);
	bytes = leaves = 0;
	for (uint32_t t = 0; t < f->trees; t++) {
		struct forest_program *p = &f->program[t];

		bytes += place(p, f->program_memory + bytes);
		p->leaf = f->program_leaves + leaves;
		leaves += p->width;
		fill_whole(f, &f->tree[t], p);
		if (p->picks > 0)
			fill_picks(f, &f->tree[t], p, &s);
		else
			fill_singles(f, &f->tree[t], p, &s, p->single);
		fill_leaves(f, &f->tree[t], p, &s);
	}
	return true;
}

void forest_unprogram(struct forest *f)
{
	free(f->program);
	free(f->program_memory);
	free(f->program_leaves);
}
