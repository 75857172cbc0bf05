#include <string.h>

#include "parse.h"

#define ETHER_BYTES	14
#define LLC_TYPES_FROM	1536 /* a smaller EtherType is a length: IEEE 802.3 */
#define LAYERS_MAX	12   /* tags, labels and headers before an IP header */
#define MPLS_LABELS_MAX 8

/* Handles the EtherType of a frame or tag that ends at f->at. Also follows IEEE 802.3 with LLC and
 * SNAP (RFC 1042). */
static int follow_type(struct frame *f, uint16_t type)
{
	static const uint8_t snap[6] = {0xaa, 0xaa, 3, 0, 0, 0};
	uint8_t scratch[8];
	const uint8_t *p;

	f->type = type;
	if (likely(type >= LLC_TYPES_FROM))
		return FOLLOWED;
	p = parse_bytes(f, f->at, 8, scratch);
	if (p == NULL || memcmp(p, snap, sizeof(snap)) != 0)
		return LJ_C_parse_ignored_ethertype;
	f->type = be16(p + 6);
	f->at += 8;
	return FOLLOWED;
}

static int parse_ethernet(struct frame *f)
{
	uint8_t scratch[ETHER_BYTES];
	const uint8_t *p = parse_bytes(f, f->at, ETHER_BYTES, scratch);

	if (p == NULL)
		return LJ_C_parse_malformed_truncated;
	f->at += ETHER_BYTES;
	return follow_type(f, be16(p + 12));
}

static int parse_tag(struct frame *f, struct lj_packet *packet)
{
	uint8_t scratch[4];
	const uint8_t *tag = parse_bytes(f, f->at, 4, scratch);

	if (tag == NULL)
		return LJ_C_parse_malformed_truncated;
	if (packet->vlan == 0)
		packet->vlan = be16(tag) & 0x0fff;
	f->at += 4;
	return follow_type(f, be16(tag + 2));
}

/* Skips the label stack. The first nibble after it tells IPv4, IPv6 (RFC 4928) or, if 0, the
 * control word of a pseudowire, followed by an Ethernet frame (RFC 4385, 4448). */
static int parse_mpls(struct frame *f, struct lj_packet *packet)
{
	uint8_t scratch[4];
	const uint8_t *p;
	bool bottom = false;

	packet->tunnel = LJ_TUNNEL_MPLS;
	for (int labels = 0; !bottom; labels++) {
		p = parse_bytes(f, f->at, 4, scratch);
		if (p == NULL)
			return LJ_C_parse_malformed_truncated;
		if (labels == MPLS_LABELS_MAX)
			return LJ_C_parse_ignored_nesting;
		bottom = p[2] & 1;
		f->at += 4;
	}
	p = parse_bytes(f, f->at, 4, scratch);
	f->type = TYPE_IP_BY_VERSION;
	if (p != NULL && be16(p) >> 12 == 0) {
		f->type = TYPE_ETHERNET;
		f->at += 4;
	}
	return FOLLOWED;
}

static int parse_ip_by_version(struct frame *f)
{
	uint8_t scratch[1];
	const uint8_t *p = parse_bytes(f, f->at, 1, scratch);

	if (p == NULL)
		return LJ_C_parse_malformed_truncated;
	if (p[0] >> 4 != 4 && p[0] >> 4 != 6)
		return LJ_C_parse_ignored_ethertype;
	f->type = p[0] >> 4 == 4 ? TYPE_IPV4 : TYPE_IPV6;
	return FOLLOWED;
}

/* RFC 1661, with or without address and control fields; the protocol field has one or two bytes. */
static int parse_ppp(struct frame *f)
{
	uint8_t scratch[4];
	const uint8_t *p = parse_bytes(f, f->at, 4, scratch);
	uint32_t at = 0, protocol;

	if (p == NULL)
		return LJ_C_parse_malformed_truncated;
	if (p[0] == 0xff && p[1] == 3)
		at = 2;
	protocol = p[at] & 1 ? p[at] : be16(p + at);
	f->at += at + (p[at] & 1 ? 1 : 2);
	f->type = protocol == 0x21 ? TYPE_IPV4 : protocol == 0x57 ? TYPE_IPV6 : 0;
	return FOLLOWED;
}

/* RFC 2516: six bytes of PPPoE, then PPP. */
static int parse_pppoe(struct frame *f, struct lj_packet *packet)
{
	packet->tunnel = LJ_TUNNEL_PPPOE;
	f->at += 6;
	f->type = TYPE_PPP;
	return FOLLOWED;
}

int parse_layers(struct frame *f, struct lj_packet *packet)
{
	int result = FOLLOWED;

	for (int layers = 0; result == FOLLOWED; layers++) {
		if (layers == LAYERS_MAX)
			return LJ_C_parse_ignored_nesting;
		switch (f->type) {
		case TYPE_IPV4:
			return parse_ipv4(f, packet);
		case TYPE_IPV6:
			return parse_ipv6(f, packet);
		case TYPE_ETHERNET:
			result = parse_ethernet(f);
			break;
		case TYPE_VLAN:
		case TYPE_QINQ:
		case TYPE_QINQ_OLD:
			result = parse_tag(f, packet);
			break;
		case TYPE_MPLS:
		case TYPE_MPLS_MULTICAST:
			result = parse_mpls(f, packet);
			break;
		case TYPE_IP_BY_VERSION:
			result = parse_ip_by_version(f);
			break;
		case TYPE_PPPOE_SESSION:
			result = parse_pppoe(f, packet);
			break;
		case TYPE_PPP:
			result = parse_ppp(f);
			break;
		default:
			return LJ_C_parse_ignored_ethertype;
		}
	}
	return result;
}
