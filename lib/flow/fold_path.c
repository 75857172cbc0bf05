/*
 * A log into its record: what account_path.c does with one packet, with all of them at once, a lane
 * a packet. Sums, extremes and counts are taken over lanes; what depends on the packet before it is
 * done in order.
 */
#include <netinet/in.h>

#include "account.h"
#include "account_tcp.h"
#include "flow_table.h"
#include "lanes.h"

/* Sums of length and of payload, of both sides. */
struct sums {
	uint32_t length[2], payload[2];
	uint64_t length_sq[2], payload_sq[2];
};

/* Of sixteen lanes, four sums of four squares. */
static inline __m256i squares(const __m256i v[2])
{
	__m256i sum = _mm256_setzero_si256();

	for (int half = 0; half < 2; half++) {
		__m256i odd = _mm256_srli_epi64(v[half], 32);

		sum = _mm256_add_epi64(sum, _mm256_mul_epu32(v[half], v[half]));
		sum = _mm256_add_epi64(sum, _mm256_mul_epu32(odd, odd));
	}
	return sum;
}

static inline __m128i sum_two(__m256i a, __m256i b)
{
	__m256i v = _mm256_add_epi64(_mm256_unpacklo_epi64(a, b), _mm256_unpackhi_epi64(a, b));

	return _mm_add_epi64(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
}

static inline void sum_up(const struct lanes *v, struct sums *s)
{
	__m256i length[2][2], payload[2][2], sum[2][2], all;

	for (int side = 0; side < 2; side++) {
		for (int half = 0; half < 2; half++) {
			const __m256i of = v->of[side][half];

			length[side][half] = _mm256_and_si256(v->length[half], of);
			payload[side][half] = _mm256_and_si256(v->payload[half], of);
		}
		sum[0][side] = _mm256_add_epi32(length[side][0], length[side][1]);
		sum[1][side] = _mm256_add_epi32(payload[side][0], payload[side][1]);
	}
	all = _mm256_hadd_epi32(_mm256_hadd_epi32(sum[0][0], sum[0][1]),
				_mm256_hadd_epi32(sum[1][0], sum[1][1]));
	_mm_storeu_si128((__m128i *)s->length, _mm_add_epi32(_mm256_castsi256_si128(all),
							     _mm256_extracti128_si256(all, 1)));
	_mm_storeu_si128((__m128i *)s->length_sq, sum_two(squares(length[0]), squares(length[1])));
	_mm_storeu_si128((__m128i *)s->payload_sq,
			 sum_two(squares(payload[0]), squares(payload[1])));
}

/* The sum of the squares, which may have 68 bits: their halves are summed apart. */
static inline unsigned __int128 sum_squares(const __m256i v[2])
{
	const __m256i low = _mm256_set1_epi64x(UINT32_MAX);
	__m256i sum[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()};
	__m128i both;

	for (int half = 0; half < 2; half++) {
		__m256i other = _mm256_srli_epi64(v[half], 32),
			even = _mm256_mul_epu32(v[half], v[half]),
			odd = _mm256_mul_epu32(other, other);

		sum[0] = _mm256_add_epi64(sum[0], _mm256_add_epi64(_mm256_and_si256(even, low),
								   _mm256_and_si256(odd, low)));
		sum[1] = _mm256_add_epi64(sum[1], _mm256_add_epi64(_mm256_srli_epi64(even, 32),
								   _mm256_srli_epi64(odd, 32)));
	}
	both = sum_two(sum[0], sum[1]);
	return (uint64_t)_mm_cvtsi128_si64(both) +
	       ((unsigned __int128)(uint64_t)_mm_extract_epi64(both, 1) << 32);
}

/* `since`: ns from begin_ns to each packet. The side's first gap here began before. */
static inline void fold_side_gaps(struct lj_flow_side *s, const struct lanes *v, int side,
				  const __m256i since[2])
{
	__m256i of[2], gap[2], before = _mm256_setzero_si256();
	uint64_t first = time_of(v, (uint32_t)__builtin_ctz(v->sent[side])) - s->last_ns;

	for (int half = 0; half < 2; half++) {
		/* One more, so that no packet before is 0. */
		__m256i plus1 = _mm256_sub_epi32(since[half], v->live[half]),
			own = _mm256_and_si256(plus1, v->of[side][half]);

		before = _mm256_max_epu32(greatest_before(own), before);
		of[half] = _mm256_andnot_si256(_mm256_cmpeq_epi32(before, _mm256_setzero_si256()),
					       v->of[side][half]);
		gap[half] = _mm256_and_si256(_mm256_sub_epi32(plus1, before), of[half]);
		before = last_lane(_mm256_max_epu32(before, own));
	}
	s->gap_min = RTE_MIN(s->gap_min, first);
	s->gap_max = RTE_MAX(s->gap_max, first);
	s->gap_sumsq += (unsigned __int128)first * first;
	s->last_ns = time_of(v, 31 - (uint32_t)__builtin_clz(v->sent[side]));
	if (!(v->sent[side] & (v->sent[side] - 1)))
		return;
	s->gap_min = RTE_MIN(s->gap_min, (uint64_t)least32(gap, of));
	s->gap_max = RTE_MAX(s->gap_max, (uint64_t)greatest32(gap, of));
	s->gap_sumsq += sum_squares(gap);
}

/* Gaps of the flow and of each side, and each packet's time. */
static inline void fold_times(struct lj_flow *f, struct lanes *v)
{
	__m256i since[2];

	since[0] = running_sum(v->gap[0]);
	since[1] = _mm256_add_epi32(running_sum(v->gap[1]), last_lane(since[0]));
	_mm256_storeu_si256((__m256i *)&v->since_ns[0], since[0]);
	_mm256_storeu_si256((__m256i *)&v->since_ns[LANES], since[1]);
	f->gap_min = RTE_MIN(f->gap_min, (uint64_t)least32(v->gap, v->live));
	v->gap_max = greatest32(v->gap, v->live);
	f->gap_max = RTE_MAX(f->gap_max, (uint64_t)v->gap_max);
	f->gap_sumsq += sum_squares(v->gap);
	for (int side = 0; side < 2; side++)
		if (v->sent[side] != 0)
			fold_side_gaps(&f->side[side], v, side, since);
}

static inline const struct logged *last_of(const struct lanes *v, int side)
{
	return &v->packet[31 - __builtin_clz(v->sent[side])];
}

static void fold_rare_flags(struct lj_flow *f, const struct lanes *v, uint32_t keep)
{
	for (uint32_t i = v->from; i < v->to; i++) {
		int side = v->packet[i].l4_header_and_side >> 7;
		uint8_t flags = v->packet[i].tcp_flags;

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
	s->header_sum += sums->length[side] - sums->payload[side];
	s->ttl_last = last_of(v, side)->ttl;
	s->flag_psh += count(v->psh & v->sent[side]);
}

static void fold_extremes(struct lj_flow *f, const struct lanes *v, int side, uint32_t keep)
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

/* Lengths and TTLs, which soon are between those that have been. */
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

/* Nearly always each side's data follows what it sent before; then the next is all there is to it.
 */
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

static inline void fold_tcp(struct lj_flow *f, struct lanes *v, const struct sums *sums)
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

/* What goes packet by packet. `packets` is the count before the log. */
static inline void fold_rest(struct lj_flow *f, const struct lanes *v, uint32_t packets,
			     uint32_t keep)
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

/* What a log is added to: the flow as it was before. */
struct until {
	uint64_t last_ns;
	uint32_t packets;
	bool tcp;
};

/* Packets `from` to `to` - 1, within 2^32 - 2 ns of what was before. */
static __rte_always_inline void fold(struct lj_flow *f, const struct until *u,
				     const struct logged *packet, uint32_t from, uint32_t to,
				     uint32_t keep)
{
	struct sums sums;
	struct lanes v;

	spread(&v, packet, from, to);
	v.begin_ns = u->last_ns;
	sum_up(&v, &sums);
	fold_times(f, &v);
	for (int side = 0; side < 2; side++)
		if (v.sent[side] != 0)
			fold_side(f, &v, &sums, side, keep);
	fold_lengths(f, &v, keep);
	if ((keep & LJ_KEEP_TCP) && u->tcp)
		fold_tcp(f, &v, &sums);
	if (unlikely(v.rare))
		fold_rare_flags(f, &v, keep);
	if ((keep & (LJ_KEEP_BULK | LJ_KEEP_SIZES)) || u->packets < LJ_SPLT_MAX ||
	    v.gap_max > SUBFLOW_GAP_NS)
		fold_rest(f, &v, u->packets, keep);
}

/* A log that is too long in time goes packet by packet. */
static __rte_noinline void fold_singly(struct lj_flow *f, struct until *u, const struct logged *log,
				       uint32_t from, uint32_t to, uint32_t keep)
{
	for (uint32_t i = from; i < to; i++) {
		struct logged one[FLOW_LOG] = {log[i]};

		fold(f, u, one, 0, 1, keep);
		u->last_ns += log[i].gap_ns;
		u->packets++;
	}
}

void account_log(const struct lj_flow_head *head, struct lj_flow *f, const struct logged *log,
		 uint32_t from, uint32_t to, uint32_t keep)
{
	uint64_t span = span_of(log, from, to);
	struct until u = {.last_ns = head->last_ns - span,
			  .packets = head->packets - (to - from),
			  .tcp = head->key.proto == IPPROTO_TCP};

	if (from == to)
		return;
	if (likely(span < UINT32_MAX))
		fold(f, &u, log, from, to, keep);
	else
		fold_singly(f, &u, log, from, to, keep);
}
