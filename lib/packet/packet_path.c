#include <netinet/in.h>
#include <string.h>

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

/* The key's last word: ports as they stand in the key, protocol, version, zone 0. */
static inline uint64_t key_tail(uint16_t low, uint16_t high, uint8_t proto, uint8_t version)
{
	return low | (uint64_t)high << 16 | (uint64_t)proto << 32 | (uint64_t)version << 40;
}

static inline void put_key(const struct lj_parser *p, struct lj_packet *packet, struct key_words w,
			   bool swapped)
{
	uint8_t *key = (uint8_t *)&packet->key;

	memcpy(key, &w.a, 8);
	memcpy(key + 8, &w.b, 8);
	memcpy(key + 16, &w.c, 8);
	memcpy(key + 24, &w.d, 8);
	memcpy(key + 32, &w.e, 8);
	packet->hash = key_hash(w, p->seed);
	packet->side = swapped;
}

/* An IPv4 address in the key's second or fourth word, as ::ffff:a.b.c.d. */
static inline uint64_t mapped_word(uint32_t address)
{
	return (uint64_t)address << 32 | 0xffff0000;
}

static inline void plain_key4(const struct lj_parser *p, const uint8_t *ip, uint16_t src_port,
			      uint16_t dst_port, struct lj_packet *packet)
{
	uint32_t src = load32(ip + 12), dst = load32(ip + 16);
	uint64_t from = (uint64_t)rte_be_to_cpu_32(src) << 16 | src_port;
	uint64_t to = (uint64_t)rte_be_to_cpu_32(dst) << 16 | dst_port;
	bool swapped = from > to;
	struct key_words w = {
		.b = mapped_word(swapped ? dst : src),
		.d = mapped_word(swapped ? src : dst),
		.e = key_tail(swapped ? dst_port : src_port, swapped ? src_port : dst_port, ip[9],
			      4),
	};

	put_key(p, packet, w, swapped);
}

static inline void plain_key6(const struct lj_parser *p, const uint8_t *ip, uint16_t src_port,
			      uint16_t dst_port, struct lj_packet *packet)
{
	uint64_t src[2] = {load64(ip + 8), load64(ip + 16)};
	uint64_t dst[2] = {load64(ip + 24), load64(ip + 32)};
	int high = src[0] != dst[0] ? 0 : 1;
	uint64_t from = rte_be_to_cpu_64(src[high]), to = rte_be_to_cpu_64(dst[high]);
	bool swapped = from != to ? from > to : src_port > dst_port;
	struct key_words w = {
		.a = swapped ? dst[0] : src[0],
		.b = swapped ? dst[1] : src[1],
		.c = swapped ? src[0] : dst[0],
		.d = swapped ? src[1] : dst[1],
		.e = key_tail(swapped ? dst_port : src_port, swapped ? src_port : dst_port, ip[6],
			      6),
	};

	put_key(p, packet, w, swapped);
}

/* Ports whose packets may be more than themselves: DNS, FTP, and what tunnels run over. */
static inline bool is_special(uint16_t port)
{
	return port == 53 || port == 21 || port == 2152 || port == 3544 || port == 4789 ||
	       port == 6081 || port == 8472;
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
	packet->tcp_window = rte_be_to_cpu_16(load16(tcp + 14));
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
	uint16_t type, src_port, dst_port;
	const uint8_t *ip, *l4;
	uint32_t at = ETHER_BYTES, bytes;
	uint8_t proto;

	if (unlikely(contiguous < ETHER_BYTES + TAG_BYTES + IPV6_BYTES + TCP_BYTES) &&
	    contiguous < ETHER_BYTES + IPV4_BYTES + TCP_BYTES)
		return false;
	type = load16(data + 12);
	if (type == RTE_BE16(TYPE_VLAN)) {
		if (likely(packet->vlan == 0))
			packet->vlan = rte_be_to_cpu_16(load16(data + 14)) & 0x0fff;
		type = load16(data + 16);
		at += TAG_BYTES;
	}
	ip = data + at;
	if (likely(type == RTE_BE16(TYPE_IPV4))) {
		uint32_t total = rte_be_to_cpu_16(load16(ip + 2));

		proto = ip[9];
		l4 = ip + IPV4_BYTES;
		if (ip[0] != 0x45 || (load16(ip + 6) & RTE_BE16(0x3fff)) != 0 ||
		    total < IPV4_BYTES + UDP_BYTES || contiguous < at + IPV4_BYTES + TCP_BYTES)
			return false;
		bytes = total - IPV4_BYTES;
		packet->l3_bytes = total;
		packet->ttl = ip[8];
	} else if (type == RTE_BE16(TYPE_IPV6) && contiguous >= at + IPV6_BYTES + TCP_BYTES) {
		bytes = rte_be_to_cpu_16(load16(ip + 4));
		proto = ip[6];
		l4 = ip + IPV6_BYTES;
		if (ip[0] >> 4 != 6 || bytes < UDP_BYTES)
			return false;
		packet->l3_bytes = IPV6_BYTES + bytes;
		packet->ttl = ip[7];
	} else {
		return false;
	}
	src_port = rte_be_to_cpu_16(load16(l4));
	dst_port = rte_be_to_cpu_16(load16(l4 + 2));
	if (unlikely(is_special(src_port) || is_special(dst_port)))
		return false;
	if (likely(proto == IPPROTO_TCP)) {
		if (!plain_tcp(l4, bytes, packet))
			return false;
	} else if (proto == IPPROTO_UDP) {
		packet->l4_header_bytes = UDP_BYTES;
		packet->payload_bytes = bytes - UDP_BYTES;
	} else {
		return false;
	}
	if (type == RTE_BE16(TYPE_IPV4))
		plain_key4(p, ip, src_port, dst_port, packet);
	else
		plain_key6(p, ip, src_port, dst_port, packet);
	return true;
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

	if (refused == ACCEPTED)
		packet->hash = lj_flow_key_hash(&packet->key, p->seed);
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
