/*
 * Private: what an update knows of the packets to come, so that their cache lines are there when
 * their turn is. Inlined into the update of a burst.
 */
#ifndef LOOKAHEAD_H
#define LOOKAHEAD_H

#include "flow_prefetch.h"
#include "flow_quick.h"

/* The lines that the packet will touch beside the slot's first: one more of it, or the record's,
 * too. */
static inline void prefetch_rest(const struct lj_flow_table *t, struct flow_slot *s,
				 const struct lj_packet *p)
{
	uint32_t upper = (uint32_t)(tail_of(s) >> TAIL_UPPER);

	rte_prefetch0((const uint8_t *)s->log + place_of(upper));
	/* As log_quickly() will find it, nearly always. */
	if (likely(p->plain))
		return;
	if (s->young && s->packets < FIRST_PACKETS)
		rte_prefetch0(s->log);
	else
		prefetch_record(s, record_of(t, s), s->pending, t->config.keep);
}

/*
 * The misses of a burst in a pipeline, so that memory works while the processor does: the parser
 * asks for a packet's bucket, lj_flow_ask() for its slot's first line while others are parsed,
 * and the update for the other lines while the packets before it are accounted, `AHEAD` of them,
 * which is never on more lines than can be under way.
 */
struct lookahead {
	const struct lj_packet *packets;
	int n;
	/* The flow each packet seems to be of, or NULL. */
	struct flow_slot *guess[LJ_BURST_MAX];
	uint32_t begins; /* packets without, whose lines are on their way */
	uint32_t evict;	 /* what a full table will evict for the next of them; NONE */
};

/* The slot that the packet's new flow will take: what has been free, or what it evicts. */
static inline void prefetch_begin(struct lookahead *l, const struct lj_flow_table *t)
{
	if (l->evict != NONE)
		l->evict = prefetch_ending(t, l->evict);
	else
		prefetch_free(t, l->begins);
	l->begins++;
}

/* Before packet `i` is accounted; the first is -AHEAD. */
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

/* Packet `i` is accounted. */
static inline void lookahead_pass(struct lookahead *l, int i)
{
	l->begins -= l->guess[i] == NULL;
}

#endif
