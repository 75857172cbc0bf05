#include "model_command.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "lj_drift.h"
#include "lj_model.h"

#define SAMPLES	     9
#define SAMPLE_NS    4e6
#define ENGINES	     3 /* XGBoost, and the forest engine in mode exact and in mode decide */
#define USAGE_STATUS 2
#define USAGE	     "usage: linejudge model check DIR\n       linejudge model bench DIR [--json]\n"

static const uint32_t batches[] = {1, 4, 10, 16, 32, 64, 100, 256, 1000};

static int fail(const struct lj_error *err)
{
	fprintf(stderr, "linejudge: %s: %s\n", err->where, err->what);
	return EXIT_FAILURE;
}

/* Prints the family model's classes, if there is one. */
static void print_families(const struct lj_model_info *info)
{
	if (info == NULL)
		return;
	printf("families:");
	for (uint16_t k = 1; k < info->classes; k++)
		printf(" %s", info->class_name[k]);
	printf("; %u trees, %u features, engine %s\n", info->trees, info->features, info->engine);
}

/* Opens the bundle, and its drift reference, which otherwise only the sink thread would check. NULL
 * with `err`. */
static struct lj_model *open_whole(const char *dir, struct lj_error *err)
{
	const struct lj_drift_config config = {.every = 1, .window_ns = UINT64_MAX};
	struct lj_model_set set = {.n = 1, .model = {lj_model_open(dir, 1, err)}};
	struct lj_drift *drift =
		set.model[0] != NULL ? lj_drift_create(&set, &config, NULL, err) : NULL;

	if (drift == NULL) {
		lj_model_close(set.model[0]);
		return NULL;
	}
	lj_drift_destroy(drift);
	return set.model[0];
}

static int check(const char *dir)
{
	struct lj_error err = {0};
	struct lj_model *m = open_whole(dir, &err);
	const struct lj_model_info *info;
	float *golden;

	if (m == NULL)
		return fail(&err);
	info = lj_model_info(m);
	golden = malloc((size_t)LJ_MODEL_BATCH * info->features * sizeof(*golden));
	printf("%s: model %s, version %s\n", dir, info->name, info->version);
	printf("booster: %u trees, %u features, %u outputs, sha256 %s\n", info->trees,
	       info->features, info->outputs, info->sha256);
	printf("classes:");
	for (uint16_t k = 0; k < info->classes; k++)
		printf(" %s", info->class_name[k]);
	printf("; alert from %.6g (shipped %.6g, calibration %s)\n", info->threshold,
	       info->threshold_shipped, info->calibration);
	if (golden != NULL)
		printf("golden rows: %u, margins bit for bit\n",
		       lj_model_golden(m, golden, LJ_MODEL_BATCH));
	if (info->proof_rows > 0)
		printf("proof: forest is bit-identical to XGBoost on %u rows around its "
		       "thresholds\n",
		       info->proof_rows);
	printf("engine: %s (%s), mode %s\n", info->engine, info->engine_reason, info->mode);
	print_families(lj_model_family(m));
	free(golden);
	lj_model_close(m);
	return EXIT_SUCCESS;
}

/* The state of a benchmark: one bundle opened for each engine, and its golden rows, repeated. */
struct bench {
	struct lj_model *model[ENGINES];
	double load_ms[ENGINES]; /* time to open it, including validation and proof */
	float *rows;		 /* [LJ_MODEL_BATCH][features] */
	float *scores;
};

/* CPU time of this thread, so that other load on the machine does not count. */
static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* ns per row. The number of calls is doubled until the cost of reading the clock is negligible. */
static double sample(struct bench *b, int engine, uint32_t n)
{
	double start = now_ns(), end;
	uint64_t rows = 0;

	for (uint32_t calls = 1;; calls *= 2) {
		for (uint32_t i = 0; i < calls; i++)
			lj_model_score_rows(b->model[engine], 0, b->rows, n, b->scores);
		rows += (uint64_t)calls * n;
		end = now_ns();
		if (end - start >= SAMPLE_NS)
			return (end - start) / (double)rows;
	}
}

/* Medians of samples, taken alternately from the engines. */
static void measure(struct bench *b, uint32_t n, double median[ENGINES])
{
	double samples[ENGINES][SAMPLES];

	for (int i = 0; i < SAMPLES; i++)
		for (int e = 0; e < ENGINES; e++)
			samples[e][i] = sample(b, e, n);
	for (int e = 0; e < ENGINES; e++) {
		qsort(samples[e], SAMPLES, sizeof(double), compare_doubles);
		median[e] = samples[e][SAMPLES / 2];
	}
}

