/*
 * Parses a burst of mbufs into packet facts (struct lj_packet).
 *
 * Ethernet II and SNAP, 802.1Q and QinQ, MPLS, PPPoE, IPv4 with options, IPv6 with extension
 * headers, TCP, UDP, SCTP, ICMP, ICMPv6, and any other protocol by its number. Rejected packets are
 * counted by reason. Never reads beyond the captured bytes; lengths are taken from the headers, not
 * from the capture.
 *
 * Tunnels (enum lj_tunnel) are decapsulated, up to four levels: the facts are those of the
 * innermost packet. If the inner packet cannot be parsed (not IP, truncated, too deep), or if it is
 * a fragment of the outer packet, or with `outer` set, they are those of the outer packet.
 *
 * Non-first fragments get the ports of the first one, which the parser remembers for 30 s of packet
 * time, for up to 1,024 datagrams; otherwise they are counted as parse_ignored_fragment.
 *
 * Thread: a parser belongs to one lcore.
 */
#ifndef LJ_PACKET_H
#define LJ_PACKET_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_common.h>

#include "lj_base.h"
#include "lj_capture.h"
#include "lj_stats.h"

/*
 * Both directions of a conversation have one key: the endpoint with the lower (address, port) comes
 * first. Ports are host order. TCP, UDP, SCTP: the ports. ICMP and ICMPv6 echo and the like: both
 * "ports" are the identifier; other ICMP and other protocols: 0.
 */
struct lj_flow_key {
	uint8_t addr[2][16]; /* network order; IPv4 as ::ffff:a.b.c.d */
	uint16_t port[2];
	uint8_t proto;	   /* IANA protocol number; IPv6: of the upper layer */
	uint8_t version;   /* 4 or 6 */
	uint16_t reserved; /* 0: the key is hashed and compared as five words */
};

enum lj_packet_kind {
	LJ_PACKET_DATA,
	LJ_PACKET_TICK, /* no packet: the replay's clock has reached time_ns; see lj_flow.h */
	LJ_PACKET_END,	/* no packet: the capture has ended */
};

/* TCP flags as in RFC 9293's octet 13. */
#define LJ_TCP_FIN 0x01
#define LJ_TCP_SYN 0x02
#define LJ_TCP_RST 0x04
#define LJ_TCP_PSH 0x08
#define LJ_TCP_ACK 0x10
#define LJ_TCP_URG 0x20
#define LJ_TCP_ECE 0x40
#define LJ_TCP_CWR 0x80

/* Two cache lines: the first is for finding the flow, the second for accounting. */
struct lj_packet {
	struct lj_flow_key key;
	uint64_t hash;	  /* of the key, seeded: lj_flow_key_hash() */
	uint64_t time_ns; /* since the epoch, from the capture; never 0 */
	uint64_t seq;	  /* position in the source's order: 1, 2, 3 ... Set by the receiver, not by
			     the parser. */

	/*
	 * The 16 bytes of a plain packet that are copied to the flow's log as they are: lib/flow's
	 * struct logged. The log_ fields are 0 unless the packet is plain.
	 */
	uint32_t log_gap; /* filled in by the log; 0 here */
	uint32_t tcp_seq;
	uint16_t log_l3_bytes;
	uint16_t tcp_window;
	uint8_t tcp_flags;
	uint8_t ttl;		  /* or hop limit */
	uint8_t log_header_bytes; /* l3_bytes - payload_bytes */
	uint8_t log_l4_words;	  /* l4_header_bytes / 4 */

	uint32_t l3_bytes;	/* IP total length, header included; IPv6: 40 + payload length */
	uint32_t payload_bytes; /* after the L4 header, by the IP length */
	uint32_t wire_bytes;	/* frame on the wire, without FCS */
	uint16_t l4_header_bytes;
	uint16_t vlan; /* outermost VLAN id, in the frame or stripped by the NIC; 0: none */

	uint8_t leg;
	uint8_t side;	   /* which endpoint of the key sent this packet: 0 or 1 */
	uint8_t plain;	   /* 1: see lj_packet_tell_plain() */
	uint8_t kind;	   /* enum lj_packet_kind */
	uint8_t fragment;  /* enum lj_fragment_kind */
	uint8_t tunnel;	   /* enum lj_tunnel: the innermost tunnel */
	uint8_t icmp_type; /* ICMP, ICMPv6 */
	uint8_t icmp_code;
	uint16_t tcp_mss;    /* option of a SYN; 0: none */
	uint8_t tcp_wscale;  /* option of a SYN, plus 1; 0: none */
	uint8_t application; /* enum lj_application: which of the fields below are valid */
	uint16_t dns_id;
	uint16_t dns_type; /* QTYPE of the first question; 0: none */
	uint32_t dns_ttl;  /* s, of the first A answer; 0: none */
	uint16_t ftp_code; /* reply code, 100..659 */
	uint8_t reserved[6];
	uint32_t record; /* 1 + index in the flow table, a hint by lj_flow_ask(); 0: none */
};
LJ_ASSERT_LINES(struct lj_packet, 2);

