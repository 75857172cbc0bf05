/* The row-lane kernel for two blocks of 64 rows at once. */
#define ROWS   64
#define BLOCKS 2
#include "forest_rows_avx512.h"

TARGET void forest_add_pair_avx512(struct forest_slot *s, uint32_t from, uint32_t to)
{
	const struct block_slots slots = {{s, s->second}};

	add_trees(&slots, from, to);
}
