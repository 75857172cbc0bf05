#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "lj_digest.h"
#include "lj_drift.h"
#include "lj_test.h"

#define HOUR_NS 3600000000000ULL

static char bundle[128];
static struct lj_model_set set;
static struct lj_counters counters;

/* A reference for the default model: the first feature and the score have two bins of equal
 * share. */
static json_t *reference(void)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < lj_model_info(set.model[0])->features; i++)
		json_array_append_new(
			list, i == 0 ? json_pack("{s:[f], s:[f,f,f]}", "edges", 10.0, "shares", 0.0,
						 0.5, 0.5)
				     : json_pack("{s:[], s:[f,f]}", "edges", "shares", 0.0, 1.0));
	return json_pack("{s:i, s:i, s:o, s:{s:[f], s:[f,f,f]}}", "format", 1, "rows", 1000,
			 "features", list, "score", "edges", 0.5, "shares", 0.0, 0.5, 0.5);
}

static void copy(const char *name)
{
	char command[600];

	snprintf(command, sizeof(command), "cp -r %s/models/default/%s %s/",
		 getenv("LJ_SOURCE_ROOT"), name, bundle);
	if (system(command) != 0)
		exit(EXIT_FAILURE);
}

/* Takes ownership of the reference; opens a bundle with it. */
static void open_bundle(json_t *json)
{
	char path[256], hash[2 * LJ_SHA256_BYTES + 1];
	struct lj_error err = {0};
	json_t *manifest;

	snprintf(path, sizeof(path), "%s/reference.json", bundle);
	json_dump_file(json, path, 0);
	json_decref(json);
	lj_sha256_file(path, hash, NULL);
	snprintf(path, sizeof(path), "%s/manifest.json", bundle);
	manifest = json_load_file(path, 0, NULL);
	json_object_set_new(json_object_get(manifest, "files"), "reference",
			    json_pack("{s:s, s:s}", "name", "reference.json", "sha256", hash));
	json_dump_file(manifest, path, 0);
	json_decref(manifest);
	lj_model_close(set.model[0]);
	set.n = 1;
	set.model[0] = lj_model_open_by(bundle, 1, LJ_ENGINE_XGBOOST, LJ_MODE_EXACT, &err);
	if (set.model[0] == NULL) {
		fprintf(stderr, "%s: %s\n", err.where, err.what);
		exit(EXIT_FAILURE);
	}
}

static struct lj_drift *create(uint64_t silent_ns, uint32_t flood_percent)
{
	const struct lj_drift_config config = {.every = 1,
					       .window_ns = HOUR_NS,
					       .silent_ns = silent_ns,
					       .flood_percent = flood_percent};
	struct lj_error err = {0};
	struct lj_drift *d = lj_drift_create(&set, &config, &counters, &err);

	CU_ASSERT_PTR_NOT_NULL_FATAL(d);
	return d;
}

/* Feeds `n` verdicts at `at_ns` with this first feature and this score. */
static void feed(struct lj_drift *d, uint32_t n, uint64_t at_ns, float feature, float score)
{
	struct lj_verdict *v = aligned_alloc(64, lj_verdict_bytes(0, lj_verdict_row_floats(&set)));
	float *row = calloc(lj_verdict_row_floats(&set), sizeof(*row));
	const float *rows[] = {row};

	CU_ASSERT_FATAL(v != NULL && row != NULL);
	memset(v, 0, sizeof(*v));
	v->models = &set;
	v->n_opinions = 1;
	v->opinion[0].score = score;
	v->flow.last_ns = at_ns;
	row[0] = feature;
	lj_verdict_keep_rows(v, rows);
	for (uint32_t i = 0; i < n; i++) {
		v->flow.flow_id = i;
		lj_drift_look(d, at_ns);
		lj_drift_count(d, v);
	}
	free(row);
	free(v);
}

static struct lj_drift_report report_of(const struct lj_drift *d)
{
	struct lj_drift_report r;

	lj_drift_report(d, 0, &r);
	return r;
}

static void traffic_as_in_training_has_not_moved(void)
{
	struct lj_drift *d = create(0, 0);

	feed(d, 1000, HOUR_NS, 3, 0.1f);
	feed(d, 1000, HOUR_NS, 30, 0.7f);
	lj_drift_judge(d, true);
	CU_ASSERT_DOUBLE_EQUAL(report_of(d).score_psi, 0, 1e-6);
	CU_ASSERT_DOUBLE_EQUAL(lj_drift_feature(d, 0, 0), 0, 1e-6);
	CU_ASSERT_DOUBLE_EQUAL(lj_drift_feature(d, 0, 1), 0, 1e-6);
	CU_ASSERT_EQUAL(report_of(d).sampled, 2000);
	CU_ASSERT_FALSE(report_of(d).drifted);
	lj_drift_destroy(d);
}

