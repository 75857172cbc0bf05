/*
 * Private: functions for other tools' sets (CICFlowMeter, nProbe, argus), in which values that do
 * not exist are 0.
 */
#ifndef FORMULA_OTHER_H
#define FORMULA_OTHER_H

#include "formula.h"

static inline double over(double part, double whole)
{
	return whole > 0 ? part / whole : 0;
}

/* Sample variance, as commons-math SummaryStatistics in CICFlowMeter: 0 for a single value. */
static inline double sample_var(unsigned __int128 sumsq, uint64_t sum, uint32_t n)
{
	return n > 1 ? spread(sumsq, sum, n) / ((double)n * (n - 1)) : 0;
}

static inline double sample_std(unsigned __int128 sumsq, uint64_t sum, uint32_t n)
{
	return sqrt(sample_var(sumsq, sum, n));
}

/* The same of values in ns, converted to us. */
static inline double sample_std_us(unsigned __int128 sumsq, uint64_t sum, uint32_t n)
{
	return sample_std(sumsq, sum, n) / 1e3;
}

/* The number of gaps between `packets` packets. */
static inline uint32_t gaps(uint32_t packets)
{
	return packets > 0 ? packets - 1 : 0;
}

/* A value in ns that exists when n > 0, in us. */
static inline double us_if(uint32_t n, uint64_t ns)
{
	return n > 0 ? us(ns) : 0;
}

static inline uint64_t both_payload_sum(const struct lj_flow *f)
{
	return f->side[0].payload_sum + f->side[1].payload_sum;
}

static inline double both_payload_var(const struct lj_flow *f)
{
	return sample_var((unsigned __int128)f->side[0].payload_sumsq + f->side[1].payload_sumsq,
			  both_payload_sum(f), f->packets);
}

static inline double both_payload_min(const struct lj_flow *f)
{
	const struct lj_flow_side *a = &f->side[0], *b = &f->side[1];

	if (a->packets == 0 || b->packets == 0)
		return a->packets > 0 ? a->payload_min : b->payload_min;
	return RTE_MIN(a->payload_min, b->payload_min);
}

/* Bytes of L4 headers: the record's header bytes minus the fixed part of the IP headers. */
static inline uint64_t l4_header_sum(const struct lj_flow *f, int side)
{
	uint64_t ip = (uint64_t)f->side[side].packets * (f->key.version == 6 ? 40 : 20);
	uint64_t all = header_sum(&f->side[side]);

	return all > ip ? all - ip : 0;
}

static inline uint32_t least_l4_header(const struct lj_flow *f, int side)
{
	if (f->key.proto == IPPROTO_UDP)
		return f->side[side].packets > 0 ? 8 : 0;
	return f->tcp[side].min_header;
}

static inline bool is_icmp_flow(const struct lj_flow *f)
{
	return f->key.proto == IPPROTO_ICMP || f->key.proto == IPPROTO_ICMPV6;
}

/* Whole milliseconds, as flow exporters count. */
static inline uint64_t ms(uint64_t ns)
{
	return ns / 1000000;
}

static inline double both_ttl_min(const struct lj_flow *f)
{
	const struct lj_flow_side *a = &f->side[0], *b = &f->side[1];

	if (a->packets == 0 || b->packets == 0)
		return a->packets > 0 ? a->ttl_min : b->ttl_min;
	return RTE_MIN(a->ttl_min, b->ttl_min);
}

/* Bytes per second of the side's own duration, or of one second if that is shorter. */
static inline double second_bytes(const struct lj_flow_side *s)
{
	return (double)s->length_sum * 1e9 / (double)RTE_MAX(side_span(s), UINT64_C(1000000000));
}

/* Bits per second of the side's own duration, or of one millisecond if that is shorter. */
static inline double throughput(const struct lj_flow_side *s)
{
	return (double)s->length_sum * 8e3 / (double)RTE_MAX(ms(side_span(s)), UINT64_C(1));
}

static inline double seconds(uint64_t ns)
{
	return (double)ns / 1e9;
}

/* Ethernet header, and a VLAN tag where there was one: argus counts frames. */
static inline uint32_t frame_header(const struct lj_flow *f)
{
	return f->vlan != 0 ? 18 : 14;
}

static inline uint64_t frame_bytes(const struct lj_flow *f, int side)
{
	return f->side[side].length_sum + (uint64_t)f->side[side].packets * frame_header(f);
}

static inline double frame_length(const struct lj_flow *f, int side, uint16_t length)
{
	return f->side[side].packets > 0 ? length + frame_header(f) : 0;
}

/* argus counts what came after the first packet: n packets make n - 1 intervals. */
static inline double argus_rate(const struct lj_flow *f, uint32_t packets)
{
	return over(gaps(packets), seconds(span(f)));
}

/* For the same reason its load excludes one packet of mean length (rounded down). */
static inline double argus_load(const struct lj_flow *f, int side)
{
	uint64_t bytes = frame_bytes(f, side);
	uint32_t packets = f->side[side].packets;

	return packets > 1 ? over((double)(bytes - bytes / packets) * 8, seconds(span(f))) : 0;
}

/* From 1, only the initiator sent payload, to -1, only the responder did. */
static inline double producer_consumer_ratio(const struct lj_flow *f)
{
	double sent = (double)f->side[0].payload_sum, received = (double)f->side[1].payload_sum;

	return over(sent - received, sent + received);
}

static inline double percent_lost(uint32_t lost, uint32_t packets)
{
	return over(100.0 * lost, (double)packets + lost);
}

/* In seconds; 0 unless both were seen. */
static inline double handshake(uint64_t from_ns, uint64_t to_ns)
{
	return from_ns != 0 && to_ns >= from_ns ? seconds(to_ns - from_ns) : 0;
}

/* The scale holds when both SYNs had the option (RFC 7323). */
static inline double scaled_window(const struct lj_flow *f, int side)
{
	const struct lj_flow_tcp *t = &f->tcp[side];
	bool scaled = t->wscale_plus1 > 0 && f->tcp[!side].wscale_plus1 > 0;

	return (double)((uint32_t)t->window_last << (scaled ? t->wscale_plus1 - 1 : 0));
}

static inline double argus_state(const struct lj_flow *f)
{
	enum { REQ = 1, ACC, CON, FIN, RST, INT, ECO };
	bool one_sided = f->side[0].packets == 0 || f->side[1].packets == 0;

	if (f->key.proto != IPPROTO_TCP) {
		if (!one_sided)
			return CON;
		return is_icmp_flow(f) && (f->icmp_type == 8 || f->icmp_type == 128) ? ECO : INT;
	}
	if (f->rst_side_plus1 != 0)
		return RST;
	if (f->fin_sides == 3)
		return FIN;
	if (f->syn_ns != 0 && f->synack_ns == 0)
		return REQ;
	return f->syn_ns != 0 && f->ack_ns == 0 ? ACC : CON;
}

#endif
