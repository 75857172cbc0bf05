/*
 * Private: selects the leaf of each lane. The including file defines what a lane is, before it
 * includes this:
 *
 *   TARGET                  the function attribute of its instructions; also FOREST_UNCHECKED,
 *                           where eight levels are selected
 *   lanes                   a register of bytes
 *   struct top              what `node` reads
 *   node(top, h)            bit 7 of each byte: the lane goes right at heap index h
 *   choose(right, a, b)     bitwise or bytewise by bit 7: b where `right`, else a
 *   push(v, bit)            v >> 1 in each byte, with bit 7 from `bit`
 *   finish(v, levels)       v >> (8 - levels) in each byte
 *
 * All nodes of the levels are evaluated, without a branch; then, for each level, the results of the
 * levels above select the result on the lane's path.
 */
#ifndef FOREST_SELECT_H
#define FOREST_SELECT_H

#define ALWAYS static inline __attribute__((always_inline)) TARGET

/* Of two, four ... nodes from h on, selects the one on the path by the results of the levels above;
 * `above` is an array that ends with the root's. */
ALWAYS lanes among_2(const struct top *t, uint32_t h, const lanes *above)
{
	return choose(above[0], node(t, h), node(t, h + 1));
}

ALWAYS lanes among_4(const struct top *t, uint32_t h, const lanes *above)
{
	return choose(above[1], among_2(t, h, above), among_2(t, h + 2, above));
}

ALWAYS lanes among_8(const struct top *t, uint32_t h, const lanes *above)
{
	return choose(above[2], among_4(t, h, above), among_4(t, h + 4, above));
}

ALWAYS lanes among_16(const struct top *t, uint32_t h, const lanes *above)
{
	return choose(above[3], among_8(t, h, above), among_8(t, h + 8, above));
}

ALWAYS lanes among_32(const struct top *t, uint32_t h, const lanes *above)
{
	return choose(above[4], among_16(t, h, above), among_16(t, h + 16, above));
}

ALWAYS lanes among_64(const struct top *t, uint32_t h, const lanes *above)
{
	return choose(above[5], among_32(t, h, above), among_32(t, h + 32, above));
}

ALWAYS lanes among_128(const struct top *t, uint32_t h, const lanes *above)
{
	return choose(above[6], among_64(t, h, above), among_64(t, h + 64, above));
}

/* The index of the leaf, or of the node, `levels` levels (1..8, a compile-time constant) below the
 * root. */
ALWAYS lanes select_path(const struct top *t, uint32_t levels)
{
	lanes bit[8], v; /* bit[7] is for the root, bit[8 - levels] for the last level */

	bit[7] = node(t, 1);
	v = bit[7];
	if (levels > 1)
		v = bit[6] = among_2(t, 2, bit + 7);
	if (levels > 2)
		v = bit[5] = among_4(t, 4, bit + 6);
	if (levels > 3)
		v = bit[4] = among_8(t, 8, bit + 5);
	if (levels > 4)
		v = bit[3] = among_16(t, 16, bit + 4);
	if (levels > 5)
		v = bit[2] = among_32(t, 32, bit + 3);
	if (levels > 6)
		v = bit[1] = among_64(t, 64, bit + 2);
	if (levels > 7)
		v = among_128(t, 128, bit + 1);
	for (uint32_t i = 9 - levels; i <= 7; i++)
		v = push(v, bit[i]);
	return finish(v, levels);
}

#undef ALWAYS

#endif
