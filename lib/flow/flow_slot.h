/* Private: what the table keeps of a flow where every packet finds it. */
#ifndef FLOW_SLOT_H
#define FLOW_SLOT_H

#include <stddef.h>

#include "lj_flow.h"

/*
 * A packet that needs no more than this: the flow's side has spoken before, nothing is special
 * about it (no SYN, FIN or RST, no fragment, nothing of an application).
 */
struct logged {
	uint32_t gap_ns; /* since the flow's packet before */
	uint32_t tcp_seq;
	uint16_t l3_bytes;
	uint16_t tcp_window;
	uint8_t tcp_flags;
	uint8_t ttl;
	uint8_t header_bytes;	    /* l3_bytes - payload */
	uint8_t l4_header_and_side; /* header bytes / 4 in bits 0..3, side in bit 7 */
};

/* A packet that a flow begins with, whatever it is: all that is accounted of it. What a log has,
 * too, is where it has it. */
struct first_packet {
	uint16_t l3_bytes, payload_bytes;
	union {
		struct {
			uint32_t tcp_seq;
			uint16_t tcp_mss, tcp_window;
		};
		struct {
			uint32_t dns_ttl;
			uint16_t dns_type, dns_id;
		};
	};
	uint8_t tcp_flags;
	uint8_t ttl;
	uint8_t tcp_wscale;
	uint8_t l4_header_units : 4; /* of 4 bytes */
	uint8_t application : 2;     /* enum lj_application */
	uint8_t side : 1;
};
_Static_assert(offsetof(struct first_packet, tcp_seq) == offsetof(struct logged, tcp_seq) &&
		       offsetof(struct first_packet, tcp_window) ==
			       offsetof(struct logged, tcp_window) &&
		       offsetof(struct first_packet, tcp_flags) ==
			       offsetof(struct logged, tcp_flags) &&
		       offsetof(struct first_packet, ttl) == offsetof(struct logged, ttl),
	       "a packet has them so already");
#define FIRST_PACKETS 2

#define FLOW_LOG 16
#define LOG_LINE 4 /* packets of a log to a line */
/* Where a young flow's log begins. */
#define YOUNG_LOG LOG_LINE

/*
 * At many flows a packet costs as much as the cache lines and pages that it touches: bucket, first
 * line and a line of the log are three lines, and the record's, seven or more, are touched once for
 * FLOW_LOG packets. So head and log lie together and apart from the records.
 *
 * A flow is young while all there is of it has room here: its first packet, the next if it came
 * before any that can be logged, and those logged since. Most flows, of a flood or a scan nearly
 * all, never grow older, and end in a spare record, which is in the cache. When one grows, its
 * identity moves to its record and leaves its line to the log.
 */
struct flow_slot {
	union {
		struct lj_flow_head head;
		struct lj_flow_head;
	};
	union {
		struct logged log[FLOW_LOG]; /* those before head.pending */
		struct {
			struct lj_flow_identity identity;
			struct first_packet first[FIRST_PACKETS];
		};
	};
};
LJ_ASSERT_LINES(struct flow_slot, 1 + FLOW_LOG / LOG_LINE);
_Static_assert(sizeof(struct lj_flow_identity) + FIRST_PACKETS * sizeof(struct first_packet) ==
		       YOUNG_LOG * sizeof(struct logged),
	       "what a young flow has in the log's first line");

/* ns from the packet before them to the last of some packets. */
static inline uint64_t span_of(const struct logged *log, uint32_t from, uint32_t to)
{
	uint64_t span = 0;

	for (uint32_t i = from; i < to; i++)
		span += log[i].gap_ns;
	return span;
}

#endif
