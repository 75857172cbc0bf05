/* Frames of a bench laid out in memory, as a NIC would have left them. */
#ifndef BENCH_FRAMES_H
#define BENCH_FRAMES_H

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lj_memory.h"

#define FRAME_SLOT    80 /* bytes a frame has room for */
#define FRAME_PAYLOAD 4	 /* of a TCP segment */

enum traffic_kind {
	TRAFFIC_UNIFORM,   /* every packet of a random flow */
	TRAFFIC_ZIPF,	   /* flow k as often as 1 / k */
	TRAFFIC_SYN_FLOOD, /* every packet begins a flow */
	TRAFFIC_SCAN,	   /* SYN to a new port, and its RST */
	TRAFFIC_SMALL,	   /* conversations of SMALL_PACKETS, SMALL_AT_ONCE of them in turn */
	TRAFFIC_KINDS,
};
static const char *const traffic_names[TRAFFIC_KINDS] = {"uniform", "zipf", "synflood", "scan",
							 "small"};

#define SMALL_PACKETS 4
#define SMALL_AT_ONCE 1024
#define GAP_NS	      67 /* 14.88 Mpps */
/* Slow enough that a full table evicts those that are over, not those that have just begun: it
 * takes the latest of the oldest tick. */
#define SMALL_GAP_NS (20 * GAP_NS)

struct frames {
	uint8_t *slot; /* [n][FRAME_SLOT], in huge pages if there are any */
	uint8_t *bytes;
	/*
	 * [n] payload bytes that the frame's flow sends that way in one pass over all frames: added
	 * to TCP's sequence number at each further pass, so that nothing seems sent again.
	 */
	uint32_t *stride;
	uint32_t n;
	uint32_t gap_ns; /* between packets */
};

static inline uint64_t scramble(uint64_t x)
{
	x += 0x9e3779b97f4a7c15;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
	return x ^ (x >> 31);
}

static inline void put16(uint8_t *p, uint32_t value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
}

/*
 * A frame of flow `flow`, `back` from the responder; of 100 flows 75 TCP and 14 UDP over IPv4 (5 of
 * them tagged), 1 ICMP, 10 IPv6. Returns its bytes.
 */
static inline uint8_t put_frame(uint8_t *p, uint64_t flow, bool back, uint8_t flags, uint32_t seq)
{
	uint64_t a = scramble(flow), b = scramble(a);
	uint32_t kind = (uint32_t)(a % 100), at = 12;
	bool v6 = kind >= 90, udp = (kind >= 70 && kind < 84) || kind >= 95, icmp = kind == 84;
	uint16_t port[2] = {(uint16_t)(1024 + b % 60000), 443};
	uint32_t address[2] = {(uint32_t)(a >> 16), (uint32_t)(b >> 16)};
	uint8_t *ip, *l4;

	memset(p, 0, FRAME_SLOT);
	if (kind >= 85 && kind < 90) {
		put16(p + at, 0x8100);
		put16(p + at + 2, 100);
		at += 4;
	}
	put16(p + at, v6 ? 0x86dd : 0x0800);
	ip = p + at + 2;
	if (v6) {
		ip[0] = 0x60;
		put16(ip + 4, udp ? 12 : 24);
		ip[6] = udp ? 17 : 6;
		ip[7] = 64;
		memcpy(ip + 20, &address[back], 4);
		memcpy(ip + 36, &address[!back], 4);
		l4 = ip + 40;
	} else {
		ip[0] = 0x45;
		put16(ip + 2, udp ? 32 : icmp ? 28 : 44);
		ip[8] = 64;
		ip[9] = icmp ? 1 : udp ? 17 : 6;
		memcpy(ip + 12, &address[back], 4);
		memcpy(ip + 16, &address[!back], 4);
		l4 = ip + 20;
	}
	if (icmp) {
		l4[0] = 8;
		put16(l4 + 4, port[0]);
	} else {
		put16(l4, port[back]);
		put16(l4 + 2, port[!back]);
	}
	if (!udp && !icmp) {
		put16(l4 + 4, seq >> 16);
		put16(l4 + 6, seq);
		l4[12] = 5 << 4;
		l4[13] = flags;
		put16(l4 + 14, 0xffff);
	}
	return (uint8_t)RTE_MAX(l4 + (udp ? 12 : icmp ? 8 : 24) - p, 60L);
}

/* Which flow packet i is of: a walk through all flows in random order, or by Zipf's law. */
static inline uint64_t flow_of(enum traffic_kind kind, uint32_t flows, uint64_t i)
{
	uint64_t r = scramble(i * 2654435761u + 1);

	switch (kind) {
	case TRAFFIC_ZIPF:
		/* Inverse of the harmonic sum, continuous: exact enough for a bench. */
		return (uint64_t)exp((double)(r >> 11) / 9007199254740992.0 * log(flows)) - 1;
	case TRAFFIC_SYN_FLOOD:
		return i;
	case TRAFFIC_SCAN:
		return i / 2;
	case TRAFFIC_SMALL:
		return i / (SMALL_PACKETS * SMALL_AT_ONCE) * SMALL_AT_ONCE + i % SMALL_AT_ONCE;
	default:
		return r % flows;
	}
}

/* Of traffic whose flows begin and pass: whose turn packet i is, and what TCP says there. */
static inline bool turn_of(enum traffic_kind kind, uint64_t i, uint8_t *flags, uint32_t *seq)
{
	uint32_t turn = (uint32_t)(i / SMALL_AT_ONCE % SMALL_PACKETS);
	bool back = kind == TRAFFIC_SCAN && (i & 1);

	*flags = back ? 0x14 : 0x02;
	*seq = (uint32_t)i;
	if (kind != TRAFFIC_SMALL)
		return back;
	/* SYN, SYN and ACK, then data each way. */
	*flags = turn == 0 ? 0x02 : turn == 1 ? 0x12 : 0x18;
	*seq = turn < 2 ? 0 : 1 + FRAME_PAYLOAD;
	return turn & 1;
}

static inline bool make_frames(struct frames *f, enum traffic_kind kind, uint32_t flows, uint32_t n)
{
	bool begins = kind > TRAFFIC_ZIPF;
	uint32_t(*sent)[2] = begins ? NULL : calloc(flows, sizeof(*sent));

	f->n = n;
	f->gap_ns = kind == TRAFFIC_SMALL ? SMALL_GAP_NS : GAP_NS;
	f->slot = lj_memory_map("frames", (size_t)n * FRAME_SLOT, SOCKET_ID_ANY);
	f->bytes = malloc(n);
	f->stride = calloc(n, sizeof(*f->stride));
	if (f->slot == NULL || f->bytes == NULL || f->stride == NULL || (!begins && sent == NULL))
		return false;
	for (uint32_t i = 0; i < n; i++) {
		bool back = scramble(i) & 1;
		uint64_t flow = flow_of(kind, flows, i);
		uint8_t flags = 0x18;
		uint32_t seq;

		if (begins)
			back = turn_of(kind, i, &flags, &seq);
		else
			seq = sent[flow][back];
		f->bytes[i] = put_frame(f->slot + (size_t)i * FRAME_SLOT, flow, back, flags, seq);
		if (!begins)
			sent[flow][back] += FRAME_PAYLOAD;
	}
	for (uint32_t i = 0; !begins && i < n; i++)
		f->stride[i] = sent[flow_of(kind, flows, i)][scramble(i) & 1];
	free(sent);
	return true;
}

static inline void free_frames(struct frames *f)
{
	lj_memory_unmap(f->slot, (size_t)f->n * FRAME_SLOT);
	free(f->bytes);
	free(f->stride);
}

#endif
