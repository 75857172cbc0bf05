#include <string.h>

#include "parse.h"

#define IPV4_BYTES     20
#define IPV6_BYTES     40
#define EXTENSIONS_MAX 8

/* IPv6 extension headers (RFC 8200 and the IANA registry), and No Next Header. */
enum {
	NEXT_HOP_BY_HOP = 0,
	NEXT_ROUTING = 43,
	NEXT_FRAGMENT = 44,
	NEXT_AH = 51,
	NEXT_NONE = 59,
	NEXT_DESTINATION = 60,
	NEXT_MOBILITY = 135,
	NEXT_HIP = 139,
	NEXT_SHIM6 = 140,
};

static void mapped(uint8_t out[16], const uint8_t *ipv4)
{
	static const uint8_t prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

	memcpy(out, prefix, 12);
	memcpy(out + 12, ipv4, 4);
}

/* Parses what follows the IP header: a non-first fragment, or an L4 header and its payload. */
static int parse_upper(struct frame *f, struct lj_packet *packet, const struct upper *u,
		       uint32_t fragment_id)
{
	/* parse_l4() may replace the facts by those of a tunnelled packet, itself a fragment. */
	const bool first = packet->fragment == LJ_FRAGMENT_FIRST;
	int refused;

	if (unlikely(packet->fragment == LJ_FRAGMENT_LATER))
		return fragment_join(f->parser, packet, u, fragment_id)
			       ? ACCEPTED
			       : LJ_C_parse_ignored_fragment;
	refused = parse_l4(f, packet, u);
	if (refused == ACCEPTED && unlikely(first))
		fragment_begin(f->parser, packet, fragment_id);
	return refused;
}

int parse_ipv4(struct frame *f, struct lj_packet *packet)
{
	uint8_t scratch[IPV4_BYTES];
	const uint8_t *ip = parse_bytes(f, f->at, IPV4_BYTES, scratch);
	struct upper u;
	uint32_t header, total;
	uint16_t fragment;

	if (ip == NULL)
		return LJ_C_parse_malformed_truncated;
	if (ip[0] >> 4 != 4)
		return LJ_C_parse_malformed_ip_version;
	header = (ip[0] & 0x0f) * 4u;
	total = be16(ip + 2);
	/* With segmentation offload it is 0 in captures on the sending host. */
	if (total == 0 && f->wire_bytes > f->at)
		total = f->wire_bytes - f->at;
	if (header < IPV4_BYTES || total < header)
		return LJ_C_parse_malformed_ip_header;
	fragment = be16(ip + 6);
	packet->fragment = (fragment & 0x1fff) != 0   ? LJ_FRAGMENT_LATER
			   : (fragment & 0x2000) != 0 ? LJ_FRAGMENT_FIRST
						      : LJ_FRAGMENT_NONE;
	packet->l3_bytes = total;
	packet->ttl = ip[8];
	packet->key.version = 4;
	u.proto = ip[9];
	u.bytes = total - header;
	mapped(u.src, ip + 12);
	mapped(u.dst, ip + 16);
	f->at += header;
	return parse_upper(f, packet, &u, be16(ip + 4));
}

static bool is_extension(uint8_t next)
{
	switch (next) {
	case NEXT_HOP_BY_HOP:
	case NEXT_ROUTING:
	case NEXT_FRAGMENT:
	case NEXT_AH:
	case NEXT_DESTINATION:
	case NEXT_MOBILITY:
	case NEXT_HIP:
	case NEXT_SHIM6:
		return true;
	default:
		return false;
	}
}

/* Skips the extension headers and updates u->proto and u->bytes. Stops at the header of a non-first
 * fragment. */
static int parse_extensions(struct frame *f, struct lj_packet *packet, struct upper *u,
			    uint32_t *fragment_id)
{
	uint8_t scratch[8];

	for (int n = 0; is_extension(u->proto) && packet->fragment != LJ_FRAGMENT_LATER; n++) {
		const uint8_t *p = parse_bytes(f, f->at, 8, scratch);
		uint32_t bytes;

		if (p == NULL)
			return LJ_C_parse_malformed_truncated;
		if (n == EXTENSIONS_MAX)
			return LJ_C_parse_ignored_nesting;
		if (u->proto == NEXT_FRAGMENT) {
			bytes = 8;
			/* Offset 0 and no more fragments: an atomic fragment (RFC 6946). */
			packet->fragment = (be16(p + 2) & 0xfff8) != 0 ? LJ_FRAGMENT_LATER
					   : (p[3] & 1) != 0	       ? LJ_FRAGMENT_FIRST
								       : LJ_FRAGMENT_NONE;
			*fragment_id = be32(p + 4);
		} else if (u->proto == NEXT_AH) {
			bytes = (p[1] + 2u) * 4;
		} else {
			bytes = (p[1] + 1u) * 8;
		}
		if (bytes > u->bytes)
			return LJ_C_parse_malformed_ip_header;
		u->proto = p[0];
		u->bytes -= bytes;
		f->at += bytes;
	}
	return ACCEPTED;
}

int parse_ipv6(struct frame *f, struct lj_packet *packet)
{
	uint8_t scratch[IPV6_BYTES];
	const uint8_t *ip = parse_bytes(f, f->at, IPV6_BYTES, scratch);
	struct upper u;
	uint32_t fragment_id = 0;
	int refused;

	if (ip == NULL)
		return LJ_C_parse_malformed_truncated;
	if (ip[0] >> 4 != 6)
		return LJ_C_parse_malformed_ip_version;
	u.bytes = be16(ip + 4);
	/* 0 in a jumbogram (RFC 2675), and with segmentation offload. With No Next Header the rest
	 * of the frame is padding. */
	if (u.bytes == 0 && ip[6] != NEXT_NONE && f->wire_bytes > f->at + IPV6_BYTES)
		u.bytes = f->wire_bytes - f->at - IPV6_BYTES;
	u.proto = ip[6];
	packet->fragment = LJ_FRAGMENT_NONE;
	packet->l3_bytes = IPV6_BYTES + u.bytes;
	packet->ttl = ip[7];
	packet->key.version = 6;
	memcpy(u.src, ip + 8, 16);
	memcpy(u.dst, ip + 24, 16);
	f->at += IPV6_BYTES;
	refused = parse_extensions(f, packet, &u, &fragment_id);
	if (refused != ACCEPTED)
		return refused;
	return parse_upper(f, packet, &u, fragment_id);
}
