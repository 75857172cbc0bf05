/*
 * Private: a log's packets in vector registers, one lane per packet, and operations on them.
 * Inlined into fold_path.c.
 */
#ifndef LANES_H
#define LANES_H

#include <immintrin.h>

#include "flow_table.h"

#define LANES 8 /* of 32 bits in a register */
_Static_assert(FLOW_LOG == 2 * LANES, "two registers have a lane for each");

#define RARE_FLAGS (LJ_TCP_URG | LJ_TCP_ECE | LJ_TCP_CWR)

struct lanes {
	const struct logged *packet;
	uint32_t from, to; /* the lanes that hold a packet; the others are undefined */
	/* 32 bits per lane, the second eight packets in the second register. */
	__m256i gap[2], seq[2], length[2], payload[2];
	__m256i live[2], data[2], of[2][2]; /* ones: is a packet; has payload; [side] sent it */
	/* 16 bits per lane, in the order of narrow(). */
	__m256i length16, payload16, window16, ttl16, header16, data16, of16[2];
	uint32_t sent[2], with_data, ack, psh, zero_window, again; /* a bit per packet */
	bool rare;						   /* some of RARE_FLAGS */
	uint64_t begin_ns; /* time of the packet before them */
	uint64_t span_ns;  /* from then to the last */
	/* Time since begin_ns of each, and the longest gap; valid if the span fits in 32 bits. */
	uint32_t since_ns[FLOW_LOG];
	uint32_t gap_max;
};

/* A mask of 32 bits per lane as one bit per lane. */
static inline uint32_t bits_of(const __m256i v[2])
{
	return (uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(v[0])) |
	       (uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(v[1])) << LANES;
}

/* Bit b of each lane. */
static inline uint32_t bit_of(const __m256i v[2], int b)
{
	const __m256i top[2] = {_mm256_slli_epi32(v[0], 31 - b), _mm256_slli_epi32(v[1], 31 - b)};

	return bits_of(top);
}

/* Packs sixteen 32-bit lanes into one register, saturating at 65535. The order of lanes changes. */
static inline __m256i narrow(const __m256i v[2])
{
	return _mm256_packus_epi32(v[0], v[1]);
}

static inline __m256i narrow_ones(const __m256i v[2])
{
	return _mm256_packs_epi32(v[0], v[1]);
}

static inline __m256i last_lane(__m256i v)
{
	return _mm256_permutevar8x32_epi32(v, _mm256_set1_epi32(LANES - 1));
}

/* Shifts lanes up by one, two or four, shifting in zeros. */
#define MOVE_UP(v, lanes)                                                                          \
	_mm256_alignr_epi8((v), _mm256_permute2x128_si256((v), (v), 0x08), 16 - 4 * (lanes))
#define MOVE_UP_4(v) _mm256_permute2x128_si256((v), (v), 0x08)

/* Prefix sum. */
static inline __m256i running_sum(__m256i v)
{
	v = _mm256_add_epi32(v, MOVE_UP(v, 1));
	v = _mm256_add_epi32(v, MOVE_UP(v, 2));
	return _mm256_add_epi32(v, MOVE_UP_4(v));
}

/* Exclusive prefix maximum, 0 in the first lane. */
static inline __m256i greatest_before(__m256i v)
{
	v = MOVE_UP(v, 1);
	v = _mm256_max_epu32(v, MOVE_UP(v, 1));
	v = _mm256_max_epu32(v, MOVE_UP(v, 2));
	return _mm256_max_epu32(v, MOVE_UP_4(v));
}

/* The greatest lane of each of four registers. */
static inline __m128i greatest_of_each(__m256i a, __m256i b, __m256i c, __m256i d)
{
	__m256i ab = _mm256_max_epu32(_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
	__m256i cd = _mm256_max_epu32(_mm256_unpacklo_epi32(c, d), _mm256_unpackhi_epi32(c, d));
	__m256i all =
		_mm256_max_epu32(_mm256_unpacklo_epi64(ab, cd), _mm256_unpackhi_epi64(ab, cd));

	return _mm_max_epu32(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1));
}

/* Sums of adjacent 32-bit lanes, as 64-bit lanes. */
static inline __m256i sum_pairs(__m256i v)
{
	return _mm256_add_epi64(_mm256_and_si256(v, _mm256_set1_epi64x(UINT32_MAX)),
				_mm256_srli_epi64(v, 32));
}

/* The sum of the 64-bit lanes of each of two registers. */
static inline __m128i sum_of_each(__m256i a, __m256i b)
{
	__m256i v = _mm256_add_epi64(_mm256_unpacklo_epi64(a, b), _mm256_unpackhi_epi64(a, b));

	return _mm_add_epi64(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
}

/* Transposes eight packets of four words. */
static inline void turn(const struct logged *packet, __m256i word[4])
{
	__m256i pair[4], low[2], high[2];

	for (int i = 0; i < 4; i++)
		pair[i] = _mm256_inserti128_si256(
			_mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)&packet[i])),
			_mm_loadu_si128((const __m128i *)&packet[i + 4]), 1);
	for (int i = 0; i < 2; i++) {
		low[i] = _mm256_unpacklo_epi32(pair[2 * i], pair[2 * i + 1]);
		high[i] = _mm256_unpackhi_epi32(pair[2 * i], pair[2 * i + 1]);
	}
	word[0] = _mm256_unpacklo_epi64(low[0], low[1]);
	word[1] = _mm256_unpackhi_epi64(low[0], low[1]);
	word[2] = _mm256_unpacklo_epi64(high[0], high[1]);
	word[3] = _mm256_unpackhi_epi64(high[0], high[1]);
}

