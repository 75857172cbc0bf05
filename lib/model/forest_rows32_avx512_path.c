/*
 * The row-lane kernel for up to 32 rows: on AMD Zen 4, 256-bit operations take half the time of
 * 512-bit ones, and it loads two registers at once.
 */
#define ROWS   32
#define BLOCKS 1
#include "forest_rows_avx512.h"

TARGET void forest_add_32_avx512(struct forest_slot *s, uint32_t from, uint32_t to)
{
	const struct block_slots slots = {{s}};

	add_trees(&slots, from, to);
}
