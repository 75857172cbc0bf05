/*
 * Tunnel headers. A packet is treated as a tunnel only if the header conforms to its specification,
 * so that other traffic on the same port is not misparsed.
 */
#include <netinet/in.h>

#include "parse.h"

#define PROTO_ETHERIP 97

enum {
	PORT_GTPU = 2152,
	PORT_TEREDO = 3544,
	PORT_VXLAN = 4789,
	PORT_GENEVE = 6081,
	PORT_VXLAN_LINUX = 8472, /* Linux's default, older than the IANA number */
};

/* GRE (RFC 2784, 2890). Besides IP it carries Ethernet (NVGRE), MPLS and ERSPAN. */
#define GRE_CHECKSUM 0x8000
#define GRE_ROUTING  0x4000
#define GRE_KEY	     0x2000
#define GRE_SEQUENCE 0x1000
#define GRE_ACK	     0x0080 /* version 1 */
#define GRE_VERSION  0x0007

enum { GRE_ERSPAN_2 = 0x88be, GRE_ERSPAN_3 = 0x22eb };

static uint32_t gre_header_bytes(uint16_t flags)
{
	return 4 + (flags & GRE_CHECKSUM ? 4 : 0) + (flags & GRE_KEY ? 4 : 0) +
	       (flags & GRE_SEQUENCE ? 4 : 0) + (flags & GRE_ACK ? 4 : 0);
}

/* draft-foschiano-erspan: type I has no header of its own, II eight bytes, III twelve or twenty. */
static bool open_erspan(struct frame *f, uint16_t protocol, uint16_t gre_flags)
{
	uint8_t scratch[12];
	const uint8_t *p;

	f->type = TYPE_ETHERNET;
	if (protocol == GRE_ERSPAN_2 && !(gre_flags & GRE_SEQUENCE))
		return true;
	p = parse_bytes(f, f->at, protocol == GRE_ERSPAN_2 ? 8 : 12, scratch);
	if (p == NULL || p[0] >> 4 != (protocol == GRE_ERSPAN_2 ? 1 : 2))
		return false;
	f->at += protocol == GRE_ERSPAN_2 ? 8 : p[11] & 1 ? 20 : 12;
	return true;
}

static enum lj_tunnel open_gre(struct frame *f)
{
	uint8_t scratch[4];
	const uint8_t *p = parse_bytes(f, f->at, 4, scratch);
	uint16_t flags, protocol;

	if (p == NULL)
		return LJ_TUNNEL_NONE;
	flags = be16(p);
	protocol = be16(p + 2);
	/* Version 1 is PPTP (RFC 2637): a key, and PPP inside. */
	if ((flags & GRE_VERSION) > 1 || (flags & GRE_ROUTING) ||
	    ((flags & GRE_VERSION) == 1) != (protocol == TYPE_PPP))
		return LJ_TUNNEL_NONE;
	if ((flags & GRE_VERSION) == 0)
		flags &= (uint16_t)~GRE_ACK;
	f->at += gre_header_bytes(flags);
	if (protocol == GRE_ERSPAN_2 || protocol == GRE_ERSPAN_3)
		return open_erspan(f, protocol, flags) ? LJ_TUNNEL_ERSPAN : LJ_TUNNEL_NONE;
	f->type = protocol;
	return LJ_TUNNEL_GRE;
}

#define VXLAN_I	     0x08
#define VXLAN_POLICY 0x80 /* draft-smith-vxlan-group-policy: a group's id in bytes 2 and 3 */
#define VXLAN_GPE    0x04 /* draft-ietf-nvo3-vxlan-gpe: byte 3 says what is inside */

/* RFC 7348: flags with I set, VNI, a zero. */
static bool open_vxlan(struct frame *f)
{
	static const uint16_t inside[] = {0, TYPE_IPV4, TYPE_IPV6, TYPE_ETHERNET};
	uint8_t scratch[8];
	const uint8_t *p = parse_bytes(f, f->at, 8, scratch);

	if (p == NULL || (p[0] & ~(VXLAN_POLICY | VXLAN_GPE)) != VXLAN_I || p[7] != 0)
		return false;
	f->at += 8;
	f->type = TYPE_ETHERNET;
	if (p[0] & VXLAN_GPE) {
		if (p[3] == 0 || p[3] >= RTE_DIM(inside))
			return false;
		f->type = inside[p[3]];
	}
	return true;
}

/* RFC 8926. */
static bool open_geneve(struct frame *f)
{
	uint8_t scratch[8];
	const uint8_t *p = parse_bytes(f, f->at, 8, scratch);

	if (p == NULL || p[0] >> 6 != 0 || p[7] != 0)
		return false;
	f->type = be16(p + 2);
	f->at += 8 + (p[0] & 0x3fu) * 4;
	return f->type == TYPE_ETHERNET || f->type == TYPE_IPV4 || f->type == TYPE_IPV6;
}

