#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lj_test.h"
#include "lj_verdict.h"

static struct lj_model_set set;

/* The default model several times; its results are simulated. */
static void open_models(void)
{
	struct lj_error err = {0};
	char dir[512];

	snprintf(dir, sizeof(dir), "%s/models/default", getenv("LJ_SOURCE_ROOT"));
	for (set.n = 0; set.n < 3; set.n++) {
		set.model[set.n] = lj_model_open(dir, 1, &err);
		if (set.model[set.n] == NULL) {
			fprintf(stderr, "%s: %s\n", err.where, err.what);
			exit(EXIT_FAILURE);
		}
	}
}

/* A verdict of models with these scores; NaN is a model that failed. */
static struct lj_verdict verdict_of(const float *scores, uint16_t n)
{
	struct lj_due_flow due = {.order = {7, 3}, .due_tsc = 100, .queued_tsc = 200};
	struct lj_opinion opinion[LJ_MODELS_MAX] = {{0}};
	const struct lj_opinion *opinions[LJ_MODELS_MAX] = {NULL};
	struct lj_model_set some = set;
	struct lj_verdict v;

	some.n = n;
	for (uint16_t m = 0; m < n; m++) {
		opinion[m] = (struct lj_opinion){.score = scores[m],
						 .class_index = scores[m] >= 0.9f,
						 .classes = 2,
						 .scores = {1 - scores[m], scores[m]}};
		opinions[m] = &opinion[m];
	}
	due.flow.flow_id = 42;
	memset(&v, 0xa5, sizeof(v));
	lj_verdict_make(&v, &due, &some, opinions, NULL, NULL);
	v.models = &set;
	return v;
}

static void the_highest_score_decides(void)
{
	struct lj_verdict v = verdict_of((const float[]){0.2f, 0.95f, 0.5f}, 3);

	CU_ASSERT_EQUAL(v.model, 1);
	CU_ASSERT_EQUAL(lj_verdict_decisive(&v)->score, 0.95f);
	CU_ASSERT_STRING_EQUAL(lj_verdict_class(&v), "malicious");
	CU_ASSERT_EQUAL(v.n_opinions, 3);
	CU_ASSERT_EQUAL(v.opinion[0].score, 0.2f);
	CU_ASSERT_EQUAL(v.opinion[2].score, 0.5f);
	v = verdict_of((const float[]){0.3f, 0.3f}, 2);
	CU_ASSERT_EQUAL(v.model, 0);
	CU_ASSERT_STRING_EQUAL(lj_verdict_class(&v), "benign");
}

static void by_vote_a_quorum_alerts(void)
{
	const float scores[] = {0.2f, 0.9999f, 0.99995f};
	struct lj_verdict v;

	set.rule = LJ_RULE_VOTE;
	set.quorum = 2;
	v = verdict_of(scores, 3);
	CU_ASSERT(v.alert);
	CU_ASSERT_EQUAL(v.votes, 2);
	CU_ASSERT_EQUAL(v.model, 2);
	set.quorum = 3;
	v = verdict_of(scores, 3);
	CU_ASSERT_FALSE(v.alert);
	CU_ASSERT_EQUAL(v.model, 0);
	CU_ASSERT_STRING_EQUAL(lj_verdict_class(&v), "benign");
	set.quorum = 1;
	v = verdict_of((const float[]){NAN, 0.1f, NAN}, 3);
	CU_ASSERT_FALSE(v.alert);
	CU_ASSERT_EQUAL(v.model, 1);
	CU_ASSERT_FALSE(verdict_of((const float[]){NAN, NAN}, 2).alert);
	set.rule = LJ_RULE_MAX;
}

/* All three are the default model, so the second is a specialist for the class of the first. */
static void by_route_the_specialist_of_the_class_decides(void)
{
	struct lj_verdict v;

	set.rule = LJ_RULE_ROUTE;
	v = verdict_of((const float[]){0.95f, 0.3f, 0.99995f}, 3);
	CU_ASSERT_EQUAL(v.model, 1);
	CU_ASSERT_FALSE(v.alert);
	v = verdict_of((const float[]){0.1f, 0.99995f, 0.99995f}, 3);
	CU_ASSERT_EQUAL(v.model, 0);
	CU_ASSERT_FALSE(v.alert);
	v = verdict_of((const float[]){0.99995f, NAN, 0.99996f}, 3);
	CU_ASSERT_EQUAL(v.model, 2);
	CU_ASSERT(v.alert);
	v = verdict_of((const float[]){NAN, 0.99995f}, 2);
	CU_ASSERT_EQUAL(v.model, 1);
	CU_ASSERT(v.alert);
	set.rule = LJ_RULE_MAX;
}

