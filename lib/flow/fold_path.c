/*
 * Adds a flow's log to its record: like account_path.c, but with all packets at once, one per
 * vector lane. Sums, extremes and counts are computed over lanes; what depends on the previous
 * packet is done in order.
 */
#include <netinet/in.h>

#include "account.h"
#include "account_tcp.h"
#include "flow_table.h"
#include "lanes.h"

/* With fewer packets, adding them one by one is faster. */
#define FOLD_LEAST 6

/* Sums of lengths and payloads of both sides. */
struct sums {
	uint32_t length[2], payload[2];
	uint64_t length_sq[2], payload_sq[2];
};

/* In signed 16-bit lanes: plain packets are short enough for them. */
static inline void sum_up(const struct lanes *v, struct sums *s)
{
	const __m256i ones = _mm256_set1_epi16(1);
	__m256i length[2], payload[2], length_sq[2], payload_sq[2], all;

	for (int side = 0; side < 2; side++) {
		__m256i l = _mm256_and_si256(v->length16, v->of16[side]),
			p = _mm256_and_si256(v->payload16, v->of16[side]);

		length[side] = _mm256_madd_epi16(l, ones);
		payload[side] = _mm256_madd_epi16(p, ones);
		length_sq[side] = sum_pairs(_mm256_madd_epi16(l, l));
		payload_sq[side] = sum_pairs(_mm256_madd_epi16(p, p));
	}
	all = _mm256_hadd_epi32(_mm256_hadd_epi32(length[0], length[1]),
				_mm256_hadd_epi32(payload[0], payload[1]));
	_mm_storeu_si128((__m128i *)s->length, _mm_add_epi32(_mm256_castsi256_si128(all),
							     _mm256_extracti128_si256(all, 1)));
	_mm_storeu_si128((__m128i *)s->length_sq, sum_of_each(length_sq[0], length_sq[1]));
	_mm_storeu_si128((__m128i *)s->payload_sq, sum_of_each(payload_sq[0], payload_sq[1]));
}

/* For gaps whose sum fits in 32 bits, so that the sum of their squares fits in 64. */
static inline __m256i sum_squares(const __m256i gap[2])
{
	__m256i sum = _mm256_setzero_si256();

	for (int half = 0; half < 2; half++) {
		__m256i odd = _mm256_srli_epi64(gap[half], 32);

		sum = _mm256_add_epi64(sum, _mm256_mul_epu32(gap[half], gap[half]));
		sum = _mm256_add_epi64(sum, _mm256_mul_epu32(odd, odd));
	}
	return sum;
}

/* Per lane: sums of squared gaps, the longest, and the complement of the shortest. Of both sides,
 * then of the flow. */
struct gaps {
	__m256i squares[3];
	__m256i longest[3], inverse[3]; /* inverse: its maximum is the shortest's */
};

static inline void look_at_gaps(struct gaps *g, int of_whom, const __m256i gap[2],
				const __m256i of[2])
{
	g->squares[of_whom] = sum_squares(gap);
	g->longest[of_whom] = _mm256_max_epu32(gap[0], gap[1]);
	g->inverse[of_whom] = _mm256_max_epu32(_mm256_andnot_si256(gap[0], of[0]),
					       _mm256_andnot_si256(gap[1], of[1]));
}

/* Gaps between a side's own packets here. `since`: ns from begin_ns to each packet. */
static inline void look_at_side(struct gaps *g, const struct lanes *v, int side,
				const __m256i since[2])
{
	__m256i of[2], gap[2], before = _mm256_setzero_si256();

	for (int half = 0; half < 2; half++) {
		/* Plus one: 0 means no packet before. */
		__m256i plus1 = _mm256_sub_epi32(since[half], v->live[half]),
			own = _mm256_and_si256(plus1, v->of[side][half]);

		before = _mm256_max_epu32(greatest_before(own), before);
		of[half] = _mm256_andnot_si256(_mm256_cmpeq_epi32(before, _mm256_setzero_si256()),
					       v->of[side][half]);
		gap[half] = _mm256_and_si256(_mm256_sub_epi32(plus1, before), of[half]);
		before = last_lane(_mm256_max_epu32(before, own));
	}
	look_at_gaps(g, side, gap, of);
}

