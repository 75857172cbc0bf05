#include <netinet/in.h>
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

/* The endpoints' words of a key, lower endpoint first. */
struct ends {
	uint64_t low[2], high[2];
	uint32_t ports; /* as they stand in the key: low, high << 16 */
	bool swapped;	/* the lower one is where the packet goes to */
};

/* Without a branch: which endpoint is lower is as good as random. */
static inline void swap_if(bool swapped, uint64_t *a, uint64_t *b)
{
	uint64_t differ = (*a ^ *b) & -(uint64_t)swapped;

	*a ^= differ;
	*b ^= differ;
}

static inline void put_key(const struct lj_parser *p, struct lj_packet *packet, struct ends e,
			   uint8_t proto, uint8_t version)
{
	struct key_words w = {.a = e.low[0],
			      .b = e.low[1],
			      .c = e.high[0],
			      .d = e.high[1],
			      /* Ports, protocol, version, zone 0. */
			      .e = e.ports | (uint64_t)proto << 32 | (uint64_t)version << 40};
	uint8_t *key = (uint8_t *)&packet->key;

	memcpy(key, &w.a, 8);
	memcpy(key + 8, &w.b, 8);
	memcpy(key + 16, &w.c, 8);
	memcpy(key + 24, &w.d, 8);
	memcpy(key + 32, &w.e, 8);
	packet->hash = key_hash(w, p->seed);
	rte_prefetch0(p->index + (packet->hash & p->index_mask) * RTE_CACHE_LINE_SIZE);
	packet->side = e.swapped;
}

/* `ports`: source in the upper half, destination in the lower, in host order. */
static inline uint32_t key_ports(uint32_t ports, bool swapped)
{
	return swapped ? ports : ports << 16 | ports >> 16;
}

static inline struct ends ends_of_ipv4(const uint8_t *ip, uint32_t ports)
{
	uint32_t src = load32(ip + 12), dst = load32(ip + 16);
	uint64_t from = (uint64_t)rte_be_to_cpu_32(src) << 16 | ports >> 16;
	uint64_t to = (uint64_t)rte_be_to_cpu_32(dst) << 16 | (uint16_t)ports;
	struct ends e = {.swapped = from > to};
	/* As ::ffff:a.b.c.d. */
	uint64_t low = (uint64_t)src << 32 | 0xffff0000, high = (uint64_t)dst << 32 | 0xffff0000;

	swap_if(e.swapped, &low, &high);
	e.low[1] = low;
	e.high[1] = high;
	e.ports = key_ports(ports, e.swapped);
	return e;
}