static void rows_stand_behind_the_evidence(void)
{
	uint32_t features = lj_model_info(set.model[0])->features;
	size_t floats = lj_verdict_row_floats(&set);
	struct lj_verdict *v = aligned_alloc(64, lj_verdict_bytes(2, floats));
	float *row = calloc(features, sizeof(*row)), *other = calloc(features, sizeof(*other));
	const float *rows[] = {row, row, other};

	CU_ASSERT_FATAL(v != NULL && row != NULL && other != NULL);
	CU_ASSERT_EQUAL(floats, 3 * features);
	*v = verdict_of((const float[]){0.1f, 0.2f, 0.3f}, 3);
	CU_ASSERT_PTR_NULL(lj_verdict_row(v, 2));
	v->n_values = 2;
	v->values[1] = 17;
	other[features - 1] = 5;
	lj_verdict_keep_rows(v, rows);
	CU_ASSERT_EQUAL(v->values[1], 17);
	CU_ASSERT_EQUAL(lj_verdict_row(v, 0)[features - 1], 0);
	CU_ASSERT_EQUAL(lj_verdict_row(v, 2)[features - 1], 5);
	free(v);
	free(row);
	free(other);
}

static void a_model_that_failed_never_decides_over_one_that_did_not(void)
{
	struct lj_verdict v = verdict_of((const float[]){NAN, 0.1f}, 2);

	CU_ASSERT_EQUAL(v.model, 1);
	v = verdict_of((const float[]){0.1f, NAN}, 2);
	CU_ASSERT_EQUAL(v.model, 0);
	v = verdict_of((const float[]){NAN, NAN}, 2);
	CU_ASSERT_FALSE(v.alert);
}

static void an_alert_begins_at_the_threshold(void)
{
	float threshold = lj_model_info(set.model[0])->threshold;
	float below = nextafterf(threshold, 0);

	CU_ASSERT(verdict_of(&threshold, 1).alert);
	CU_ASSERT_FALSE(verdict_of(&below, 1).alert);
}

static void without_models_a_flow_is_unclassified(void)
{
	struct lj_verdict v = verdict_of(NULL, 0);

	CU_ASSERT_PTR_NULL(lj_verdict_decisive(&v));
	CU_ASSERT_STRING_EQUAL(lj_verdict_class(&v), "unclassified");
	CU_ASSERT_FALSE(v.alert);
	CU_ASSERT_EQUAL(v.model, 0);
}

static void a_verdict_carries_its_flow_and_its_times(void)
{
	struct lj_verdict v = verdict_of((const float[]){0.5f}, 1);

	CU_ASSERT_EQUAL(v.order.seq, 7);
	CU_ASSERT_EQUAL(v.order.tie, 3);
	CU_ASSERT_EQUAL(v.due_tsc, 100);
	CU_ASSERT_EQUAL(v.queued_tsc, 200);
	CU_ASSERT_EQUAL(v.flow.flow_id, 42);
	CU_ASSERT_EQUAL(v.n_values, 0);
}

static void evidence_is_written_behind_the_verdict(void)
{
	static const char *const names[] = {"packets", "dst_port"};
	struct lj_feature_plan *plan = lj_feature_plan_create(names, 2, NULL);
	struct lj_due_flow due = {.flow = {.packets = 9, .key = {.port = {1, 443}}}};
	struct lj_model_set none = {0};
	struct lj_verdict *v = aligned_alloc(64, lj_verdict_bytes(2, 0));

	CU_ASSERT_PTR_NOT_NULL_FATAL(v);
	CU_ASSERT_EQUAL(lj_verdict_bytes(2, 0) % 64, 0);
	CU_ASSERT(lj_verdict_bytes(2, 0) >= sizeof(*v) + 2 * sizeof(double));
	lj_verdict_make(v, &due, &none, NULL, plan, NULL);
	CU_ASSERT_EQUAL(v->n_values, 2);
	CU_ASSERT_EQUAL(v->values[0], 9);
	CU_ASSERT_EQUAL(v->values[1], 443);
	free(v);
	lj_feature_plan_destroy(plan);
}

int main(void)
{
	static const struct lj_test tests[] = {
		{"the highest score decides", the_highest_score_decides},
		{"by vote a quorum alerts", by_vote_a_quorum_alerts},
		{"by route the specialist of the class decides",
		 by_route_the_specialist_of_the_class_decides},
		{"rows stand behind the evidence", rows_stand_behind_the_evidence},
		{"a model that failed never decides over one that did not",
		 a_model_that_failed_never_decides_over_one_that_did_not},
		{"an alert begins at the threshold", an_alert_begins_at_the_threshold},
		{"without models a flow is unclassified", without_models_a_flow_is_unclassified},
		{"a verdict carries its flow and its times",
		 a_verdict_carries_its_flow_and_its_times},
		{"evidence is written behind the verdict", evidence_is_written_behind_the_verdict},
	};
	int ret;

	open_models();
	ret = lj_test_run("verdict", tests, RTE_DIM(tests));
	for (uint16_t m = 0; m < set.n; m++)
		lj_model_close(set.model[m]);
	return ret;
}
