#include <netinet/in.h>

#include "flow_table.h"

#define SECOND_NS	    1000000000ULL
#define ACTIVITY_TIMEOUT_NS (5 * SECOND_NS)
#define SUBFLOW_GAP_NS	    SECOND_NS
#define BULK_GAP_NS	    SECOND_NS
#define BULK_PACKETS	    4
/* What our own features need. */
#define KEEP_OWN (LJ_KEEP_TCP | LJ_KEEP_PAYLOAD | LJ_KEEP_ACTIVITY | LJ_KEEP_SPLT)

/* Kinds of packet in lj_flow_tcp.history; their letters stand in the same order below. */
#define HISTORY_SYN	      0x01
#define HISTORY_SYN_ACK	      0x02
#define HISTORY_ACK	      0x04
#define HISTORY_DATA	      0x08
#define HISTORY_FIN	      0x10
#define HISTORY_RST	      0x20
#define HISTORY_RETRANSMITTED 0x40
#define HISTORY_ZERO_WINDOW   0x80

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
		s->last_ns = time_ns;
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

/* The side's second line. */
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
	s->ttl_last = p->ttl;
	s->flag_fin += (p->tcp_flags & LJ_TCP_FIN) != 0;
	s->flag_psh += (p->tcp_flags & LJ_TCP_PSH) != 0;
	if ((p->tcp_flags & ~(LJ_TCP_FIN | LJ_TCP_PSH | LJ_TCP_ACK)) == 0)
		return;
	bump16(&s->flag_syn, p->tcp_flags & LJ_TCP_SYN);
	bump16(&s->flag_rst, p->tcp_flags & LJ_TCP_RST);
	bump16(&s->flag_urg, p->tcp_flags & LJ_TCP_URG);
	bump16(&s->flag_ece, p->tcp_flags & LJ_TCP_ECE);
	bump16(&s->flag_cwr, p->tcp_flags & LJ_TCP_CWR);
}

static inline void retransmitted(struct lj_flow_tcp *t, uint32_t bytes)
{
	t->retransmitted_packets++;
	t->retransmitted_bytes += bytes;
}

/*
 * Sequence space of one side, in serial arithmetic. Old data is a retransmission, unless it fits
 * the gaps that are still open: then it is late. (Only the size of the gaps is known, not their
 * place.) A keep-alive probe repeats at most the one byte before the next expected; it is neither,
 * and a lone last byte that is really sent again cannot be told from it. A SYN that does not repeat
 * the latest one begins a new sequence space: it leaves no gap.
 */
static inline void account_sequence(struct lj_flow_tcp *t, const struct lj_packet *p)
{
	bool syn = (p->tcp_flags & LJ_TCP_SYN) != 0, fin = (p->tcp_flags & LJ_TCP_FIN) != 0;
	uint32_t length = p->payload_bytes + syn + fin;
	uint32_t end = p->tcp_seq + length;
	int32_t ahead = (int32_t)(p->tcp_seq - t->next_seq);

	/* A reset's number may be anything its receiver accepts. */
	if (p->tcp_flags & LJ_TCP_RST)
		return;
	if (!t->seen || (syn && end != t->next_seq)) {
		t->seen = 1;
		t->next_seq = end;
	} else if (length == 0) {
		return;
	} else if (ahead >= 0) {
		t->out_of_order += ahead > 0;
		t->lost_bytes += RTE_MIN((uint32_t)ahead, UINT32_MAX - t->lost_bytes);
		t->next_seq = end;
	} else if ((int32_t)(end - t->next_seq) > 0) {
		retransmitted(t, RTE_MIN((uint32_t)-ahead, p->payload_bytes));
		t->next_seq = end;
	} else if (t->lost_bytes >= length) {
		t->out_of_order++;
		t->lost_bytes -= length;
	} else if (ahead != -1 || syn || fin) {
		retransmitted(t, p->payload_bytes);
	}
}