static void another_population_is_an_alarm_raised_once(void)
{
	/* 9 of 10 are above the edge instead of half: 0.4 ln 1.8 + 0.4 ln 5. */
	const double psi = 0.4 * log(0.9 / 0.5) - 0.4 * log(0.1 / 0.5);
	uint64_t before = lj_counter_read(&counters, LJ_C_drift_alarms);
	struct lj_drift *d = create(0, 0);

	feed(d, 200, HOUR_NS, 3, 0.1f);
	feed(d, 1800, HOUR_NS, 30, 0.7f);
	lj_drift_judge(d, true);
	lj_drift_judge(d, true);
	CU_ASSERT_DOUBLE_EQUAL(report_of(d).score_psi, psi, 1e-4);
	CU_ASSERT_DOUBLE_EQUAL(lj_drift_feature(d, 0, 0), psi, 1e-4);
	CU_ASSERT(report_of(d).drifted);
	CU_ASSERT_EQUAL(report_of(d).alarms, 1);
	CU_ASSERT_EQUAL(lj_counter_read(&counters, LJ_C_drift_alarms) - before, 1);
	lj_drift_destroy(d);
}

static void what_is_looked_at_between_raises_no_alarm(void)
{
	struct lj_drift *d = create(0, 50);

	feed(d, 2000, HOUR_NS, 30, 1);
	lj_drift_judge(d, false);
	CU_ASSERT(report_of(d).drifted && report_of(d).flooding);
	CU_ASSERT_EQUAL(report_of(d).alarms, 0);
	lj_drift_judge(d, true);
	CU_ASSERT_EQUAL(report_of(d).alarms, 2);
	lj_drift_destroy(d);
}

static void bounds_are_no_scores(void)
{
	struct lj_error err = {0};
	struct lj_model *exact = set.model[0];
	struct lj_drift *d;

	set.model[0] = lj_model_open_by(bundle, 1, LJ_ENGINE_FOREST, LJ_MODE_DECIDE, &err);
	CU_ASSERT_PTR_NOT_NULL_FATAL(set.model[0]);
	d = create(0, 0);
	feed(d, 2000, HOUR_NS, 30, 0.9999f);
	lj_drift_judge(d, true);
	CU_ASSERT(report_of(d).bounds);
	CU_ASSERT(isnan(report_of(d).score_psi));
	CU_ASSERT(lj_drift_feature(d, 0, 0) > 0.25f);
	CU_ASSERT_EQUAL(report_of(d).alarms, 0);
	lj_drift_destroy(d);
	lj_model_close(set.model[0]);
	set.model[0] = exact;
}

static void few_flows_say_nothing(void)
{
	struct lj_drift *d = create(0, 1);

	feed(d, LJ_DRIFT_ROWS_MIN - 1, HOUR_NS, 30, 0.9999f);
	lj_drift_judge(d, true);
	CU_ASSERT(isnan(report_of(d).score_psi));
	CU_ASSERT_EQUAL(report_of(d).alarms, 0);
	lj_drift_destroy(d);
}

static void the_window_slides(void)
{
	struct lj_drift *d = create(0, 0);

	feed(d, 1000, HOUR_NS, NAN, NAN);
	feed(d, 1000, HOUR_NS + HOUR_NS / 2, 30, 0.7f);
	lj_drift_judge(d, false);
	CU_ASSERT_EQUAL(report_of(d).verdicts, 2000);
	feed(d, 1000, 2 * HOUR_NS + HOUR_NS / 4, 30, 0.7f);
	lj_drift_judge(d, false);
	CU_ASSERT_EQUAL(report_of(d).verdicts, 2000);
	feed(d, 1, 9 * HOUR_NS, 30, 0.7f);
	lj_drift_judge(d, false);
	CU_ASSERT_EQUAL(report_of(d).verdicts, 1);
	lj_drift_destroy(d);
}

static void a_model_that_does_not_fire_is_an_alarm_until_it_does(void)
{
	struct lj_drift *d = create(3 * HOUR_NS, 0);

	for (uint64_t h = 1; h <= 6; h++)
		feed(d, 10, h * HOUR_NS, 3, 0.1f);
	CU_ASSERT(report_of(d).silent);
	CU_ASSERT_EQUAL(report_of(d).alarms, 1);
	feed(d, 1, 7 * HOUR_NS, 3, 1);
	feed(d, 1, 8 * HOUR_NS, 3, 0.1f);
	CU_ASSERT_FALSE(report_of(d).silent);
	CU_ASSERT_EQUAL(report_of(d).alarms, 1);
	/* A night without traffic does not count as the model's silence. */
	feed(d, 1, 20 * HOUR_NS, 3, 0.1f);
	lj_drift_judge(d, true);
	CU_ASSERT_EQUAL(report_of(d).alarms, 1);
	lj_drift_destroy(d);
}

