/*
 * Private: asking for the cache lines that a burst will touch, before it does. Inlined into the
 * update of a burst.
 */
#ifndef FLOW_PREFETCH_H
#define FLOW_PREFETCH_H

#include <rte_prefetch.h>

#include "flow_quick.h"
#include "flow_table.h"

static inline void prefetch_side(const struct lj_flow *f, int side, uint32_t keep)
{
	rte_prefetch0(&f->side[side]);
	if (keep & LJ_KEEP_PAYLOAD)
		rte_prefetch0(&f->side[side].first_ns);
	if ((keep & LJ_KEEP_TCP) && f->key.proto == IPPROTO_TCP)
		rte_prefetch0(&f->tcp[side]);
	if (keep & LJ_KEEP_BULK)
		rte_prefetch0(&f->bulk[side]);
}

static inline void prefetch_identity(const struct lj_flow *f)
{
	rte_prefetch0(f);
	rte_prefetch0(&f->flow_id);
}

/* What a young flow's next packet touches beside the first line: when it is the third, all that is
 * written of a record that grows. */
static inline void prefetch_young(struct lj_flow *f, const struct lj_packet *p, uint32_t keep)
{
	int side = p->side ^ f->initiator;

	rte_prefetch0(&f->flow_id);
	if (f->packets < YOUNG_PACKETS)
		return;
	rte_prefetch0(log_of(f)->packet);
	rte_prefetch0(&f->gap_sumsq);
	prefetch_side(f, side, keep);
	prefetch_side(f, !side, keep);
	if (keep & LJ_KEEP_ACTIVITY)
		rte_prefetch0(&f->activity);
	if (keep & LJ_KEEP_SPLT) {
		rte_prefetch0(&f->splt.length);
		rte_prefetch0(&f->splt.gap_us);
	}
	rte_prefetch0(&f->history);
}

/* The lines that the packet will touch beside the first: the log's, or the record's, too. */
static inline void prefetch_rest(struct lj_flow *f, const struct lj_packet *p, uint32_t keep)
{
	uint64_t tail = tail_of(f);
	int side = (int)((p->side ^ tail >> TAIL_INITIATOR) & 1);

	if (is_young(f)) {
		prefetch_young(f, p, keep);
		return;
	}
	/* As log_quickly() will find it, nearly always. */
	if (p->plain & tail >> (TAIL_HEARD + side)) {
		uint32_t pending = tail >> TAIL_PENDING & 0xf;

		rte_prefetch0(&log_of(f)->packet[pending]);
		if (pending + 1 < FLOW_LOG)
			return;
	}
	rte_prefetch0(&f->gap_sumsq);
	prefetch_side(f, side, keep);
	if (f->pending > 0) {
		prefetch_side(f, !side, keep);
		for (uint32_t i = 0; i < f->pending; i += LOG_LINE)
			rte_prefetch0(&log_of(f)->packet[i]);
	}
	if (keep & LJ_KEEP_SIZES)
		rte_prefetch0(&f->sizes);
	if ((keep & LJ_KEEP_SPLT) && f->packets - f->pending < LJ_SPLT_MAX) {
		rte_prefetch0(&f->splt.length);
		rte_prefetch0(&f->splt.gap_us);
	}
}

/* What a new flow writes, of the k-th record that will be taken. */
static inline void prefetch_free(const struct lj_flow_table *t, uint32_t k)
{
	if (k < t->n_free)
		prefetch_identity(record_at(t, t->free[t->n_free - 1 - k]));
}

/* What the end of a young flow touches. Returns the next of its list. */
static inline uint32_t prefetch_ending(const struct lj_flow_table *t, uint32_t index)
{
	const struct flow_link *link = &t->links[index];

	prefetch_identity(record_at(t, index));
	rte_prefetch0(&t->buckets[link->home]);
	return link->next;
}

/*
 * The misses of a burst in a pipeline, so that memory works while the processor does: the parser
 * asks for a packet's bucket, lj_flow_ask() for its record's first line while others are parsed,
 * and the update for the other lines while the packets before it are accounted, `AHEAD` of them,
 * which is never on more lines than can be under way.
 */
#define AHEAD 8

struct lookahead {
	const struct lj_packet *packets;
	int n;
	/* The record each packet seems to have, or NULL. */
	struct lj_flow *guess[LJ_BURST_MAX];
	uint32_t begins; /* packets without, whose lines are on their way */
	uint32_t evict;	 /* what a full table will evict for the next of them; NONE */
};

/* The record that the packet's new flow will take: what has been free, or what it evicts. */
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
		l->guess[lines] = record_at(t, record - 1);
		prefetch_rest(l->guess[lines], &l->packets[lines], t->config.keep);
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
