/*
 * Private: writes the record of a young flow with at most one packet per side. Each cache line is
 * written once, without clearing it first. test_fold checks that the result equals that of
 * account_packet(). Inlined into its callers.
 */
#ifndef YOUNG_H
#define YOUNG_H

#include <netinet/in.h>
#include <string.h>

#include "account.h"
#include "account_tcp.h"
#include "flow_table.h"
#include "slot.h"

/* gcc 12 clears and copies structs by 16 bytes at a time. */
static inline void clear_line(void *line)
{
	_mm256_store_si256((__m256i *)line, _mm256_setzero_si256());
	_mm256_store_si256((__m256i *)line + 1, _mm256_setzero_si256());
}

_Static_assert(offsetof(struct lj_flow_side, flag_psh) ==
			       offsetof(struct lj_flow_side, flag_fin) + 4 &&
		       offsetof(struct lj_flow_side, flag_syn) ==
			       offsetof(struct lj_flow_side, flag_fin) + 8 &&
		       offsetof(struct lj_flow_side, flag_cwr) ==
			       offsetof(struct lj_flow_side, flag_fin) + 24 &&
		       offsetof(struct lj_flow_side, ttl_min) ==
			       offsetof(struct lj_flow_side, flag_fin) + 28,
	       "the lanes of write_flags()");

/* flag_fin to flag_cwr and the TTLs: half a line. */
static inline void write_flags(struct lj_flow_side *s, const struct first_packet *y)
{
	/* The flags in the order of the fields, a lane each. */
	const __m256i bit = _mm256_setr_epi32(0, 3, 1, 2, 5, 6, 7, 8);
	const __m256i mask = _mm256_setr_epi32(1, 1, 1, 1, 1, 1, 1, 0);
	__m256i all = _mm256_set1_epi32(y->tcp_flags);

	_mm256_store_si256((__m256i *)&s->flag_fin,
			   _mm256_and_si256(_mm256_srlv_epi32(all, bit), mask));
	memcpy(&s->ttl_min, &(uint32_t){y->ttl * 0x010101u}, sizeof(uint32_t));
}

/* Stores 16 bits twice: in to[0] and to[1]. */
static inline void put_twice(uint16_t *to, uint32_t value)
{
	value |= value << 16;
	memcpy(to, &value, sizeof(value));
}

static inline void write_side(struct lj_flow_side *s, const struct first_packet *y,
			      uint64_t time_ns, uint32_t keep)
{
	const uint32_t length = y->l3_bytes, payload = y->payload_bytes;

	clear_line(s);
	s->packets = 1;
	put_twice(&s->length_min, length);
	s->length_sum = length;
	s->length_sumsq = (uint64_t)length * length;
	s->last_ns = time_ns;
	s->gap_min = UINT64_MAX;
	if (keep & LJ_KEEP_PAYLOAD) {
		s->payload_sum = payload;
		s->payload_sumsq = (uint64_t)payload * payload;
		put_twice(&s->payload_min, payload);
		s->payload_packets = payload > 0;
		write_flags(s, y);
	} else {
		clear_line(&s->first_ns);
	}
	s->first_ns = time_ns;
}

_Static_assert(offsetof(struct first_packet, tcp_mss) == 8 &&
		       offsetof(struct first_packet, tcp_window) == 10 &&
		       offsetof(struct first_packet, tcp_flags) == 12 &&
		       offsetof(struct first_packet, tcp_wscale) == 14 &&
		       offsetof(struct lj_flow_tcp, window_first) == 48 &&
		       offsetof(struct lj_flow_tcp, window_last) == 54 &&
		       offsetof(struct lj_flow_tcp, mss) == 56 &&
		       offsetof(struct lj_flow_tcp, wscale_plus1) == 58 &&
		       offsetof(struct lj_flow_tcp, flags_first) == 59 &&
		       offsetof(struct lj_flow_tcp, flags_all) == 60 &&
		       offsetof(struct lj_flow_tcp, seen) == 61 &&
		       offsetof(struct lj_flow_tcp, min_header) == 62 &&
		       offsetof(struct lj_flow_tcp, history) == 63,
	       "the bytes of write_tcp()");

/* Writes a side of a TCP flow. Returns the kinds of its packet, for the history. */
static inline uint32_t write_tcp(struct lj_flow_tcp *t, const struct first_packet *y)
{
	/* From window_first to flags_first. */
	const __m128i copied =
		_mm_setr_epi8(10, 11, 10, 11, 10, 11, 10, 11, 8, 9, 14, 12, -1, -1, -1, -1);
	const uint32_t flags = y->tcp_flags, payload = y->payload_bytes;
	const uint32_t space =
		payload + (uint32_t)__builtin_popcount(flags & (LJ_TCP_SYN | LJ_TCP_FIN));
	const uint32_t kinds = history_kinds(y->tcp_flags, payload, y->tcp_window, false);
	const uint32_t header = payload > 0 ? 4u * y->l4_header_units : 0;
	uint32_t first = y->tcp_seq, next = first + space, seen = 1, zero = y->tcp_window == 0;
	__m128i last = _mm_shuffle_epi8(_mm_load_si128((const __m128i *)y), copied);

	/* A RST's sequence number and window are not counted. */
	if (unlikely(flags & LJ_TCP_RST))
		first = next = seen = zero = 0;
	last = _mm_insert_epi32(last, (int)(flags | seen << 8 | header << 16 | kinds << 24), 3);
	clear_line(t);
	t->first_seq = first;
	t->next_seq = next;
	t->flag_ack = (flags & LJ_TCP_ACK) != 0;
	t->zero_windows = zero;
	t->gap_begin = next;
	t->gap_end = next;
	_mm_store_si128((__m128i *)&t->window_first, last);
	return kinds;
}

