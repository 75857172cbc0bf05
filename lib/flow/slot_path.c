/*
 * Slots into records. Most flows end young, so the first packets of one, when each side sent one of
 * them at most, are not counted up from zeros but written at once; that it is what account_packet()
 * would have made of them is what test_fold holds against it.
 */
#include <netinet/in.h>
#include <string.h>

#include "account.h"
#include "account_tcp.h"
#include "flow_table.h"
#include "slot.h"

/* As it came, as far as it is accounted. */
static inline struct lj_packet packet_of(const struct first_packet *y, uint64_t time_ns)
{
	struct lj_packet p = {
		.time_ns = time_ns,
		.l3_bytes = y->l3_bytes,
		.payload_bytes = y->payload_bytes,
		.l4_header_bytes = (uint16_t)(4 * y->l4_header_units),
		.tcp_flags = y->tcp_flags,
		.tcp_wscale = y->tcp_wscale,
		.ttl = y->ttl,
		.application = y->application,
	};

	if (y->application == LJ_APPLICATION_NONE) {
		p.tcp_seq = y->tcp_seq;
		p.tcp_window = y->tcp_window;
		p.tcp_mss = y->tcp_mss;
	} else {
		p.dns_ttl = y->dns_ttl;
		p.dns_id = y->dns_id;
		p.dns_type = y->dns_type;
	}
	return p;
}

static inline void write_side(struct lj_flow_side *s, const struct first_packet *y,
			      uint64_t time_ns, uint32_t keep)
{
	const uint32_t length = y->l3_bytes, payload = y->payload_bytes, flags = y->tcp_flags;

	*s = (struct lj_flow_side){
		.packets = 1,
		.length_min = y->l3_bytes,
		.length_max = y->l3_bytes,
		.length_sum = length,
		.length_sumsq = (uint64_t)length * length,
		.last_ns = time_ns,
		.gap_min = UINT64_MAX,
		.first_ns = time_ns,
	};
	if (!(keep & LJ_KEEP_PAYLOAD))
		return;
	s->payload_sum = payload;
	s->payload_sumsq = (uint64_t)payload * payload;
	s->payload_min = s->payload_max = y->payload_bytes;
	s->payload_packets = payload > 0;
	s->flag_fin = (flags & LJ_TCP_FIN) != 0;
	s->flag_psh = (flags & LJ_TCP_PSH) != 0;
	s->flag_syn = (flags & LJ_TCP_SYN) != 0;
	s->flag_rst = (flags & LJ_TCP_RST) != 0;
	s->flag_urg = (flags & LJ_TCP_URG) != 0;
	s->flag_ece = (flags & LJ_TCP_ECE) != 0;
	s->flag_cwr = (flags & LJ_TCP_CWR) != 0;
	s->ttl_min = s->ttl_max = s->ttl_last = y->ttl;
}

/* Packet `i`, of TCP: then there is nothing of an application in it. */
static inline void write_tcp(struct lj_flow *f, const struct first_packet *y, uint32_t i,
			     uint64_t time_ns)
{
	const uint8_t flags = y->tcp_flags;
	const int side = y->side;
	const bool reset = (flags & LJ_TCP_RST) != 0;
	const uint32_t space = y->payload_bytes + (uint32_t)((flags & LJ_TCP_SYN) != 0) +
			       ((flags & LJ_TCP_FIN) != 0);
	const uint32_t first = reset ? 0 : y->tcp_seq, next = reset ? 0 : y->tcp_seq + space;

	f->tcp[side] = (struct lj_flow_tcp){
		.first_seq = first,
		.next_seq = next,
		.gap_begin = next,
		.gap_end = next,
		.seen = !reset,
		.flag_ack = (flags & LJ_TCP_ACK) != 0,
		.zero_windows = y->tcp_window == 0 && !reset,
		.window_first = y->tcp_window,
		.window_max = y->tcp_window,
		.window_min = y->tcp_window,
		.window_last = y->tcp_window,
		.mss = y->tcp_mss,
		.wscale_plus1 = y->tcp_wscale,
		.flags_first = flags,
		.flags_all = flags,
		.min_header = y->payload_bytes > 0 ? (uint8_t)(4 * y->l4_header_units) : 0,
	};
	account_handshake(f, time_ns, flags, side);
	if (f->flipped)
		f->history[0] = '^';
	/* The other side's is there when its packet has been. */
	put_history(f, side, history_kinds(flags, y->payload_bytes, y->tcp_window, false),
		    f->flipped + (i > 0 ? (uint32_t)__builtin_popcount(f->tcp[!side].history) : 0));
}

