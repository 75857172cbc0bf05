/*
 * Private: noting a packet, in a young flow's identity or in a record's log, which holds those that
 * have come since the record was last brought up to date. Inlined into the update of a burst.
 */
#ifndef FLOW_LOG_H
#define FLOW_LOG_H

#include <netinet/in.h>

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

/* Whether a young flow, or a new one, can be so with the packet, too. */
static inline bool stays_young(const struct lj_flow *f, const struct lj_packet *p)
{
	bool dns = p->key.proto == IPPROTO_UDP && p->application != LJ_APPLICATION_FTP_REPLY;

	return f->packets < YOUNG_PACKETS && f->state == LJ_FLOW_OPEN && p->time_ns >= f->last_ns &&
	       (p->plain || (p->l3_bytes <= UINT16_MAX && p->fragment == LJ_FRAGMENT_NONE &&
			     (p->application == LJ_APPLICATION_NONE || dns)));
}

static inline void keep_young(struct lj_flow *f, const struct lj_packet *p, int side)
{
	struct young_packet *y = &young_packets(f)[f->packets];

	y->l3_bytes = (uint16_t)p->l3_bytes;
	y->payload_bytes = (uint16_t)p->payload_bytes;
	if (p->application == LJ_APPLICATION_NONE) {
		y->tcp_seq = p->tcp_seq;
		y->tcp_window = p->tcp_window;
		y->tcp_mss = p->tcp_mss;
	} else {
		y->dns_ttl = p->dns_ttl;
		y->dns_id = p->dns_id;
		y->dns_type = p->dns_type;
	}
	y->tcp_flags = p->tcp_flags;
	y->tcp_wscale = p->tcp_wscale;
	y->ttl = p->ttl;
	y->l4_header_units = p->l4_header_bytes / 4 & 0xf;
	y->application = p->application & 3;
	y->side = side & 1;
	f->legs |= (uint8_t)(1u << RTE_MIN(p->leg, 7));
	f->packets++;
	f->last_ns = p->time_ns;
}

static inline void add_packet(struct lj_flow_table *t, struct lj_flow *f, const struct lj_packet *p,
			      int side)
{
	if (is_young(f)) {
		if (stays_young(f, p)) {
			keep_young(f, p, side);
			return;
		}
		young_grow(t, f);
	}
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
