/*
 * Private: asking for the cache lines that a burst will touch, before it does. Inlined into the
 * update of a burst.
 */
#ifndef FLOW_PREFETCH_H
#define FLOW_PREFETCH_H

#include <rte_prefetch.h>

#include "flow_log.h"
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
	int side = p->side ^ f->initiator;

	if (is_young(f)) {
		prefetch_young(f, p, keep);
		return;
	}
	/* As is_loggable() will find it, nearly always. */
	if (p->plain && (f->heard & (1 << side)) != 0) {
		rte_prefetch0(&log_of(f)->packet[f->pending]);
		if (f->pending + 1 < FLOW_LOG)
			return;
	}
	rte_prefetch0(&f->gap_sumsq);
	prefetch_side(f, side, keep);
	if (f->pending > 0) {
		prefetch_side(f, !side, keep);
		rte_prefetch0(&log_of(f)->packet[0]);
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
 * The misses of a burst in a pipeline: while a packet is accounted, the lines of the packet `AHEAD`
 * behind it are on their way, the first line of the record of the one behind that, and the bucket
 * of a third. So memory works while the processor does, and never on more lines than it can have
 * under way.
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

static inline struct lj_flow *guess_record(const struct lj_flow_table *t, const struct lj_packet *p)
{
	const struct bucket *b = home_of(t, p->hash);
	uint32_t hit = matches(b, signature_of(p->hash));
	uint32_t record = hit != 0 ? b->record[__builtin_ctz(hit) / 2] : 0;

	return record != 0 ? record_at(t, record - 1) : NULL;
}

/* The record that the packet's new flow will take: what has been free, or what it evicts. */
static inline void prefetch_begin(struct lookahead *l, const struct lj_flow_table *t)
{
	if (l->evict != NONE)
		l->evict = prefetch_ending(t, l->evict);
	else
		prefetch_free(t, l->begins);
	l->begins++;
}

/* One step of all stages, before packet `i` is accounted; the first is -3 * AHEAD. */
static inline void lookahead_step(struct lookahead *l, const struct lj_flow_table *t, int i)
{
	int lines = i + AHEAD, first = i + 2 * AHEAD, bucket = i + 3 * AHEAD;

	if (bucket < l->n)
		rte_prefetch0(home_of(t, l->packets[bucket].hash));
	if (first >= 0 && first < l->n) {
		l->guess[first] = guess_record(t, &l->packets[first]);
		if (l->guess[first] != NULL)
			rte_prefetch0(l->guess[first]);
	}
	if (lines < 0 || lines >= l->n)
		return;
	if (l->guess[lines] != NULL)
		prefetch_rest(l->guess[lines], &l->packets[lines], t->config.keep);
	else
		prefetch_begin(l, t);
}

/* Packet `i` is accounted. */
static inline void lookahead_pass(struct lookahead *l, int i)
{
	l->begins -= l->guess[i] == NULL;
}

#endif