/* Accounts what no default feature needs. */
static inline void account_rest(struct lj_flow *f, const struct first_packet *y, uint64_t time_ns,
				uint32_t keep)
{
	if ((keep & LJ_KEEP_BULK) && y->payload_bytes > 0)
		account_bulk(f->bulk, y->side, time_ns, y->payload_bytes);
	if (keep & LJ_KEEP_SIZES)
		account_size(f->sizes, y->l3_bytes);
	if (!(keep & LJ_KEEP_APP) || y->application == LJ_APPLICATION_NONE)
		return;
	if (f->dns_id == 0 && f->dns_type == 0) {
		f->dns_id = y->dns_id;
		f->dns_type = y->dns_type;
	}
	if (f->dns_ttl == 0)
		f->dns_ttl = y->dns_ttl;
}

/* The TCP part of the flow's first packet; handshake and history must be zero. */
static inline void write_opening(struct lj_flow *f, const struct first_packet *y, uint64_t time_ns)
{
	const uint32_t opens = y->tcp_flags & (LJ_TCP_SYN | LJ_TCP_ACK);
	uint32_t kinds = write_tcp(&f->tcp[y->side], y);

	if (opens == LJ_TCP_SYN && y->side == 0)
		f->syn_ns = time_ns;
	if (opens == (LJ_TCP_SYN | LJ_TCP_ACK) && y->side == 1)
		f->synack_ns = time_ns;
	if (f->flipped)
		f->history[0] = '^';
	put_letters(f, y->side, kinds, f->flipped);
}

_Static_assert(offsetof(struct lj_flow, tcp) == offsetof(struct lj_flow, gap_sumsq) + 64 &&
		       offsetof(struct lj_flow_activity, active_sumsq) == 64 &&
		       offsetof(struct lj_flow_splt, gap_us) == 64 &&
		       sizeof(struct lj_flow) == offsetof(struct lj_flow, history) + 64,
	       "the lines of write_first()");

/*
 * Writes a flow's first packet: the lines of its side, and all lines of DIRT_COMMON except `bulk`,
 * which must be zero.
 */
static __rte_always_inline void write_first(const struct flow_slot *s, struct lj_flow *f,
					    uint32_t keep)
{
	const struct first_packet *y = &s->first[0];
	const uint64_t time_ns = s->first_ns;

	write_side(&f->side[y->side], y, time_ns, keep);
	clear_line(&f->gap_sumsq);
	f->gap_min = UINT64_MAX;
	clear_line(f->history);
	if (keep & LJ_KEEP_ACTIVITY) {
		clear_line(&f->activity);
		f->activity.active_start_ns = time_ns;
		f->activity.active_min = f->activity.idle_min = UINT64_MAX;
	}
	if (keep & LJ_KEEP_SPLT) {
		clear_line(&f->splt);
		f->splt.length[0] = y->l3_bytes;
		f->splt.payload[0] = y->payload_bytes;
		f->splt_sides = y->side;
	}
	if ((keep & LJ_KEEP_TCP) && s->key.proto == IPPROTO_TCP)
		write_opening(f, y, time_ns);
	if (keep & (LJ_KEEP_BULK | LJ_KEEP_SIZES | LJ_KEEP_APP))
		account_rest(f, y, time_ns, keep);
}

/* The DIRT_* of a flow with one packet of each side in `heard`. */
static inline uint32_t dirt_of_first(const struct flow_slot *s, uint32_t heard)
{
	return DIRT_COMMON |
	       (s->key.proto == IPPROTO_TCP ? DIRT_SIDE | DIRT_TCP : DIRT_SIDE) * heard;
}

/* Clears what earlier flows wrote, except the parts in `written`, which will be overwritten. */
static inline void clean_others(struct lj_flow_table *t, struct lj_flow *f, uint32_t written)
{
	if (unlikely((t->links[f->index].dirt & ~written) != 0))
		record_clean(t, f, ~written);
	if (t->config.keep & LJ_KEEP_BULK) {
		clear_line(&f->bulk[0]);
		clear_line(&f->bulk[1]);
	}
}

/* Allocates the record of a young flow that ends: a spare one, which frees the slot, if there is
 * one. */
static inline struct lj_flow *record_for(struct lj_flow_table *t, uint32_t index)
{
	struct lj_flow *f;

	if (likely(t->n_spare > 0)) {
		t->free[t->n_free++] = index;
		index = t->spare[--t->n_spare];
	}
	f = record_at(t, index);
	f->index = index;
	return f;
}

static inline void copy_half_line(void *to, const void *from)
{
	_mm256_store_si256((__m256i *)to, _mm256_load_si256((const __m256i *)from));
}

/* Writes the record's second line. */
static inline void write_identity(const struct flow_slot *s, struct lj_flow *f)
{
	const uint32_t index = f->index;

	copy_half_line(identity_of(f), &s->identity);
	_mm256_store_si256((__m256i *)&f->order, _mm256_setzero_si256());
	f->index = index;
}
_Static_assert(offsetof(struct lj_flow, order) == 64 + 32 &&
		       offsetof(struct lj_flow, side) == 64 + 64,
	       "the halves of write_identity()");

/* Writes the record of a young flow with one packet, except for its head. */
static __rte_always_inline void write_single(struct lj_flow_table *t, const struct flow_slot *s,
					     struct lj_flow *f)
{
	write_identity(s, f);
	clean_others(t, f, dirt_of_first(s, s->heard));
	write_first(s, f, t->config.keep);
	if (unlikely(s->state == LJ_FLOW_CLOSING))
		f->closed_ns = s->last_ns;
}

#endif
