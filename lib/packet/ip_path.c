#include <string.h>

#include "parse.h"

#define IPV4_BYTES     20
#define IPV6_BYTES     40
#define EXTENSIONS_MAX 8

/* IPv6 extension headers (RFC 8200 and the IANA registry). */
enum {
	NEXT_HOP_BY_HOP = 0,
	NEXT_ROUTING = 43,
	NEXT_FRAGMENT = 44,
	NEXT_AH = 51,
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

int parse_ipv4(struct frame *f, struct lj_packet *packet)
{
	uint8_t scratch[IPV4_BYTES], src[16], dst[16];
	const uint8_t *ip = parse_bytes(f, f->at, IPV4_BYTES, scratch);
	uint32_t header, total;
	uint16_t fragment;

	if (ip == NULL)
		return LJ_C_parse_malformed_truncated;
	if (ip[0] >> 4 != 4)
		return LJ_C_parse_malformed_ip_version;
	header = (ip[0] & 0x0f) * 4u;
	total = be16(ip + 2);
	/* Segmentation offload leaves 0 in captures of the sender's own traffic. */
	if (total == 0 && f->wire_bytes > f->at)
		total = f->wire_bytes - f->at;
	if (header < IPV4_BYTES || total < header)
		return LJ_C_parse_malformed_ip_header;
	fragment = be16(ip + 6);
	if ((fragment & 0x1fff) != 0)
		return LJ_C_parse_ignored_fragment;
	packet->fragment = (fragment & 0x2000) != 0;
	packet->l3_bytes = total;
	packet->ttl = ip[8];
	packet->tos = ip[1];
	packet->key.version = 4;
	mapped(src, ip + 12);
	mapped(dst, ip + 16);
	f->at += header;
	return parse_l4(f, packet, ip[9], total - header, src, dst);
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

/* Walks the extension headers; `next` becomes the upper layer, `left` what follows them. */
static int parse_extensions(struct frame *f, struct lj_packet *packet, uint8_t *next,
			    uint32_t *left)
{
	uint8_t scratch[8];

	for (int n = 0; is_extension(*next); n++) {
		const uint8_t *p = parse_bytes(f, f->at, 8, scratch);
		uint32_t bytes;

		if (p == NULL)
			return LJ_C_parse_malformed_truncated;
		if (n == EXTENSIONS_MAX)
			return LJ_C_parse_ignored_nesting;
		if (*next == NEXT_FRAGMENT) {
			bytes = 8;
			packet->fragment = 1;
			if ((be16(p + 2) & 0xfff8) != 0)
				return LJ_C_parse_ignored_fragment;
		} else if (*next == NEXT_AH) {
			bytes = (p[1] + 2u) * 4;
		} else {
			bytes = (p[1] + 1u) * 8;
		}
		if (bytes > *left)
			return LJ_C_parse_malformed_ip_header;
		*next = p[0];
		*left -= bytes;
		f->at += bytes;
	}
	return ACCEPTED;
}

int parse_ipv6(struct frame *f, struct lj_packet *packet)
{
	uint8_t scratch[IPV6_BYTES], src[16], dst[16], next;
	const uint8_t *ip = parse_bytes(f, f->at, IPV6_BYTES, scratch);
	uint32_t left;
	int refused;

	if (ip == NULL)
		return LJ_C_parse_malformed_truncated;
	if (ip[0] >> 4 != 6)
		return LJ_C_parse_malformed_ip_version;
	left = be16(ip + 4);
	/* A jumbogram (RFC 2675) says 0, as segmentation offload does. */
	if (left == 0 && f->wire_bytes > f->at + IPV6_BYTES)
		left = f->wire_bytes - f->at - IPV6_BYTES;
	next = ip[6];
	packet->l3_bytes = IPV6_BYTES + left;
	packet->ttl = ip[7];
	packet->tos = (uint8_t)(be16(ip) >> 4);
	packet->key.version = 6;
	memcpy(src, ip + 8, 16);
	memcpy(dst, ip + 24, 16);
	f->at += IPV6_BYTES;
	refused = parse_extensions(f, packet, &next, &left);
	if (refused != ACCEPTED)
		return refused;
	return parse_l4(f, packet, next, left, src, dst);
}
