#include <netinet/in.h>

#include "flow_table.h"

#define SECOND_NS	    1000000000ULL
#define ACTIVITY_TIMEOUT_NS (5 * SECOND_NS)
#define SUBFLOW_GAP_NS	    SECOND_NS
#define BULK_GAP_NS	    SECOND_NS
#define BULK_PACKETS	    4

static inline uint64_t gap_between(uint64_t earlier_ns, uint64_t later_ns)
{
	return later_ns > earlier_ns ? later_ns - earlier_ns : 0;
}

static inline void bump16(uint16_t *counter, int by)
{
	*counter = (uint16_t)(*counter + (by && *counter != UINT16_MAX));
}

/* The line of the side that every packet touches. */
static inline void account_side(struct lj_flow_side *s, uint64_t time_ns, uint32_t l3_bytes)
{
	uint16_t length = (uint16_t)RTE_MIN(l3_bytes, (uint32_t)UINT16_MAX);

	if (s->packets == 0) {
		s->length_min = s->length_max = length;
		s->gap_min = UINT64_MAX;
		s->first_ns = s->last_ns = time_ns;
	} else {
		uint64_t gap = gap_between(s->last_ns, time_ns);

		s->length_min = RTE_MIN(s->length_min, length);
		s->length_max = RTE_MAX(s->length_max, length);
		s->gap_min = RTE_MIN(s->gap_min, gap);
		s->gap_max = RTE_MAX(s->gap_max, gap);
		s->gap_sumsq += (unsigned __int128)gap * gap;
		s->last_ns = RTE_MAX(s->last_ns, time_ns);
	}
	s->packets++;
	s->length_sum += l3_bytes;
	s->length_sumsq += (uint64_t)l3_bytes * l3_bytes;
}

static inline void account_payload(struct lj_flow_side *s, const struct lj_packet *p)
{
	uint16_t payload = (uint16_t)RTE_MIN(p->payload_bytes, (uint32_t)UINT16_MAX);

	if (s->packets == 1) {
		s->payload_min = s->payload_max = payload;
		s->ttl_min = s->ttl_max = p->ttl;
	}
	s->payload_min = RTE_MIN(s->payload_min, payload);
	s->payload_max = RTE_MAX(s->payload_max, payload);
	s->payload_sum += p->payload_bytes;
	s->payload_sumsq += (uint64_t)p->payload_bytes * p->payload_bytes;
	s->payload_packets += payload > 0;
	s->header_sum += p->l3_bytes - p->payload_bytes;
	s->ttl_min = RTE_MIN(s->ttl_min, p->ttl);
	s->ttl_max = RTE_MAX(s->ttl_max, p->ttl);
	s->flag_fin += (p->tcp_flags & LJ_TCP_FIN) != 0;
	s->flag_psh += (p->tcp_flags & LJ_TCP_PSH) != 0;
	bump16(&s->flag_syn, p->tcp_flags & LJ_TCP_SYN);
	bump16(&s->flag_rst, p->tcp_flags & LJ_TCP_RST);
	bump16(&s->flag_urg, p->tcp_flags & LJ_TCP_URG);
	bump16(&s->flag_ece, p->tcp_flags & LJ_TCP_ECE);
	bump16(&s->flag_cwr, p->tcp_flags & LJ_TCP_CWR);
}

/*
 * Sequence space of one side. Old data is a retransmission unless it fits a gap that is still open,
 * then it is late; a keep-alive (up to one byte, one before the next expected) is neither.
 */
