#include "lj_queue.h"

#include <errno.h>
#include <stdio.h>

#include <rte_common.h>

#include "lj_memory.h"
#include "queue_ring.h"

struct lj_queue *lj_queue_create(const char *name, uint32_t count, uint32_t record_bytes,
				 int socket_id)
{
	uint32_t capacity = rte_align32pow2(RTE_MAX(count, 2u));
	struct lj_queue *q;

	if (record_bytes == 0 || record_bytes % 8 != 0 || count > (1u << 30)) {
		errno = EINVAL;
		return NULL;
	}
	q = lj_memory_map("queue", sizeof(*q), socket_id);
	if (q == NULL) {
		errno = ENOMEM;
		return NULL;
	}
	q->records = lj_memory_map("queue", (size_t)capacity * record_bytes, socket_id);
	if (q->records == NULL) {
		lj_memory_unmap(q, sizeof(*q));
		errno = ENOMEM;
		return NULL;
	}
	snprintf(q->name, sizeof(q->name), "%s", name);
	q->mask = capacity - 1;
	q->record_bytes = record_bytes;
	return q;
}

void lj_queue_destroy(struct lj_queue *q)
{
	if (q == NULL)
		return;
	lj_memory_unmap(q->records, ((size_t)q->mask + 1) * q->record_bytes);
	lj_memory_unmap(q, sizeof(*q));
}
