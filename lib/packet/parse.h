/*
 * Private: what the parsing steps hand from one to the next.
 *
 * A step returns ACCEPTED, or the counter of its refusal. `l3` and `l4` are offsets from the start
 * of the frame; nothing below `captured` may be read unless parse_bytes() gave it.
 */
#ifndef PARSE_H
#define PARSE_H

#include <rte_mbuf.h>

#include "lj_packet.h"

#define ACCEPTED (-1)

struct frame {
	const struct rte_mbuf *mbuf;
	const uint8_t *data; /* the first segment */
	uint32_t contiguous; /* bytes in it */
	uint32_t captured;   /* bytes in all segments */
	uint32_t wire_bytes;
	uint32_t at; /* offset of what is parsed next */
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

/* From an IP header at f->at to the facts. */
int parse_ipv4(struct frame *f, struct lj_packet *packet);
int parse_ipv6(struct frame *f, struct lj_packet *packet);

/*
 * From the upper-layer header at f->at, of which the IP header says `l4_bytes` follow; src and dst
 * are the addresses in key form. Ends the key.
 */
int parse_l4(struct frame *f, struct lj_packet *packet, uint8_t proto, uint32_t l4_bytes,
	     const uint8_t src[16], const uint8_t dst[16]);

#endif
