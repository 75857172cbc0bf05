#include <netinet/in.h>
#include <stddef.h>
#include <string.h>

#include <immintrin.h>

#include <rte_byteorder.h>
#include <rte_prefetch.h>

#include "key_hash.h"
#include "parse.h"

#define PREFETCH_AHEAD 8
#define ETHER_BYTES    14
#define TAG_BYTES      4
#define IPV4_BYTES     20
#define IPV6_BYTES     40
#define TCP_BYTES      20
#define UDP_BYTES      8

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

/* Bytes of a shuffle that come out 0. */
#define NO2 -1, -1
#define NO4 NO2, NO2

/* Lower endpoint first, or the other way round: `swapped`, that is where the packet goes to. */
struct turn {
	_Alignas(16) int8_t ends[16]; /* addresses, as ::ffff:a.b.c.d: their second words */
	_Alignas(16) int8_t last[16]; /* the key's last word: ports and protocol */
};

/* Who takes the packet looks there first: lj_parser_feed(). */
static inline void ask_for_index(const struct lj_parser *p, uint64_t hash)
{
	rte_prefetch0(p->index + (hash & p->index_mask) * RTE_CACHE_LINE_SIZE);
}

static inline void put_hash(const struct lj_parser *p, struct lj_packet *packet, struct key_words w)
{
	packet->hash = key_hash(w, p->seed);
	ask_for_index(p, packet->hash);
}

static inline bool put_key_ipv4(const struct lj_parser *p, struct lj_packet *packet,
				const uint8_t *ip)
{
	/* From the TTL on: TTL, protocol, checksum, both addresses, both ports. */
	const __m128i order = _mm_setr_epi8(13, 12, 7, 6, 5, 4, NO2, 15, 14, 11, 10, 9, 8, NO2);
	static const struct turn turns[2] = {
		{{NO4, 4, 5, 6, 7, NO4, 8, 9, 10, 11}, {13, 12, 15, 14, 1, -1, NO2, NO4, NO4}},
		{{NO4, 8, 9, 10, 11, NO4, 4, 5, 6, 7}, {15, 14, 13, 12, 1, -1, NO2, NO4, NO4}},
	};
	/* What no packet says: ::ffff:, and version 4. */
	static const _Alignas(16) uint8_t fixed[2][16] = {
		{[2] = 0xff, [3] = 0xff, [10] = 0xff, [11] = 0xff}, {[5] = 4}};
	__m128i all = _mm_loadu_si128((const __m128i *)(ip + 8));
	__m128i from_to = _mm_shuffle_epi8(all, order);
	bool swapped = _mm_cvtsi128_si64(from_to) > _mm_extract_epi64(from_to, 1);
	const struct turn *turn = &turns[swapped];
	__m128i ends = _mm_shuffle_epi8(all, _mm_load_si128((const __m128i *)turn->ends));
	__m128i last = _mm_shuffle_epi8(all, _mm_load_si128((const __m128i *)turn->last));
	uint8_t *key = (uint8_t *)&packet->key;

	ends = _mm_or_si128(ends, _mm_load_si128((const __m128i *)fixed[0]));
	last = _mm_or_si128(last, _mm_load_si128((const __m128i *)fixed[1]));
	_mm_storeu_si128((__m128i *)key, _mm_unpacklo_epi64(_mm_setzero_si128(), ends));
	_mm_storeu_si128((__m128i *)(key + 16), _mm_unpackhi_epi64(_mm_setzero_si128(), ends));
	_mm_storel_epi64((__m128i *)(key + 32), last);
	put_hash(p, packet,
		 (struct key_words){.b = (uint64_t)_mm_cvtsi128_si64(ends),
				    .d = (uint64_t)_mm_extract_epi64(ends, 1),
				    .e = (uint64_t)_mm_cvtsi128_si64(last)});
	return swapped;
}

/* Without a branch: which endpoint is lower is as good as random. */
static inline void swap_if(bool swapped, uint64_t *a, uint64_t *b)
{
	uint64_t differ = (*a ^ *b) & -(uint64_t)swapped;

	*a ^= differ;
	*b ^= differ;
}

static inline bool put_key_ipv6(const struct lj_parser *p, struct lj_packet *packet,
				const uint8_t *ip)
{
	struct key_words w = {load64(ip + 8), load64(ip + 16), load64(ip + 24), load64(ip + 32), 0};
	uint32_t ports = rte_be_to_cpu_32(load32(ip + IPV6_BYTES));
	bool same = w.a == w.c, swapped;
	uint64_t from = rte_be_to_cpu_64(same ? w.b : w.a);
	uint64_t to = rte_be_to_cpu_64(same ? w.d : w.c);

	swapped = from != to ? from > to : ports >> 16 > (uint16_t)ports;
	swap_if(swapped, &w.a, &w.c);
	swap_if(swapped, &w.b, &w.d);
	w.e = (swapped ? ports : ports << 16 | ports >> 16) | (uint64_t)ip[6] << 32 |
	      UINT64_C(6) << 40;
	memcpy(&packet->key, &w, sizeof(w));
	put_hash(p, packet, w);
	return swapped;
}

