#include <math.h>
#include <string.h>

#include "lj_feature.h"
#include "lj_test.h"

/* A smaller one: two packets of 60 and 100 bytes from the initiator 2 ms apart, one of 1500 back in
 * between. */
static struct lj_flow sample(void)
{
	struct lj_flow f;

	memset(&f, 0, sizeof(f));
	f.key.proto = 6;
	f.key.version = 4;
	f.key.port[0] = 4000;
	f.key.port[1] = 443;
	f.packets = 3;
	f.first_ns = 1000000000;
	f.last_ns = 1002000000;
	f.side[0] = (struct lj_flow_side){.packets = 2,
					  .length_min = 60,
					  .length_max = 100,
					  .length_sum = 160,
					  .length_sumsq = 13600,
					  .first_ns = 1000000000,
					  .last_ns = 1002000000,
					  .gap_min = 2000000,
					  .gap_max = 2000000,
					  .gap_sumsq = 4000000000000,
					  .payload_sum = 40,
					  .payload_sumsq = 1600,
					  .payload_max = 40,
					  .payload_packets = 1,
					  .ttl_min = 64};
	f.side[1] = (struct lj_flow_side){.packets = 1,
					  .length_min = 1500,
					  .length_max = 1500,
					  .length_sum = 1500,
					  .length_sumsq = 2250000,
					  .first_ns = 1000500000,
					  .last_ns = 1000500000};
	f.gap_min = 500000;
	f.gap_max = 1500000;
	f.gap_sumsq = 250000000000 + 2250000000000;
	f.syn_ns = 1000000000;
	f.synack_ns = 1000500000;
	f.splt = (struct lj_flow_splt){.length = {60, 1500, 100}, .gap_us = {0, 500, 1500}};
	f.splt_sides = 2;
	f.fin_sides = 1;
	return f;
}

static double value_beside(const char *name, const struct lj_flow *f,
			   const struct lj_host_context *context)
{
	struct lj_error err = {0};
	struct lj_feature_plan *plan = lj_feature_plan_create(&name, 1, &err);
	double value = -1;

	CU_ASSERT_PTR_NOT_NULL_FATAL(plan);
	lj_feature_values(plan, f, context, &value);
	lj_feature_plan_destroy(plan);
	return value;
}

static double value_of(const char *name, const struct lj_flow *f)
{
	return value_beside(name, f, NULL);
}

#define MS 1000000ULL
#define T0 (1700000000000 * MS)
/* Squares of ms, in ns^2. */
#define SQ(squares) ((unsigned __int128)(squares)*MS * MS)

/*
 * Six packets: SYN (60 bytes), SYN-ACK (60) after 10 ms, ACK (52) after 20 more, data (252, then
 * 1052 back and 452) after 70, 100 and 6900 more. What six packets can't have many of (flags,
 * bulks) is made up, and everywhere different, so that no feature can stand for another.
 */
static struct lj_flow tcp_flow(void)
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

/* IPv6, tagged, 52 bytes to port 53, never answered. */
static struct lj_flow lone_datagram(void)
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

/* Every number a different one, given out in the orders that expected.def was reckoned by. */
static struct lj_host_context full_context(void)
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

static void check(const char *name, double got, double wanted)
{
	if (isnan(wanted) ? isnan(got) : fabs(got - wanted) <= 1e-9 * fmax(1, fabs(wanted)))
		return;
	fprintf(stderr, "%s: %.12g, not %.12g\n", name, got, wanted);
	CU_FAIL("a feature is wrong");
}

static void every_feature_is_what_a_person_computes(void)
{
	static const struct {
		const char *name;
		double tcp, lone;
	} expected[] = {
#define EXPECTED(name, tcp, lone) {#name, tcp, lone},
#include "expected.def"
#undef EXPECTED
	};
	struct lj_flow tcp = tcp_flow(), lone = lone_datagram();
	struct lj_host_context full = full_context(), empty = {0};

	CU_ASSERT_EQUAL_FATAL(RTE_DIM(expected), lj_feature_count());
	for (size_t i = 0; i < RTE_DIM(expected); i++) {
		CU_ASSERT_STRING_EQUAL(expected[i].name, lj_feature_info(i)->name);
		check(expected[i].name, value_beside(expected[i].name, &tcp, &full),
		      expected[i].tcp);
		check(expected[i].name, value_beside(expected[i].name, &lone, &empty),
		      expected[i].lone);
	}
}

static void what_does_not_exist_is_missing(void)
{
	static const char *const missing[] = {"bwd_gap_mean_us", "bwd_gap_min_us", "ack_us",
					      "length_4",	 "gap_4_us",	   "idle_mean_us"};
	struct lj_flow f = sample();

	for (size_t i = 0; i < RTE_DIM(missing); i++)
		CU_ASSERT(isnan(value_of(missing[i], &f)));
	f.last_ns = f.first_ns;
	CU_ASSERT(isnan(value_of("packets_per_s", &f)));
}

