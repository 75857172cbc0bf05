/*
 * Private: the words that the expressions of features.def are made of.
 *
 * Variances come from exact integer sums; nothing is rounded before the difference is taken. Two
 * manners for what does not exist: NaN (our own sets) and 0 (CICFlowMeter, nProbe, argus); the
 * words of the second are under "other tools" below.
 */
#ifndef FORMULA_H
#define FORMULA_H

#include <math.h>
#include <netinet/in.h>

#include "feature_table.h"

static inline double us(uint64_t ns)
{
	return (double)ns / 1e3;
}

static inline double ratio(uint64_t part, uint64_t whole)
{
	return whole > 0 ? (double)part / (double)whole : NAN;
}

static inline double mean(uint64_t sum, uint64_t n)
{
	return ratio(sum, n);
}

static inline double mean_us(uint64_t sum_ns, uint64_t n)
{
	return n > 0 ? us(sum_ns) / (double)n : NAN;
}

/*
 * n * sum of squares - square of the sum: n squared times the population variance. Exact while the
 * squares stay below 2^96 (78 hours of gaps in ns, and n has 32 bits); beyond that in double.
 * A capture whose first packet is not its earliest has a span longer than its gaps: then 0.
 */
static inline double spread(unsigned __int128 sumsq, uint64_t sum, uint32_t n)
{
	unsigned __int128 squares = sumsq * n, square = (unsigned __int128)sum * sum;

	if (sumsq >> 96 != 0) {
		double difference = (double)sumsq * n - (double)sum * (double)sum;

		return difference > 0 ? difference : 0;
	}
	return squares > square ? (double)(squares - square) : 0;
}

/* Population standard deviation. */
static inline double std(unsigned __int128 sumsq, uint64_t sum, uint32_t n)
{
	return n > 0 ? sqrt(spread(sumsq, sum, n)) / n : NAN;
}

static inline double per_second(uint64_t count, uint64_t ns)
{
	return ns > 0 ? (double)count * 1e9 / (double)ns : NAN;
}

static inline double gap_mean(uint64_t span_ns, uint32_t packets)
{
	return packets > 1 ? us(span_ns) / (packets - 1) : NAN;
}

static inline double gap_std(unsigned __int128 sumsq, uint64_t span_ns, uint32_t packets)
{
	return packets > 1 ? std(sumsq, span_ns, packets - 1) / 1e3 : NAN;
}

static inline uint64_t span(const struct lj_flow *f)
{
	return f->last_ns - f->first_ns;
}

static inline uint64_t side_span(const struct lj_flow_side *s)
{
	return s->last_ns - s->first_ns;
}

static inline double side_gap_mean(const struct lj_flow_side *s)
{
	return gap_mean(side_span(s), s->packets);
}

static inline double side_gap_std(const struct lj_flow_side *s)
{
	return gap_std(s->gap_sumsq, side_span(s), s->packets);
}

static inline double between(uint64_t from_ns, uint64_t to_ns)
{
	return from_ns != 0 && to_ns >= from_ns ? us(to_ns - from_ns) : NAN;
}

static inline uint64_t both_length_sum(const struct lj_flow *f)
{
	return f->side[0].length_sum + f->side[1].length_sum;
}

static inline double both_length_std(const struct lj_flow *f)
{
	return std((unsigned __int128)f->side[0].length_sumsq + f->side[1].length_sumsq,
		   both_length_sum(f), f->packets);
}

static inline double both_length_min(const struct lj_flow *f)
{
	const struct lj_flow_side *a = &f->side[0], *b = &f->side[1];

	if (a->packets == 0 || b->packets == 0)
		return a->packets > 0 ? a->length_min : b->length_min;
	return RTE_MIN(a->length_min, b->length_min);
}

static inline double splt_length(const struct lj_flow_splt *s, uint32_t i)
{
	if (i >= s->count)
		return NAN;
	return (s->sides >> i) & 1 ? -(double)s->length[i] : (double)s->length[i];
}

static inline double splt_gap(const struct lj_flow_splt *s, uint32_t i)
{
	/* In float, which NAN is, a long gap would lose digits. */
	return i < s->count ? (double)s->gap_us[i] : (double)NAN;
}

static inline bool sent_tcp(const struct lj_flow *f, int side)
{
	return f->key.proto == IPPROTO_TCP && f->side[side].packets > 0;
}

/* --- other tools: 0 for what does not exist --- */

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

/* Of values in ns, in us. */
static inline double sample_std_us(unsigned __int128 sumsq, uint64_t sum, uint32_t n)
{
	return sample_std(sumsq, sum, n) / 1e3;
}

/* The gaps of `packets` packets; there is none before the second. */
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

/* Bytes of L4 headers: the record has them with the IP headers, whose fixed part is known. */
static inline uint64_t l4_header_sum(const struct lj_flow *f, int side)
{
	uint64_t ip = (uint64_t)f->side[side].packets * (f->key.version == 6 ? 40 : 20);

	return f->side[side].header_sum > ip ? f->side[side].header_sum - ip : 0;
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

/* Bytes by second of the side's own duration, which counts as one second at least. */
static inline double second_bytes(const struct lj_flow_side *s)
{
	return (double)s->length_sum * 1e9 / (double)RTE_MAX(side_span(s), UINT64_C(1000000000));
}

/* Bits by second of the side's own duration, which counts as one millisecond at least. */
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

/* Its load leaves out one packet of mean (whole) length, for the same reason. */
static inline double argus_load(const struct lj_flow *f, int side)
{
	uint64_t bytes = frame_bytes(f, side);
	uint32_t packets = f->side[side].packets;

	return packets > 1 ? over((double)(bytes - bytes / packets) * 8, seconds(span(f))) : 0;
}

/* From 1, the initiator alone sent payload, to -1, the responder alone. */
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
