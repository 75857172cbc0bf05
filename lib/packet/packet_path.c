#include <netinet/in.h>
#include <stddef.h>
#include <string.h>

#include <immintrin.h>

#include <rte_byteorder.h>
#include <rte_prefetch.h>

#include "lj_packet_hash.h"
#include "parse.h"

#define PREFETCH_AHEAD 8
#define ETHER_BYTES    14
#define TAG_BYTES      4
#define IPV4_BYTES     20
#define IPV6_BYTES     40
#define TCP_BYTES      20
#define UDP_BYTES      8
#define L4_BYTES_MAX   60
/* The shortest plain packet: UDP over IPv4, in an untagged frame. */
#define PLAIN_BYTES (ETHER_BYTES + IPV4_BYTES + UDP_BYTES)

static inline uint16_t load16(const uint8_t *p)
{
	uint16_t value;

	memcpy(&value, p, sizeof(value));
	return value;
}

static inline uint32_t load32(const uint8_t *p)
{
	uint32_t value;

	memcpy(&value, p, sizeof(value));
	return value;
}

static inline uint64_t load64(const uint8_t *p)
{
	uint64_t value;

	memcpy(&value, p, sizeof(value));
	return value;
}

/* Shuffle indices that produce zeros. */
#define NO2 -1, -1
#define NO4 NO2, NO2

/* See lj_parser_feed(). */
static inline void ask_for_index(const struct lj_parser *p, uint64_t hash)
{
	rte_prefetch0(p->index + (hash & p->index_mask) * RTE_CACHE_LINE_SIZE);
}

static inline void put_hash(const struct lj_parser *p, struct lj_packet *packet,
			    struct lj_key_words w)
{
	packet->hash = lj_key_hash(w, p->seed);
	ask_for_index(p, packet->hash);
}

/* The lower endpoint comes first. Which one that is cannot be predicted, so this is branch-free. */
static inline void put_key_ipv4(const struct lj_parser *p, struct lj_packet *packet,
				const uint8_t *ip)
{
	/* Loaded from the TTL on: TTL, protocol, checksum, both addresses, both ports. An endpoint
	 * is compared as a 48-bit number, in both halves of the register. */
	const __m128i from_order = _mm_setr_epi8(13, 12, 7, 6, 5, 4, NO2, 13, 12, 7, 6, 5, 4, NO2);
	const __m128i to_order =
		_mm_setr_epi8(15, 14, 11, 10, 9, 8, NO2, 15, 14, 11, 10, 9, 8, NO2);
	const __m128i as_is = _mm_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
	/* XORed to a shuffle to swap addresses and ports. */
	const __m128i turned =
		_mm_setr_epi8(0, 0, 0, 0, 12, 12, 12, 12, 12, 12, 12, 12, 2, 2, 2, 2);
	const __m128i last_order = _mm_setr_epi8(13, 12, 15, 14, 1, -1, NO2, NO4, NO4);
	const __m256i address = _mm256_setr_epi32(0, 0, 0, 1, 0, 0, 0, 2);
	const __m256i mapped =
		_mm256_setr_epi32(0, 0, (int32_t)0xffff0000, 0, 0, 0, (int32_t)0xffff0000, 0);
	const __m128i version = _mm_setr_epi32(0, 4 << 8, 0, 0);
	__m128i all = _mm_loadu_si128((const __m128i *)(ip + 8));
	__m128i swapped =
		_mm_cmpgt_epi64(_mm_shuffle_epi8(all, from_order), _mm_shuffle_epi8(all, to_order));
	__m128i sorted =
		_mm_shuffle_epi8(all, _mm_xor_si128(as_is, _mm_and_si128(swapped, turned)));
	__m256i ends = _mm256_permutevar8x32_epi32(_mm256_castsi128_si256(sorted), address);
	__m128i last = _mm_or_si128(_mm_shuffle_epi8(sorted, last_order), version);

	ends = _mm256_blend_epi32(mapped, ends, 0x88);
	_mm256_storeu_si256((__m256i *)packet->key.addr, ends);
	_mm_storel_epi64((__m128i *)packet->key.port, last);
	packet->side = _mm_movemask_pd(_mm_castsi128_pd(swapped)) & 1;
	put_hash(p, packet,
		 (struct lj_key_words){.b = (uint64_t)_mm256_extract_epi64(ends, 1),
				       .d = (uint64_t)_mm256_extract_epi64(ends, 3),
				       .e = (uint64_t)_mm_cvtsi128_si64(last)});
}