static int open_bench(struct bench *b, const char *dir, struct lj_error *err)
{
	static const enum lj_engine engines[ENGINES] = {LJ_ENGINE_XGBOOST, LJ_ENGINE_FOREST,
							LJ_ENGINE_FOREST};
	const struct lj_model_info *info;
	uint32_t n;

	for (int e = 0; e < ENGINES; e++) {
		double start = now_ns();

		b->model[e] = lj_model_open_by(dir, 1, engines[e],
					       e == 2 ? LJ_MODE_DECIDE : LJ_MODE_EXACT, err);
		if (b->model[e] == NULL)
			return -1;
		b->load_ms[e] = (now_ns() - start) / 1e6;
	}
	info = lj_model_info(b->model[0]);
	b->rows = malloc((size_t)LJ_MODEL_BATCH * info->features * sizeof(float));
	b->scores = malloc((size_t)LJ_MODEL_BATCH * info->outputs * sizeof(float));
	if (b->rows == NULL || b->scores == NULL)
		return lj_error_set(err, ENOMEM, dir, "not enough memory");
	n = lj_model_golden(b->model[0], b->rows, LJ_MODEL_BATCH);
	for (uint32_t i = n; i < LJ_MODEL_BATCH; i++)
		memcpy(b->rows + (size_t)i * info->features,
		       b->rows + (size_t)(i % n) * info->features, info->features * sizeof(float));
	return 0;
}

/* Prints the number of rows by trees evaluated, in mode decide. */
static void print_histogram(const struct lj_model *m)
{
	struct lj_model_bin bins[LJ_MODEL_BINS];
	uint32_t n = lj_model_histogram(m, bins);
	uint64_t rows = 0;

	for (uint32_t i = 0; i < n; i++)
		rows += bins[i].rows;
	for (uint32_t i = 0; rows > 0 && i < n; i++)
		printf("up to %u trees: %.1f %% of rows\n", bins[i].trees,
		       100 * (double)bins[i].rows / (double)rows);
}

static void print_batch(uint32_t n, const double median[ENGINES])
{
	printf("%6u %12.1f %12.1f %8.2f %12.1f %8.2f\n", n, median[0], median[1],
	       median[0] / median[1], median[2], median[0] / median[2]);
}

static json_t *batch_json(uint32_t n, const double median[ENGINES])
{
	return json_pack("{s:i, s:f, s:f, s:f, s:f}", "batch", (int)n, "xgboost_ns_per_row",
			 median[0], "ns_per_row", median[1], "ratio", median[0] / median[1],
			 "decide_ns_per_row", median[2]);
}

static void print_head(const struct bench *b, const char *dir)
{
	const struct lj_model_info *info = lj_model_info(b->model[1]);

	printf("%s: ns per row, medians of %d alternating samples, golden rows\n", dir, SAMPLES);
	if (strcmp(info->engine, "forest") != 0)
		printf("%s\n", info->engine_reason);
	printf("to open: xgboost %.1f ms, %s %.1f ms (proof included)\n", b->load_ms[0],
	       info->engine, b->load_ms[1]);
	printf("%6s %12s %12s %8s %12s %8s\n", "batch", "xgboost", info->engine, "ratio",
	       lj_model_info(b->model[2])->mode, "ratio");
}

/* With `json` nothing else is printed on stdout. */
static int bench(const char *dir, bool json)
{
	struct bench b = {0};
	struct lj_error err = {0};
	json_t *rows = json_array();
	int ret = open_bench(&b, dir, &err);

	if (ret == 0 && !json)
		print_head(&b, dir);
	for (size_t i = 0; ret == 0 && i < RTE_DIM(batches); i++) {
		double median[ENGINES];

		measure(&b, batches[i], median);
		if (json)
			json_array_append_new(rows, batch_json(batches[i], median));
		else
			print_batch(batches[i], median);
	}
	if (ret == 0 && !json)
		print_histogram(b.model[2]);
	if (ret == 0 && json) {
		json_t *root = json_pack("{s:s, s:s, s:f, s:f, s:O}", "model",
					 lj_model_info(b.model[1])->name, "engine",
					 lj_model_info(b.model[1])->engine, "xgboost_load_ms",
					 b.load_ms[0], "load_ms", b.load_ms[1], "rows", rows);

		json_dumpf(root, stdout, JSON_INDENT(1));
		json_decref(root);
	}
	json_decref(rows);
	for (int e = 0; e < ENGINES; e++)
		lj_model_close(b.model[e]);
	free(b.rows);
	free(b.scores);
	return ret == 0 ? EXIT_SUCCESS : fail(&err);
}

int model_command(int argc, char **argv)
{
	bool json = argc == 4 && strcmp(argv[3], "--json") == 0;

	if (argc == 3 && strcmp(argv[1], "check") == 0)
		return check(argv[2]);
	if ((argc == 3 || json) && strcmp(argv[1], "bench") == 0)
		return bench(argv[2], json);
	if (argc == 2 && strcmp(argv[1], "--help") == 0) {
		printf(USAGE
		       "\n  check DIR           validate the bundle, and print its properties\n"
		       "  bench DIR [--json]  measure the time per row, by engine and batch "
		       "size\n");
		return EXIT_SUCCESS;
	}
	fputs(USAGE, stderr);
	return USAGE_STATUS;
}
