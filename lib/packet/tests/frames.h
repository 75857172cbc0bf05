/*
 * Shared by the tests of lib/packet: frames byte by byte, and parsing of a frame in a heap buffer
 * of its exact size, so that a sanitizer detects reads beyond it.
 */
#ifndef FRAMES_H
#define FRAMES_H

#include <stdlib.h>
#include <string.h>

#include "lj_packet.h"
#include "lj_test.h"

#define U16(n)	    (uint8_t)((n) >> 8), (uint8_t)(n)
#define ETHER(type) 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, U16(type)
#define IPV4_AT(header, total, fragment, proto)                                                    \
	0x40 | (header) / 4, 0x2c, U16(total), 0, 1, U16(fragment), 64, proto, 0, 0, 10, 0, 0, 1,  \
		10, 0, 0, 2
#define IPV4(total, proto) IPV4_AT(20, total, 0x4000, proto)
#define IPV6(bytes, next)                                                                          \
	0x62, 0xc0, 0, 0, U16(bytes), next, 63, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,  \
		0, 9, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1
#define TCP_AT(header, flags)                                                                      \
	U16(12345), U16(80), 0, 0, 0, 7, 0, 0, 0, 9, (header) / 4 << 4, flags, 0x12, 0x34, 0, 0,   \
		0, 0
#define TCP(flags)   TCP_AT(20, flags)
#define UDP	     U16(5000), U16(53), U16(12), 0, 0
#define FOUR	     1, 2, 3, 4
#define EXT(next, n) next, n, 0, 0, 0, 0, 0, 0

/* How a frame is passed: truncated after `captured` bytes, in segments that end at cut[]. */
struct shape {
	uint16_t captured;
	uint16_t cut[2]; /* 0: none */
	uint32_t wire;
	uint64_t flags; /* of the mbuf, with the tags that they announce */
	uint16_t tci, outer_tci;
};

static struct lj_counters counters;
static struct lj_packet fact;

static inline uint16_t parse_shaped(const uint8_t *bytes, const struct shape *s)
{
	uint16_t ends[3] = {s->cut[0], s->cut[1], s->captured}, from = 0, got;
	struct rte_mbuf mbuf[3], *last = NULL;
	struct lj_burst burst = {
		.count = 1, .mbuf = {mbuf}, .time_ns = {5}, .wire_bytes = {s->wire}, .leg = {3}};
	struct lj_parser parser;
	uint8_t *heap[3];
	int n = 0;

	memset(mbuf, 0, sizeof(mbuf));
	memset(&counters, 0, sizeof(counters));
	memset(&fact, 0xa5, sizeof(fact)); /* remains of an earlier burst */
	for (int i = 0; i < 3; i++) {
		if (i < 2 && ends[i] == 0)
			continue;
		heap[n] = malloc(ends[i] - from);
		memcpy(heap[n], bytes + from, ends[i] - from);
		mbuf[n].buf_addr = heap[n];
		mbuf[n].data_len = ends[i] - from;
		if (last != NULL)
			last->next = &mbuf[n];
		last = &mbuf[n++];
		from = ends[i];
	}
	mbuf[0].pkt_len = s->captured;
	mbuf[0].nb_segs = n;
	mbuf[0].ol_flags = s->flags;
	mbuf[0].vlan_tci = s->tci;
	mbuf[0].vlan_tci_outer = s->outer_tci;
	lj_parser_init(&parser, &counters, false, false);
	got = lj_packet_parse_burst(&parser, &burst, &fact);
	while (n > 0)
		free(heap[--n]);
	return got;
}

static inline uint16_t parse(const uint8_t *bytes, uint16_t n)
{
	return parse_shaped(bytes, &(struct shape){.captured = n, .wire = n});
}

/* The number of rejected packets; *reason is LJ_COUNTERS if there are none. */
static inline uint64_t refused(enum lj_counter *reason)
{
	uint64_t n = 0;

	*reason = LJ_COUNTERS;
	for (int i = LJ_C_parse_ignored_ethertype; i <= LJ_C_parse_malformed_l4_header; i++) {
		n += counters.value[i];
		if (counters.value[i] > 0)
			*reason = (enum lj_counter)i;
	}
	return n;
}

/* Ethernet and IPv4 */
static const uint8_t tcp4[] = {ETHER(0x0800), IPV4(44, 6), TCP(0x18), FOUR, /* padding */ 0, 0};
static const uint8_t syn4[] = {
	ETHER(0x0800), IPV4(52, 6), TCP_AT(32, 2), 2, 4, 5, 0xb4, 1, 3, 3, 7, 4, 2, 0, 0};
