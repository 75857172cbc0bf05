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

/* The lines that the packet will touch beside the first: the log's, or the record's, too. */
static inline void prefetch_rest(struct lj_flow *f, const struct lj_packet *p, uint32_t keep)
{
	int side = p->side ^ f->initiator;

	/* As is_loggable() will find it, nearly always. */
	if ((f->heard & (1 << side)) != 0 &&
	    (p->tcp_flags & (LJ_TCP_SYN | LJ_TCP_FIN | LJ_TCP_RST)) == 0) {
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
		rte_prefetch0(&f->splt.sides);
	}
}

/*
 * In stages over the burst, so that the misses of one stage overlap: buckets; the records' first
 * lines; their logs, or where that will be folded, the lines it goes to. `guess` is the record each
 * packet seems to have, or NULL.
 */
static void prefetch(const struct lj_flow_table *t, const struct lj_packet *packets, uint16_t n,
		     struct lj_flow **guess)
{
	for (uint16_t i = 0; i < n; i++)
		rte_prefetch0(home_of(t, packets[i].hash));
	for (uint16_t i = 0; i < n; i++) {
		const struct bucket *b = home_of(t, packets[i].hash);
		uint32_t hit = matches(b, signature_of(packets[i].hash));
		uint32_t record = hit != 0 ? b->record[__builtin_ctz(hit) / 2] : 0;

		guess[i] = NULL;
		if (record == 0)
			continue;
		guess[i] = record_at(t, record - 1);
		rte_prefetch0(guess[i]);
	}
	for (uint16_t i = 0; i < n; i++)
		if (guess[i] != NULL)
			prefetch_rest(guess[i], &packets[i], t->config.keep);
}

#endif
