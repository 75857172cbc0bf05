/*
 * Private: writing a record's log, which holds the packets that have come since the record was last
 * brought up to date. Inlined into the update of a burst.
 */
#ifndef FLOW_LOG_H
#define FLOW_LOG_H

#include "flow_table.h"

/* Whether the log can hold all that is to be known of the packet. */
static inline bool is_loggable(const struct lj_flow *f, const struct lj_packet *p, int side)
{
	/* What comes before the last seems 2^64 ns late. */
	return p->plain && (f->heard & (1 << side)) != 0 && p->time_ns - f->last_ns <= UINT32_MAX;
}

static inline void log_packet(struct lj_flow *f, const struct lj_packet *p, int side)
{
	struct logged *l = &log_of(f)->packet[f->pending];

	f->pending++;
	l->gap_ns = (uint32_t)(p->time_ns - f->last_ns);
	l->tcp_seq = p->tcp_seq;
	l->l3_bytes = (uint16_t)p->l3_bytes;
	l->tcp_window = p->tcp_window;
	l->tcp_flags = p->tcp_flags;
	l->ttl = p->ttl;
	l->header_bytes = (uint8_t)(p->l3_bytes - p->payload_bytes);
	l->l4_header_and_side = (uint8_t)(p->l4_header_bytes / 4 | side << 7);
	f->legs |= (uint8_t)(1u << RTE_MIN(p->leg, 7));
	f->packets++;
	f->last_ns = p->time_ns;
}

/*
 * Logs the packet of a record when that is all there is to do about it, as nearly always: nothing
 * is due, over or special. False, and nothing done, otherwise.
 */
static inline bool log_quickly(struct lj_flow_table *t, struct lj_flow *f,
			       const struct lj_packet *p)
{
	uint64_t tail = tail_of(f), gap_ns = p->time_ns - f->last_ns;
	uint64_t side = (p->side ^ tail >> TAIL_INITIATOR) & 1;
	uint32_t pending = tail >> TAIL_PENDING & 0xf;
	struct logged *l = &log_of(f)->packet[pending];
	__m128i noted = _mm_loadu_si128((const __m128i *)&p->log_gap);

	if ((tail & (TAIL_STATE | TAIL_DUE)) != (uint64_t)LJ_FLOW_OPEN << 32 ||
	    !(p->plain & tail >> (TAIL_HEARD + side)) || gap_ns > t->quick.gap_ns ||
	    p->time_ns - f->first_ns > t->quick.age_ns || (uint32_t)tail >= t->quick.packets)
		return false;
	noted = _mm_insert_epi32(noted, (int)gap_ns, 0);
	noted = _mm_or_si128(noted, _mm_slli_si128(_mm_cvtsi64_si128((int64_t)(side << 63)), 8));
	_mm_store_si128((__m128i *)l, noted);
	tail += TAIL_PACKET | 1ULL << TAIL_PENDING;
	tail |= 1ULL << (TAIL_LEGS + RTE_MIN(p->leg, 7));
	memcpy(&f->packets, &tail, sizeof(tail));
	f->last_ns = p->time_ns;
	if (pending + 1 == FLOW_LOG)
		account_log(f, log_of(f), t->config.keep);
	return true;
}

static inline void add_packet(struct lj_flow_table *t, struct lj_flow *f, const struct lj_packet *p,
			      int side)
{
	if (likely(is_loggable(f, p, side))) {
		log_packet(f, p, side);
		if (f->pending == FLOW_LOG)
			account_log(f, log_of(f), t->config.keep);
		return;
	}
	if (f->pending > 0)
		account_log(f, log_of(f), t->config.keep);
	account_packet(f, p, side, t->config.keep);
}

#endif
