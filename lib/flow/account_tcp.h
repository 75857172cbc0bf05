/*
 * Private: adds a TCP packet to its side of the record: sequence space, history, handshake. Inlined
 * into account_packet() and account_log().
 */
#ifndef ACCOUNT_TCP_H
#define ACCOUNT_TCP_H

#include "flow_table.h"

/* Kinds of packet in lj_flow_tcp.history, in the order of their letters in put_history(). */
#define HISTORY_SYN	      0x01
#define HISTORY_SYN_ACK	      0x02
#define HISTORY_ACK	      0x04
#define HISTORY_DATA	      0x08
#define HISTORY_FIN	      0x10
#define HISTORY_RST	      0x20
#define HISTORY_RETRANSMITTED 0x40
#define HISTORY_ZERO_WINDOW   0x80

static inline void retransmitted(struct lj_flow_tcp *t, uint32_t bytes)
{
	t->retransmitted_packets++;
	t->retransmitted_bytes += bytes;
}

/* Whether a is before b in sequence space. */
static inline bool before(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

/* New data leaves a gap before it. Of earlier gaps that are still open only the size is kept. */
static inline void open_gap(struct lj_flow_tcp *t, uint32_t seq)
{
	t->out_of_order++;
	t->lost_bytes += RTE_MIN(seq - t->next_seq, UINT32_MAX - t->lost_bytes);
	t->gap_begin = t->next_seq;
	t->gap_end = seq;
}

/* Old data fills the latest gap, wholly or in part; false if it does not overlap the gap. If it
 * splits the gap, of one part only the size is kept. */
static inline bool fill_gap(struct lj_flow_tcp *t, uint32_t seq, uint32_t end)
{
	uint32_t from = before(seq, t->gap_begin) ? t->gap_begin : seq;
	uint32_t to = before(end, t->gap_end) ? end : t->gap_end;

	if (!before(from, to))
		return false;
	t->lost_bytes -= RTE_MIN(to - from, t->lost_bytes);
	if (to == t->gap_end)
		t->gap_end = from;
	else
		t->gap_begin = to;
	return true;
}

/* Data that ends before the next expected byte: out of order or retransmitted. */
static inline void old_data(struct lj_flow_tcp *t, uint32_t seq, uint32_t end,
			    uint32_t payload_bytes)
{
	uint32_t length = end - seq;
	uint32_t older = t->lost_bytes - RTE_MIN(t->gap_end - t->gap_begin, t->lost_bytes);

	if (before(seq, t->first_seq)) {
		t->out_of_order++;
		t->first_seq = seq;
	} else if (fill_gap(t, seq, end)) {
		t->out_of_order++;
	} else if (before(seq, t->gap_begin) && older >= length) {
		t->out_of_order++;
		t->lost_bytes -= length;
	} else {
		retransmitted(t, payload_bytes);
	}
}

/*
 * Sequence space of one side, in serial number arithmetic. Old data is a retransmission, unless it
 * precedes everything seen so far or fits into a gap that is still open: then it is out of order.
 * For the latest gap the position is known, for earlier ones only the size. A keep-alive probe,
 * which repeats at most the last byte, counts as neither; a retransmission of just that byte looks
 * the same. A SYN that is not a repetition of the latest one begins a new sequence space.
 */
static inline void account_sequence(struct lj_flow_tcp *t, uint32_t seq, uint8_t flags,
				    uint32_t payload_bytes)
{
	bool syn = (flags & LJ_TCP_SYN) != 0, fin = (flags & LJ_TCP_FIN) != 0;
	uint32_t length = payload_bytes + syn + fin;
	uint32_t end = seq + length;

	/* The sequence number of a RST need not follow the data. */
	if (flags & LJ_TCP_RST)
		return;
	if (!t->seen || (syn && end != t->next_seq)) {
		t->seen = 1;
		t->first_seq = seq;
		t->gap_begin = t->gap_end = t->next_seq = end;
	} else if (length == 0) {
		return;
	} else if (!before(seq, t->next_seq)) {
		if (seq != t->next_seq)
			open_gap(t, seq);
		t->next_seq = end;
	} else if (before(t->next_seq, end)) {
		retransmitted(t, RTE_MIN(t->next_seq - seq, payload_bytes));
		t->next_seq = end;
	} else if (length > 1 || syn || fin || seq + 1 != t->next_seq) {
		old_data(t, seq, end, payload_bytes);
	}
}

static inline uint8_t history_kinds(uint8_t flags, uint32_t payload_bytes, uint16_t window,
				    bool again)
{
	uint8_t kinds = 0;

	if (flags & LJ_TCP_SYN)
		kinds = flags & LJ_TCP_ACK ? HISTORY_SYN_ACK : HISTORY_SYN;
	else if ((flags & (LJ_TCP_ACK | LJ_TCP_FIN | LJ_TCP_RST)) == LJ_TCP_ACK &&
		 payload_bytes == 0)
		kinds = HISTORY_ACK;
	if (payload_bytes > 0)
		kinds |= HISTORY_DATA | (again ? HISTORY_RETRANSMITTED : 0);
	if (flags & LJ_TCP_FIN)
		kinds |= HISTORY_FIN;
	if (flags & LJ_TCP_RST)
		kinds |= HISTORY_RST;
	else if (window == 0)
		kinds |= HISTORY_ZERO_WINDOW;
	return kinds;
}

/* Appends the letters of `kinds` to the record's history at `at`. */
static inline void put_letters(struct lj_flow *f, int side, uint32_t kinds, uint32_t at)
{
	static const char letters[2][9] = {"SHADFRTW", "shadfrtw"};

	for (char *to = f->history + at; kinds != 0; kinds &= kinds - 1)
		*to++ = letters[side][__builtin_ctz(kinds)];
}

/* The same for kinds which are new for the side. */
static inline void put_history(struct lj_flow *f, int side, uint32_t kinds, uint32_t at)
{
	f->tcp[side].history |= (uint8_t)kinds;
	put_letters(f, side, kinds, at);
}

/* Appends the letters of those `kinds` that are new for the side. */
static inline void note_history(struct lj_flow *f, int side, uint32_t kinds)
{
	const uint32_t noted = f->tcp[0].history | (uint32_t)f->tcp[1].history << 8;

	if (f->flipped)
		f->history[0] = '^';
	put_history(f, side, kinds & ~(uint32_t)f->tcp[side].history,
		    f->flipped + (uint32_t)__builtin_popcount(noted));
}

/* First SYN, first SYN-ACK after it, and the initiator's ACK of that. */
static inline void account_handshake(struct lj_flow *f, uint64_t time_ns, uint8_t flags, int side)
{
	switch (flags & (LJ_TCP_SYN | LJ_TCP_ACK)) {
	case LJ_TCP_SYN:
		if (side == 0 && f->syn_ns == 0)
			f->syn_ns = time_ns;
		break;
	case LJ_TCP_SYN | LJ_TCP_ACK:
		if (side == 1 && f->synack_ns == 0)
			f->synack_ns = time_ns;
		break;
	case LJ_TCP_ACK:
		if (side == 0 && f->synack_ns != 0 && f->ack_ns == 0)
			f->ack_ns = time_ns;
		break;
	}
}

static __rte_always_inline void account_tcp(struct lj_flow *f, const struct lj_packet *p, int side)
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
	account_sequence(t, p->tcp_seq, flags, p->payload_bytes);
	t->flag_ack += (flags & LJ_TCP_ACK) != 0;
	t->flags_all |= flags;
	t->window_min = RTE_MIN(t->window_min, p->tcp_window);
	t->window_max = RTE_MAX(t->window_max, p->tcp_window);
	t->window_last = p->tcp_window;
	t->zero_windows += p->tcp_window == 0 && !(flags & LJ_TCP_RST);
	if (p->payload_bytes > 0 && (t->min_header == 0 || p->l4_header_bytes < t->min_header))
		t->min_header = (uint8_t)p->l4_header_bytes;
	account_handshake(f, p->time_ns, flags, side);
	kinds = history_kinds(flags, p->payload_bytes, p->tcp_window,
			      t->retransmitted_packets != retransmitted_before);
	if (kinds & ~t->history)
		note_history(f, side, kinds);
}

#endif