static inline void put_key_ipv6(const struct lj_parser *p, struct lj_packet *packet,
				const uint8_t *ip)
{
	const __m128i src = _mm_loadu_si128((const __m128i *)(ip + 8));
	const __m128i dst = _mm_loadu_si128((const __m128i *)(ip + 24));
	const uint32_t ports = rte_be_to_cpu_32(load32(ip + IPV6_BYTES));
	/* A bit per byte, and bit 16 for the ports: where they differ, and where dst is lower. */
	uint32_t differ = ~(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(src, dst));
	uint32_t lower = ~(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_min_epu8(src, dst), src));
	const uint8_t *first, *second;
	struct lj_key_words w;
	bool swapped;

	lower = (lower & 0xffff) | (uint32_t)(ports >> 16 > (uint16_t)ports) << 16;
	swapped = lower >> __builtin_ctz(differ) & 1;
	first = ip + 8 + 16 * swapped;
	second = ip + 24 - 16 * swapped;
	_mm_storeu_si128((__m128i *)packet->key.addr[0], _mm_loadu_si128((const __m128i *)first));
	_mm_storeu_si128((__m128i *)packet->key.addr[1], _mm_loadu_si128((const __m128i *)second));
	w = (struct lj_key_words){load64(first), load64(first + 8), load64(second),
				  load64(second + 8)};
	w.e = (swapped ? ports : ports << 16 | ports >> 16) | (uint64_t)ip[6] << 32 |
	      UINT64_C(6) << 40;
	memcpy(packet->key.port, &w.e, sizeof(w.e));
	packet->side = swapped;
	put_hash(p, packet, w);
}

#define TWICE(port) (short)RTE_BE16(port), (short)RTE_BE16(port)

/* Whether one of the ports needs further parsing: DNS, FTP, and tunnels over UDP. `ports` are both,
 * in network order. */
static inline bool is_special(uint32_t ports)
{
	const __m256i special = _mm256_setr_epi16(TWICE(53), TWICE(21), TWICE(2152), TWICE(3544),
						  TWICE(4789), TWICE(6081), TWICE(8472), TWICE(53));
	__m256i same = _mm256_cmpeq_epi16(special, _mm256_set1_epi32((int32_t)ports));

	return !_mm256_testz_si256(same, same);
}

/* What the IP header says about the packet. */
struct plain {
	const uint8_t *l4;
	int32_t have;	/* bytes captured at l4 */
	uint32_t bytes; /* length of the L4 header and payload, by the IP header */
	uint32_t l3_header_bytes;
	const uint8_t *proto, *ttl;
};

/* How TCP and UDP are parsed: UDP as a TCP header of two words without flags and window. */
struct l4 {
	_Alignas(32) int8_t to_log[16]; /* shuffle: TCP's sequence number, flags and window */
	uint32_t mask, fixed;		/* TCP: header words, flags and window; UDP: words */
	int32_t least;			/* minimum header bytes */
};

/* TCP or UDP: sets all facts except those of the capture and the key. The two alternate at random,
 * so there is no branch on which it is. */
