/* Private: the hot part of a flow's state, which every packet touches. */
#ifndef FLOW_SLOT_H
#define FLOW_SLOT_H

#include <stddef.h>

#include "lj_flow.h"

/*
 * A log entry: a plain packet (lj_packet_tell_plain()) of a side that has sent packets before.
 */
struct logged {
	uint32_t gap_ns; /* since the flow's previous packet */
	uint32_t tcp_seq;
	uint16_t l3_bytes;
	uint16_t tcp_window;
	uint8_t tcp_flags;
	uint8_t ttl;
	uint8_t header_bytes;	    /* l3_bytes - payload */
	uint8_t l4_header_and_side; /* header bytes / 4 in bits 0..3, side in bit 7 */
};

/* One of the first packets of a flow, of any kind, with all fields that are accounted. Fields that
 * struct logged has, too, are at the same offset. */
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
	       "the same layout as a log entry");
#define FIRST_PACKETS 2

#define FLOW_LOG 16
#define LOG_LINE 4 /* log entries per cache line */
/* The first log entry of a young flow. */
#define YOUNG_LOG LOG_LINE

/*
 * With many flows the cost of a packet is that of the cache lines and pages that it touches. Head
 * and log are kept apart from the records, so that a packet touches three lines (bucket, head, and
 * one of the log), and the seven or more lines of the record are touched only once per FLOW_LOG
 * packets.
 *
 * A flow is young while all its packets fit in here: up to FIRST_PACKETS of any kind, and log
 * entries after them. Most flows, and nearly all of a flood or a scan, never grow older; when they
 * end, a spare record is filled, which is still in the cache. When a flow grows, its identity moves
 * to its own record, and the log gets the line that it occupied.
 */
struct flow_slot {
	union {
		struct lj_flow_head head;
		struct lj_flow_head;
	};
	union {
		struct logged log[FLOW_LOG]; /* [head.pending] are valid */
		struct {
			struct lj_flow_identity identity;
			struct first_packet first[FIRST_PACKETS];
		};
	};
};
LJ_ASSERT_LINES(struct flow_slot, 1 + FLOW_LOG / LOG_LINE);
_Static_assert(sizeof(struct lj_flow_identity) + FIRST_PACKETS * sizeof(struct first_packet) ==
		       YOUNG_LOG * sizeof(struct logged),
	       "a young flow's identity and first packets are in the log's first line");

/* The sum of the gaps of log entries `from` to `to` - 1, in ns. */
static inline uint64_t span_of(const struct logged *log, uint32_t from, uint32_t to)
{
	uint64_t span = 0;

	for (uint32_t i = from; i < to; i++)
		span += log[i].gap_ns;
	return span;
}

#endif