/* Half an hour at 10 Gbit/s: header bytes beyond 32 bits. */
static void a_flow_that_fills_the_link_has_all_its_headers(void)
{
	struct lj_flow f = sample();

	f.side[0].packets = 1500000000;
	f.side[0].length_sum = UINT64_C(2250000000000);
	f.side[0].payload_sum = UINT64_C(2172000000000);
	CU_ASSERT_EQUAL(value_of("fwd_header_bytes", &f), 78e9);
	CU_ASSERT_EQUAL(value_of("cic_fwd_header_length", &f), 48e9);
}

static void every_feature_gives_a_value_of_an_empty_record(void)
{
	struct lj_feature_plan *plan =
		lj_feature_plan_set("linejudge,host,network,cic,netflow,argus", NULL);
	static const struct lj_host_context empty;
	static double values[1024];
	struct lj_flow f;

	memset(&f, 0, sizeof(f));
	CU_ASSERT_EQUAL_FATAL(lj_feature_plan_size(plan), lj_feature_count());
	lj_feature_values(plan, &f, &empty, values);
	for (size_t i = 0; i < lj_feature_count(); i++)
		CU_ASSERT(!isinf(values[i]));
	lj_feature_plan_destroy(plan);
}

static void the_default_set_names_no_host_and_no_network(void)
{
	static const char *const forbidden[] = {"port", "ttl", "window_", "addr", "mss"};

	for (size_t i = 0; i < lj_feature_count(); i++)
		for (size_t k = 0; k < RTE_DIM(forbidden); k++)
			if (strcmp(lj_feature_info(i)->set, "linejudge") == 0)
				CU_ASSERT_PTR_NULL(strstr(lj_feature_info(i)->name, forbidden[k]));
}

static void a_matrix_is_the_values_as_float32(void)
{
	static const char *const names[] = {"length_std", "duration_us", "ack_us"};
	struct lj_feature_plan *plan = lj_feature_plan_create(names, 3, NULL);
	struct lj_flow f = sample();
	const struct lj_flow *flows[2] = {&f, &f};
	float matrix[6];
	double values[3];

	lj_feature_values(plan, &f, NULL, values);
	lj_feature_extract(plan, flows, NULL, 2, matrix);
	CU_ASSERT_EQUAL(matrix[3], (float)values[0]);
	CU_ASSERT_EQUAL(matrix[4], (float)values[1]);
	CU_ASSERT(isnan(matrix[5]));
	CU_ASSERT_EQUAL(lj_feature_plan_keep(plan), LJ_KEEP_TCP);
	CU_ASSERT_STRING_EQUAL(lj_feature_plan_name(plan, 1), "duration_us");
	lj_feature_plan_destroy(plan);
}

static void each_row_has_its_own_context(void)
{
	static const char *const names[] = {"host_src_5s_flows", "packets"};
	struct lj_feature_plan *plan = lj_feature_plan_create(names, 2, NULL);
	struct lj_host_context contexts[2] = {full_context()};
	struct lj_flow f = sample();
	const struct lj_flow *flows[2] = {&f, &f};
	float matrix[4];

	lj_feature_extract(plan, flows, contexts, 2, matrix);
	CU_ASSERT_EQUAL(matrix[0], 1);
	CU_ASSERT_EQUAL(matrix[2], 0);
	CU_ASSERT(lj_feature_plan_keep(plan) & LJ_KEEP_HOST);
	lj_feature_plan_destroy(plan);
}

static void an_unknown_name_is_quoted_with_the_nearest(void)
{
	static const char *const names[] = {"packets", "pakets_per_s"};
	static const char *const twice[] = {"packets", "Packets"};
	struct lj_error err;

	CU_ASSERT_PTR_NULL(lj_feature_plan_create(names, 2, &err));
	CU_ASSERT_STRING_EQUAL(err.where, "pakets_per_s");
	CU_ASSERT_PTR_NOT_NULL(strstr(err.what, "packets_per_s"));
	CU_ASSERT_PTR_NULL(lj_feature_plan_create(twice, 2, &err));
	CU_ASSERT_PTR_NOT_NULL(strstr(err.what, "twice"));
	CU_ASSERT_PTR_NULL(lj_feature_plan_set("linejudge,nope", &err));
	CU_ASSERT_PTR_NOT_NULL(strstr(err.what, "nope"));
}

int main(void)
{
	static const struct lj_test tests[] = {
		{"every feature is what a person computes",
		 every_feature_is_what_a_person_computes},
		{"what does not exist is missing", what_does_not_exist_is_missing},
		{"a flow that fills the link has all its headers",
		 a_flow_that_fills_the_link_has_all_its_headers},
		{"every feature gives a value of an empty record",
		 every_feature_gives_a_value_of_an_empty_record},
		{"the default set names no host and no network",
		 the_default_set_names_no_host_and_no_network},
		{"a matrix is the values as float32", a_matrix_is_the_values_as_float32},
		{"each row has its own context", each_row_has_its_own_context},
		{"an unknown name is quoted with the nearest",
		 an_unknown_name_is_quoted_with_the_nearest},
	};

	return lj_test_run("feature", tests, RTE_DIM(tests));
}
