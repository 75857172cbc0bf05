#include "lj_merge.h"

#include <errno.h>
#include <stdlib.h>

#include "queue_merge.h"

struct lj_merge *lj_merge_create(struct lj_queue *const *queues, uint16_t n, bool ordered)
{
	struct lj_merge *m = calloc(1, sizeof(*m) + n * sizeof(m->input[0]));

	if (m == NULL) {
		errno = ENOMEM;
		return NULL;
	}
	m->n = n;
	m->ordered = ordered;
	for (uint16_t i = 0; i < n; i++)
		m->input[i].queue = queues[i];
	return m;
}

void lj_merge_destroy(struct lj_merge *m)
{
	free(m);
}
