/*
 * Private: a log's packets in registers, a lane a packet, and what is asked of lanes. Inlined into
 * fold_path.c.
 */
#ifndef LANES_H
#define LANES_H

#include <immintrin.h>

#include "flow_table.h"

_Static_assert(FLOW_LOG == 8, "a register has a lane for each");

#define RARE_FLAGS (LJ_TCP_URG | LJ_TCP_ECE | LJ_TCP_CWR)

struct lanes {
	const struct logged *packet;
	uint32_t n;
	__m256i gap, seq, length, payload; /* 32 bits a lane */
	__m256i live, of[2]; /* ones where there is a packet; where the side sent it */
	/* 16 bits a lane. */
	__m128i length16, payload16, window16, ttl16, header16, data16, of16[2];
	uint32_t sent[2], data, ack, psh, zero_window, again; /* a bit a lane */
	uint32_t gap_max;
	bool rare; /* some of RARE_FLAGS */
	uint64_t time_ns[FLOW_LOG];
};

/* Bit b of each lane, as a bit a lane. */
#define BIT_OF(v, b)                                                                               \
	((uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(_mm256_slli_epi32(v, 31 - (b)))))

static inline __m128i narrow(__m256i v)
{
	return _mm_packus_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
}

static inline __m128i narrow_signed(__m256i v)
{
	return _mm_packs_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
}

/* Lanes move up by one, two or four; zeros come in. */
#define MOVE_UP(v, lanes)                                                                          \
	_mm256_alignr_epi8((v), _mm256_permute2x128_si256((v), (v), 0x08), 16 - 4 * (lanes))
#define MOVE_UP_4(v) _mm256_permute2x128_si256((v), (v), 0x08)

/* In each lane the sum of it and those before it. */
static inline __m256i running_sum(__m256i v)
{
	v = _mm256_add_epi32(v, MOVE_UP(v, 1));
	v = _mm256_add_epi32(v, MOVE_UP(v, 2));
	return _mm256_add_epi32(v, MOVE_UP_4(v));
}

/* In each lane the greatest of those before it, 0 in the first. */
static inline __m256i greatest_before(__m256i v)
{
	v = MOVE_UP(v, 1);
	v = _mm256_max_epu32(v, MOVE_UP(v, 1));
	v = _mm256_max_epu32(v, MOVE_UP(v, 2));
	return _mm256_max_epu32(v, MOVE_UP_4(v));
}

static inline uint32_t least32(__m256i v, __m256i of)
{
	__m128i x;

	v = _mm256_or_si256(v, _mm256_xor_si256(of, _mm256_set1_epi32(-1)));
	x = _mm_min_epu32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
	x = _mm_min_epu32(x, _mm_shuffle_epi32(x, 0x4e));
	return (uint32_t)_mm_cvtsi128_si32(_mm_min_epu32(x, _mm_shuffle_epi32(x, 0xb1)));
}

static inline uint32_t greatest32(__m256i v, __m256i of)
{
	__m128i x;

	v = _mm256_and_si256(v, of);
	x = _mm_max_epu32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
	x = _mm_max_epu32(x, _mm_shuffle_epi32(x, 0x4e));
	return (uint32_t)_mm_cvtsi128_si32(_mm_max_epu32(x, _mm_shuffle_epi32(x, 0xb1)));
}

/* The four words of each packet, from packets side by side to lanes. */
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

static inline void spread(struct lanes *v, const struct logged *packet, uint32_t n)
{
	static const int32_t ones[2 * FLOW_LOG] = {-1, -1, -1, -1, -1, -1, -1, -1};
	const __m256i byte = _mm256_set1_epi32(0xff), zero = _mm256_setzero_si256();
	__m256i word[4], sides, window, data;

	turn(packet, word);
	v->packet = packet;
	v->n = n;
	v->live = _mm256_loadu_si256((const __m256i *)(ones + FLOW_LOG - n));
	v->gap = _mm256_and_si256(word[0], v->live);
	v->seq = word[1];
	sides = _mm256_srai_epi32(word[3], 31);
	v->of[0] = _mm256_andnot_si256(sides, v->live);
	v->of[1] = _mm256_and_si256(sides, v->live);
	for (int side = 0; side < 2; side++) {
		v->sent[side] = BIT_OF(v->of[side], 31);
		v->of16[side] = narrow_signed(v->of[side]);
	}
	v->length = _mm256_and_si256(word[2], _mm256_set1_epi32(0xffff));
	v->payload =
		_mm256_sub_epi32(v->length, _mm256_and_si256(_mm256_srli_epi32(word[3], 16), byte));
	window = _mm256_srli_epi32(word[2], 16);
	data = _mm256_cmpgt_epi32(v->payload, zero);
	v->length16 = narrow(v->length);
	v->payload16 = narrow(v->payload);
	v->window16 = narrow(window);
	v->ttl16 = narrow(_mm256_and_si256(_mm256_srli_epi32(word[3], 8), byte));
	v->header16 = narrow(
		_mm256_and_si256(_mm256_srli_epi32(word[3], 24 - 2), _mm256_set1_epi32(0x0f << 2)));
	v->data16 = narrow_signed(data);
	v->data = BIT_OF(data, 31);
	v->zero_window = BIT_OF(_mm256_cmpeq_epi32(window, zero), 31);
	v->psh = BIT_OF(word[3], 3);
	v->ack = BIT_OF(word[3], 4);
	v->rare = !_mm256_testz_si256(_mm256_and_si256(word[3], v->live),
				      _mm256_set1_epi32(RARE_FLAGS));
}

static inline uint16_t least(__m128i lanes, __m128i of)
{
	__m128i others = _mm_xor_si128(of, _mm_set1_epi16(-1));

	return (uint16_t)_mm_cvtsi128_si32(_mm_minpos_epu16(_mm_or_si128(lanes, others)));
}

static inline uint16_t greatest(__m128i lanes, __m128i of)
{
	__m128i inverse = _mm_xor_si128(_mm_and_si128(lanes, of), _mm_set1_epi16(-1));

	return (uint16_t)~_mm_cvtsi128_si32(_mm_minpos_epu16(inverse));
}

/* Lanes below least[side] or above greatest[side] of their side, as other than 0. */
static inline __m128i outside(const struct lanes *v, __m128i lanes, const uint16_t least[2],
			      const uint16_t greatest[2])
{
	__m128i low = _mm_blendv_epi8(_mm_set1_epi16((short)least[0]),
				      _mm_set1_epi16((short)least[1]), v->of16[1]);
	__m128i high = _mm_blendv_epi8(_mm_set1_epi16((short)greatest[0]),
				       _mm_set1_epi16((short)greatest[1]), v->of16[1]);

	return _mm_or_si128(_mm_subs_epu16(low, lanes), _mm_subs_epu16(lanes, high));
}

static inline bool is_none(const struct lanes *v, __m128i lanes)
{
	return _mm_testz_si128(lanes, _mm_or_si128(v->of16[0], v->of16[1]));
}

static inline uint32_t count(uint32_t bits)
{
	return (uint32_t)__builtin_popcount(bits);
}

#endif
