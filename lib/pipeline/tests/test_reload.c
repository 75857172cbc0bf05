/* Models are read anew while flows are scored, stepped by hand on one thread. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "demo.h"
#include "lj_clock.h"

static char dir[] = "/tmp/lj-test-reload-XXXXXX";
static char bundle[64], eve[64], target[80]; /* eve.target=... */

/* A bundle of its own for each test, as models/NAME is shipped. */
static void copy_bundle(const char *name)
{
	char command[1300];

	snprintf(command, sizeof(command), "rm -rf %s && cp -rL %s/models/%s %s && rm -f %s",
		 bundle, getenv("LJ_SOURCE_ROOT"), name, bundle, eve);
	CU_ASSERT_EQUAL_FATAL(system(command), 0);
}

static void change_manifest(const char *key, json_t *value)
{
	char path[128];
	json_t *manifest;

	snprintf(path, sizeof(path), "%s/manifest.json", bundle);
	manifest = json_load_file(path, 0, NULL);
	CU_ASSERT_PTR_NOT_NULL_FATAL(manifest);
	json_object_set_new(manifest, key, value);
	CU_ASSERT_EQUAL_FATAL(json_dump_file(manifest, path, JSON_INDENT(1)), 0);
	json_decref(manifest);
}

/* With `more` besides, or NULL. */
static struct lj_pipeline *open_demo(struct lj_config *c, const char *const *more)
{
	const char *settings[8] = {target, "flow.capacity=65536"};

	for (int i = 2; more != NULL && *more != NULL; more++)
		settings[i++] = *more;
	return demo_open(c, bundle, settings);
}

/* Until so many verdicts have been made; the sink has not taken all of them. */
static void step_until_scored(struct lj_pipeline *p, uint64_t verdicts)
{
	struct lj_counters total = {0};

	for (uint32_t i = 0; i < 1000000 && total.value[LJ_C_verdict_queued] < verdicts; i++) {
		for (uint32_t r = 0; r + 1 < p->n_roles; r++)
			p->role[r]->poll(p->role[r], rte_rdtsc());
		lj_pipeline_total(p, &total);
	}
	CU_ASSERT_FATAL(total.value[LJ_C_verdict_queued] >= verdicts);
	CU_ASSERT_FATAL(!lj_pipeline_finished(p));
}

static void finish(struct lj_pipeline *p, struct lj_config *c)
{
	struct lj_ledger_line lines[LJ_LEDGER_LINES];
	struct lj_counters total;

	for (uint32_t i = 0; i < 1000000 && !lj_pipeline_finished(p); i++)
		lj_pipeline_step(p);
	lj_pipeline_total(p, &total);
	CU_ASSERT(lj_pipeline_finished(p));
	CU_ASSERT_EQUAL(lj_ledger_check(&total, lines), 0);
	CU_ASSERT_EQUAL(total.value[LJ_C_verdict_taken], 2062);
	CU_ASSERT_EQUAL(lj_pipeline_destroy(p, NULL), 0);
	lj_config_free(c);
}

/* Of the flow events: how many say this threshold, and of them which is the first and the last. */
struct seen {
	uint32_t n, first, last;
};

static struct seen events_with(double threshold)
{
	FILE *file = fopen(eve, "r");
	struct seen seen = {0};
	char line[8192];

	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	for (uint32_t i = 0; fgets(line, sizeof(line), file) != NULL;) {
		json_t *event = json_loads(line, 0, NULL);
		const char *type = json_string_value(json_object_get(event, "event_type"));
		const json_t *ml = json_object_get(event, "ml");
		double said = json_number_value(json_object_get(ml, "threshold"));

		if (type != NULL && strcmp(type, "flow") == 0) {
			if (said > threshold - 1e-6 && said < threshold + 1e-6) {
				seen.first = seen.n++ == 0 ? i : seen.first;
				seen.last = i;
			}
			i++;
		}
		json_decref(event);
	}
	fclose(file);
	return seen;
}

static void verdicts_keep_the_models_that_made_them(void)
{
	struct lj_error err = {0};
	struct lj_pipeline *p;
	struct seen before, after;
	struct lj_config c;

	copy_bundle("default");
	change_manifest("threshold", json_real(0.75));
	p = open_demo(&c, NULL);
	step_until_scored(p, 100);
	change_manifest("threshold", json_real(0.25));
	CU_ASSERT_EQUAL(lj_pipeline_reload(p, &err), 0);
	CU_ASSERT_EQUAL(lj_model_info(lj_pipeline_models(p)->model[0])->threshold, 0.25f);
	CU_ASSERT_EQUAL(lj_pipeline_models(p)->generation, 2);
	/* A hundred verdicts wait for the sink. */
	CU_ASSERT(!lj_pipeline_reloaded(p));
	CU_ASSERT_EQUAL(lj_pipeline_reload(p, &err), -EBUSY);
	for (int i = 0; i < 10; i++)
		lj_pipeline_step(p);
	CU_ASSERT(lj_pipeline_reloaded(p));
	finish(p, &c);
	before = events_with(0.75);
	after = events_with(0.25);
	CU_ASSERT(before.n >= 100 && after.n > 100);
	CU_ASSERT_EQUAL(before.n + after.n, 2062);
	CU_ASSERT(before.last < after.first);
}

