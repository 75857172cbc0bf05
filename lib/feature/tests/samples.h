/* Records and a host context; their expected features are in expected.def. */
#ifndef SAMPLES_H
#define SAMPLES_H

#include "lj_feature.h"

#define MS 1000000ULL
#define T0 (1700000000000 * MS)
/* Squares of ms, in ns^2. */
#define SQ(squares) ((unsigned __int128)(squares)*MS * MS)

/*
 * Six packets: SYN (60 bytes), SYN-ACK (60) after 10 ms, ACK (52) after 20 more, data (252, then
 * 1052 back and 452) after 70, 100 and 6900 more. Values that six packets cannot have (many flags,
 * bulks) are invented; all differ, so that features cannot be confused.
 */
static inline struct lj_flow tcp_flow(void)
{
	return (struct lj_flow){
		.key = {.port = {80, 40000}, .proto = 6, .version = 4},
		.initiator = 1,
		.packets = 6,
		.first_ns = T0,
		.last_ns = T0 + 7100 * MS,
		.gap_min = 10 * MS,
		.gap_max = 6900 * MS,
		.gap_sumsq = SQ(100 + 400 + 4900 + 10000 + 47610000),
		.side = {{.packets = 4,
			  .length_min = 52,
			  .length_max = 452,
			  .length_sum = 816,
			  .length_sumsq = 3600 + 2704 + 63504 + 204304,
			  .first_ns = T0,
			  .last_ns = T0 + 7100 * MS,
			  .gap_min = 30 * MS,
			  .gap_max = 7000 * MS,
			  .gap_sumsq = SQ(900 + 4900 + 49000000),
			  .payload_sum = 600,
			  .payload_sumsq = 40000 + 160000,
			  .payload_max = 400,
			  .payload_packets = 2,
			  .flag_fin = 1,
			  .flag_psh = 2,
			  .flag_syn = 3,
			  .flag_rst = 4,
			  .flag_urg = 5,
			  .flag_ece = 6,
			  .flag_cwr = 7,
			  .ttl_min = 60,
			  .ttl_max = 64,
			  .ttl_last = 62},
			 {.packets = 2,
			  .length_min = 60,
			  .length_max = 1052,
			  .length_sum = 1112,
			  .length_sumsq = 3600 + 1106704,
			  .first_ns = T0 + 10 * MS,
			  .last_ns = T0 + 200 * MS,
			  .gap_min = 190 * MS,
			  .gap_max = 190 * MS,
			  .gap_sumsq = SQ(36100),
			  .payload_sum = 1000,
			  .payload_sumsq = 1000000,
			  .payload_max = 1000,
			  .payload_packets = 1,
			  .flag_fin = 8,
			  .flag_psh = 9,
			  .flag_syn = 10,
			  .flag_rst = 11,
			  .flag_urg = 12,
			  .flag_ece = 13,
			  .flag_cwr = 14,
			  .ttl_min = 110,
			  .ttl_max = 128,
			  .ttl_last = 120}},
		.syn_ns = T0,
		.synack_ns = T0 + 10 * MS,
		.ack_ns = T0 + 30 * MS,
		.fin_sides = 3,
		.tcp = {{.flag_ack = 15,
			 .retransmitted_packets = 1,
			 .retransmitted_bytes = 200,
			 .out_of_order = 2,
			 .zero_windows = 3,
			 .lost_bytes = 50,
			 .window_first = 1000,
			 .window_max = 3000,
			 .window_last = 100,
			 .wscale_plus1 = 8,
			 .mss = 1460,
			 .flags_all = LJ_TCP_FIN | LJ_TCP_SYN | LJ_TCP_PSH,
			 .min_header = 32},
			{.flag_ack = 16,
			 .retransmitted_packets = 4,
			 .retransmitted_bytes = 300,
			 .out_of_order = 5,
			 .zero_windows = 6,
			 .lost_bytes = 70,
			 .window_first = 2000,
			 .window_max = 4000,
			 .window_last = 200,
			 .wscale_plus1 = 1,
			 .mss = 1400,
			 .flags_all = LJ_TCP_SYN | LJ_TCP_ACK,
			 .min_header = 20}},
		.activity = {.active_count = 2,
			     .active_sum = 600 * MS,
			     .active_sumsq = SQ(40000 + 160000),
			     .active_min = 200 * MS,
			     .active_max = 400 * MS,
			     .idle_count = 2,
			     .idle_sum = 14000 * MS,
			     .idle_sumsq = SQ(36000000 + 64000000),
			     .idle_min = 6000 * MS,
			     .idle_max = 8000 * MS,
			     .subflows = 2},
		.bulk = {{.bytes = 900, .packets = 9, .states = 2, .duration_ns = 500 * MS},
			 {.bytes = 2000, .packets = 17, .states = 4, .duration_ns = 250 * MS}},
		.sizes = {3, 1, 2, 4, 5},
		.dns_id = 11,
		.dns_type = 12,
		.dns_ttl = 13,
		.ftp_code = 230,
		.splt = {.length = {60, 60, 52, 252, 1052, 452},
			 .gap_us = {0, 10000, 20000, 70000, 100000, 6900000}},
		.splt_sides = 1 << 1 | 1 << 4,
	};
}

