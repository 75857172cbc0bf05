/* The row-lane kernel, two blocks of 64 rows side by side. */
#define BLOCKS 2
#include "forest_rows_avx512.h"

TARGET void forest_add_pair_avx512(struct forest_slot *s, uint32_t from, uint32_t to)
{
	const struct forest *f = s->forest;
	const struct blocks blocks = {{s->columns, s->second->columns}, {s->sums, s->second->sums}};

	for (uint32_t t = from; t < to; t++)
		add_tree(&f->program[t], &blocks, f->tree[t].output);
}
