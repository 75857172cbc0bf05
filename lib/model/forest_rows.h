/*
 * Private: the row-lane kernel up to the code of each lane's leaf. One lane per row; data loaded
 * from a tree is used for BLOCKS blocks of rows. forest_program.c builds the programs. The
 * including file defines the register, before it includes this:
 *
 *   TARGET, INLINE               the function attribute of its instructions; of inlined functions
 *   BLOCKS                       registers per operation
 *   reg                          a register of bytes
 *   four(x)                      repeats 32 bits
 *   load(p)                      loads from an aligned address
 *   less(rank, count)            bit 7 of each byte: rank < count
 *   pick(right, a, b)            bitwise or bytewise by bit 7: b where `right`, else a
 *   shift_in(v, bit)             v >> 1 in each byte, with bit 7 from `bit`
 *   top_bits(v, n)               v >> (8 - n) in each byte
 *   next_code(v)                 v + 1 in each byte
 *   walk(next, code, asked, rank, count, fresh)   fresh where code == asked and rank < count, else
 *                                next
 */
#ifndef FOREST_ROWS_H
#define FOREST_ROWS_H

#include "forest_parts.h"

typedef struct {
	reg of[BLOCKS];
} lanes;

struct blocks {
	const int8_t *columns[BLOCKS];
};

struct top {
	struct forest_top tree;
	const struct blocks *blocks;
};

INLINE lanes node(const struct top *t, uint32_t h)
{
	reg rank = four(t->tree.rank4[h]);
	lanes v;

	for (int b = 0; b < BLOCKS; b++)
		v.of[b] = less(rank, load(t->blocks->columns[b] + t->tree.offset[h]));
	return v;
}

INLINE lanes choose(lanes right, lanes a, lanes b)
{
	/* `a` first, because its register is overwritten and `a` is not used afterwards. */
	for (int i = 0; i < BLOCKS; i++)
		a.of[i] = pick(right.of[i], a.of[i], b.of[i]);
	return a;
}

INLINE lanes push(lanes v, lanes bit)
{
	for (int b = 0; b < BLOCKS; b++)
		v.of[b] = shift_in(v.of[b], bit.of[b]);
	return v;
}

INLINE lanes finish(lanes v, uint32_t levels)
{
	for (int b = 0; b < BLOCKS; b++)
		v.of[b] = top_bits(v.of[b], levels);
	return v;
}

#include "forest_select.h"

/* Evaluates the single nodes and returns the new codes. */
INLINE lanes go_on(const struct forest_program *p, lanes code, const struct blocks *blocks)
{
	const struct forest_single *single = p->single;
	reg fresh = four((1U << p->whole) * 0x01010101U);

	for (uint32_t level = 0; level < p->levels; level++) {
		const struct forest_single *end = single + p->singles[level];
		lanes next = code;

		for (; single < end; single++) {
			reg rank = four(single->rank4), asked = four(single->code4);

			for (int b = 0; b < BLOCKS; b++)
				next.of[b] = walk(next.of[b], code.of[b], asked, rank,
						  load(blocks->columns[b] + single->offset), fresh);
			fresh = next_code(fresh);
		}
		code = next;
	}
	return code;
}

INLINE lanes whole(const struct forest_program *p, const struct blocks *blocks)
{
	const struct top top = {p->top, blocks};

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

/* The code of each lane in one tree after whole levels and single nodes. */
INLINE lanes find_codes(const struct forest_program *p, const struct blocks *blocks)
{
	return go_on(p, whole(p, blocks), blocks);
}

#endif
