/*
 * Selects the flows to be shed: class by class, and within a class by its policy.
 */
#include <netinet/in.h>

#include "batch.h"

#define DNS   53
#define SIZES 256

/* The responder sent nothing, or the TCP handshake was not completed. */
static bool is_unanswered(const struct lj_flow *f)
{
	return f->side[1].packets == 0 ||
	       (f->key.proto == IPPROTO_TCP && f->syn_ns != 0 && f->ack_ns == 0);
}

enum lj_shed_class lj_shed_class_of(const struct lj_flow *f)
{
	bool has_ports = f->key.proto == IPPROTO_TCP || f->key.proto == IPPROTO_UDP;

	if (f->due == LJ_DUE_EARLY_PACKETS || f->due == LJ_DUE_EARLY_AGE)
		return LJ_SHED_EARLY;
	if (is_unanswered(f))
		return LJ_SHED_UNANSWERED;
	if (has_ports && (f->key.port[0] == DNS || f->key.port[1] == DNS))
		return LJ_SHED_DNS;
	if (f->key.proto == IPPROTO_UDP)
		return LJ_SHED_UDP;
	return f->key.proto == IPPROTO_TCP ? LJ_SHED_TCP : LJ_SHED_OTHER;
}

/* Marks `n` of the class's flows that have up to `packets` packets, the oldest first, or with
 * `newest` the newest first. */
static void mark(struct lj_batcher *b, enum lj_shed_class class, uint32_t n, uint32_t packets,
		 bool newest)
{
	for (uint32_t i = 0; i < b->n && n > 0; i++) {
		struct lj_due_flow *due = b->record[newest ? b->n - 1 - i : i];

		if (due->fact_alone || due->shed || due->shed_class != class ||
		    due->flow.packets > packets)
			continue;
		due->shed = true;
		n--;
	}
}

/* Marks all flows of the smallest sizes, and of the last size as many as are still needed. */
static void mark_smallest(struct lj_batcher *b, enum lj_shed_class class, uint32_t n)
{
	uint32_t of_size[SIZES] = {0}, size = 0, marked = 0;

	for (uint32_t i = 0; i < b->n; i++) {
		const struct lj_due_flow *due = b->record[i];

		if (!due->fact_alone && due->shed_class == class)
			of_size[RTE_MIN(due->flow.packets, SIZES - 1u)]++;
	}
	for (; size < SIZES - 1 && marked + of_size[size] <= n; size++)
		marked += of_size[size];
	if (size > 0)
		mark(b, class, marked, size - 1, true);
	mark(b, class, n - marked, size < SIZES - 1 ? size : UINT32_MAX, true);
}

void shed_flows(struct lj_batcher *b, uint32_t n)
{
	uint32_t of_class[LJ_SHED_CLASSES] = {0};

	lj_count(b->counters, LJ_C_batch_shed, n);
	for (uint32_t i = 0; i < b->n; i++) {
		struct lj_due_flow *due = b->record[i];

		if (due->fact_alone)
			continue;
		due->shed_class = (uint8_t)lj_shed_class_of(&due->flow);
		of_class[due->shed_class]++;
	}
	for (int class = 0; class < LJ_SHED_CLASSES && n > 0; class ++) {
		uint32_t policy = b->tuning->shed[class], share = RTE_MIN(n, of_class[class]);

		if (policy == LJ_SHED_SMALLEST)
			mark_smallest(b, class, share);
		else
			mark(b, class, share, UINT32_MAX, policy == LJ_SHED_NEWEST);
		lj_count(b->counters, LJ_C_batch_shed_early + class, share);
		n -= share;
	}
}
