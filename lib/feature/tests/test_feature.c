#include <math.h>
#include <string.h>

#include "lj_feature.h"
#include "lj_test.h"

/* Two packets of 60 and 100 bytes from the initiator 2 ms apart, one of 1500 back in between. */
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
	f.splt = (struct lj_flow_splt){
		.length = {60, 1500, 100}, .gap_us = {0, 500, 1500}, .sides = 2, .count = 3};
	f.fin_sides = 1;
	return f;
}

static double value_of(const char *name, const struct lj_flow *f)
{
	struct lj_error err = {0};
	struct lj_feature_plan *plan = lj_feature_plan_create(&name, 1, &err);
	double value = -1;

	CU_ASSERT_PTR_NOT_NULL_FATAL(plan);
	lj_feature_values(plan, f, &value);
	lj_feature_plan_destroy(plan);
	return value;
}

static void features_are_what_a_person_computes(void)
{
	static const struct {
		const char *name;
		double value;
	} wanted[] = {
		{"duration_us", 2000},
		{"is_tcp", 1},
		{"is_udp", 0},
		{"packets", 3},
		{"bytes", 1660},
		{"one_sided", 0},
		{"packet_ratio", 1.0 / 3},
		{"byte_ratio", 1500.0 / 1660},
		{"length_mean", 1660.0 / 3},
		{"length_std", 669.5935749061183},
		{"length_min", 60},
		{"length_max", 1500},
		{"gap_mean_us", 1000},
		{"gap_std_us", 500},
		{"gap_min_us", 500},
		{"gap_max_us", 1500},
		{"packets_per_s", 1500},
		{"bytes_per_s", 830000},
		{"fwd_length_mean", 80},
		{"fwd_length_std", 20},
		{"fwd_gap_mean_us", 2000},
		{"fwd_gap_std_us", 0},
		{"bwd_length_std", 0},
		{"fwd_payload_mean", 20},
		{"fwd_payload_std", 20},
		{"synack_us", 500},
		{"state_established", 1},
		{"state_finished", 0},
		{"length_1", 60},
		{"length_2", -1500},
		{"gap_3_us", 1500},
		{"dst_port", 443},
	};
	struct lj_flow f = sample();

	for (size_t i = 0; i < RTE_DIM(wanted); i++) {
		double got = value_of(wanted[i].name, &f);

		if (fabs(got - wanted[i].value) > 1e-9 * fmax(1, fabs(wanted[i].value))) {
			fprintf(stderr, "%s: %.12g, not %.12g\n", wanted[i].name, got,
				wanted[i].value);
			CU_FAIL("a feature is wrong");
		}
	}
	CU_PASS("all features");
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

static void every_feature_gives_a_value_of_an_empty_record(void)
{
	struct lj_feature_plan *plan = lj_feature_plan_set("linejudge,network", NULL);
	static double values[1024];
	struct lj_flow f;

	memset(&f, 0, sizeof(f));
	CU_ASSERT_EQUAL_FATAL(lj_feature_plan_size(plan), lj_feature_count());
	lj_feature_values(plan, &f, values);
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

	lj_feature_values(plan, &f, values);
	lj_feature_extract(plan, flows, 2, matrix);
	CU_ASSERT_EQUAL(matrix[3], (float)values[0]);
	CU_ASSERT_EQUAL(matrix[4], (float)values[1]);
	CU_ASSERT(isnan(matrix[5]));
	CU_ASSERT_EQUAL(lj_feature_plan_keep(plan), LJ_KEEP_TCP);
	CU_ASSERT_STRING_EQUAL(lj_feature_plan_name(plan, 1), "duration_us");
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
		{"features are what a person computes", features_are_what_a_person_computes},
		{"what does not exist is missing", what_does_not_exist_is_missing},
		{"every feature gives a value of an empty record",
		 every_feature_gives_a_value_of_an_empty_record},
		{"the default set names no host and no network",
		 the_default_set_names_no_host_and_no_network},
		{"a matrix is the values as float32", a_matrix_is_the_values_as_float32},
		{"an unknown name is quoted with the nearest",
		 an_unknown_name_is_quoted_with_the_nearest},
	};

	return lj_test_run("feature", tests, RTE_DIM(tests));
}
