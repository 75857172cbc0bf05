#include "lj_queue.h"

#include <errno.h>
#include <stdio.h>

#include <rte_common.h>
#include <rte_malloc.h>

#include "queue_ring.h"

/* Elsewhere when the socket has none left. */
static void *zmalloc_near(size_t bytes, int socket_id)
{
	void *at = rte_zmalloc_socket("queue", bytes, 128, socket_id);

	if (at == NULL && socket_id != SOCKET_ID_ANY)
		at = rte_zmalloc_socket("queue", bytes, 128, SOCKET_ID_ANY);
	return at;
}

struct lj_queue *lj_queue_create(const char *name, uint32_t count, uint32_t record_bytes,
				 int socket_id)
{
	uint32_t capacity = rte_align32pow2(RTE_MAX(count, 2u));
	struct lj_queue *q;

	if (record_bytes == 0 || record_bytes % 8 != 0 || count > (1u << 30)) {
		errno = EINVAL;
		return NULL;
	}
	q = zmalloc_near(sizeof(*q), socket_id);
	if (q == NULL) {
		errno = ENOMEM;
		return NULL;
	}
	q->records = zmalloc_near((size_t)capacity * record_bytes, socket_id);
	if (q->records == NULL) {
		rte_free(q);
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
	rte_free(q->records);
	rte_free(q);
}
