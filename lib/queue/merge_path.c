#include "lj_merge.h"

#include <stddef.h>

#include "queue_merge.h"

/*
 * The input's next record, or NULL and in `bound` the lowest order that may still follow. The
 * watermark is read before the queue is checked again, since a producer commits a record before it
 * raises the watermark past it.
 */
static const struct lj_order *next_of(const struct input *in, struct lj_order *bound)
{
	const struct lj_order *head = lj_queue_at(in->queue, in->given);

	if (head != NULL)
		return head;
	*bound = lj_queue_watermark(in->queue);
	if (lj_queue_closed(in->queue))
		*bound = (struct lj_order){UINT64_MAX, UINT64_MAX};
	return lj_queue_at(in->queue, in->given);
}

static uint32_t take_ordered(struct lj_merge *m, void **records, uint32_t n)
{
	uint32_t taken = 0;

	while (taken < n) {
		struct lj_order least = {UINT64_MAX, UINT64_MAX};
		const struct lj_order *first = NULL;
		struct input *from = NULL;

		for (uint16_t i = 0; i < m->n; i++) {
			struct lj_order bound;
			const struct lj_order *head = next_of(&m->input[i], &bound);

			if (head == NULL) {
				if (lj_order_before(bound, least))
					least = bound;
			} else if (first == NULL || lj_order_before(*head, *first)) {
				first = head;
				from = &m->input[i];
			}
		}
		/* Orders are unique, so a record of an input whose bound is equal comes later. */
		if (first == NULL || lj_order_before(least, *first))
			break;
		records[taken++] = (void *)(uintptr_t)first;
		from->given++;
	}
	return taken;
}

static uint32_t take_fair(struct lj_merge *m, void **records, uint32_t n)
{
	uint32_t taken = 0;

	for (uint16_t i = 0; i < m->n && taken < n; i++) {
		struct input *in = &m->input[m->turn];
		void *head;

		m->turn = m->turn + 1 == m->n ? 0 : m->turn + 1;
		while (taken < n && (head = lj_queue_at(in->queue, in->given)) != NULL) {
			records[taken++] = head;
			in->given++;
		}
	}
	return taken;
}

uint32_t lj_merge_take(struct lj_merge *m, void **records, uint32_t n)
{
	return m->ordered ? take_ordered(m, records, n) : take_fair(m, records, n);
}

void lj_merge_done(struct lj_merge *m)
{
	for (uint16_t i = 0; i < m->n; i++) {
		if (m->input[i].given > 0)
			lj_queue_release(m->input[i].queue, m->input[i].given);
		m->input[i].given = 0;
	}
}

uint32_t lj_merge_waiting(const struct lj_merge *m)
{
	uint32_t waiting = 0;

	for (uint16_t i = 0; i < m->n; i++)
		waiting += lj_queue_count(m->input[i].queue);
	return waiting;
}

struct lj_order lj_merge_watermark(const struct lj_merge *m)
{
	struct lj_order least = {UINT64_MAX, UINT64_MAX};

	for (uint16_t i = 0; i < m->n; i++) {
		struct lj_order bound;
		const struct lj_order *head = next_of(&m->input[i], &bound);

		if (head != NULL)
			bound = *head;
		if (lj_order_before(bound, least))
			least = bound;
	}
	return least;
}

bool lj_merge_finished(const struct lj_merge *m)
{
	for (uint16_t i = 0; i < m->n; i++)
		if (!lj_queue_closed(m->input[i].queue) || lj_queue_count(m->input[i].queue) > 0)
			return false;
	return true;
}