static inline bool plain_l4(const struct plain *x, struct lj_packet *packet)
{
	enum { NEITHER, TCP, UDP };
	static const struct l4 kinds[] = {
		[NEITHER] = {.least = INT32_MAX},
		[TCP] = {{NO4, 3, 2, 1, 0, NO2, 11, 10, 9, -1, NO2}, UINT32_MAX, 0, TCP_BYTES},
		[UDP] = {{NO4, NO4, NO4, NO4}, 0, UDP_BYTES / 4 << 4, UDP_BYTES},
	};
	static const uint8_t kind_of[UINT8_MAX + 1] = {[IPPROTO_TCP] = TCP, [IPPROTO_UDP] = UDP};
	const struct l4 *kind = &kinds[kind_of[*x->proto]];
	uint32_t words, header, payload, all;
	const uint8_t *end;
	__m128i log;

	if (x->have < kind->least || unlikely(is_special(load32(x->l4))))
		return false;
	/* The end of the header without options; there are always 16 bytes before it. */
	end = x->l4 + kind->least;
	words = (load32(end - 8) & kind->mask) | kind->fixed;
	header = (words & 0xf0) / 4;
	payload = x->bytes - header;
	/* Reject impossible lengths, and those too large for a plain packet. */
	if (header < (uint32_t)kind->least || payload > INT16_MAX - IPV6_BYTES - L4_BYTES_MAX)
		return false;
	log = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(end - 16)),
			       _mm_load_si128((const __m128i *)kind->to_log));
	log = _mm_insert_epi8(log, *x->ttl, 13);
	packet->l3_bytes = x->l3_header_bytes + x->bytes;
	packet->payload_bytes = payload;
	packet->l4_header_bytes = (uint16_t)header;
	if (unlikely(words & (LJ_TCP_SYN | LJ_TCP_FIN | LJ_TCP_RST) << 8)) {
		_mm_storeu_si128((__m128i *)&packet->log_gap, log);
		if (!(words & LJ_TCP_SYN << 8) || header == TCP_BYTES)
			return true;
		if (x->have < (int32_t)header)
			return false;
		parse_tcp_options(x->l4 + TCP_BYTES, header - TCP_BYTES, packet);
		return true;
	}
	all = x->l3_header_bytes + header;
	log = _mm_insert_epi16(log, (int)packet->l3_bytes, 4);
	log = _mm_insert_epi16(log, (int)(all + (header / 4 << 8)), 7);
	_mm_storeu_si128((__m128i *)&packet->log_gap, log);
	packet->plain = 1;
	return true;
}

static inline bool plain_ipv4(const struct lj_parser *p, const uint8_t *ip, int32_t have,
			      struct lj_packet *packet)
{
	/* Version, header length, all fragment flags except DF, and offset. */
	const uint64_t fixed = 0xff3f0000000000ff, wanted = 0x45;
	struct plain x;

	if ((load64(ip) & fixed) != wanted)
		return false;
	x = (struct plain){.l4 = ip + IPV4_BYTES,
			   .have = have - IPV4_BYTES,
			   .bytes = rte_be_to_cpu_16(load16(ip + 2)) - (uint32_t)IPV4_BYTES,
			   .l3_header_bytes = IPV4_BYTES,
			   .proto = ip + 9,
			   .ttl = ip + 8};
	if (!plain_l4(&x, packet))
		return false;
	put_key_ipv4(p, packet, ip);
	return true;
}

static inline bool plain_ipv6(const struct lj_parser *p, const uint8_t *ip, int32_t have,
			      struct lj_packet *packet)
{
	struct plain x;

	if (have < IPV6_BYTES || ip[0] >> 4 != 6)
		return false;
	x = (struct plain){.l4 = ip + IPV6_BYTES,
			   .have = have - IPV6_BYTES,
			   .bytes = rte_be_to_cpu_16(load16(ip + 4)),
			   .l3_header_bytes = IPV6_BYTES,
			   .proto = ip + 6,
			   .ttl = ip + 7};
	if (!plain_l4(&x, packet))
		return false;
	put_key_ipv6(p, packet, ip);
	return true;
}

/* The VLAN id of a tag that was removed from the frame. */
static inline uint16_t stripped_vlan(const struct rte_mbuf *m)
{
	uint16_t tci = m->ol_flags & RTE_MBUF_F_RX_QINQ_STRIPPED ? m->vlan_tci_outer : m->vlan_tci;

	return tci & 0x0fff;
}

static inline uint64_t time_of(const struct lj_burst *burst, uint16_t i)
{
	return RTE_MAX(burst->time_ns[i], UINT64_C(1));
}

/* Sets the fields from the capture, and zeroes the fields that follow in the same word and the same
 * half of a line. */
static inline void put_capture(struct lj_packet *packet, const struct lj_burst *burst, uint16_t i)
{
	const uint64_t wire = burst->wire_bytes[i];
	const __m128i leg = _mm_cvtsi32_si128(burst->leg[i]);

	_Static_assert(offsetof(struct lj_packet, vlan) + 2 ==
			       offsetof(struct lj_packet, wire_bytes) + sizeof(wire),
		       "a word");
	_Static_assert(offsetof(struct lj_packet, leg) + sizeof(__m256i) == sizeof(*packet),
		       "half a line");
	packet->time_ns = time_of(burst, i);
	packet->seq = 0;
	memcpy(&packet->wire_bytes, &wire, sizeof(wire));
	_mm256_storeu_si256((__m256i *)&packet->leg, _mm256_zextsi128_si256(leg));
}

