#include <string.h>

#include <rte_prefetch.h>

#include "lj_packet.h"
#include "parse.h"

#define ETHER_BYTES	14
#define PREFETCH_AHEAD	4
#define VLAN_TAGS_MAX	4
#define MPLS_LABELS_MAX 8

enum {
	TYPE_IPV4 = 0x0800,
	TYPE_IPV6 = 0x86dd,
	TYPE_VLAN = 0x8100,
	TYPE_QINQ = 0x88a8,
	TYPE_QINQ_OLD = 0x9100,
	TYPE_MPLS = 0x8847,
	TYPE_MPLS_MULTICAST = 0x8848,
	TYPE_PPPOE_SESSION = 0x8864,
};

static int parse_tags(struct frame *f, struct lj_packet *packet, uint16_t *type)
{
	uint8_t scratch[4];

	for (int tags = 0; *type == TYPE_VLAN || *type == TYPE_QINQ || *type == TYPE_QINQ_OLD;
	     tags++) {
		const uint8_t *tag = parse_bytes(f, f->at, 4, scratch);

		if (tag == NULL)
			return LJ_C_parse_malformed_truncated;
		if (tags == VLAN_TAGS_MAX)
			return LJ_C_parse_ignored_nesting;
		if (tags == 0)
			packet->vlan = be16(tag) & 0x0fff;
		*type = be16(tag + 2);
		f->at += 4;
	}
	return ACCEPTED;
}

/* Pops the label stack; what is under it shows in its first nibble (RFC 4928). */
static int parse_mpls(struct frame *f, struct lj_packet *packet, uint16_t *type)
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
	p = parse_bytes(f, f->at, 1, scratch);
	if (p == NULL)
		return LJ_C_parse_malformed_truncated;
	*type = p[0] >> 4 == 4 ? TYPE_IPV4 : p[0] >> 4 == 6 ? TYPE_IPV6 : 0;
	return ACCEPTED;
}

/* RFC 2516: six bytes of PPPoE, then PPP's protocol. */
static int parse_pppoe(struct frame *f, struct lj_packet *packet, uint16_t *type)
{
	uint8_t scratch[8];
	const uint8_t *p = parse_bytes(f, f->at, 8, scratch);

	if (p == NULL)
		return LJ_C_parse_malformed_truncated;
	packet->tunnel = LJ_TUNNEL_PPPOE;
	*type = be16(p + 6) == 0x0021 ? TYPE_IPV4 : be16(p + 6) == 0x0057 ? TYPE_IPV6 : 0;
	f->at += 8;
	return ACCEPTED;
}

static int parse_frame(struct frame *f, struct lj_packet *packet)
{
	uint8_t scratch[ETHER_BYTES];
	const uint8_t *ether = parse_bytes(f, 0, ETHER_BYTES, scratch);
	uint16_t type;
	int refused;

	if (ether == NULL)
		return LJ_C_parse_malformed_truncated;
	type = be16(ether + 12);
	f->at = ETHER_BYTES;
	refused = parse_tags(f, packet, &type);
	if (refused == ACCEPTED && (type == TYPE_MPLS || type == TYPE_MPLS_MULTICAST))
		refused = parse_mpls(f, packet, &type);
	else if (refused == ACCEPTED && type == TYPE_PPPOE_SESSION)
		refused = parse_pppoe(f, packet, &type);
	if (refused != ACCEPTED)
		return refused;
	if (likely(type == TYPE_IPV4))
		return parse_ipv4(f, packet);
	if (type == TYPE_IPV6)
		return parse_ipv6(f, packet);
	return LJ_C_parse_ignored_ethertype;
}

uint16_t lj_packet_parse_burst(struct lj_parser *p, const struct lj_burst *burst,
			       struct lj_packet *packets, uint8_t *index)
{
	uint16_t accepted = 0;
	uint64_t bytes = 0;

	for (uint16_t i = 0; i < RTE_MIN(burst->count, PREFETCH_AHEAD); i++)
		rte_prefetch0(rte_pktmbuf_mtod(burst->mbuf[i], void *));
	for (uint16_t i = 0; i < burst->count; i++) {
		const struct rte_mbuf *m = burst->mbuf[i];
		struct lj_packet *packet = &packets[accepted];
		struct frame f = {m,
				  rte_pktmbuf_mtod(m, const uint8_t *),
				  m->data_len,
				  m->pkt_len,
				  burst->wire_bytes[i],
				  0};
		int refused;

		if (i + PREFETCH_AHEAD < burst->count)
			rte_prefetch0(rte_pktmbuf_mtod(burst->mbuf[i + PREFETCH_AHEAD], void *));
		memset(packet, 0, sizeof(*packet));
		packet->time_ns = burst->time_ns[i];
		packet->wire_bytes = burst->wire_bytes[i];
		packet->leg = burst->leg[i];
		refused = parse_frame(&f, packet);
		if (unlikely(refused != ACCEPTED)) {
			lj_count(p->counters, refused, 1);
			continue;
		}
		packet->hash = lj_flow_key_hash(&packet->key, p->seed);
		bytes += packet->wire_bytes;
		if (index != NULL)
			index[accepted] = (uint8_t)i;
		accepted++;
	}
	lj_count(p->counters, LJ_C_parse_accepted, accepted);
	lj_count(p->counters, LJ_C_parse_bytes, bytes);
	return accepted;
}
