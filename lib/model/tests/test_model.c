#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "lj_digest.h"
#include "lj_explain.h"
#include "lj_model.h"
#include "lj_test.h"

static const char *default_dir(void)
{
	static char path[512];

	snprintf(path, sizeof(path), "%s/models/default", getenv("LJ_SOURCE_ROOT"));
	return path;
}

static struct lj_flow flow(uint32_t i)
{
	struct lj_flow f;

	memset(&f, 0, sizeof(f));
	f.key.proto = i % 2 == 0 ? 6 : 17;
	f.packets = 1 + i;
	f.first_ns = 1000;
	f.last_ns = 1000 + i * 77777;
	f.side[0].packets = 1 + i;
	f.side[0].length_sum = 60 + 100 * i;
	f.side[0].length_sumsq = f.side[0].length_sum * f.side[0].length_sum;
	f.side[0].length_min = 40;
	f.side[0].length_max = (uint16_t)(60 + i);
	f.side[0].first_ns = f.first_ns;
	f.side[0].last_ns = f.last_ns;
	return f;
}

static struct lj_host_context context(uint32_t i)
{
	struct lj_host_context h = {.opened = i % 2};

	h.src[LJ_HOST_600S].count[LJ_HOST_FLOWS] = i;
	h.src[LJ_HOST_600S].count[LJ_HOST_PORTS] = i / 2;
	return h;
}

#define FLOWS 200

struct scorer {
	struct lj_model *model;
	uint16_t slot;
	struct lj_opinion opinion[FLOWS];
};

static void *score_all(void *arg)
{
	static struct lj_flow flows[FLOWS];
	static struct lj_host_context contexts[FLOWS];
	struct scorer *s = arg;
	const struct lj_flow *batch[FLOWS];

	for (uint32_t i = 0; i < FLOWS; i++) {
		if (s->slot == 0) {
			flows[i] = flow(i);
			contexts[i] = context(i);
		}
		batch[i] = &flows[i];
	}
	for (int round = 0; round < 20; round++)
		lj_model_score(s->model, s->slot, batch, contexts, FLOWS, s->opinion);
	return NULL;
}

static void slots_score_alike_whole_or_one_by_one_and_side_by_side(void)
{
	struct lj_error err = {0};
	struct lj_model *m = lj_model_open(default_dir(), 2, &err);
	static struct scorer scorer[2];
	pthread_t thread;

	CU_ASSERT_PTR_NOT_NULL_FATAL(m);
	scorer[0] = (struct scorer){.model = m, .slot = 0};
	scorer[1] = (struct scorer){.model = m, .slot = 1};
	score_all(&scorer[0]);
	pthread_create(&thread, NULL, score_all, &scorer[1]);
	score_all(&scorer[0]);
	pthread_join(thread, NULL);
	for (uint32_t i = 0; i < FLOWS; i++) {
		struct lj_flow f = flow(i);
		struct lj_host_context h = context(i);
		const struct lj_flow *one = &f;
		struct lj_opinion o;

		CU_ASSERT_EQUAL(lj_model_score(m, 0, &one, &h, 1, &o), 1);
		CU_ASSERT_EQUAL(o.score, scorer[0].opinion[i].score);
		CU_ASSERT_EQUAL(o.score, scorer[1].opinion[i].score);
		CU_ASSERT(o.score > 0 && o.score < 1);
		CU_ASSERT_EQUAL(o.class_index, o.score >= lj_model_info(m)->threshold);
	}
	lj_model_close(m);
	lj_model_close(NULL);
}

/* lj_explain() itself checks that contributions add up to the margin. */
static void what_weighs_most_comes_first(void)
{
	struct lj_error err = {0};
	struct lj_model *m = lj_model_open(default_dir(), 1, &err);
	uint32_t features = lj_model_info(m)->features, n;
	float *rows = calloc(64 * features, sizeof(*rows));
	struct lj_explainer *e = lj_explainer_open(m, &err);
	struct lj_explanation x, against;

	CU_ASSERT_FATAL(m != NULL && rows != NULL && e != NULL);
	n = lj_model_golden(m, rows, 64);
	CU_ASSERT(n > 10);
	for (uint32_t i = 0; i < n; i++) {
		const float *row = rows + (size_t)i * features;

		CU_ASSERT_EQUAL(lj_explain(e, row, 1, LJ_EXPLAIN_TOP_MAX, &x), 0);
		CU_ASSERT_EQUAL(lj_explain(e, row, 0, 2, &against), 0);
		CU_ASSERT_EQUAL(x.n, LJ_EXPLAIN_TOP_MAX);
		CU_ASSERT_EQUAL(against.n, 2);
		CU_ASSERT_EQUAL(against.item[0].contribution, -x.item[0].contribution);
		CU_ASSERT_STRING_EQUAL(against.item[1].feature, x.item[1].feature);
		for (uint32_t k = 1; k < x.n; k++)
			CU_ASSERT(fabsf(x.item[k].contribution) <=
				  fabsf(x.item[k - 1].contribution));
	}
	CU_ASSERT_EQUAL(lj_explain(e, rows, 1, 0, &x), 0);
	CU_ASSERT_EQUAL(x.n, 0);
	lj_explainer_close(e);
	lj_explainer_close(NULL);
	lj_model_close(m);
	free(rows);
}

/* For models/default. A calibration is valid for one booster only. */
static void a_manifest_says_which_booster_it_has_and_how_flows_are_cut(void)
{
	struct lj_model *m =
		lj_model_open_by(default_dir(), 1, LJ_ENGINE_XGBOOST, LJ_MODE_EXACT, NULL);
	char path[600], sha256[2 * LJ_SHA256_BYTES + 1];
	const struct lj_model_flow *flow;

	CU_ASSERT_PTR_NOT_NULL_FATAL(m);
	snprintf(path, sizeof(path), "%s/model.ubj", default_dir());
	CU_ASSERT_EQUAL(lj_sha256_file(path, sha256, NULL), 0);
	CU_ASSERT_STRING_EQUAL(lj_model_info(m)->sha256, sha256);
	flow = &lj_model_info(m)->flow;
	CU_ASSERT(flow->present);
	CU_ASSERT_EQUAL(flow->idle_timeout_ns, 120000000000);
	CU_ASSERT_EQUAL(flow->active_timeout_ns, 1800000000000);
	CU_ASSERT_EQUAL(flow->tcp_linger_ns, 1000000000);
	CU_ASSERT_EQUAL(flow->classify_at, 0);
	lj_model_close(m);
}

int main(void)
{
	static const struct lj_test tests[] = {
		{"what weighs most comes first", what_weighs_most_comes_first},
		{"a manifest says which booster it has, and how flows are cut",
		 a_manifest_says_which_booster_it_has_and_how_flows_are_cut},
		{"slots score alike, whole or one by one, side by side",
		 slots_score_alike_whole_or_one_by_one_and_side_by_side},
	};

	return lj_test_run("model", tests, RTE_DIM(tests));
}