/* A mask of the lanes of a half that come before `lane`. */
static inline __m256i lanes_before(uint32_t lane, int half)
{
	static const int32_t ones[2 * FLOW_LOG] = {-1, -1, -1, -1, -1, -1, -1, -1,
						   -1, -1, -1, -1, -1, -1, -1, -1};

	return _mm256_loadu_si256((const __m256i *)&ones[FLOW_LOG - lane + (uint32_t)half * LANES]);
}

/* Loads eight packets and extracts their fields. */
static inline void spread_half(struct lanes *v, int half, __m256i window[2], __m256i word3[2])
{
	__m256i word[4], sides;

	turn(v->packet + half * LANES, word);
	v->live[half] = _mm256_andnot_si256(lanes_before(v->from, half), lanes_before(v->to, half));
	v->gap[half] = _mm256_and_si256(word[0], v->live[half]);
	v->seq[half] = word[1];
	sides = _mm256_srai_epi32(word[3], 31);
	v->of[0][half] = _mm256_andnot_si256(sides, v->live[half]);
	v->of[1][half] = _mm256_and_si256(sides, v->live[half]);
	v->length[half] = _mm256_and_si256(word[2], _mm256_set1_epi32(0xffff));
	v->payload[half] =
		_mm256_sub_epi32(v->length[half], _mm256_and_si256(_mm256_srli_epi32(word[3], 16),
								   _mm256_set1_epi32(0xff)));
	v->data[half] = _mm256_cmpgt_epi32(v->payload[half], _mm256_setzero_si256());
	window[half] = _mm256_srli_epi32(word[2], 16);
	word3[half] = word[3];
}

static inline void spread(struct lanes *v, const struct logged *packet, uint32_t from, uint32_t to)
{
	const __m256i byte = _mm256_set1_epi32(0xff), words = _mm256_set1_epi32(0x0f << 2),
		      zero = _mm256_setzero_si256();
	__m256i window[2], word3[2], ttl[2], header[2], none[2], gaps, rare;

	v->packet = packet;
	v->from = from;
	v->to = to;
	for (int half = 0; half < 2; half++) {
		spread_half(v, half, window, word3);
		ttl[half] = _mm256_and_si256(_mm256_srli_epi32(word3[half], 8), byte);
		header[half] = _mm256_and_si256(_mm256_srli_epi32(word3[half], 24 - 2), words);
		none[half] = _mm256_cmpeq_epi32(window[half], zero);
	}
	for (int side = 0; side < 2; side++) {
		v->sent[side] = bits_of(v->of[side]);
		v->of16[side] = narrow_ones(v->of[side]);
	}
	v->length16 = narrow(v->length);
	v->payload16 = narrow(v->payload);
	v->window16 = narrow(window);
	v->ttl16 = narrow(ttl);
	v->header16 = narrow(header);
	v->data16 = narrow_ones(v->data);
	v->with_data = bits_of(v->data);
	v->zero_window = bits_of(none);
	v->psh = bit_of(word3, 3);
	v->ack = bit_of(word3, 4);
	gaps = _mm256_add_epi64(sum_pairs(v->gap[0]), sum_pairs(v->gap[1]));
	v->span_ns = (uint64_t)_mm_cvtsi128_si64(sum_of_each(gaps, zero));
	rare = _mm256_or_si256(_mm256_and_si256(word3[0], v->live[0]),
			       _mm256_and_si256(word3[1], v->live[1]));
	v->rare = !_mm256_testz_si256(rare, _mm256_set1_epi32(RARE_FLAGS));
}

static inline uint16_t least(__m256i lanes, __m256i of)
{
	__m256i own = _mm256_or_si256(lanes, _mm256_xor_si256(of, _mm256_set1_epi16(-1)));
	__m128i half = _mm_min_epu16(_mm256_castsi256_si128(own), _mm256_extracti128_si256(own, 1));

	return (uint16_t)_mm_cvtsi128_si32(_mm_minpos_epu16(half));
}

static inline uint16_t greatest(__m256i lanes, __m256i of)
{
	__m256i own = _mm256_and_si256(lanes, of);
	__m128i half = _mm_max_epu16(_mm256_castsi256_si128(own), _mm256_extracti128_si256(own, 1));

	half = _mm_xor_si128(half, _mm_set1_epi16(-1));
	return (uint16_t)~_mm_cvtsi128_si32(_mm_minpos_epu16(half));
}

/* Nonzero in lanes that are below least[side] or above greatest[side] of their side. */
static inline __m256i outside(const struct lanes *v, __m256i lanes, const uint16_t least[2],
			      const uint16_t greatest[2])
{
	__m256i low = _mm256_blendv_epi8(_mm256_set1_epi16((short)least[0]),
					 _mm256_set1_epi16((short)least[1]), v->of16[1]);
	__m256i high = _mm256_blendv_epi8(_mm256_set1_epi16((short)greatest[0]),
					  _mm256_set1_epi16((short)greatest[1]), v->of16[1]);

	return _mm256_or_si256(_mm256_subs_epu16(low, lanes), _mm256_subs_epu16(lanes, high));
}

static inline bool is_none(const struct lanes *v, __m256i lanes)
{
	return _mm256_testz_si256(lanes, _mm256_or_si256(v->of16[0], v->of16[1]));
}

static inline uint64_t time_of(const struct lanes *v, uint32_t packet)
{
	return v->begin_ns + v->since_ns[packet];
}

static inline uint32_t count(uint32_t bits)
{
	return (uint32_t)__builtin_popcount(bits);
}

#endif