/* The side's first gap in this log, which began before it. */
static inline void fold_side_gaps(struct lj_flow_side *s, const struct lanes *v, uint32_t sent,
				  uint64_t squares, uint32_t longest, uint32_t shortest)
{
	uint64_t first = time_of(v, (uint32_t)__builtin_ctz(sent)) - s->last_ns;

	s->last_ns = time_of(v, 31 - (uint32_t)__builtin_clz(sent));
	/* A single packet has no further gap. */
	if (sent & (sent - 1)) {
		s->gap_min = RTE_MIN(s->gap_min, (uint64_t)shortest);
		s->gap_max = RTE_MAX(s->gap_max, (uint64_t)longest);
	}
	s->gap_min = RTE_MIN(s->gap_min, first);
	s->gap_max = RTE_MAX(s->gap_max, first);
	s->gap_sumsq += (unsigned __int128)first * first + squares;
}

/* Gaps of the flow and of each side, and each packet's time. */
static __rte_always_inline void fold_times(struct lj_flow *f, struct lanes *v)
{
	uint64_t squares[4];
	uint32_t most[8];
	struct gaps g;
	__m256i since[2];

	since[0] = running_sum(v->gap[0]);
	since[1] = _mm256_add_epi32(running_sum(v->gap[1]), last_lane(since[0]));
	_mm256_storeu_si256((__m256i *)&v->since_ns[0], since[0]);
	_mm256_storeu_si256((__m256i *)&v->since_ns[LANES], since[1]);
	for (int side = 0; side < 2; side++)
		look_at_side(&g, v, side, since);
	look_at_gaps(&g, 2, v->gap, v->live);
	_mm_storeu_si128((__m128i *)&squares[0], sum_of_each(g.squares[0], g.squares[1]));
	_mm_storeu_si128((__m128i *)&squares[2], sum_of_each(g.squares[2], g.squares[2]));
	_mm_storeu_si128((__m128i *)&most[0],
			 greatest_of_each(g.longest[0], g.longest[1], g.longest[2], g.longest[2]));
	_mm_storeu_si128((__m128i *)&most[4],
			 greatest_of_each(g.inverse[0], g.inverse[1], g.inverse[2], g.inverse[2]));
	v->gap_max = most[2];
	f->gap_min = RTE_MIN(f->gap_min, (uint64_t)~most[4 + 2]);
	f->gap_max = RTE_MAX(f->gap_max, (uint64_t)v->gap_max);
	f->gap_sumsq += squares[2];
	for (int side = 0; side < 2; side++)
		if (v->sent[side] != 0)
			fold_side_gaps(&f->side[side], v, v->sent[side], squares[side], most[side],
				       ~most[4 + side]);
}

static inline const struct logged *last_of(const struct lanes *v, int side)
{
	return &v->packet[31 - __builtin_clz(v->sent[side])];
}

static __rte_noinline void fold_rare_flags(struct lj_flow *f, const struct logged *l, uint32_t n,
					   uint32_t keep)
{
	for (; n > 0; n--, l++) {
		int side = l->l4_header_and_side >> 7;
		uint8_t flags = l->tcp_flags;

		if (keep & LJ_KEEP_PAYLOAD)
			account_rare_flags(&f->side[side], flags);
		if (keep & LJ_KEEP_TCP)
			f->tcp[side].flags_all |= flags;
	}
}

static inline void fold_side(struct lj_flow *f, const struct lanes *v, const struct sums *sums,
			     int side, uint32_t keep)
{
	struct lj_flow_side *s = &f->side[side];

	s->packets += count(v->sent[side]);
	s->length_sum += sums->length[side];
	s->length_sumsq += sums->length_sq[side];
	if (!(keep & LJ_KEEP_PAYLOAD))
		return;
	s->payload_sum += sums->payload[side];
	s->payload_sumsq += sums->payload_sq[side];
	s->payload_packets += count(v->with_data & v->sent[side]);
	s->ttl_last = last_of(v, side)->ttl;
	s->flag_psh += count(v->psh & v->sent[side]);
}

static inline void fold_extremes(struct lj_flow *f, const struct lanes *v, int side, uint32_t keep)
{
	struct lj_flow_side *s = &f->side[side];
	__m256i of = v->of16[side];

	s->length_min = RTE_MIN(s->length_min, least(v->length16, of));
	s->length_max = RTE_MAX(s->length_max, greatest(v->length16, of));
	if (!(keep & LJ_KEEP_PAYLOAD))
		return;
	s->payload_min = RTE_MIN(s->payload_min, least(v->payload16, of));
	s->payload_max = RTE_MAX(s->payload_max, greatest(v->payload16, of));
	s->ttl_min = (uint8_t)RTE_MIN(s->ttl_min, least(v->ttl16, of));
	s->ttl_max = (uint8_t)RTE_MAX(s->ttl_max, greatest(v->ttl16, of));
}

