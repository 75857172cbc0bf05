/* The row-lane kernel for one block of up to 64 rows. */
#define ROWS   64
#define BLOCKS 1
#include "forest_rows_avx512.h"

TARGET void forest_add_rows_avx512(struct forest_slot *s, uint32_t n, uint32_t from, uint32_t to)
{
	const struct block_slots slots = {{s}};

	/* Half a register suffices for up to 32 rows. */
	if (n <= 32)
		forest_add_32_avx512(s, from, to);
	else
		add_trees(&slots, from, to);
}