#define TWICE(port) (short)RTE_BE16(port), (short)RTE_BE16(port)

/* Ports whose packets may be more than themselves: DNS, FTP, and what tunnels run over. `ports` are
 * both, as they stand in the packet. */
static inline bool is_special(uint32_t ports)
{
	const __m256i special = _mm256_setr_epi16(TWICE(53), TWICE(21), TWICE(2152), TWICE(3544),
						  TWICE(4789), TWICE(6081), TWICE(8472), TWICE(53));
	__m256i same = _mm256_cmpeq_epi16(special, _mm256_set1_epi32((int32_t)ports));

	return !_mm256_testz_si256(same, same);
}

/* What an IP header tells of the packet. */
struct plain {
	const uint8_t *l4;
	int32_t have;  /* bytes there are at l4 */
	int32_t bytes; /* that there should be, by the IP header */
	uint32_t l3_header_bytes;
	uint8_t proto, ttl;
};

/* Which of two, without a branch: TCP and UDP come in no order. */
static inline const uint8_t *choose(bool first, const uint8_t *a, const uint8_t *b)
{
	return (const uint8_t *)((uintptr_t)b ^
				 (((uintptr_t)a ^ (uintptr_t)b) & -(uintptr_t)first));
}

/* The fields of the second line that the capture and the IP header give, and zeros. */
static inline void put_facts(struct lj_packet *packet, const struct plain *x, uint32_t header)
{
	packet->l3_bytes = x->l3_header_bytes + (uint32_t)x->bytes;
	packet->payload_bytes = (uint32_t)x->bytes - header;
	packet->l4_header_bytes = (uint16_t)header;
	memset(&packet->leg, 0, sizeof(*packet) - offsetof(struct lj_packet, leg));
}

/* TCP or UDP: all facts but those of the capture and the key. UDP is read as a TCP header of two
 * words and nothing else. */
static inline bool plain_l4(const struct plain *x, struct lj_packet *packet)
{
	static const uint8_t udp_as_tcp[TCP_BYTES] = {[12] = UDP_BYTES / 4 << 4};
	/* From the sequence number on: that, acknowledgment, offset, flags, window. */
	const __m128i to_log = _mm_setr_epi8(NO4, 3, 2, 1, 0, NO2, 11, 10, 9, -1, NO2);
	static const uint8_t least_of[UINT8_MAX + 1] = {
		[IPPROTO_TCP] = TCP_BYTES, [IPPROTO_UDP] = UDP_BYTES};
	int32_t least = least_of[x->proto], header;
	const uint8_t *tcp = choose(least == TCP_BYTES, x->l4, udp_as_tcp);
	uint32_t words, all;
	__m128i log;

	/* One question: not too few bytes, nor too many for what is called plain. */
	if (least == 0 || (uint32_t)(x->bytes - least) > INT16_MAX - IPV6_BYTES - TCP_BYTES ||
	    x->have < least || unlikely(is_special(load32(x->l4))))
		return false;
	words = tcp[12] >> 4;
	header = (int32_t)words * 4;
	if (header < least || header > x->bytes)
		return false;
	log = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(tcp + 4)), to_log);
	log = _mm_insert_epi8(log, x->ttl, 13);
	put_facts(packet, x, (uint32_t)header);
	if (unlikely(tcp[13] & (LJ_TCP_SYN | LJ_TCP_FIN | LJ_TCP_RST))) {
		_mm_storeu_si128((__m128i *)&packet->log_gap, log);
		if (!(tcp[13] & LJ_TCP_SYN) || header == TCP_BYTES)
			return true;
		if (x->have < header)
			return false;
		parse_tcp_options(tcp + TCP_BYTES, (uint32_t)header - TCP_BYTES, packet);
		return true;
	}
	all = x->l3_header_bytes + (uint32_t)header;
	log = _mm_insert_epi16(log, (int)packet->l3_bytes, 4);
	log = _mm_insert_epi16(log, (int)(all | words << 8), 7);
	_mm_storeu_si128((__m128i *)&packet->log_gap, log);
	packet->plain = 1;
	return true;
}