static inline struct ends ends_of_ipv6(const uint8_t *ip, uint32_t ports)
{
	struct ends e = {.low = {load64(ip + 8), load64(ip + 16)},
			 .high = {load64(ip + 24), load64(ip + 32)}};
	bool same = e.low[0] == e.high[0];
	uint64_t from = rte_be_to_cpu_64(same ? e.low[1] : e.low[0]);
	uint64_t to = rte_be_to_cpu_64(same ? e.high[1] : e.high[0]);

	e.swapped = from != to ? from > to : ports >> 16 > (uint16_t)ports;
	swap_if(e.swapped, &e.low[0], &e.high[0]);
	swap_if(e.swapped, &e.low[1], &e.high[1]);
	e.ports = key_ports(ports, e.swapped);
	return e;
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

static inline bool plain_tcp(const uint8_t *tcp, uint32_t bytes, struct lj_packet *packet)
{
	uint32_t header = (uint32_t)(tcp[12] >> 4) * 4;

	if (header < TCP_BYTES || header > bytes || ((tcp[13] & LJ_TCP_SYN) && header > TCP_BYTES))
		return false;
	packet->l4_header_bytes = (uint16_t)header;
	packet->payload_bytes = bytes - header;
	packet->tcp_seq = rte_be_to_cpu_32(load32(tcp + 4));
	packet->tcp_ack = rte_be_to_cpu_32(load32(tcp + 8));
	packet->tcp_flags = tcp[13];
	packet->plain = (tcp[13] & (LJ_TCP_SYN | LJ_TCP_FIN | LJ_TCP_RST)) == 0;
	packet->tcp_window = rte_be_to_cpu_16(load16(tcp + 14));
	return true;
}

/* TCP or UDP of `bytes` at `l4`, of which `have` are there; `ports` as key_ports() wants them. */
static inline bool plain_l4(const uint8_t *l4, uint32_t have, uint32_t bytes, uint8_t proto,
			    uint32_t *ports, struct lj_packet *packet)
{
	uint32_t both;

	if (bytes < UDP_BYTES || have < UDP_BYTES)
		return false;
	both = load32(l4);
	if (unlikely(is_special(both)))
		return false;
	*ports = rte_be_to_cpu_32(both);
	if (likely(proto == IPPROTO_TCP))
		return have >= TCP_BYTES && plain_tcp(l4, bytes, packet);
	packet->l4_header_bytes = UDP_BYTES;
	packet->payload_bytes = bytes - UDP_BYTES;
	packet->plain = 1;
	return proto == IPPROTO_UDP;
}

static inline bool plain_ipv4(const struct lj_parser *p, const uint8_t *ip, uint32_t have,
			      struct lj_packet *packet)
{
	uint32_t total, ports;

	if (have < IPV4_BYTES || ip[0] != 0x45 || (load16(ip + 6) & RTE_BE16(0x3fff)) != 0)
		return false;
	total = rte_be_to_cpu_16(load16(ip + 2));
	if (total < IPV4_BYTES || !plain_l4(ip + IPV4_BYTES, have - IPV4_BYTES, total - IPV4_BYTES,
					    ip[9], &ports, packet))
		return false;
	packet->l3_bytes = total;
	packet->ttl = ip[8];
	put_key(p, packet, ends_of_ipv4(ip, ports), ip[9], 4);
	return true;
}

static inline bool plain_ipv6(const struct lj_parser *p, const uint8_t *ip, uint32_t have,
			      struct lj_packet *packet)
{
	uint32_t bytes, ports;

	if (have < IPV6_BYTES || ip[0] >> 4 != 6)
		return false;
	bytes = rte_be_to_cpu_16(load16(ip + 4));
	if (bytes > UINT16_MAX - IPV6_BYTES ||
	    !plain_l4(ip + IPV6_BYTES, have - IPV6_BYTES, bytes, ip[6], &ports, packet))
		return false;
	packet->l3_bytes = IPV6_BYTES + bytes;
	packet->ttl = ip[7];
	put_key(p, packet, ends_of_ipv6(ip, ports), ip[6], 6);
	return true;
}

/*
 * The packet that nearly all are: TCP or UDP over IPv4 without options or IPv6 without extensions,
 * no fragment, at most one VLAN tag, its headers in one segment, and nothing special. False, and
 * nothing settled, for any other: parse_layers() takes those, and would say the same of these.
 */
static inline bool parse_plain(const struct lj_parser *p, const uint8_t *data, uint32_t contiguous,
			       struct lj_packet *packet)
{
	uint32_t at = ETHER_BYTES;
	uint16_t type;

	if (unlikely(contiguous < ETHER_BYTES + TAG_BYTES))
		return false;
	type = load16(data + 12);
	if (type == RTE_BE16(TYPE_VLAN)) {
		if (likely(packet->vlan == 0))
			packet->vlan = rte_be_to_cpu_16(load16(data + 14)) & 0x0fff;
		type = load16(data + 16);
		at += TAG_BYTES;
	}
	if (likely(type == RTE_BE16(TYPE_IPV4)))
		return plain_ipv4(p, data + at, contiguous - at, packet);
	if (type == RTE_BE16(TYPE_IPV6))
		return plain_ipv6(p, data + at, contiguous - at, packet);
	return false;
}

/* Of a tag that is not in the frame any more. */
static inline uint16_t stripped_vlan(const struct rte_mbuf *m)
{
	uint16_t tci = m->ol_flags & RTE_MBUF_F_RX_QINQ_STRIPPED ? m->vlan_tci_outer : m->vlan_tci;

	return tci & 0x0fff;
}

/* Facts of the capture, and nothing else yet. */
static inline void begin_packet(struct lj_packet *packet, const struct lj_burst *burst, uint16_t i)
{
	const struct rte_mbuf *m = burst->mbuf[i];

	memset(packet, 0, sizeof(*packet));
	packet->time_ns = RTE_MAX(burst->time_ns[i], UINT64_C(1));
	packet->wire_bytes = burst->wire_bytes[i];
	packet->leg = burst->leg[i];
	if (unlikely(m->ol_flags & LJ_VLAN_STRIPPED))
		packet->vlan = stripped_vlan(m);
}

static int parse_any(struct lj_parser *p, const struct rte_mbuf *m, struct lj_packet *packet)
{
	struct frame f = {.parser = p,
			  .mbuf = m,
			  .data = rte_pktmbuf_mtod(m, const uint8_t *),
			  .contiguous = m->data_len,
			  .captured = m->pkt_len,
			  .wire_bytes = packet->wire_bytes - lj_vlan_stripped_bytes(m),
			  .type = TYPE_ETHERNET};
	int refused = parse_layers(&f, packet);

	if (refused == ACCEPTED) {
		packet->hash = lj_flow_key_hash(&packet->key, p->seed);
		packet->plain = lj_packet_is_plain(packet);
	}
	return refused;
}

uint16_t lj_packet_parse_burst(struct lj_parser *p, const struct lj_burst *burst,
			       struct lj_packet *packets)
{
	uint16_t accepted = 0;
	uint64_t bytes = 0;

	for (uint16_t i = 0; i < RTE_MIN(burst->count, PREFETCH_AHEAD); i++)
		rte_prefetch0(rte_pktmbuf_mtod(burst->mbuf[i], void *));
	for (uint16_t i = 0; i < burst->count; i++) {
		const struct rte_mbuf *m = burst->mbuf[i];
		struct lj_packet *packet = &packets[accepted];

		if (i + PREFETCH_AHEAD < burst->count)
			rte_prefetch0(rte_pktmbuf_mtod(burst->mbuf[i + PREFETCH_AHEAD], void *));
		begin_packet(packet, burst, i);
		if (unlikely(!parse_plain(p, rte_pktmbuf_mtod(m, const uint8_t *), m->data_len,
					  packet))) {
			int refused;

			begin_packet(packet, burst, i);
			refused = parse_any(p, m, packet);
			if (unlikely(refused != ACCEPTED)) {
				lj_count(p->counters, refused, 1);
				continue;
			}
		}
		bytes += packet->wire_bytes;
		accepted++;
	}
	lj_count(p->counters, LJ_C_parse_accepted, accepted);
	lj_count(p->counters, LJ_C_parse_bytes, bytes);
	return accepted;
}