static void a_model_that_fires_for_everything_is_an_alarm(void)
{
	struct lj_drift *d = create(0, 50);

	feed(d, 600, HOUR_NS, 3, 1);
	feed(d, 700, HOUR_NS, 3, 0.1f);
	lj_drift_judge(d, true);
	CU_ASSERT_FALSE(report_of(d).flooding);
	feed(d, 200, HOUR_NS, 3, 1);
	lj_drift_judge(d, true);
	CU_ASSERT(report_of(d).flooding);
	lj_drift_destroy(d);
}

static void one_in_so_many_flows_is_sampled(void)
{
	uint32_t n = 0;

	for (uint64_t id = 0; id < 80000; id++)
		n += lj_drift_samples(id, 8);
	CU_ASSERT(n > 9000 && n < 11000);
	CU_ASSERT_FALSE(lj_drift_samples(0, 0));
	CU_ASSERT(lj_drift_samples(12345, 1));
}

static void a_reference_that_is_none_is_refused(void)
{
	const struct lj_drift_config config = {.every = 1, .window_ns = HOUR_NS};
	struct lj_error err = {0};
	json_t *bad = reference();

	json_array_set_new(json_object_get(json_object_get(bad, "score"), "shares"), 1,
			   json_real(0.9));
	open_bundle(bad);
	CU_ASSERT_PTR_NULL(lj_drift_create(&set, &config, &counters, &err));
	CU_ASSERT_PTR_NOT_NULL(strstr(err.what, "score: shares do not add up"));
	bad = reference();
	json_array_remove(json_object_get(bad, "features"), 0);
	open_bundle(bad);
	CU_ASSERT_PTR_NULL(lj_drift_create(&set, &config, &counters, &err));
	CU_ASSERT_PTR_NOT_NULL(strstr(err.what, "not as many"));
	bad = reference();
	json_object_set_new(json_array_get(json_object_get(bad, "features"), 0), "edges",
			    json_pack("[f,f]", 2.0, 2.0));
	json_object_set_new(json_array_get(json_object_get(bad, "features"), 0), "shares",
			    json_pack("[f,f,f,f]", 0.0, 0.5, 0.5, 0.0));
	open_bundle(bad);
	CU_ASSERT_PTR_NULL(lj_drift_create(&set, &config, &counters, &err));
	CU_ASSERT_PTR_NOT_NULL(strstr(err.what, "do not ascend"));
}

int main(void)
{
	static const struct lj_test tests[] = {
		{"traffic as in training has not moved", traffic_as_in_training_has_not_moved},
		{"another population is an alarm, raised once",
		 another_population_is_an_alarm_raised_once},
		{"what is looked at between raises no alarm",
		 what_is_looked_at_between_raises_no_alarm},
		{"bounds are no scores", bounds_are_no_scores},
		{"few flows say nothing", few_flows_say_nothing},
		{"the window slides", the_window_slides},
		{"a model that does not fire is an alarm until it does",
		 a_model_that_does_not_fire_is_an_alarm_until_it_does},
		{"a model that fires for everything is an alarm",
		 a_model_that_fires_for_everything_is_an_alarm},
		{"one in so many flows is sampled", one_in_so_many_flows_is_sampled},
		{"a reference that is none is refused", a_reference_that_is_none_is_refused},
	};
	char folder[] = "/tmp/lj-test-drift-XXXXXX", command[200];
	int ret;

	if (mkdtemp(folder) == NULL)
		return EXIT_FAILURE;
	strcpy(bundle, folder);
	copy("manifest.json");
	copy("model.ubj");
	copy("golden.csv");
	copy("reference.json");
	copy("family");
	set.model[0] = lj_model_open_by(bundle, 1, LJ_ENGINE_XGBOOST, LJ_MODE_EXACT, NULL);
	if (set.model[0] == NULL)
		return EXIT_FAILURE;
	open_bundle(reference());
	ret = lj_test_run("drift", tests, RTE_DIM(tests));
	lj_model_close(set.model[0]);
	snprintf(command, sizeof(command), "rm -r %s", folder);
	return system(command) == 0 ? ret : EXIT_FAILURE;
}