enum lj_fragment_kind {
	LJ_FRAGMENT_NONE,
	LJ_FRAGMENT_FIRST,
	LJ_FRAGMENT_LATER, /* has no L4 header: the TCP fields are not valid */
};

/* Sets `plain` and the log_ fields, after all others are set; the parser calls it. Most packets are
 * plain: no SYN, FIN or RST, no fragment, no application fields, IP length up to 32767 bytes and
 * headers up to 255. */
static inline void lj_packet_tell_plain(struct lj_packet *p)
{
	p->plain = (p->tcp_flags & (LJ_TCP_SYN | LJ_TCP_FIN | LJ_TCP_RST)) == 0 &&
		   (p->fragment | p->application) == 0 && p->l3_bytes <= INT16_MAX &&
		   p->l3_bytes - p->payload_bytes <= UINT8_MAX;
	p->log_l3_bytes = p->plain ? (uint16_t)p->l3_bytes : 0;
	p->log_header_bytes = p->plain ? (uint8_t)(p->l3_bytes - p->payload_bytes) : 0;
	p->log_l4_words = p->plain ? (uint8_t)(p->l4_header_bytes / 4) : 0;
}

enum lj_application {
	LJ_APPLICATION_NONE,
	LJ_APPLICATION_DNS_QUERY,
	LJ_APPLICATION_DNS_ANSWER,
	LJ_APPLICATION_FTP_REPLY,
};

enum lj_tunnel {
	LJ_TUNNEL_NONE,
	LJ_TUNNEL_MPLS,	   /* RFC 3032 */
	LJ_TUNNEL_PPPOE,   /* RFC 2516 */
	LJ_TUNNEL_GRE,	   /* RFC 2784, 2890; NVGRE (RFC 7637); PPTP (RFC 2637) */
	LJ_TUNNEL_ERSPAN,  /* draft-foschiano-erspan: types I, II and III */
	LJ_TUNNEL_IPIP,	   /* RFC 2003, 2473: IPv4 in IP, IPv6 in IPv6 */
	LJ_TUNNEL_6IN4,	   /* RFC 4213, 6to4 and ISATAP too */
	LJ_TUNNEL_ETHERIP, /* RFC 3378 */
	LJ_TUNNEL_VXLAN,   /* RFC 7348 */
	LJ_TUNNEL_GENEVE,  /* RFC 8926 */
	LJ_TUNNEL_GTPU,	   /* 3GPP TS 29.281 */
	LJ_TUNNEL_TEREDO,  /* RFC 4380 */
	LJ_TUNNELS,
};

#define LJ_FRAGMENT_SETS       256
#define LJ_FRAGMENT_WAYS       4
#define LJ_FRAGMENT_TIMEOUT_NS 30000000000ULL /* as Linux's ipfrag_time */

/* A datagram whose first fragment was seen, and its flow. */
struct lj_fragment {
	struct lj_flow_key key;
	uint64_t time_ns;
	uint32_t id;
	uint8_t side;
	uint8_t reserved[11];
};

struct lj_fragments {
	struct lj_fragment way[LJ_FRAGMENT_WAYS];
};

struct lj_parser {
	uint64_t seed[4];	      /* of the key hash */
	struct lj_counters *counters; /* the owner's */
	bool outer;		      /* do not decapsulate tunnels */
	const uint8_t *index;	      /* see lj_parser_feed(); by default the parser itself */
	uint64_t index_mask;
	struct lj_fragments fragments[LJ_FRAGMENT_SETS];
};

/*
 * The seeded 64-bit hash of a key (multiply and fold, as wyhash). Without the seed collisions
 * cannot be constructed, as they can for CRC32 or a known RSS key. Symmetric, because the key is.
 */
uint64_t lj_flow_key_hash(const struct lj_flow_key *key, const uint64_t seed[4]);

/* The seed is random (getrandom) for live capture, fixed for replay. `outer`: flows are those of
 * the outer packets, tunnels are not decapsulated. `counters` is borrowed. */
void lj_parser_init(struct lj_parser *p, struct lj_counters *counters, bool random_seed,
		    bool outer);
/*
 * Has the parser prefetch cache line `hash & mask` of `index`, which the flow table on the same
 * lcore will look up first, as soon as a packet's hash is known. `index` is borrowed.
 */
void lj_parser_feed(struct lj_parser *p, const void *index, uint64_t mask);
/* "gre", "vxlan" ...; "" for none. Constant text. */
const char *lj_tunnel_name(enum lj_tunnel tunnel);

/*
 * Writes the facts of the accepted packets, in order and without gaps, to `packets` (room for
 * burst->count). Returns how many; the others are counted by reason. The mbufs stay the caller's.
 */
uint16_t lj_packet_parse_burst(struct lj_parser *p, const struct lj_burst *burst,
			       struct lj_packet *packets);
/* The same for mbufs `from` to `to` - 1 only. The parts of a burst must be parsed in order. */
uint16_t lj_packet_parse_part(struct lj_parser *p, const struct lj_burst *burst, uint16_t from,
			      uint16_t to, struct lj_packet *packets);

#endif
