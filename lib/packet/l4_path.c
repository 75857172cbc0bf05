#include <netinet/in.h>
#include <string.h>

#include "parse.h"

#define TCP_BYTES   20
#define UDP_BYTES   8
#define SCTP_BYTES  12
#define ICMP_BYTES  8
#define TCP_OPTIONS 40
#define TUNNELS_MAX 4

void parse_key(struct lj_packet *packet, const struct upper *u, uint16_t src_port,
	       uint16_t dst_port)
{
	int order = memcmp(u->src, u->dst, 16);
	bool swapped = order > 0 || (order == 0 && src_port > dst_port);

	packet->side = swapped;
	memcpy(packet->key.addr[swapped], u->src, 16);
	memcpy(packet->key.addr[!swapped], u->dst, 16);
	packet->key.port[swapped] = src_port;
	packet->key.port[!swapped] = dst_port;
	packet->key.proto = u->proto;
}

void parse_tcp_options(const uint8_t *p, uint32_t have, struct lj_packet *packet)
{
	uint32_t at = 0;

	while (at + 1 < have && p[at] != 0) {
		uint32_t length = p[at] == 1 ? 1 : p[at + 1];

		if (length == 0 || at + length > have)
			return;
		if (p[at] == 2 && length == 4)
			packet->tcp_mss = be16(p + at + 2);
		else if (p[at] == 3 && length == 3)
			packet->tcp_wscale = (uint8_t)(RTE_MIN(p[at + 2], 14) + 1);
		at += length;
	}
}

/* Parses a SYN's options, `bytes` long, as far as they were captured. */
static void parse_syn(struct frame *f, struct lj_packet *packet, uint32_t bytes)
{
	uint8_t scratch[TCP_OPTIONS];
	uint32_t at = f->at + TCP_BYTES;
	uint32_t have = f->captured > at ? RTE_MIN(bytes, f->captured - at) : 0;
	const uint8_t *p = have > 0 ? parse_bytes(f, at, have, scratch) : NULL;

	if (p != NULL)
		parse_tcp_options(p, have, packet);
}

static int parse_tcp(struct frame *f, struct lj_packet *packet, const struct upper *u)
{
	uint8_t scratch[TCP_BYTES];
	const uint8_t *tcp = parse_bytes(f, f->at, TCP_BYTES, scratch);
	uint32_t header;

	if (tcp == NULL)
		return u->bytes < TCP_BYTES ? LJ_C_parse_malformed_l4_header
					    : LJ_C_parse_malformed_truncated;
	header = (uint32_t)(tcp[12] >> 4) * 4;
	/* A first fragment may contain only a part of the header. */
	if (header < TCP_BYTES || u->bytes < TCP_BYTES || (header > u->bytes && !packet->fragment))
		return LJ_C_parse_malformed_l4_header;
	header = RTE_MIN(header, u->bytes);
	packet->l4_header_bytes = (uint16_t)header;
	packet->payload_bytes = u->bytes - header;
	packet->tcp_seq = be32(tcp + 4);
	packet->tcp_flags = tcp[13];
	packet->tcp_window = be16(tcp + 14);
	if ((packet->tcp_flags & LJ_TCP_SYN) && header > TCP_BYTES)
		parse_syn(f, packet, header - TCP_BYTES);
	parse_key(packet, u, be16(tcp), be16(tcp + 2));
	return ACCEPTED;
}

/* UDP and SCTP: a header of fixed length that begins with the ports. */
static int parse_ports(struct frame *f, struct lj_packet *packet, const struct upper *u,
		       uint32_t header)
{
	uint8_t scratch[4];
	const uint8_t *p = parse_bytes(f, f->at, 4, scratch);

	if (u->bytes < header)
		return LJ_C_parse_malformed_l4_header;
	if (p == NULL)
		return LJ_C_parse_malformed_truncated;
	packet->l4_header_bytes = (uint16_t)header;
	packet->payload_bytes = u->bytes - header;
	parse_key(packet, u, be16(p), be16(p + 2));
	return ACCEPTED;
}

/* ICMP messages with an identifier, which distinguishes conversations as ports do. */
static bool has_identifier(uint8_t proto, uint8_t type)
{
	if (proto == IPPROTO_ICMPV6)
		return type == 128 || type == 129;
	return type == 0 || type == 8 || (type >= 13 && type <= 18);
}

static int parse_icmp(struct frame *f, struct lj_packet *packet, const struct upper *u)
{
	uint8_t scratch[ICMP_BYTES];
	const uint8_t *p;
	uint16_t id;

	if (u->bytes < 4)
		return LJ_C_parse_malformed_l4_header;
	/* Some ICMP messages are only 4 bytes long, without an identifier. */
	p = parse_bytes(f, f->at, RTE_MIN(u->bytes, (uint32_t)ICMP_BYTES), scratch);
	if (p == NULL)
		return LJ_C_parse_malformed_truncated;
	packet->icmp_type = p[0];
	packet->icmp_code = p[1];
	packet->l4_header_bytes = (uint16_t)RTE_MIN(u->bytes, (uint32_t)ICMP_BYTES);
	packet->payload_bytes = u->bytes - packet->l4_header_bytes;
	id = u->bytes >= 6 && has_identifier(u->proto, p[0]) ? be16(p + 4) : 0;
	parse_key(packet, u, id, id);
	return ACCEPTED;
}

/* Replaces the facts by those of the inner packet, if this is a tunnel that can be parsed. */
static int look_inside(struct frame *f, struct lj_packet *packet)
{
	struct lj_packet inner = {.time_ns = packet->time_ns,
				  .wire_bytes = packet->wire_bytes,
				  .leg = packet->leg,
				  .vlan = packet->vlan};
	struct frame inside = *f;
	enum lj_tunnel tunnel;

	if (packet->fragment != LJ_FRAGMENT_NONE || f->parser->outer)
		return ACCEPTED;
	tunnel = parse_tunnel(&inside, packet);
	if (tunnel == LJ_TUNNEL_NONE)
		return ACCEPTED;
	inner.tunnel = (uint8_t)tunnel;
	if (++inside.tunnels > TUNNELS_MAX || parse_layers(&inside, &inner) != ACCEPTED) {
		lj_count(f->parser->counters, LJ_C_parse_tunnels_closed, 1);
		return ACCEPTED;
	}
	lj_count(f->parser->counters, LJ_C_parse_tunnels_opened, 1);
	*packet = inner;
	return ACCEPTED;
}

int parse_l4(struct frame *f, struct lj_packet *packet, const struct upper *u)
{
	int refused;

	switch (u->proto) {
	case IPPROTO_TCP:
		refused = parse_tcp(f, packet, u);
		if (refused == ACCEPTED)
			parse_application(f, packet);
		return refused;
	case IPPROTO_UDP:
		refused = parse_ports(f, packet, u, UDP_BYTES);
		if (refused != ACCEPTED)
			return refused;
		parse_application(f, packet);
		return look_inside(f, packet);
	case IPPROTO_SCTP:
		return parse_ports(f, packet, u, SCTP_BYTES);
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return parse_icmp(f, packet, u);
	default:
		packet->payload_bytes = u->bytes;
		parse_key(packet, u, 0, 0);
		return look_inside(f, packet);
	}
}