/* Updates extremes of lengths and TTLs, which soon change rarely. */
static inline void fold_lengths(struct lj_flow *f, const struct lanes *v, uint32_t keep)
{
	const struct lj_flow_side *s = f->side;
	__m256i new = outside(v, v->length16, (uint16_t[]){s[0].length_min, s[1].length_min},
			      (uint16_t[]){s[0].length_max, s[1].length_max});

	if (keep & LJ_KEEP_PAYLOAD) {
		new = _mm256_or_si256(new,
				      outside(v, v->payload16,
					      (uint16_t[]){s[0].payload_min, s[1].payload_min},
					      (uint16_t[]){s[0].payload_max, s[1].payload_max}));
		new = _mm256_or_si256(new,
				      outside(v, v->ttl16, (uint16_t[]){s[0].ttl_min, s[1].ttl_min},
					      (uint16_t[]){s[0].ttl_max, s[1].ttl_max}));
	}
	if (likely(is_none(v, new)))
		return;
	for (int side = 0; side < 2; side++)
		if (v->sent[side] != 0)
			fold_extremes(f, v, side, keep);
}

/* Nearly always each side's data is in sequence; then only the next sequence number changes. */
static inline bool fold_in_order(struct lj_flow *f, const struct lanes *v, const struct sums *sums)
{
	__m256i astray = _mm256_setzero_si256();

	for (int side = 0; side < 2; side++) {
		__m256i next = _mm256_set1_epi32((int32_t)f->tcp[side].next_seq);

		if (v->sent[side] == 0)
			continue;
		if (!f->tcp[side].seen)
			return false;
		for (int half = 0; half < 2; half++) {
			__m256i own = _mm256_and_si256(v->payload[half], v->of[side][half]);
			__m256i after = _mm256_add_epi32(running_sum(own), next);
			__m256i differ =
				_mm256_xor_si256(v->seq[half], _mm256_sub_epi32(after, own));

			differ = _mm256_and_si256(differ, v->of[side][half]);
			astray = _mm256_or_si256(astray, _mm256_and_si256(differ, v->data[half]));
			next = last_lane(after);
		}
	}
	if (!_mm256_testz_si256(astray, astray))
		return false;
	for (int side = 0; side < 2; side++)
		if ((v->sent[side] & v->with_data) != 0)
			f->tcp[side].next_seq += sums->payload[side];
	return true;
}

static inline void fold_sequence(struct lj_flow *f, struct lanes *v, const struct sums *sums)
{
	v->again = 0;
	if (likely(fold_in_order(f, v, sums)))
		return;
	for (uint32_t i = v->from; i < v->to; i++) {
		const struct logged *l = &v->packet[i];
		struct lj_flow_tcp *t = &f->tcp[l->l4_header_and_side >> 7];
		uint32_t before = t->retransmitted_packets;

		account_sequence(t, l->tcp_seq, l->tcp_flags,
				 (uint32_t)l->l3_bytes - l->header_bytes);
		v->again |= (uint32_t)(t->retransmitted_packets != before) << i;
	}
}

static inline uint8_t kinds_of(const struct lanes *v, uint32_t some)
{
	return (uint8_t)((v->ack & ~v->with_data & some ? HISTORY_ACK : 0) |
			 (v->with_data & some ? HISTORY_DATA : 0) |
			 (v->with_data & v->again & some ? HISTORY_RETRANSMITTED : 0) |
			 (v->zero_window & some ? HISTORY_ZERO_WINDOW : 0));
}

static inline void fold_history(struct lj_flow *f, const struct lanes *v)
{
	if ((kinds_of(v, v->sent[0]) & ~f->tcp[0].history) == 0 &&
	    (kinds_of(v, v->sent[1]) & ~f->tcp[1].history) == 0)
		return;
	for (uint32_t i = v->from; i < v->to; i++)
		note_history(f, v->packet[i].l4_header_and_side >> 7, kinds_of(v, 1u << i));
}

static inline void fold_tcp_side(struct lj_flow *f, const struct lanes *v, int side)
{
	struct lj_flow_tcp *t = &f->tcp[side];
	__m256i of = v->of16[side];
	uint32_t sent = v->sent[side], header = least(v->header16, _mm256_and_si256(of, v->data16));

	t->flag_ack += count(v->ack & sent);
	t->flags_all |= (v->ack & sent ? LJ_TCP_ACK : 0) | (v->psh & sent ? LJ_TCP_PSH : 0);
	t->window_last = last_of(v, side)->tcp_window;
	t->zero_windows += count(v->zero_window & sent);
	if ((v->with_data & sent) != 0 && (t->min_header == 0 || header < t->min_header))
		t->min_header = (uint8_t)header;
}

