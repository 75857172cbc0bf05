/*
 * The record of one bidirectional flow, in exact integers.
 *
 * Side 0 is the initiator: the sender of the first packet, unless that was a SYN-ACK, or a
 * mid-stream packet from a well-known port (below 1024) to a higher one; then the record is
 * `flipped`. Side 1 is the responder.
 *
 * Lengths are bytes of the IP datagram (header included) by its own length field; `payload` is what
 * follows the L4 header. Gaps are the times between consecutive packets, in ns; 0 if time goes
 * back. Sums of squares are exact: there is no floating point here.
 *
 * A record contains no pointers: a table lends it, a queue carries a copy. Its first members are
 * anonymous structs with a type (-fms-extensions), because the table keeps them separately for
 * flows that have few packets.
 */
#ifndef LJ_RECORD_H
#define LJ_RECORD_H

#include <stdint.h>

#include "lj_packet.h"
#include "lj_queue.h"

#define LJ_SIZES    5
#define LJ_SPLT_MAX 16 /* first packets whose length, gap and side are kept */

/* Why a record is due for a verdict. The end reasons are those of IPFIX flowEndReason (RFC 5102,
 * 136). */
enum lj_due {
	LJ_DUE_NOT,
	LJ_DUE_EARLY_PACKETS, /* reached flow.classify_at packets; the flow goes on */
	LJ_DUE_EARLY_AGE,     /* reached flow.classify_after_ms; the flow goes on */
	LJ_DUE_IDLE,	      /* silent longer than the idle timeout: IPFIX 1 */
	LJ_DUE_ACTIVE,	      /* older than the active timeout, or 2^32 - 1 packets; a continuing
				 record follows: IPFIX 2 */
	LJ_DUE_FIN,	      /* FIN both ways: IPFIX 3 */
	LJ_DUE_RST,	      /* RST: IPFIX 3 */
	LJ_DUE_FLUSHED,	      /* capture or program ended: IPFIX 4 */
	LJ_DUE_EVICTED,	      /* the table was full: IPFIX 5 */
	LJ_DUES,
};

enum lj_flow_state {
	LJ_FLOW_FREE,
	LJ_FLOW_OPEN,
	LJ_FLOW_CLOSING, /* FIN both ways or RST seen: waits for late packets */
	LJ_FLOW_ENDED,	 /* due, out of the table, not yet settled */
};

/* What one side sent. Two cache lines: every packet of the side touches the first. */
struct lj_flow_side {
	uint32_t packets;
	uint16_t length_min, length_max; /* 65535 at most; valid when packets > 0 */
	uint64_t length_sum;
	uint64_t length_sumsq;
	uint64_t last_ns;	   /* of this side's latest packet */
	uint64_t gap_min, gap_max; /* between this side's packets; valid when packets > 1 */
	unsigned __int128 gap_sumsq;

	uint64_t first_ns;
	uint64_t payload_sum;
	uint64_t payload_sumsq;
	uint16_t payload_min, payload_max;
	uint32_t payload_packets;    /* with payload > 0 */
	uint32_t flag_fin, flag_psh; /* packets with the flag; the rarer ones below */
	uint32_t flag_syn, flag_rst, flag_urg, flag_ece, flag_cwr;
	uint8_t ttl_min, ttl_max, ttl_last;
};
LJ_ASSERT_LINES(struct lj_flow_side, 2);

/* TCP of one side. */
struct lj_flow_tcp {
	uint32_t first_seq, next_seq; /* sequence space sent: [first_seq, next_seq) */
	uint32_t flag_ack;	      /* packets with ACK */
	uint32_t reserved32;
	uint64_t retransmitted_bytes; /* payload bytes sent again */
	uint32_t retransmitted_packets;
	uint32_t out_of_order; /* packets that opened a gap, or filled one */
	uint32_t zero_windows;
	uint32_t lost_bytes;	     /* sequence space not seen: the gaps still open */
	uint32_t gap_begin, gap_end; /* the latest gap; equal: closed */
	uint16_t window_first, window_max, window_min, window_last; /* as sent, not scaled */
	uint16_t mss;
	uint8_t wscale_plus1;
	uint8_t flags_first; /* flags of this side's first packet */
	uint8_t flags_all;   /* OR over all */
	uint8_t seen;	     /* 1: the sequence numbers are valid */
	uint8_t min_header;  /* smallest L4 header with payload; CICFlowMeter's min_seg_size */
	uint8_t history;     /* bit per kind of packet already in the record's history */
};
LJ_ASSERT_LINES(struct lj_flow_tcp, 1);

/* Activity as defined by CICFlowMeter: idle is a gap over 5 s, active the time between two such
 * gaps. The current active period, active_start_ns to the flow's last_ns, is not included in the
 * sums. */
struct lj_flow_activity {
	uint64_t active_start_ns;
	uint64_t active_min, active_max, active_sum; /* ns */
	uint64_t idle_min, idle_max, idle_sum;	     /* ns */
	unsigned __int128 active_sumsq, idle_sumsq;
	uint32_t active_count, idle_count;
	uint32_t subflows; /* gaps over 1 s, plus 1 is the count of subflows */
	uint32_t reserved[5];
};
LJ_ASSERT_LINES(struct lj_flow_activity, 2);

