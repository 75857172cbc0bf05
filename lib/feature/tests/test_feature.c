#include <math.h>
#include <string.h>

#include "lj_feature.h"
#include "lj_test.h"
#include "samples.h"

/* Smaller than tcp_flow(): two packets of 60 and 100 bytes from the initiator, 2 ms apart, with one
 * of 1500 bytes back in between. */
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

/* Half an hour at 10 Gbit/s: the header bytes exceed 32 bits. */
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