static const uint8_t ack4[] = {ETHER(0x0800), IPV4(40, 6), TCP(0x10), 0, 0, 0, 0, 0, 0};
static const uint8_t udp4[] = {ETHER(0x0800), IPV4(32, 17), UDP, FOUR};
static const uint8_t options4[] = {ETHER(0x0800), IPV4_AT(24, 36, 0, 17), 0x94, 4, 0, 0, UDP, FOUR};
static const uint8_t ping4[] = {ETHER(0x0800), IPV4(30, 1), 8, 0, 0, 0, 0xab, 0xcd, 0, 1, 1, 2};
static const uint8_t stamp4[] = {ETHER(0x0800),
				 IPV4(40, 1),
				 14,
				 0,
				 0,
				 0,
				 0xab,
				 0xcd,
				 0,
				 1,
				 0,
				 0,
				 0,
				 1,
				 0,
				 0,
				 0,
				 2,
				 0,
				 0,
				 0,
				 3};
static const uint8_t unreach4[] = {ETHER(0x0800), IPV4(32, 1), 3, 3, 0, 0, 9, 9, 9, 9, FOUR};
static const uint8_t sctp4[] = {
	ETHER(0x0800), IPV4(36, 132), U16(12345), U16(80), 0, 0, 0, 0, 0, 0, 0, 0, FOUR};
static const uint8_t gre4[] = {ETHER(0x0800), IPV4(24, 47), 0, 0, 8, 0};
static const uint8_t first4[] = {ETHER(0x0800), IPV4_AT(20, 40, 0x2000, 17), UDP, FOUR, FOUR, FOUR};
static const uint8_t tso4[] = {ETHER(0x0800), IPV4(0, 6), TCP(0x18), FOUR};
/* Between Ethernet and IP */
static const uint8_t vlan[] = {ETHER(0x8100), 0x60, 100, 8, 0, IPV4(32, 17), UDP, FOUR};
static const uint8_t qinq[] = {ETHER(0x88a8), 0, 100, 0x81,	    0,	 0,
			       200,	      8, 0,   IPV4(32, 17), UDP, FOUR};
static const uint8_t old_qinq[] = {ETHER(0x9100), 0, 100, 0x81,		0,   0,
				   200,		  8, 0,	  IPV4(32, 17), UDP, FOUR};
static const uint8_t mpls[] = {ETHER(0x8847), 0,   1,	0x40, 64, 0, 1, 0x41, 64,
			       IPV4(32, 17),  UDP, FOUR};
static const uint8_t mpls6[] = {ETHER(0x8848), 0, 1, 0x41, 64, IPV6(12, 17), UDP, FOUR};
static const uint8_t vlan_mpls[] = {ETHER(0x8100), 0,	0,   0x88, 0x47, 0, 1, 0x41, 64,
				    IPV4(32, 17),  UDP, FOUR};
static const uint8_t pppoe[] = {ETHER(0x8864), 0x11,	     0,	  0,   1, 0, 34, 0,
				0x21,	       IPV4(32, 17), UDP, FOUR};
static const uint8_t pppoe6[] = {ETHER(0x8864), 0x11,	      0,   0,	1, 0, 54, 0,
				 0x57,		IPV6(12, 17), UDP, FOUR};
/* IPv6 */
static const uint8_t tcp6[] = {ETHER(0x86dd), IPV6(24, 6), TCP(0x18), FOUR};
static const uint8_t udp6[] = {ETHER(0x86dd), IPV6(12, 17), UDP, FOUR};
static const uint8_t ping6[] = {ETHER(0x86dd), IPV6(10, 58), 128, 0, 0, 0, 0xab, 0xcd, 0, 1, 1, 2};
static const uint8_t solicit6[] = {ETHER(0x86dd), IPV6(12, 58), 135, 0, 0, 0, 0, 0, 0, 0, FOUR};
static const uint8_t hop6[] = {ETHER(0x86dd), IPV6(28, 0), EXT(60, 0), EXT(17, 0), UDP, FOUR};
static const uint8_t routing6[] = {ETHER(0x86dd), IPV6(28, 43), EXT(17, 1), 0, 0, 0, 0, 0, 0, 0, 0,
				   UDP,		  FOUR};
static const uint8_t ah6[] = {ETHER(0x86dd), IPV6(24, 51), 17, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1,
			      UDP,	     FOUR};
static const uint8_t first6[] = {ETHER(0x86dd), IPV6(20, 44), 17, 0, 0, 1, 0, 0, 0, 9, UDP, FOUR};
static const uint8_t atomic6[] = {ETHER(0x86dd), IPV6(20, 44), 17, 0, 0, 0, 0, 0, 0, 9, UDP, FOUR};
static const uint8_t esp6[] = {ETHER(0x86dd), IPV6(20, 60), EXT(50, 0), FOUR, 0, 0, 0, 1, FOUR};
static const uint8_t none6[] = {ETHER(0x86dd), IPV6(0, 59), /* padding */ FOUR, FOUR};
static const uint8_t none_after6[] = {ETHER(0x86dd), IPV6(8, 60), EXT(59, 0)};
static const uint8_t mobility6[] = {ETHER(0x86dd), IPV6(8, 135), EXT(59, 0)};
static const uint8_t jumbo6[] = {ETHER(0x86dd), IPV6(0, 0), 17, 0, 0xc2, 4, 0, 1, 0, 4, UDP, FOUR};