static inline void write_dns(struct lj_flow *f, const struct first_packet *y)
{
	if (f->dns_id == 0 && f->dns_type == 0) {
		f->dns_id = y->dns_id;
		f->dns_type = y->dns_type;
	}
	if (f->dns_ttl == 0)
		f->dns_ttl = y->dns_ttl;
}

/* The first packet of its side, to a record whose other parts are of zeros. */
static inline void write_packet(const struct flow_slot *s, struct lj_flow *f, uint32_t i,
				uint64_t time_ns, uint32_t keep)
{
	const struct first_packet *y = &s->first[i];
	const uint64_t gap = time_ns - s->first_ns;
	const struct before before = {i, s->first_ns};

	write_side(&f->side[y->side], y, time_ns, keep);
	if ((keep & LJ_KEEP_TCP) && s->key.proto == IPPROTO_TCP)
		write_tcp(f, y, i, time_ns);
	if ((keep & LJ_KEEP_ACTIVITY) && (i == 0 || gap > SUBFLOW_GAP_NS))
		account_activity(&f->activity, &before, time_ns, gap);
	if ((keep & LJ_KEEP_BULK) && y->payload_bytes > 0)
		account_bulk(f->bulk, y->side, time_ns, y->payload_bytes);
	if (keep & LJ_KEEP_SPLT)
		account_splt(f, i, y->side, y->l3_bytes, y->payload_bytes, gap);
	if (keep & LJ_KEEP_SIZES)
		account_size(f->sizes, y->l3_bytes);
	if ((keep & LJ_KEEP_APP) && y->application != LJ_APPLICATION_NONE)
		write_dns(f, y);
}

/* One packet, or one of each side. */
static void write_sides(struct lj_flow_table *t, const struct flow_slot *s, struct lj_flow *f,
			uint32_t n, uint64_t second_ns)
{
	const uint64_t gap = second_ns - s->first_ns;
	const uint32_t keep = t->config.keep;
	uint32_t heard = 1u << s->first[0].side, written;

	if (n > 1)
		heard |= 1u << s->first[1].side;
	written = DIRT_SIDE * heard;
	if (s->key.proto == IPPROTO_TCP)
		written |= DIRT_TCP * heard;
	record_clean(t, f, ~written);
	f->gap_min = UINT64_MAX;
	write_packet(s, f, 0, s->first_ns, keep);
	if (n == 1)
		return;
	f->gap_sumsq = (unsigned __int128)gap * gap;
	f->gap_min = f->gap_max = gap;
	write_packet(s, f, 1, second_ns, keep);
}

/* Packet by packet; none of a flow that begins with what is too much for a slot. */
static void account_first(struct lj_flow_table *t, const struct flow_slot *s, struct lj_flow *f,
			  uint32_t n, uint64_t second_ns)
{
	struct lj_flow_head counted = s->head;

	record_clean(t, f, UINT32_MAX);
	counted.packets = 0;
	for (uint32_t i = 0; i < n; i++) {
		struct lj_packet p = packet_of(&s->first[i], i == 0 ? s->first_ns : second_ns);

		counted.last_ns = s->first_ns;
		account_packet(&counted, f, &p, s->first[i].side, t->config.keep);
	}
}

/* Makes the record of a young flow, but for its head. */
static void write_young(struct lj_flow_table *t, const struct flow_slot *s, struct lj_flow *f,
			uint32_t to)
{
	uint32_t index = f->index, n = s->packets - (to - YOUNG_LOG);
	uint64_t second_ns = s->last_ns - span_of(s->log, YOUNG_LOG, to);

	*identity_of(f) = s->identity;
	f->index = index;
	memset(&f->order, 0, offsetof(struct lj_flow, side) - offsetof(struct lj_flow, order));
	if (s->state == LJ_FLOW_CLOSING)
		f->closed_ns = s->last_ns;
	if (n == 1 || (n == 2 && s->first[0].side != s->first[1].side))
		write_sides(t, s, f, n, second_ns);
	else
		account_first(t, s, f, n, second_ns);
	account_log(&s->head, f, s->log, YOUNG_LOG, to, t->config.keep);
}

void slot_fold(struct lj_flow_table *t, struct flow_slot *s, uint32_t to)
{
	struct lj_flow *f = record_of(t, s);

	if (s->young) {
		f->index = index_of(t, s);
		write_young(t, s, f, to);
	} else {
		account_log(&s->head, f, s->log, 0, to, t->config.keep);
	}
	s->young = 0;
	s->pending = 0;
}

struct lj_flow *young_end(struct lj_flow_table *t, struct flow_slot *s)
{
	uint32_t index = index_of(t, s);
	struct lj_flow *f;

	if (t->n_spare > 0) {
		t->free[t->n_free++] = index;
		index = t->spare[--t->n_spare];
	}
	f = record_at(t, index);
	f->index = index;
	write_young(t, s, f, s->pending);
	return f;
}