static inline uint8_t history_kinds(const struct lj_packet *p, bool again)
{
	uint8_t flags = p->tcp_flags, kinds = 0;

	if (flags & LJ_TCP_SYN)
		kinds = flags & LJ_TCP_ACK ? HISTORY_SYN_ACK : HISTORY_SYN;
	else if ((flags & (LJ_TCP_ACK | LJ_TCP_FIN | LJ_TCP_RST)) == LJ_TCP_ACK &&
		 p->payload_bytes == 0)
		kinds = HISTORY_ACK;
	if (p->payload_bytes > 0)
		kinds |= HISTORY_DATA | (again ? HISTORY_RETRANSMITTED : 0);
	if (flags & LJ_TCP_FIN)
		kinds |= HISTORY_FIN;
	if (flags & LJ_TCP_RST)
		kinds |= HISTORY_RST;
	else if (p->tcp_window == 0)
		kinds |= HISTORY_ZERO_WINDOW;
	return kinds;
}

/* Puts the letters of kinds not yet noted into the record's history. */
static void note_history(struct lj_flow *f, int side, uint8_t kinds)
{
	static const char letters[2][9] = {"SHADFRTW", "shadfrtw"};
	int at = 0;

	kinds &= (uint8_t)~f->tcp[side].history;
	f->tcp[side].history |= kinds;
	if (f->flipped)
		f->history[0] = '^';
	while (f->history[at] != '\0')
		at++;
	for (; kinds != 0; kinds &= (uint8_t)(kinds - 1))
		f->history[at++] = letters[side][__builtin_ctz(kinds)];
}

/* First SYN, first SYN-ACK after it, and the initiator's ACK of that. */
static inline void account_handshake(struct lj_flow *f, const struct lj_packet *p, int side)
{
	switch (p->tcp_flags & (LJ_TCP_SYN | LJ_TCP_ACK)) {
	case LJ_TCP_SYN:
		if (side == 0 && f->syn_ns == 0)
			f->syn_ns = p->time_ns;
		break;
	case LJ_TCP_SYN | LJ_TCP_ACK:
		if (side == 1 && f->synack_ns == 0)
			f->synack_ns = p->time_ns;
		break;
	case LJ_TCP_ACK:
		if (side == 0 && f->synack_ns != 0 && f->ack_ns == 0)
			f->ack_ns = p->time_ns;
		break;
	}
}

static inline void account_tcp(struct lj_flow *f, const struct lj_packet *p, int side)
{
	struct lj_flow_tcp *t = &f->tcp[side];
	uint32_t retransmitted_before = t->retransmitted_packets;
	uint8_t flags = p->tcp_flags, kinds;

	if (f->side[side].packets == 1) {
		t->flags_first = flags;
		t->window_first = t->window_min = p->tcp_window;
		t->mss = p->tcp_mss;
		t->wscale_plus1 = p->tcp_wscale;
	}
	account_sequence(t, p);
	if (flags & LJ_TCP_ACK) {
		t->last_ack = p->tcp_ack;
		t->flag_ack++;
	}
	t->flags_all |= flags;
	t->window_min = RTE_MIN(t->window_min, p->tcp_window);
	t->window_max = RTE_MAX(t->window_max, p->tcp_window);
	t->window_last = p->tcp_window;
	t->zero_windows += p->tcp_window == 0 && !(flags & LJ_TCP_RST);
	if (p->payload_bytes > 0 && (t->min_header == 0 || p->l4_header_bytes < t->min_header))
		t->min_header = p->l4_header_bytes;
	account_handshake(f, p, side);
	kinds = history_kinds(p, t->retransmitted_packets != retransmitted_before);
	if (kinds & ~t->history)
		note_history(f, side, kinds);
}

/*
 * CICFlowMeter's activity and subflows, as its authors describe them: there, a misplaced division
 * makes every packet a subflow. Called for the flow's first packet and after gaps of more than a
 * second: other packets only lengthen the open span, which ends at the flow's last_ns.
 */