static const struct frame_case {
	const char *name;
	const uint8_t *bytes;
	uint16_t n;
	uint16_t needed; /* bytes without which the packet is rejected */
	uint32_t l3, payload;
	uint16_t l4_header, src, dst, vlan;
	uint8_t proto, version, tunnel, fragment;
} frames[] = {
#define CASE(name) #name, name, sizeof(name)
	{CASE(tcp4), 54, 44, 4, 20, 12345, 80, 0, 6, 4, 0, 0},
	{CASE(syn4), 54, 52, 0, 32, 12345, 80, 0, 6, 4, 0, 0},
	{CASE(ack4), 54, 40, 0, 20, 12345, 80, 0, 6, 4, 0, 0},
	{CASE(udp4), 38, 32, 4, 8, 5000, 53, 0, 17, 4, 0, 0},
	{CASE(options4), 42, 36, 4, 8, 5000, 53, 0, 17, 4, 0, 0},
	{CASE(ping4), 42, 30, 2, 8, 0xabcd, 0xabcd, 0, 1, 4, 0, 0},
	{CASE(stamp4), 42, 40, 12, 8, 0xabcd, 0xabcd, 0, 1, 4, 0, 0},
	{CASE(unreach4), 42, 32, 4, 8, 0, 0, 0, 1, 4, 0, 0},
	{CASE(sctp4), 38, 36, 4, 12, 12345, 80, 0, 132, 4, 0, 0},
	{CASE(gre4), 34, 24, 4, 0, 0, 0, 0, 47, 4, 0, 0},
	{CASE(first4), 38, 40, 12, 8, 5000, 53, 0, 17, 4, 0, 1},
	{CASE(tso4), 54, 44, 4, 20, 12345, 80, 0, 6, 4, 0, 0},
	{CASE(vlan), 42, 32, 4, 8, 5000, 53, 100, 17, 4, 0, 0},
	{CASE(qinq), 46, 32, 4, 8, 5000, 53, 100, 17, 4, 0, 0},
	{CASE(old_qinq), 46, 32, 4, 8, 5000, 53, 100, 17, 4, 0, 0},
	{CASE(mpls), 46, 32, 4, 8, 5000, 53, 0, 17, 4, LJ_TUNNEL_MPLS, 0},
	{CASE(mpls6), 62, 52, 4, 8, 5000, 53, 0, 17, 6, LJ_TUNNEL_MPLS, 0},
	{CASE(vlan_mpls), 46, 32, 4, 8, 5000, 53, 0, 17, 4, LJ_TUNNEL_MPLS, 0},
	{CASE(pppoe), 46, 32, 4, 8, 5000, 53, 0, 17, 4, LJ_TUNNEL_PPPOE, 0},
	{CASE(pppoe6), 66, 52, 4, 8, 5000, 53, 0, 17, 6, LJ_TUNNEL_PPPOE, 0},
	{CASE(tcp6), 74, 64, 4, 20, 12345, 80, 0, 6, 6, 0, 0},
	{CASE(udp6), 58, 52, 4, 8, 5000, 53, 0, 17, 6, 0, 0},
	{CASE(ping6), 62, 50, 2, 8, 0xabcd, 0xabcd, 0, 58, 6, 0, 0},
	{CASE(solicit6), 62, 52, 4, 8, 0, 0, 0, 58, 6, 0, 0},
	{CASE(hop6), 74, 68, 4, 8, 5000, 53, 0, 17, 6, 0, 0},
	{CASE(routing6), 74, 68, 4, 8, 5000, 53, 0, 17, 6, 0, 0},
	{CASE(ah6), 70, 64, 4, 8, 5000, 53, 0, 17, 6, 0, 0},
	{CASE(first6), 66, 60, 4, 8, 5000, 53, 0, 17, 6, 0, 1},
	{CASE(atomic6), 66, 60, 4, 8, 5000, 53, 0, 17, 6, 0, 0},
	{CASE(esp6), 62, 60, 12, 0, 0, 0, 0, 50, 6, 0, 0},
	{CASE(none6), 54, 40, 0, 0, 0, 0, 0, 59, 6, 0, 0},
	{CASE(none_after6), 62, 48, 0, 0, 0, 0, 0, 59, 6, 0, 0},
	{CASE(mobility6), 62, 48, 0, 0, 0, 0, 0, 59, 6, 0, 0},
	{CASE(jumbo6), 66, 60, 4, 8, 5000, 53, 0, 17, 6, 0, 0},
#undef CASE
};

#endif