static inline bool plain_ipv4(const struct lj_parser *p, const uint8_t *ip, int32_t have,
			      struct lj_packet *packet)
{
	/* Version, header words, flags but "don't fragment", and offset. */
	const uint64_t fixed = 0xff3f0000000000ff, wanted = 0x45;
	struct plain x;

	if (have < IPV4_BYTES || (load64(ip) & fixed) != wanted)
		return false;
	x = (struct plain){.l4 = ip + IPV4_BYTES,
			   .have = have - IPV4_BYTES,
			   .bytes = (int32_t)(rte_be_to_cpu_32(load32(ip)) & 0xffff) - IPV4_BYTES,
			   .l3_header_bytes = IPV4_BYTES,
			   .proto = ip[9],
			   .ttl = ip[8]};
	if (!plain_l4(&x, packet))
		return false;
	packet->side = put_key_ipv4(p, packet, ip);
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
			   .proto = ip[6],
			   .ttl = ip[7]};
	if (!plain_l4(&x, packet))
		return false;
	packet->side = put_key_ipv6(p, packet, ip);
	return true;
}

/* Of a tag that is not in the frame any more. */
static inline uint16_t stripped_vlan(const struct rte_mbuf *m)
{
	uint16_t tci = m->ol_flags & RTE_MBUF_F_RX_QINQ_STRIPPED ? m->vlan_tci_outer : m->vlan_tci;

	return tci & 0x0fff;
}

static inline uint64_t time_of(const struct lj_burst *burst, uint16_t i)
{
	return RTE_MAX(burst->time_ns[i], UINT64_C(1));
}

/*
 * The packet that nearly all are: TCP or UDP over IPv4 without options or IPv6 without extensions,
 * no fragment, at most one VLAN tag, its headers in one segment, and nothing special. False, and
 * nothing settled, for any other: parse_layers() takes those, and would say the same of these.
 */
static inline bool parse_plain(const struct lj_parser *p, const struct lj_burst *burst, uint16_t i,
			       struct lj_packet *packet)
{
	const struct rte_mbuf *m = burst->mbuf[i];
	const uint8_t *data = rte_pktmbuf_mtod(m, const uint8_t *);
	int32_t have = m->data_len - ETHER_BYTES;
	uint16_t type, vlan = 0;
	bool good;

	if (unlikely(have < TAG_BYTES))
		return false;
	type = load16(data + 12);
	if (type == RTE_BE16(TYPE_VLAN)) {
		vlan = rte_be_to_cpu_16(load16(data + 14)) & 0x0fff;
		type = load16(data + 16);
		data += TAG_BYTES;
		have -= TAG_BYTES;
	}
	if (likely(type == RTE_BE16(TYPE_IPV4)))
		good = plain_ipv4(p, data + ETHER_BYTES, have, packet);
	else if (type == RTE_BE16(TYPE_IPV6))
		good = plain_ipv6(p, data + ETHER_BYTES, have, packet);
	else
		return false;
	if (unlikely(m->ol_flags & LJ_VLAN_STRIPPED) && stripped_vlan(m) != 0)
		vlan = stripped_vlan(m);
	packet->time_ns = time_of(burst, i);
	packet->seq = 0;
	packet->wire_bytes = burst->wire_bytes[i];
	packet->vlan = vlan;
	packet->leg = burst->leg[i];
	return good;
}

static int parse_any(struct lj_parser *p, const struct lj_burst *burst, uint16_t i,
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
	if (refused == ACCEPTED) {
		packet->hash = lj_flow_key_hash(&packet->key, p->seed);
		ask_for_index(p, packet->hash);
		lj_packet_tell_plain(packet);
	}
	return refused;
}

uint16_t lj_packet_parse_part(struct lj_parser *p, const struct lj_burst *burst, uint16_t from,
			      uint16_t to, struct lj_packet *packets)
{
	struct lj_packet *packet = packets;
	uint16_t n = burst->count, accepted;
	uint64_t bytes = 0;

	for (uint16_t i = from; i < to; i++)
		bytes += burst->wire_bytes[i];
	for (uint16_t i = 0; i < RTE_MIN(n, PREFETCH_AHEAD) && from == 0; i++)
		rte_prefetch0(rte_pktmbuf_mtod(burst->mbuf[i], void *));
	for (uint16_t i = from; i < to; i++, packet++) {
		if (i + PREFETCH_AHEAD < n)
			rte_prefetch0(rte_pktmbuf_mtod(burst->mbuf[i + PREFETCH_AHEAD], void *));
		if (unlikely(!parse_plain(p, burst, i, packet))) {
			int refused = parse_any(p, burst, i, packet);

			if (unlikely(refused != ACCEPTED)) {
				lj_count(p->counters, refused, 1);
				bytes -= burst->wire_bytes[i];
				packet--;
			}
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
