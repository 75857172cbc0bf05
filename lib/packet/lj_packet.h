/*
 * A burst of mbufs into a burst of facts.
 *
 * Ethernet II and SNAP, 802.1Q and QinQ, MPLS, PPPoE, IPv4 with options, IPv6 with extension
 * headers, TCP, UDP, SCTP, ICMP, ICMPv6, and any other protocol by its number. Reads the mbuf,
 * writes the facts, counts what it refuses by a named reason. Never reads past what was captured;
 * lengths are the headers', not the capture's.
 *
 * Tunnels (enum lj_tunnel) are opened, up to four in one another: the facts are those of the
 * innermost packet. Where what is inside can't be read (not IP, cut off, more than four) they are
 * those of the packet around it. So they are, too, with `outer`, and for a tunnel's own fragments.
 *
 * Later fragments get the ports of their first one, which a parser remembers for 30 s of packet
 * time, 1,024 datagrams at most; those without are counted as parse_ignored_fragment.
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
	uint8_t proto;	 /* IANA protocol number; IPv6: of the upper layer */
	uint8_t version; /* 4 or 6 */
	uint16_t zone;	 /* 0: room for a VLAN or a virtual network, when flows are to be told apart
			    by it */
};

enum lj_packet_kind {
	LJ_PACKET_DATA,
	LJ_PACKET_TICK, /* no packet: replay's clock has reached time_ns; see lj_flow.h */
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

/* Two lines: the first finds the flow, the second is accounted. */
struct lj_packet {
	struct lj_flow_key key;
	uint64_t hash;	  /* of the key, seeded: lj_flow_key_hash() */
	uint64_t time_ns; /* since the epoch, from the capture; never 0 */
	uint64_t seq; /* place in the source's order: 1, 2, 3 ... Set by who receives, not by the
			 parser. */

	/*
	 * What the log of a flow keeps of a plain packet, in 16 bytes that are copied as they are:
	 * lib/flow's struct logged. The log_ fields are 0 unless the packet is plain.
	 */
	uint32_t log_gap; /* the log's own; 0 */
	uint32_t tcp_seq;
	uint16_t log_l3_bytes;
	uint16_t tcp_window;
	uint8_t tcp_flags;
	uint8_t ttl;		  /* or hop limit */
	uint8_t log_header_bytes; /* l3_bytes - payload_bytes */
	uint8_t log_l4_words;	  /* l4_header_bytes / 4 */

	uint32_t l3_bytes;	/* IP total length, header included; IPv6: 40 + payload length */
	uint32_t payload_bytes; /* after the L4 header, by the IP length; 0 for ICMP's header only
				   ... */
	uint32_t wire_bytes;	/* frame on the wire, without FCS */
	uint16_t l4_header_bytes;
	uint16_t vlan; /* outermost VLAN id, in the frame or stripped by the NIC; 0 none */

	uint8_t leg;
	uint8_t side;	   /* which of key's endpoints sent this: 0 or 1 */
	uint8_t plain;	   /* 1: see lj_packet_tell_plain() */
	uint8_t kind;	   /* enum lj_packet_kind */
	uint8_t fragment;  /* enum lj_fragment_kind */
	uint8_t tunnel;	   /* enum lj_tunnel: what the flow was carried in, innermost */
	uint8_t icmp_type; /* ICMP, ICMPv6 */
	uint8_t icmp_code;
	uint16_t tcp_mss;    /* option of a SYN; 0 none */
	uint8_t tcp_wscale;  /* option of a SYN, plus 1; 0 none */
	uint8_t application; /* enum lj_application: which of the fields below are there */
	uint16_t dns_id;
	uint16_t dns_type; /* QTYPE of the first question; 0 none */
	uint32_t dns_ttl;  /* s, of the first A answer; 0 none */
	uint16_t ftp_code; /* reply code, 100..659 */
	uint8_t reserved[6];
	uint32_t record; /* 1 + place in the flow table, as far as lj_flow_ask() saw; 0 none */
};
LJ_ASSERT_LINES(struct lj_packet, 2);

enum lj_fragment_kind {
	LJ_FRAGMENT_NONE,
	LJ_FRAGMENT_FIRST,
	LJ_FRAGMENT_LATER, /* has no L4 header: TCP's fields are not there */
};

/* Whether it is one of the many: no SYN, FIN or RST, no fragment, nothing of an application, IP
 * bytes up to 32767 and headers up to 255. Such a packet is told from others, and what a log keeps
 * of it noted, when all other facts are there. The parser does it. */
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

/* The flow of a datagram whose first fragment was seen. */
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
	bool outer;		      /* leave tunnels closed */
	const uint8_t *index;	      /* see lj_parser_feed(); the parser itself: nobody's */
	uint64_t index_mask;
	struct lj_fragments fragments[LJ_FRAGMENT_SETS];
};

/*
 * The seeded 64-bit hash of a key (multiply-fold, as wyhash): who does not know the seed cannot aim
 * for a collision, as one can with CRC32 or an RSS key. Symmetric, because the key is.
 */
uint64_t lj_flow_key_hash(const struct lj_flow_key *key, const uint64_t seed[4]);

/* Fixed seed: replay. Random (getrandom): live. `outer`: flows are those of the tunnels, not those
 * inside. */
void lj_parser_init(struct lj_parser *p, struct lj_counters *counters, bool random_seed,
		    bool outer);
/*
 * Who takes the packets on the parser's own lcore looks up line `hash & mask` of `index` first: it
 * is asked for as soon as the hash is known, so that memory works while the rest is parsed.
 */
void lj_parser_feed(struct lj_parser *p, const void *index, uint64_t mask);
/* "gre", "vxlan" ...; "" for none. Constant text. */
const char *lj_tunnel_name(enum lj_tunnel tunnel);

/*
 * Facts of the accepted packets, in order, packed at the front of `packets` (room for
 * burst->count). Returns how many; the rest are counted by reason. The mbufs stay the caller's.
 */
uint16_t lj_packet_parse_burst(struct lj_parser *p, const struct lj_burst *burst,
			       struct lj_packet *packets);
/* The same of mbufs `from` to `to` - 1 alone: a burst's parts in order, for who has something to do
 * between them. */
uint16_t lj_packet_parse_part(struct lj_parser *p, const struct lj_burst *burst, uint16_t from,
			      uint16_t to, struct lj_packet *packets);

#endif
