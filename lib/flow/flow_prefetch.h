/*
 * Private: prefetches the cache lines that a flow's packets, folding its log, or its end will
 * touch.
 */
#ifndef FLOW_PREFETCH_H
#define FLOW_PREFETCH_H

#include <netinet/in.h>

#include <rte_prefetch.h>

#include "flow_table.h"

static inline void prefetch_side(const struct lj_flow *f, int side, bool tcp, uint32_t keep)
{
	rte_prefetch0(&f->side[side]);
	if (keep & LJ_KEEP_PAYLOAD)
		rte_prefetch0(&f->side[side].first_ns);
	if ((keep & LJ_KEEP_TCP) && tcp)
		rte_prefetch0(&f->tcp[side]);
	if (keep & LJ_KEEP_BULK)
		rte_prefetch0(&f->bulk[side]);
}

/* What is touched when a log of `pending` packets, or one packet, is added to the record. */
static inline void prefetch_record(const struct flow_slot *s, const struct lj_flow *f,
				   uint32_t pending, uint32_t keep)
{
	bool tcp = s->key.proto == IPPROTO_TCP;

	for (uint32_t place = 0; place < pending; place += LOG_LINE)
		rte_prefetch0(&s->log[place]);
	rte_prefetch0(&f->gap_sumsq);
	for (int side = 0; side < 2; side++)
		prefetch_side(f, side, tcp, keep);
	if (keep & LJ_KEEP_SIZES)
		rte_prefetch0(&f->sizes);
	if ((keep & LJ_KEEP_SPLT) && s->packets - pending < LJ_SPLT_MAX) {
		rte_prefetch0(&f->splt.length);
		rte_prefetch0(&f->splt.gap_us);
	}
	if (!s->young)
		return;
	rte_prefetch0(&f->flow_id);
	rte_prefetch0(&f->history);
	if (keep & LJ_KEEP_ACTIVITY)
		rte_prefetch0(&f->activity);
}

static inline void prefetch_young(const struct flow_slot *s)
{
	rte_prefetch0(&s->head);
	rte_prefetch0(&s->identity);
}

/* What a new flow writes to the k-th next free slot. */
static inline void prefetch_free(const struct lj_flow_table *t, uint32_t k)
{
	if (k < t->n_free)
		prefetch_young(slot_at(t, t->free[t->n_free - 1 - k]));
}

/* What the end of a young flow touches. Returns the next flow of its wheel list. */
static inline uint32_t prefetch_ending(const struct lj_flow_table *t, uint32_t index)
{
	const struct flow_link *link = &t->links[index];

	prefetch_young(slot_at(t, index));
	rte_prefetch0(&t->buckets[link->home]);
	return link->next;
}

/* Prefetch distance in flows; small enough not to exceed the line fill buffers. */
#define AHEAD 8

#endif
