/*
 * Private: adds a packet to its flow, in the slot's log if possible. Inlined into lj_flow_update().
 */
#ifndef FLOW_LOG_H
#define FLOW_LOG_H

#include <netinet/in.h>
#include <stddef.h>

#include "flow_table.h"

_Static_assert(sizeof(struct logged) == 16 &&
		       offsetof(struct lj_packet, log_gap) + offsetof(struct logged, tcp_seq) ==
			       offsetof(struct lj_packet, tcp_seq) &&
		       offsetof(struct lj_packet, log_gap) + offsetof(struct logged, l3_bytes) ==
			       offsetof(struct lj_packet, log_l3_bytes) &&
		       offsetof(struct lj_packet, log_gap) + offsetof(struct logged, tcp_flags) ==
			       offsetof(struct lj_packet, tcp_flags) &&
		       offsetof(struct lj_packet, log_gap) +
				       offsetof(struct logged, l4_header_and_side) ==
			       offsetof(struct lj_packet, log_l4_words),
	       "a packet has the same layout as a log entry");

/* Whether a log entry can represent the packet. */
static inline bool is_loggable(const struct flow_slot *s, const struct lj_packet *p, int side)
{
	/* Unsigned: also false if time goes back. */
	return p->plain && (s->heard & (1 << side)) != 0 && p->time_ns - s->last_ns <= UINT32_MAX;
}

/* The parser has prepared the other fields; see lj_packet.h. */
static inline void put_logged(struct logged *l, const struct lj_packet *p, uint32_t gap_ns,
			      uint32_t side)
{
	/* In the fields that are 0 in the packet. */
	__m128i own = _mm_insert_epi32(_mm_cvtsi32_si128((int)gap_ns), (int)(side << 31), 3);
	__m128i noted = _mm_or_si128(own, _mm_loadu_si128((const __m128i *)&p->log_gap));

	_mm_store_si128((__m128i *)l, noted);
}

static inline void count_packet(struct flow_slot *s, const struct lj_packet *p)
{
	s->legs |= (uint8_t)(1u << RTE_MIN(p->leg, 7));
	s->packets++;
	s->last_ns = p->time_ns;
}

static inline void log_packet(struct lj_flow_table *t, struct flow_slot *s,
			      const struct lj_packet *p, int side)
{
	uint32_t place = s->pending;

	put_logged(&s->log[place], p, (uint32_t)(p->time_ns - s->last_ns), (uint32_t)side);
	count_packet(s, p);
	if (place < FLOW_LOG - 1)
		s->pending++;
	else
		slot_fold(t, s, FLOW_LOG);
}

/* Whether the packet, which is one of the first of a young flow, can be kept in its slot. */
static inline bool can_keep(const struct lj_packet *p)
{
	bool dns = p->key.proto == IPPROTO_UDP && p->application != LJ_APPLICATION_FTP_REPLY;

	return p->plain || (p->l3_bytes <= UINT16_MAX && p->fragment == LJ_FRAGMENT_NONE &&
			    (p->application == LJ_APPLICATION_NONE || dns));
}

/* Whether a young flow stays young with a packet that cannot be logged. */
static inline bool stays_young(const struct flow_slot *s, const struct lj_packet *p)
{
	return s->young && s->packets < FIRST_PACKETS && s->state == LJ_FLOW_OPEN &&
	       p->time_ns >= s->last_ns && can_keep(p);
}

static inline void put_first(struct first_packet *y, const struct lj_packet *p, uint32_t side)
{
	/* The 16-bit lanes that differ from the packet's. */
	const uint32_t bytes = (p->l3_bytes & UINT16_MAX) | p->payload_bytes << 16;
	const uint32_t rest =
		(p->l4_header_bytes / 4u & 0xf) | (p->application & 3u) << 4 | side << 6;
	__m128i kept = _mm_loadu_si128((const __m128i *)&p->log_gap);

	kept = _mm_insert_epi32(kept, (int)bytes, 0);
	kept = _mm_insert_epi16(kept, p->tcp_mss, 4);
	kept = _mm_insert_epi16(kept, (int)(p->tcp_wscale | rest << 8), 7);
	_mm_store_si128((__m128i *)y, kept);
	if (unlikely(p->application != LJ_APPLICATION_NONE)) {
		y->dns_ttl = p->dns_ttl;
		y->dns_id = p->dns_id;
		y->dns_type = p->dns_type;
	}
}

static inline void keep_first(struct flow_slot *s, const struct lj_packet *p, int side)
{
	put_first(&s->first[s->packets], p, (uint32_t)side & 1);
	s->heard |= (uint8_t)(1u << side) & 3;
	count_packet(s, p);
}

static inline void add_packet(struct lj_flow_table *t, struct flow_slot *s,
			      const struct lj_packet *p, int side)
{
	/* A young flow has no closed_ns: it closed with its latest packet. */
	if (s->young && s->state == LJ_FLOW_CLOSING)
		slot_fold(t, s, s->pending);
	if (is_loggable(s, p, side)) {
		log_packet(t, s, p, side);
		return;
	}
	if (stays_young(s, p)) {
		keep_first(s, p, side);
		return;
	}
	slot_fold(t, s, s->pending);
	account_packet(&s->head, record_of(t, s), p, side, t->config.keep);
}

#endif