static inline void account_sequence(struct lj_flow_tcp *t, const struct lj_packet *p)
{
	uint32_t length = p->payload_bytes + ((p->tcp_flags & LJ_TCP_SYN) != 0) +
			  ((p->tcp_flags & LJ_TCP_FIN) != 0);
	uint32_t end = p->tcp_seq + length;
	int32_t ahead = (int32_t)(p->tcp_seq - t->next_seq);

	if (!t->seen) {
		t->seen = 1;
		t->next_seq = end;
		return;
	}
	if (length == 0 || (p->tcp_flags & LJ_TCP_RST))
		return;
	if (ahead >= 0) {
		t->out_of_order += ahead > 0;
		t->lost_bytes += (uint32_t)ahead;
		t->next_seq = end;
	} else if ((int32_t)(end - t->next_seq) > 0) {
		t->retransmitted_packets++;
		t->retransmitted_bytes += t->next_seq - p->tcp_seq;
		t->next_seq = end;
	} else if (t->lost_bytes >= length) {
		t->out_of_order++;
		t->lost_bytes -= length;
	} else if (p->payload_bytes > 1 || ahead != -1 || length > p->payload_bytes) {
		t->retransmitted_packets++;
		t->retransmitted_bytes += p->payload_bytes;
	}
}

/* Zeek's letters, each once a side: upper case is the initiator. */
static inline void note_history(struct lj_flow *f, int side, const struct lj_packet *p)
{
	static const char letters[2][8] = {"SHADFR", "shadfr"};
	uint8_t flags = p->tcp_flags;
	uint32_t kinds = 0;

	if (flags & LJ_TCP_SYN)
		kinds |= flags & LJ_TCP_ACK ? 2 : 1;
	else if ((flags & (LJ_TCP_ACK | LJ_TCP_FIN | LJ_TCP_RST)) == LJ_TCP_ACK &&
		 p->payload_bytes == 0)
		kinds |= 4;
	if (p->payload_bytes > 0)
		kinds |= 8;
	if (flags & LJ_TCP_FIN)
		kinds |= 16;
	if (flags & LJ_TCP_RST)
		kinds |= 32;
	kinds = (kinds << (8 * side)) & ~(uint32_t)f->history_seen;
	if (kinds == 0)
		return;
	f->history_seen |= (uint16_t)kinds;
	kinds >>= 8 * side;
	for (int at = 0, kind = 0; kind < 6; kind++) {
		if (!(kinds & (1u << kind)))
			continue;
		while (f->history[at] != '\0')
			at++;
		f->history[at] = letters[side][kind];
	}
}

static inline void account_tcp(struct lj_flow *f, const struct lj_packet *p, int side)
{
	struct lj_flow_tcp *t = &f->tcp[side];
	uint8_t flags = p->tcp_flags;

	if (!t->seen) {
		t->flags_first = flags;
		t->window_first = t->window_min = p->tcp_window;
		t->mss = p->tcp_mss;
		t->wscale_plus1 = p->tcp_wscale;
	}
	account_sequence(t, p);
	t->last_ack = p->tcp_ack;
	t->flags_all |= flags;
	t->flag_ack += (flags & LJ_TCP_ACK) != 0;
	t->window_min = RTE_MIN(t->window_min, p->tcp_window);
	t->window_max = RTE_MAX(t->window_max, p->tcp_window);
	t->zero_windows += p->tcp_window == 0 && !(flags & LJ_TCP_RST);
	if (p->payload_bytes > 0 && (t->min_header == 0 || p->l4_header_bytes < t->min_header))
		t->min_header = p->l4_header_bytes;
	if (side == 0 && (flags & (LJ_TCP_SYN | LJ_TCP_ACK)) == LJ_TCP_SYN && f->syn_ns == 0)
		f->syn_ns = p->time_ns;
	else if (side == 1 && (flags & LJ_TCP_SYN) && (flags & LJ_TCP_ACK) && f->synack_ns == 0)
		f->synack_ns = p->time_ns;
	else if (side == 0 && !(flags & LJ_TCP_SYN) && (flags & LJ_TCP_ACK) && f->synack_ns != 0 &&
		 f->ack_ns == 0)
		f->ack_ns = p->time_ns;
	note_history(f, side, p);
}