/*
 * Fast path for nearly all packets: TCP or UDP over IPv4 without options or IPv6 without
 * extensions, not a fragment, at most one VLAN tag, headers in one segment, and no port that needs
 * further parsing. False for any other, with `packet` undefined; parse_any() handles all packets,
 * with the same result for these.
 */
static inline bool parse_plain(const struct lj_parser *p, const struct lj_burst *burst, uint16_t i,
			       struct lj_packet *packet)
{
	const struct rte_mbuf *m = burst->mbuf[i];
	const uint8_t *data = rte_pktmbuf_mtod(m, const uint8_t *);
	int32_t have = m->data_len - ETHER_BYTES;
	uint16_t type;

	put_capture(packet, burst, i);
	if (unlikely(m->ol_flags & LJ_VLAN_STRIPPED))
		packet->vlan = stripped_vlan(m);
	if (unlikely(m->data_len < PLAIN_BYTES))
		return false;
	type = load16(data + 12);
	if (type == RTE_BE16(TYPE_VLAN)) {
		if (packet->vlan == 0)
			packet->vlan = rte_be_to_cpu_16(load16(data + 14)) & 0x0fff;
		type = load16(data + 16);
		data += TAG_BYTES;
		have -= TAG_BYTES;
	}
	if (likely(type == RTE_BE16(TYPE_IPV4)))
		return plain_ipv4(p, data + ETHER_BYTES, have, packet);
	if (type == RTE_BE16(TYPE_IPV6))
		return plain_ipv6(p, data + ETHER_BYTES, have, packet);
	return false;
}

/* Parses any packet. False if it is rejected, which is counted. */
static __rte_noinline bool parse_any(struct lj_parser *p, const struct lj_burst *burst, uint16_t i,
				     struct lj_packet *packet)
{
	const struct rte_mbuf *m = burst->mbuf[i];
	struct frame f = {.parser = p,
			  .mbuf = m,
			  .data = rte_pktmbuf_mtod(m, const uint8_t *),
			  .contiguous = m->data_len,
			  .captured = m->pkt_len,
			  .wire_bytes = burst->wire_bytes[i] - lj_vlan_stripped_bytes(m),
			  .type = TYPE_ETHERNET};
	int refused;

	*packet = (struct lj_packet){.time_ns = time_of(burst, i),
				     .wire_bytes = burst->wire_bytes[i],
				     .leg = burst->leg[i]};
	if (m->ol_flags & LJ_VLAN_STRIPPED)
		packet->vlan = stripped_vlan(m);
	refused = parse_layers(&f, packet);
	if (unlikely(refused != ACCEPTED)) {
		lj_count(p->counters, refused, 1);
		return false;
	}
	packet->hash = lj_flow_key_hash(&packet->key, p->seed);
	ask_for_index(p, packet->hash);
	lj_packet_tell_plain(packet);
	return true;
}

uint16_t lj_packet_parse_part(struct lj_parser *p, const struct lj_burst *burst, uint16_t from,
			      uint16_t to, struct lj_packet *packets)
{
	const uint16_t n = burst->count;
	struct lj_packet *packet = packets;
	uint16_t accepted;
	uint64_t bytes = 0;

	for (uint16_t i = 0; i < RTE_MIN(n, PREFETCH_AHEAD) && from == 0; i++)
		rte_prefetch0(rte_pktmbuf_mtod(burst->mbuf[i], void *));
	for (uint16_t i = from; i < to; i++) {
		if (i + PREFETCH_AHEAD < n)
			rte_prefetch0(rte_pktmbuf_mtod(burst->mbuf[i + PREFETCH_AHEAD], void *));
		if (likely(parse_plain(p, burst, i, packet)) || parse_any(p, burst, i, packet)) {
			bytes += packet->wire_bytes;
			packet++;
		}
	}
	accepted = (uint16_t)(packet - packets);
	lj_count(p->counters, LJ_C_parse_accepted, accepted);
	lj_count(p->counters, LJ_C_parse_bytes, bytes);
	return accepted;
}

uint16_t lj_packet_parse_burst(struct lj_parser *p, const struct lj_burst *burst,
			       struct lj_packet *packets)
{
	return lj_packet_parse_part(p, burst, 0, burst->count, packets);
}
