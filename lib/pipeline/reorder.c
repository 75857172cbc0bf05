#include "reorder.h"

#include <stdlib.h>

struct reorder *reorder_create(uint16_t n_legs, uint64_t window_cycles)
{
	struct reorder *r = calloc(1, sizeof(*r) + n_legs * sizeof(r->leg[0]));

	if (r == NULL)
		return NULL;
	r->n_legs = n_legs;
	r->window_cycles = window_cycles;
	return r;
}

void reorder_destroy(struct reorder *r)
{
	free(r);
}
