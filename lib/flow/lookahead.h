/*
 * Private: prefetching for the packets of a burst ahead of their accounting. Inlined into
 * lj_flow_update().
 */
#ifndef LOOKAHEAD_H
#define LOOKAHEAD_H

#include "flow_prefetch.h"
#include "flow_quick.h"

/* The lines that the packet will touch besides the slot's first: one of its log, or the record's.
 */
static inline void prefetch_rest(const struct lj_flow_table *t, struct flow_slot *s,
				 const struct lj_packet *p)
{
	uint32_t upper = (uint32_t)(tail_of(s) >> TAIL_UPPER);

	rte_prefetch0((const uint8_t *)s->log + place_of(upper));
	/* Nearly always log_quickly() will handle it. */
	if (likely(p->plain))
		return;
	if (s->young && s->packets < FIRST_PACKETS)
		rte_prefetch0(s->log);
	else
		prefetch_record(s, record_of(t, s), s->pending, t->config.keep);
}

/*
 * The cache misses of a burst are pipelined: the parser prefetches a packet's bucket, lj_flow_ask()
 * the first line of its slot, while other packets are parsed, and lookahead_step() the remaining
 * lines, AHEAD packets before the packet is accounted.
 */
struct lookahead {
	const struct lj_packet *packets;
	int n;
	/* The presumed flow of each packet, or NULL. */
	struct flow_slot *guess[LJ_BURST_MAX];
	uint32_t begins; /* packets without a flow whose lines have been prefetched */
	uint32_t evict;	 /* what a full table will evict for the next of them; NONE */
};

/* The slot that the packet's new flow will take: a free one, or that of the evicted flow. */
static inline void prefetch_begin(struct lookahead *l, const struct lj_flow_table *t)
{
	if (l->evict != NONE)
		l->evict = prefetch_ending(t, l->evict);
	else
		prefetch_free(t, l->begins);
	l->begins++;
}

/* Called before packet `i` is accounted; the first call is for -AHEAD. */
static inline void lookahead_step(struct lookahead *l, const struct lj_flow_table *t, int i)
{
	int lines = i + AHEAD;
	uint32_t record;

	if (lines >= l->n)
		return;
	record = l->packets[lines].record;
	if (likely(record != 0)) {
		l->guess[lines] = slot_of_record(t, record);
		prefetch_rest(t, l->guess[lines], &l->packets[lines]);
	} else {
		l->guess[lines] = NULL;
		prefetch_begin(l, t);
	}
}

/* Called after packet `i` is accounted. */
static inline void lookahead_pass(struct lookahead *l, int i)
{
	l->begins -= l->guess[i] == NULL;
}

#endif