static inline void account_activity(struct lj_flow_activity *a, const struct lj_flow *f,
				    uint64_t time_ns, uint64_t gap)
{
	uint64_t active = f->last_ns - a->active_start_ns;

	if (f->packets == 0) {
		a->active_start_ns = time_ns;
		a->active_min = a->idle_min = UINT64_MAX;
		return;
	}
	a->subflows++;
	if (gap <= ACTIVITY_TIMEOUT_NS)
		return;
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

/*
 * CICFlowMeter's bulk, with the side told by the record: there, addresses are compared as
 * references, which makes all bulk backward (Engelen et al., 2021). A packet with payload breaks
 * off the bulk of the other side; one without changes nothing.
 */
static inline void account_bulk(struct lj_flow_bulk bulk[2], int side, const struct lj_packet *p)
{
	struct lj_flow_bulk *b = &bulk[side], *other = &bulk[!side];

	if (p->time_ns > other->start_ns)
		other->start_ns = 0;
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
	uint32_t i = s->count++;

	s->length[i] = (uint16_t)RTE_MIN(p->l3_bytes, (uint32_t)UINT16_MAX);
	s->payload[i] = (uint16_t)RTE_MIN(p->payload_bytes, (uint32_t)UINT16_MAX);
	s->gap_us[i] = (uint32_t)RTE_MIN(gap_ns / 1000, (uint64_t)UINT32_MAX);
	s->sides |= (uint16_t)(side << i);
}

/* NetFlow v2's histogram; what is longer than 1514 is in none. */
static inline void account_size(uint32_t sizes[LJ_SIZES], uint32_t l3_bytes)
{
	uint32_t bin = (l3_bytes > 128) + (l3_bytes > 256) + (l3_bytes > 512) + (l3_bytes > 1024);

	if (l3_bytes <= 1514)
		sizes[bin]++;
}

static void account_application(struct lj_flow *f, const struct lj_packet *p)
{
	if (p->application == LJ_APPLICATION_FTP_REPLY) {
		f->ftp_code = p->ftp_code;
		return;
	}
	if (f->dns_id == 0 && f->dns_type == 0) {
		f->dns_id = p->dns_id;
		f->dns_type = p->dns_type;
	}
	if (f->dns_ttl == 0)
		f->dns_ttl = p->dns_ttl;
}

/* `keep` is a constant where this is inlined: parts that are not kept are not even asked for. */
static __rte_always_inline void account(struct lj_flow *f, const struct lj_packet *p, int side,
					uint32_t keep)
{
	struct lj_flow_side *s = &f->side[side];
	uint64_t gap = 0;

	if (f->packets > 0) {
		gap = gap_between(f->last_ns, p->time_ns);
		f->gap_sumsq += (unsigned __int128)gap * gap;
		f->gap_min = RTE_MIN(f->gap_min, gap);
		f->gap_max = RTE_MAX(f->gap_max, gap);
	} else {
		f->gap_min = UINT64_MAX;
	}
	account_side(s, p->time_ns, p->l3_bytes);
	if (s->packets == 1) {
		s->first_ns = p->time_ns;
		f->tos[side] = p->tos;
	}
	if (keep & LJ_KEEP_PAYLOAD)
		account_payload(s, p);
	if ((keep & LJ_KEEP_TCP) && p->key.proto == IPPROTO_TCP &&
	    likely(p->fragment != LJ_FRAGMENT_LATER))
		account_tcp(f, p, side);
	if ((keep & LJ_KEEP_ACTIVITY) && (gap > SUBFLOW_GAP_NS || f->packets == 0))
		account_activity(&f->activity, f, p->time_ns, gap);
	if ((keep & LJ_KEEP_BULK) && p->payload_bytes > 0)
		account_bulk(f->bulk, side, p);
	if ((keep & LJ_KEEP_SPLT) && f->packets < LJ_SPLT_MAX)
		account_splt(&f->splt, p, side, gap);
	if (keep & LJ_KEEP_SIZES)
		account_size(f->sizes, p->l3_bytes);
	if ((keep & LJ_KEEP_APP) && unlikely(p->application != LJ_APPLICATION_NONE))
		account_application(f, p);
	if (unlikely(p->fragment != LJ_FRAGMENT_NONE))
		f->fragments++;
	f->legs |= (uint8_t)(1u << RTE_MIN(p->leg, 7));
	f->packets++;
	f->first_ns = RTE_MIN(f->first_ns, p->time_ns);
	f->last_ns = RTE_MAX(f->last_ns, p->time_ns);
}

void account_packet(struct lj_flow *f, const struct lj_packet *p, int side, uint32_t keep)
{
	switch (keep) {
	case 0:
		account(f, p, side, 0);
		break;
	case LJ_KEEP_ALL:
		account(f, p, side, LJ_KEEP_ALL);
		break;
	case KEEP_OWN:
		account(f, p, side, KEEP_OWN);
		break;
	default:
		account(f, p, side, keep);
	}
}
