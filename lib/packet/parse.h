/*
 * Private: the steps of the parser and the state passed between them.
 *
 * A step returns ACCEPTED, FOLLOWED (`type` and `at` tell what comes next), or the counter of the
 * reason for which the packet is rejected. Frame data must only be accessed through parse_bytes().
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
	/* Not an EtherType: IPv4 or IPv6 according to the first nibble (MPLS, GTP-U). */
	TYPE_IP_BY_VERSION = 0x10000,
};

struct frame {
	struct lj_parser *parser;
	const struct rte_mbuf *mbuf;
	const uint8_t *data; /* the first segment */
	uint32_t contiguous; /* bytes in it */
	uint32_t captured;   /* bytes in all segments */
	uint32_t wire_bytes;
	uint32_t at;   /* offset of the next header */
	uint32_t type; /* its EtherType */
	uint32_t tunnels;
};

/* `n` > 0 bytes at `offset`: a pointer into the frame, or to `scratch` if they span segments. NULL
 * if they were not captured. */
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

/* Parses everything from f->at on, which is of type f->type. */
int parse_layers(struct frame *f, struct lj_packet *packet);

/* Parses everything from the IP header at f->at on. */
int parse_ipv4(struct frame *f, struct lj_packet *packet);
int parse_ipv6(struct frame *f, struct lj_packet *packet);

/* What the IP header says about the next layer: `bytes` of protocol `proto` at f->at, and the
 * addresses as in the key. */
struct upper {
	uint8_t proto;
	uint32_t bytes;
	uint8_t src[16], dst[16];
};

/* Parses the L4 header at f->at, and completes the key. */
int parse_l4(struct frame *f, struct lj_packet *packet, const struct upper *u);

/* Looks for MSS and window scale in a SYN's options, of which `have` bytes were captured. */
void parse_tcp_options(const uint8_t *p, uint32_t have, struct lj_packet *packet);

/* Fills the key, the lower (address, port) first, and sets `side` to the sender's. */
void parse_key(struct lj_packet *packet, const struct upper *u, uint16_t src_port,
	       uint16_t dst_port);

/*
 * Parses a tunnel header at f->at, in a packet whose outer facts are in `packet`. Returns its kind,
 * with f advanced to the inner packet, or LJ_TUNNEL_NONE, with f unchanged.
 */
enum lj_tunnel parse_tunnel(struct frame *f, const struct lj_packet *packet);

/* Parses the few fields of DNS and FTP that features need. */
void parse_application(const struct frame *f, struct lj_packet *packet);

/* Remembers the flow of a first fragment. `id` is the IP identification. */
void fragment_begin(struct lj_parser *p, const struct lj_packet *packet, uint32_t id);
/* Sets a later fragment's key to that of the first one; false if that was not seen. */
bool fragment_join(struct lj_parser *p, struct lj_packet *packet, const struct upper *u,
		   uint32_t id);

#endif