static void several_inference_lcores_take_them_up_each(void)
{
	struct lj_error err = {0};
	struct lj_pipeline *p;
	struct lj_config c;

	copy_bundle("flood");
	p = open_demo(&c, (const char *const[]){"lcores.workers=2", "lcores.infer=3",
						"explain.top=2", "drift.every=1", NULL});
	for (uint64_t scored = 100; scored <= 500; scored += 100) {
		step_until_scored(p, scored);
		CU_ASSERT_EQUAL(lj_pipeline_reload(p, &err), 0);
		CU_ASSERT(!lj_pipeline_reloaded(p));
		for (int i = 0; i < 10000 && !lj_pipeline_reloaded(p); i++)
			lj_pipeline_step(p);
		CU_ASSERT(lj_pipeline_reloaded(p));
	}
	CU_ASSERT_EQUAL(lj_pipeline_models(p)->generation, 6);
	CU_ASSERT_EQUAL(lj_pipeline_reload(p, &err), 0);
	/* Closed by the end, whoever has taken it up. */
	finish(p, &c);
}

/* What reload says of the bundle as it is now; the models in force stay. */
static void refused(struct lj_pipeline *p, const char *what)
{
	const struct lj_model_set *was = lj_pipeline_models(p);
	struct lj_error err = {0};

	CU_ASSERT_NOT_EQUAL(lj_pipeline_reload(p, &err), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(err.what, what));
	if (strstr(err.what, what) == NULL)
		fprintf(stderr, "%s: %s\n", err.where, err.what);
	CU_ASSERT_PTR_EQUAL(lj_pipeline_models(p), was);
	CU_ASSERT(lj_pipeline_reloaded(p));
}

static void what_cannot_take_over_leaves_the_models_in_force(void)
{
	struct lj_pipeline *p;
	struct lj_config c;
	char name[64];

	copy_bundle("flood");
	p = open_demo(&c, NULL);
	snprintf(name, sizeof(name), "%s", lj_model_info(lj_pipeline_models(p)->model[0])->name);
	step_until_scored(p, 100);
	change_manifest("name", json_string("another"));
	refused(p, "is named another, and was flood");
	change_manifest("name", json_string(name));
	change_manifest("classes", json_pack("[s,s]", "benign", "worm"));
	refused(p, "other classes");
	change_manifest("classes", json_pack("[s,s]", "benign", "flood"));
	change_manifest("threshold", json_real(2));
	refused(p, "is not a number over 0 and up to 1");
	/* More features than at the start, and of kinds that nobody asked for. */
	copy_bundle("default");
	change_manifest("name", json_string(name));
	change_manifest("classes", json_pack("[s,s]", "benign", "flood"));
	refused(p, "that takes a restart");
	lj_pipeline_end(p);
	refused(p, "capture has ended");
	for (uint32_t i = 0; i < 1000000 && !lj_pipeline_finished(p); i++)
		lj_pipeline_step(p);
	CU_ASSERT_EQUAL(lj_pipeline_destroy(p, NULL), 0);
	lj_config_free(&c);
}

static void timeouts_set_meanwhile_stay_unless_the_model_has_others(void)
{
	struct lj_error err = {0};
	struct lj_tuning tuning;
	struct lj_pipeline *p;
	struct lj_config c;

	copy_bundle("flood");
	p = open_demo(&c, NULL);
	lj_pipeline_tuning(p, &tuning);
	tuning.idle_timeout_ns = 7000000000;
	lj_pipeline_tune(p, &tuning);
	CU_ASSERT_EQUAL(lj_pipeline_reload(p, &err), 0);
	lj_pipeline_tuning(p, &tuning);
	CU_ASSERT_EQUAL(tuning.idle_timeout_ns, 7000000000);
	for (int i = 0; i < 10; i++)
		lj_pipeline_step(p);
	CU_ASSERT(lj_pipeline_reloaded(p));
	change_manifest("flow",
			json_pack("{s:f, s:f, s:f, s:i}", "idle_timeout_s", 9.0, "active_timeout_s",
				  900.0, "tcp_linger_s", 1.0, "classify_at", 0));
	CU_ASSERT_EQUAL(lj_pipeline_reload(p, &err), 0);
	lj_pipeline_tuning(p, &tuning);
	CU_ASSERT_EQUAL(tuning.idle_timeout_ns, 9000000000);
	CU_ASSERT_EQUAL(lj_pipeline_destroy(p, NULL), 0);
	lj_config_free(&c);
}

int main(void)
{
	static const struct lj_test tests[] = {
		{"verdicts keep the models that made them",
		 verdicts_keep_the_models_that_made_them},
		{"several inference lcores take them up each",
		 several_inference_lcores_take_them_up_each},
		{"what cannot take over leaves the models in force",
		 what_cannot_take_over_leaves_the_models_in_force},
		{"timeouts set meanwhile stay unless the model has others",
		 timeouts_set_meanwhile_stay_unless_the_model_has_others},
	};

	char command[64];
	int failed;

	if (mkdtemp(dir) == NULL)
		return EXIT_FAILURE;
	snprintf(bundle, sizeof(bundle), "%s/bundle", dir);
	snprintf(eve, sizeof(eve), "%s/eve.json", dir);
	snprintf(target, sizeof(target), "eve.target=%s", eve);
	lj_test_eal("reload", (const char *const[]){"net_null0", NULL});
	lj_clock_init();
	failed = lj_test_run("reload", tests, RTE_DIM(tests));
	snprintf(command, sizeof(command), "rm -r %s", dir);
	return system(command) == 0 ? failed : EXIT_FAILURE;
}