static inline void fold_windows(struct lj_flow *f, const struct lanes *v)
{
	struct lj_flow_tcp *t = f->tcp;

	if (likely(is_none(v,
			   outside(v, v->window16, (uint16_t[]){t[0].window_min, t[1].window_min},
				   (uint16_t[]){t[0].window_max, t[1].window_max}))))
		return;
	for (int side = 0; side < 2; side++) {
		if (v->sent[side] == 0)
			continue;
		t[side].window_min = RTE_MIN(t[side].window_min, least(v->window16, v->of16[side]));
		t[side].window_max =
			RTE_MAX(t[side].window_max, greatest(v->window16, v->of16[side]));
	}
}

static __rte_always_inline void fold_tcp(struct lj_flow *f, struct lanes *v,
					 const struct sums *sums)
{
	uint32_t acks = v->ack & v->sent[0];

	fold_sequence(f, v, sums);
	for (int side = 0; side < 2; side++)
		if (v->sent[side] != 0)
			fold_tcp_side(f, v, side);
	fold_windows(f, v);
	if (f->synack_ns != 0 && f->ack_ns == 0 && acks != 0)
		f->ack_ns = time_of(v, (uint32_t)__builtin_ctz(acks));
	fold_history(f, v);
}

/* Adds what is done packet by packet. `packets` is the count before the log. */
static __rte_always_inline void fold_rest(struct lj_flow *f, const struct lanes *v,
					  uint32_t packets, uint32_t keep)
{
	for (uint32_t i = v->from; i < v->to; i++) {
		const struct logged *l = &v->packet[i];
		uint32_t nth = packets + i - v->from;
		struct before b = {nth, time_of(v, i) - l->gap_ns};
		uint32_t payload = (uint32_t)l->l3_bytes - l->header_bytes;
		int side = l->l4_header_and_side >> 7;

		if ((keep & LJ_KEEP_ACTIVITY) && l->gap_ns > SUBFLOW_GAP_NS)
			account_activity(&f->activity, &b, time_of(v, i), l->gap_ns);
		if ((keep & LJ_KEEP_BULK) && payload > 0)
			account_bulk(f->bulk, side, time_of(v, i), payload);
		if ((keep & LJ_KEEP_SPLT) && nth < LJ_SPLT_MAX)
			account_splt(f, nth, side, l->l3_bytes, payload, l->gap_ns);
		if (keep & LJ_KEEP_SIZES)
			account_size(f->sizes, l->l3_bytes);
	}
}

/* Adds packets that follow the flow's first `packets`, all within 2^32 - 2 ns after the last of
 * those. */
static __rte_always_inline void fold(struct lj_flow *f, struct lanes *v, uint32_t packets, bool tcp,
				     uint32_t keep)
{
	struct sums sums;

	sum_up(v, &sums);
	fold_times(f, v);
	for (int side = 0; side < 2; side++)
		if (v->sent[side] != 0)
			fold_side(f, v, &sums, side, keep);
	fold_lengths(f, v, keep);
	if ((keep & LJ_KEEP_TCP) && tcp)
		fold_tcp(f, v, &sums);
	if (unlikely(v->rare))
		fold_rare_flags(f, v->packet + v->from, v->to - v->from, keep);
	if ((keep & (LJ_KEEP_BULK | LJ_KEEP_SIZES)) || packets < LJ_SPLT_MAX ||
	    v->gap_max > SUBFLOW_GAP_NS)
		fold_rest(f, v, packets, keep);
}

/* False, with nothing changed, if their times do not fit in the lanes. Not inlined, since most
 * flows end with few packets in their log, or none. */
static __rte_noinline bool fold_log(const struct lj_flow_head *head, struct lj_flow *f,
				    const struct logged *log, uint32_t from, uint32_t to,
				    uint32_t keep)
{
	struct lanes v;

	spread(&v, log, from, to);
	v.begin_ns = head->last_ns - v.span_ns;
	if (unlikely(v.span_ns >= UINT32_MAX))
		return false;
	fold(f, &v, head->packets - (to - from), head->key.proto == IPPROTO_TCP, keep);
	return true;
}

void account_log(const struct lj_flow_head *head, struct lj_flow *f, const struct logged *log,
		 uint32_t from, uint32_t to, uint32_t keep)
{
	struct before b;

	if (to == from || (to - from >= FOLD_LEAST && fold_log(head, f, log, from, to, keep)))
		return;
	b = (struct before){head->packets - (to - from), head->last_ns - span_of(log, from, to)};
	account_singly(f, log + from, to - from, b, head->key.proto == IPPROTO_TCP, keep);
}