/* Bulk of one side as defined by CICFlowMeter: four or more packets with payload, less than 1 s
 * apart and with none of the other side between. pending_packets is 0 while none has begun. */
struct lj_flow_bulk {
	uint64_t start_ns, last_ns, duration_ns;
	uint64_t bytes, pending_bytes;
	uint32_t states, packets, pending_packets, reserved;
	uint64_t reserved2;
};
LJ_ASSERT_LINES(struct lj_flow_bulk, 1);

/* Length, payload and gap of the first LJ_SPLT_MAX packets; zeros beyond the last packet. Their
 * sides are in the record's splt_sides. */
struct lj_flow_splt {
	uint16_t length[LJ_SPLT_MAX];
	uint16_t payload[LJ_SPLT_MAX];
	uint32_t gap_us[LJ_SPLT_MAX]; /* before the packet; 0 for the first; stops at UINT32_MAX */
};
LJ_ASSERT_LINES(struct lj_flow_splt, 2);

/* The part that every packet of a flow touches. */
struct lj_flow_head {
	struct lj_flow_key key;
	uint64_t first_ns, last_ns;
	uint32_t packets;      /* both sides */
	uint8_t state : 7;     /* enum lj_flow_state */
	uint8_t young : 1;     /* used by the table: no counters yet; 0 in a due record */
	uint8_t initiator : 1; /* which endpoint of key is side 0 */
	uint8_t early : 1;     /* 1: an early verdict has been requested */
	uint8_t heard : 2;     /* bit s: side s has sent a packet */
	uint8_t pending : 4;   /* used by the table: length of the log; 0 in a due record */
	uint8_t due;	       /* enum lj_due */
	uint8_t legs;	       /* bit i: a packet came by leg i (bit 7: by leg 7 or higher) */
};
LJ_ASSERT_LINES(struct lj_flow_head, 1);

/* What is known from the flow's first packet, and how its TCP connection closed. */
struct lj_flow_identity {
	uint64_t flow_id; /* lj_flow_id(): the same in every run; parts of one flow share it */
	uint64_t hash;
	uint32_t index; /* in the table */
	uint16_t vlan;
	uint16_t loss_epoch; /* of the table, when the record began */
	uint8_t flipped : 1;
	uint8_t midstream : 1; /* TCP whose first packet was not a SYN or SYN-ACK */
	uint8_t lossy : 1;     /* packets may be missing: some were lost during its lifetime */
	uint8_t tunnel;	       /* enum lj_tunnel */
	uint8_t icmp_type, icmp_code; /* of the first packet */
	uint8_t fin_sides;	      /* bit s: side s has sent FIN */
	uint8_t rst_side_plus1;
	uint16_t part; /* 0, then 1, 2 ... after each active timeout */
};

struct lj_flow {
	struct lj_flow_head; /* line 0 */

	/* line 1 */
	struct lj_flow_identity;
	struct lj_order order; /* position of the due record in a replay's order */
	uint64_t closed_ns;    /* when FIN both ways or RST was seen */
	uint16_t splt_sides;   /* bit i: packet i of splt came from the responder */
	uint16_t fragments;    /* saturates at 65535 */
	uint32_t reserved;

	/* lines 2..5 */
	struct lj_flow_side side[2];

	/* line 6: both directions together */
	unsigned __int128 gap_sumsq;
	uint64_t gap_min, gap_max;  /* between any two packets; valid when packets > 1 */
	uint64_t early_ns;	    /* when the early verdict was due; 0: none */
	uint64_t syn_ns, synack_ns; /* handshake: first SYN, first SYN-ACK after it; 0: none */
	uint64_t ack_ns;	    /* first ACK of the initiator after the SYN-ACK; 0: none */

	/* lines 7..15: only filled as requested by lj_flow_config.keep */
	struct lj_flow_tcp tcp[2];
	struct lj_flow_activity activity;
	struct lj_flow_bulk bulk[2];
	struct lj_flow_splt splt;
	/*
	 * As Zeek's conn history, each letter once per side: S h A D F R, T retransmitted payload,
	 * W zero window; upper case is the initiator; preceded by ^ if flipped.
	 */
	char history[24];
	uint16_t ftp_code; /* of the latest reply; 0: none */
	/* Packets of both sides by IP length: up to 128, 256, 512, 1024, 1514. */
	uint32_t sizes[LJ_SIZES];
	uint32_t dns_ttl; /* s, of the first A answer; 0: none */
	uint16_t dns_id;  /* of the first DNS message */
	uint16_t dns_type;
};
LJ_ASSERT_LINES(struct lj_flow, 16);

/* Zeek's conn_state of the record: "S0", "SF", "REJ", "S1", "RSTO", "OTH" ... Constant text. */
const char *lj_flow_conn_state(const struct lj_flow *flow);
/* Suricata's flow state for EVE: "new", "established" or "closed". */
const char *lj_flow_eve_state(const struct lj_flow *flow);
/* "idle", "active", "fin", "rst", "flushed", "evicted", "early_packets", "early_age". */
const char *lj_due_name(enum lj_due due);
/* IPFIX flowEndReason 1..5; 0 when the flow goes on (early). */
uint8_t lj_due_ipfix(enum lj_due due);

/* A flow's id, 1..2^63-1: a hash of the key and the time of the first packet, with a fixed seed. */
uint64_t lj_flow_id(const struct lj_flow_key *key, uint64_t first_ns);

#endif
