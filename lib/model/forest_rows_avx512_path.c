/* The row-lane kernel, 64 rows at a time. */
#define BLOCKS 1
#include "forest_rows_avx512.h"

TARGET void forest_add_rows_avx512(struct forest_slot *s, uint32_t n, uint32_t from, uint32_t to)
{
	const struct block_slots slots = {{s}};

	RTE_SET_USED(n); /* idle lanes cost nothing */
	add_trees(&slots, from, to);
}