#define GTPU_G_PDU	255
#define GTPU_OPTIONAL	0x07 /* E, S, PN: four more bytes if any is set */
#define GTPU_EXTENSIONS 8    /* followed at most */

/* 3GPP TS 29.281: version 1, protocol type GTP, a G-PDU; extension headers are skipped. */
static bool open_gtpu(struct frame *f)
{
	uint8_t scratch[12], next;
	const uint8_t *p = parse_bytes(f, f->at, 8, scratch);

	if (p == NULL || p[0] >> 4 != 3 || p[1] != GTPU_G_PDU)
		return false;
	f->type = TYPE_IP_BY_VERSION;
	if (!(p[0] & GTPU_OPTIONAL)) {
		f->at += 8;
		return true;
	}
	p = parse_bytes(f, f->at, 12, scratch);
	if (p == NULL)
		return false;
	next = p[0] & 0x04 ? p[11] : 0;
	f->at += 12;
	for (int n = 0; next != 0; n++) {
		uint32_t bytes;

		p = parse_bytes(f, f->at, 1, scratch);
		if (p == NULL || p[0] == 0 || n == GTPU_EXTENSIONS)
			return false;
		bytes = p[0] * 4u;
		p = parse_bytes(f, f->at + bytes - 1, 1, scratch);
		if (p == NULL)
			return false;
		next = p[0];
		f->at += bytes;
	}
	return true;
}

/* RFC 4380: authentication and origin indication may precede the IPv6 header. */
static bool open_teredo(struct frame *f)
{
	uint8_t scratch[4];
	const uint8_t *p = parse_bytes(f, f->at, 4, scratch);

	if (p != NULL && be16(p) == 1) {
		f->at += 13u + p[2] + p[3];
		p = parse_bytes(f, f->at, 4, scratch);
	}
	if (p != NULL && be16(p) == 0) {
		f->at += 8;
		p = parse_bytes(f, f->at, 4, scratch);
	}
	f->type = TYPE_IPV6;
	return p != NULL && p[0] >> 4 == 6;
}

static enum lj_tunnel open_udp(struct frame *f, const struct lj_packet *packet)
{
	uint16_t to = packet->key.port[!packet->side], from = packet->key.port[packet->side];

	if (to == PORT_VXLAN || to == PORT_VXLAN_LINUX)
		return open_vxlan(f) ? LJ_TUNNEL_VXLAN : LJ_TUNNEL_NONE;
	if (to == PORT_GENEVE)
		return open_geneve(f) ? LJ_TUNNEL_GENEVE : LJ_TUNNEL_NONE;
	if (to == PORT_GTPU || from == PORT_GTPU)
		return open_gtpu(f) ? LJ_TUNNEL_GTPU : LJ_TUNNEL_NONE;
	if (to == PORT_TEREDO || from == PORT_TEREDO)
		return open_teredo(f) ? LJ_TUNNEL_TEREDO : LJ_TUNNEL_NONE;
	return LJ_TUNNEL_NONE;
}

/* RFC 3378: version 3 and twelve zero bits before the frame. */
static enum lj_tunnel open_etherip(struct frame *f)
{
	uint8_t scratch[2];
	const uint8_t *p = parse_bytes(f, f->at, 2, scratch);

	if (p == NULL || be16(p) != 0x3000)
		return LJ_TUNNEL_NONE;
	f->at += 2;
	f->type = TYPE_ETHERNET;
	return LJ_TUNNEL_ETHERIP;
}

static enum lj_tunnel open_by_proto(struct frame *f, const struct lj_packet *packet)
{
	switch (packet->key.proto) {
	case IPPROTO_UDP:
		f->at += packet->l4_header_bytes;
		return open_udp(f, packet);
	case IPPROTO_IPIP:
		f->type = TYPE_IPV4;
		return LJ_TUNNEL_IPIP;
	case IPPROTO_IPV6:
		f->type = TYPE_IPV6;
		return packet->key.version == 4 ? LJ_TUNNEL_6IN4 : LJ_TUNNEL_IPIP;
	case IPPROTO_GRE:
		return open_gre(f);
	case PROTO_ETHERIP:
		return open_etherip(f);
	default:
		return LJ_TUNNEL_NONE;
	}
}

enum lj_tunnel parse_tunnel(struct frame *f, const struct lj_packet *packet)
{
	struct frame inside = *f;
	enum lj_tunnel tunnel = open_by_proto(&inside, packet);

	if (tunnel != LJ_TUNNEL_NONE)
		*f = inside;
	return tunnel;
}
