/*
 * Private: asking for the cache lines that a burst will touch, before it does. Inlined into the
 * update of a burst.
 */
#ifndef FLOW_PREFETCH_H
#define FLOW_PREFETCH_H

#include <rte_prefetch.h>

#include "flow_quick.h"
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

/* What is touched when log or packet go into the record. */
static __rte_noinline void prefetch_record(const struct flow_slot *s, const struct lj_flow *f,
					   uint32_t keep)
{
	bool tcp = s->key.proto == IPPROTO_TCP;

	for (uint32_t place = 0; place < s->pending; place += LOG_LINE)
		rte_prefetch0(&s->log[place]);
	rte_prefetch0(&f->gap_sumsq);
	for (int side = 0; side < 2; side++)
		prefetch_side(f, side, tcp, keep);
	if (keep & LJ_KEEP_SIZES)
		rte_prefetch0(&f->sizes);
	if ((keep & LJ_KEEP_SPLT) && s->packets - s->pending < LJ_SPLT_MAX) {
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

/* The lines that the packet will touch beside the slot's first: one more of it, or the record's,
 * too. */
static inline void prefetch_rest(const struct lj_flow_table *t, struct flow_slot *s,
				 const struct lj_packet *p)
{
	uint32_t upper = (uint32_t)(tail_of(s) >> TAIL_UPPER);

	rte_prefetch0((const uint8_t *)s->log + place_of(upper));
	/* As log_quickly() will find it, nearly always. */
	if (likely(p->plain && !is_nearly_full(upper)))
		return;
	if (s->young && s->packets < FIRST_PACKETS)
		rte_prefetch0(s->log);
	else
		prefetch_record(s, record_of(t, s), t->config.keep);
}

static inline void prefetch_young(const struct flow_slot *s)
{
	rte_prefetch0(&s->head);
	rte_prefetch0(&s->identity);
}

/* What a new flow writes, of the k-th slot that will be taken. */
static inline void prefetch_free(const struct lj_flow_table *t, uint32_t k)
{
	if (k < t->n_free)
		prefetch_young(slot_at(t, t->free[t->n_free - 1 - k]));
}

/* What the end of a young flow touches. Returns the next of its list. */
static inline uint32_t prefetch_ending(const struct lj_flow_table *t, uint32_t index)
{
	const struct flow_link *link = &t->links[index];

	prefetch_young(slot_at(t, index));
	rte_prefetch0(&t->buckets[link->home]);
	return link->next;
}

/*
 * The misses of a burst in a pipeline, so that memory works while the processor does: the parser
 * asks for a packet's bucket, lj_flow_ask() for its slot's first line while others are parsed,
 * and the update for the other lines while the packets before it are accounted, `AHEAD` of them,
 * which is never on more lines than can be under way.
 */
#define AHEAD 8

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
