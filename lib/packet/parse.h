/*
 * Private: what the parsing steps hand from one to the next.
 *
 * A step returns ACCEPTED, FOLLOWED (`type` and `at` say what comes next), or the counter of its
 * refusal. Nothing may be read unless parse_bytes() gave it.
 */
#ifndef PARSE_H
#define PARSE_H

#include <rte_mbuf.h>

#include "lj_packet.h"

#define ACCEPTED (-1)
#define FOLLOWED (-2)

/* EtherTypes that are followed. */
enum {
	TYPE_IPV4 = 0x0800,
	TYPE_ETHERNET = 0x6558, /* Transparent Ethernet Bridging: a whole frame */
	TYPE_VLAN = 0x8100,
	TYPE_IPV6 = 0x86dd,
	TYPE_PPP = 0x880b,
	TYPE_MPLS = 0x8847,
	TYPE_MPLS_MULTICAST = 0x8848,
	TYPE_PPPOE_SESSION = 0x8864,
	TYPE_QINQ = 0x88a8,
	TYPE_QINQ_OLD = 0x9100,
	/* Not in the registry: any IP, as its first nibble says (MPLS, GTP-U). */
	TYPE_IP_BY_VERSION = 0x10000,
};

struct frame {
	struct lj_parser *parser;
	const struct rte_mbuf *mbuf;
	const uint8_t *data; /* the first segment */
	uint32_t contiguous; /* bytes in it */
	uint32_t captured;   /* bytes in all segments */
	uint32_t wire_bytes;
	uint32_t at;   /* offset of what is parsed next */
	uint32_t type; /* and what it is */
	uint32_t tunnels;
};

/* `n` > 0 bytes at `offset`: in the frame itself, or copied to `scratch` where segments meet. NULL
 * past the capture. */
static inline const uint8_t *parse_bytes(const struct frame *f, uint32_t offset, uint32_t n,
					 void *scratch)
{
	if (likely(offset + n <= f->contiguous))
		return f->data + offset;
	if (offset + n > f->captured)
		return NULL;
	return rte_pktmbuf_read(f->mbuf, offset, n, scratch);
}

static inline uint16_t be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t be32(const uint8_t *p)
{
	return (uint32_t)be16(p) << 16 | be16(p + 2);
}

/* Everything from f->at on, of which f->type says what it is, to the facts. */
int parse_layers(struct frame *f, struct lj_packet *packet);

/* From an IP header at f->at to the facts. */
int parse_ipv4(struct frame *f, struct lj_packet *packet);
int parse_ipv6(struct frame *f, struct lj_packet *packet);

/* What an IP header says of the layer above: `proto` and its `bytes` at f->at, and the addresses in
 * key form. */
struct upper {
	uint8_t proto;
	uint32_t bytes;
	uint8_t src[16], dst[16];
};

/* Ends the key. */
int parse_l4(struct frame *f, struct lj_packet *packet, const struct upper *u);

/* MSS and window scale among a SYN's options, of which `have` bytes are there. */
void parse_tcp_options(const uint8_t *p, uint32_t have, struct lj_packet *packet);

/* Puts the lower (address, port) first; `side` is where the sender stands. */
void parse_key(struct lj_packet *packet, const struct upper *u, uint16_t src_port,
	       uint16_t dst_port);

/*
 * Whether a tunnel is opened at f->at, in a packet whose outer facts are in `packet`: then its
 * kind, and f is at what it carries. LJ_TUNNEL_NONE otherwise, f unchanged.
 */
enum lj_tunnel parse_tunnel(struct frame *f, const struct lj_packet *packet);

/* DNS and FTP: the few fields that features ask for. */
void parse_application(const struct frame *f, struct lj_packet *packet);

/* Remembers the flow of a first fragment. `id` is the IP header's identification. */
void fragment_begin(struct lj_parser *p, const struct lj_packet *packet, uint32_t id);
/* Gives a later fragment the key of its first one; false when that was not seen. */
bool fragment_join(struct lj_parser *p, struct lj_packet *packet, const struct upper *u,
		   uint32_t id);

#endif