/* IPv6 with a VLAN tag, 52 bytes to port 53, unanswered. */
static inline struct lj_flow lone_datagram(void)
{
	return (struct lj_flow){
		.key = {.port = {5000, 53}, .proto = 17, .version = 6},
		.packets = 1,
		.first_ns = T0,
		.last_ns = T0,
		.gap_min = UINT64_MAX,
		.vlan = 7,
		.side = {{.packets = 1,
			  .length_min = 100,
			  .length_max = 100,
			  .length_sum = 100,
			  .length_sumsq = 10000,
			  .first_ns = T0,
			  .last_ns = T0,
			  .gap_min = UINT64_MAX,
			  .payload_sum = 52,
			  .payload_sumsq = 52 * 52,
			  .payload_min = 52,
			  .payload_max = 52,
			  .payload_packets = 1,
			  .ttl_min = 64,
			  .ttl_max = 64,
			  .ttl_last = 63}},
		.sizes = {1},
		.dns_id = 4660,
		.dns_type = 28,
		.dns_ttl = 300,
		.activity = {.active_min = UINT64_MAX, .idle_min = UINT64_MAX},
		.splt = {.length = {100}},
	};
}

/* All values differ, in the order that expected.def assumes. */
static inline struct lj_host_context full_context(void)
{
	static const enum lj_host_count count_order[] = {
		LJ_HOST_FLOWS,	 LJ_HOST_PEERS,	       LJ_HOST_PORTS,	     LJ_HOST_PAIRS,
		LJ_HOST_ENDED,	 LJ_HOST_UNANSWEREDS,  LJ_HOST_HALF_OPENS,   LJ_HOST_REJECTEDS,
		LJ_HOST_SILENTS, LJ_HOST_FAILED_PEERS, LJ_HOST_FAILED_PORTS, LJ_HOST_SIZES};
	static const enum lj_host_opening opening_order[] = {
		LJ_HOST_OPENING_SRC_FLOWS_5S,	LJ_HOST_OPENING_SRC_FLOWS_60S,
		LJ_HOST_OPENING_SRC_FLOWS_600S, LJ_HOST_OPENING_SRC_PEERS_60S,
		LJ_HOST_OPENING_SRC_PEERS_600S, LJ_HOST_OPENING_SRC_PORTS_60S,
		LJ_HOST_OPENING_SRC_PORTS_600S, LJ_HOST_OPENING_SRC_FAILED_60S,
		LJ_HOST_OPENING_SRC_ENDED_60S,	LJ_HOST_OPENING_DST_FLOWS_5S,
		LJ_HOST_OPENING_DST_FLOWS_60S,	LJ_HOST_OPENING_DST_PEERS_60S,
		LJ_HOST_OPENING_DST_PORTS_60S,	LJ_HOST_OPENING_SERVICE_FLOWS_60S,
		LJ_HOST_OPENING_PAIR_FLOWS_60S, LJ_HOST_OPENING_PAIR_FLOWS_600S};
	struct lj_host_context h = {
		.rhythm = {.gaps = 4,
			   .ends = 3,
			   .gap_us = {1000, 3000, 2000, 6000},
			   .bytes = {{100, 200, 600}, {50, 50, 80}},
			   .duration_ms = {10, 20, 40},
			   .size = {5, 6, 5}},
		.opened = true,
	};
	struct lj_host_view *views[] = {h.src, h.src_in, h.dst, h.dst_out, h.service, h.pair};

	for (uint32_t k = 0; k < RTE_DIM(views) * LJ_HOST_WINDOWS; k++) {
		struct lj_host_view *v = &views[k / LJ_HOST_WINDOWS][k % LJ_HOST_WINDOWS];

		for (uint32_t i = 0; i < LJ_HOST_COUNTS; i++)
			v->count[count_order[i]] =
				k * 20 + (count_order[i] == LJ_HOST_ENDED ? 100 : 0) + i + 1;
		v->sent = 1000 + k;
		v->received = 3000 + 7 * k * k;
	}
	for (uint16_t i = 0; i < LJ_HOST_OPENINGS; i++)
		h.opening[opening_order[i]] = (uint16_t)(10 + i);
	return h;
}

#endif