static inline void account_activity(struct lj_flow_activity *a, uint64_t time_ns, bool first)
{
	uint64_t gap = gap_between(a->active_end_ns, time_ns);

	if (first) {
		a->active_start_ns = a->active_end_ns = time_ns;
		a->active_min = a->idle_min = UINT64_MAX;
		return;
	}
	a->subflows += gap > SUBFLOW_GAP_NS;
	if (gap > ACTIVITY_TIMEOUT_NS) {
		uint64_t active = a->active_end_ns - a->active_start_ns;

		if (active > 0) {
			a->active_count++;
			a->active_sum += active;
			a->active_sumsq += (unsigned __int128)active * active;
			a->active_min = RTE_MIN(a->active_min, active);
			a->active_max = RTE_MAX(a->active_max, active);
		}
		a->idle_count++;
		a->idle_sum += gap;
		a->idle_sumsq += (unsigned __int128)gap * gap;
		a->idle_min = RTE_MIN(a->idle_min, gap);
		a->idle_max = RTE_MAX(a->idle_max, gap);
		a->active_start_ns = time_ns;
	}
	a->active_end_ns = RTE_MAX(a->active_end_ns, time_ns);
}

static inline void account_bulk(struct lj_flow_bulk bulk[2], int side, const struct lj_packet *p)
{
	struct lj_flow_bulk *b = &bulk[side];

	if (bulk[!side].last_ns > b->start_ns)
		b->start_ns = 0;
	if (p->payload_bytes == 0)
		return;
	if (b->start_ns == 0 || gap_between(b->last_ns, p->time_ns) > BULK_GAP_NS) {
		b->start_ns = p->time_ns;
		b->pending_packets = 1;
		b->pending_bytes = p->payload_bytes;
	} else {
		b->pending_packets++;
		b->pending_bytes += p->payload_bytes;
		if (b->pending_packets == BULK_PACKETS) {
			b->states++;
			b->packets += BULK_PACKETS;
			b->bytes += b->pending_bytes;
			b->duration_ns += gap_between(b->start_ns, p->time_ns);
		} else if (b->pending_packets > BULK_PACKETS) {
			b->packets++;
			b->bytes += p->payload_bytes;
			b->duration_ns += gap_between(b->last_ns, p->time_ns);
		}
	}
	b->last_ns = p->time_ns;
}

static inline void account_splt(struct lj_flow_splt *s, const struct lj_packet *p, int side,
				uint64_t gap_ns)
{
	uint32_t i = s->count;

	if (i == LJ_SPLT_MAX)
		return;
	s->length[i] = (uint16_t)RTE_MIN(p->l3_bytes, (uint32_t)UINT16_MAX);
	s->payload[i] = (uint16_t)RTE_MIN(p->payload_bytes, (uint32_t)UINT16_MAX);
	s->gap_us[i] = (uint32_t)RTE_MIN(gap_ns / 1000, (uint64_t)UINT32_MAX);
	s->sides |= (uint16_t)(side << i);
	s->count++;
}

void account_packet(struct lj_flow *f, const struct lj_packet *p, int side, uint32_t keep)
{
	uint64_t gap = 0;

	if (f->packets > 0) {
		gap = gap_between(f->last_ns, p->time_ns);
		f->gap_sumsq += (unsigned __int128)gap * gap;
		f->gap_min = RTE_MIN(f->gap_min, gap);
		f->gap_max = RTE_MAX(f->gap_max, gap);
	} else {
		f->gap_min = UINT64_MAX;
	}
	account_side(&f->side[side], p->time_ns, p->l3_bytes);
	if (keep & LJ_KEEP_PAYLOAD)
		account_payload(&f->side[side], p);
	if ((keep & LJ_KEEP_TCP) && p->key.proto == IPPROTO_TCP)
		account_tcp(f, p, side);
	if (keep & LJ_KEEP_ACTIVITY)
		account_activity(&f->activity, p->time_ns, f->packets == 0);
	if (keep & LJ_KEEP_BULK)
		account_bulk(f->bulk, side, p);
	if (keep & LJ_KEEP_SPLT)
		account_splt(&f->splt, p, side, gap);
	f->fragments += p->fragment;
	f->packets++;
	f->first_ns = RTE_MIN(f->first_ns, p->time_ns);
	f->last_ns = RTE_MAX(f->last_ns, p->time_ns);
}
