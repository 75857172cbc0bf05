/*
 * Measures the time to score a row: the forest engine and each of its kernels compared with
 * XGBoost's C API in the same run, by batch size and model shape.
 *
 * The models are trained here with a fixed seed, on synthetic flows of 78 features; --models keeps
 * them in a folder and reuses them. --quick trains a tenth of the trees on a tenth of the flows,
 * under other names, to show that the benchmark works.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <xgboost/c_api.h>

#include "flows.h"
#include "forest.h"
#include "model.h"

#define QUICK	   10 /* divides the trees and the flows */
#define SUFFIX(on) ((on) ? "-quick" : "")
#define SAMPLES	   9
#define ENGINES	   (2 + FOREST_KERNELS) /* XGBoost, the kernels, and mode decide */
#define DECIDE	   (1 + FOREST_KERNELS)
#define THRESHOLD  0.5F /* for early decisions */

static const uint32_t batches[] = {1, 4, 10, 16, 32, 64, 100, 256, 1000};

struct shape {
	const char *name;
	uint32_t rounds, parallel, outputs; /* parallel: trees per round and output */
	const char *params[10];
};

static const struct shape shapes[] = {
	{"100x6", 100, 1, 1, {"max_depth", "6", "eta", "0.15"}},
	{"500x8", 500, 1, 1, {"max_depth", "8", "eta", "0.05"}},
	{"15x100x6", 100, 1, CLASSES, {"max_depth", "6", "eta", "0.15"}},
	{"rf500x8",
	 1,
	 500,
	 1,
	 {"max_depth", "8", "eta", "1", "subsample", "0.63", "colsample_bynode", "0.12"}},
};

struct bench {
	struct lj_model model;
	void *xgboost;
	struct forest *forest;
	struct forest_slot *slot[FOREST_KERNELS];
	const float *rows;
	float *out; /* [LJ_MODEL_BATCH][outputs] */
	uint8_t decided[LJ_MODEL_BATCH];
	double sample_ns;
};

static void must(int ret)
{
	if (ret == 0)
		return;
	fprintf(stderr, "bench_infer: XGBoost: %s\n", XGBGetLastError());
	exit(EXIT_FAILURE);
}

/* The number of trees, reduced in a quick run. */
static uint32_t scaled(const struct data *d, uint32_t n)
{
	return d->quick && n > 1 ? n / QUICK : n;
}

static void train(const struct shape *s, const struct data *d, const char *path)
{
	uint32_t rows = d->quick ? TRAIN_ROWS / QUICK : TRAIN_ROWS;
	BoosterHandle booster;
	DMatrixHandle matrix;
	char parallel[16];

	snprintf(parallel, sizeof(parallel), "%u", scaled(d, s->parallel));
	must(XGDMatrixCreateFromMat(d->rows, rows, FEATURES, NAN, &matrix));
	must(XGDMatrixSetFloatInfo(matrix, "label", s->outputs > 1 ? d->classes : d->malicious,
				   rows));
	must(XGBoosterCreate(&matrix, 1, &booster));
	must(XGBoosterSetParam(booster, "nthread", "1"));
	must(XGBoosterSetParam(booster, "tree_method", "hist"));
	must(XGBoosterSetParam(booster, "seed", "1"));
	must(XGBoosterSetParam(booster, "objective",
			       s->outputs > 1 ? "multi:softprob" : "binary:logistic"));
	if (s->outputs > 1)
		must(XGBoosterSetParam(booster, "num_class", RTE_STR(CLASSES)));
	must(XGBoosterSetParam(booster, "num_parallel_tree", parallel));
	for (int i = 0; s->params[i] != NULL; i += 2)
		must(XGBoosterSetParam(booster, s->params[i], s->params[i + 1]));
	for (uint32_t i = 0; i < scaled(d, s->rounds); i++)
		must(XGBoosterUpdateOneIter(booster, (int)i, matrix));
	must(XGBoosterSaveModel(booster, path));
	XGBoosterFree(booster);
	XGDMatrixFree(matrix);
}

static void open_bench(struct bench *b, const struct data *d, const char *path)
{
	struct lj_error err = {0};
	json_t *root = booster_read(path, &b->model.manifest.info, &err);
	uint32_t proof_rows;
	float base_score;

	b->rows = d->rows + (size_t)TRAIN_ROWS * FEATURES;
	if (root != NULL)
		b->xgboost = lj_engine_xgboost.open(path, &b->model, &err);
	if (b->xgboost != NULL && xgboost_base_score(b->xgboost, &base_score) == 0)
		b->forest = forest_create(root, base_score, 0, &err);
	if (b->forest == NULL ||
	    forest_prove(b->forest, b->xgboost, FOREST_PROOF_WHOLE, &proof_rows, &err) != 0) {
		fprintf(stderr, "bench_infer: %s: %s\n", path, err.what);
		exit(EXIT_FAILURE);
	}
	b->forest->bounds = forest_bound(b->forest, THRESHOLD);
	for (enum forest_kernel k = FOREST_BEST; k < FOREST_KERNELS; k++)
		b->slot[k] =
			forest_kernel_runs(b->forest, k) ? forest_slot_create(b->forest, k) : NULL;
	b->out = malloc(LJ_MODEL_BATCH * b->forest->outputs * sizeof(float));
	json_decref(root);
}

static void close_bench(struct bench *b)
{
	for (enum forest_kernel k = FOREST_BEST; k < FOREST_KERNELS; k++)
		forest_slot_destroy(b->slot[k]);
	forest_destroy(b->forest);
	lj_engine_xgboost.close(b->xgboost);
	free(b->out);
}

/* CPU time of this thread, so that other load does not count. */
static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static bool runs(const struct bench *b, uint32_t engine)
{
	if (engine == DECIDE)
		return b->forest->bounds != NULL;
	return engine == 0 || b->slot[engine - 1] != NULL;
}

/* Engine 0 is XGBoost, 1 + k the kernel k. */
static void score_batch(struct bench *b, uint32_t engine, uint32_t first, uint32_t n)
{
	const float *rows = b->rows + (size_t)first * FEATURES;

	if (engine == 0)
		lj_engine_xgboost.score(b->xgboost, rows, n, NULL, b->out);
	else if (engine == DECIDE)
		forest_decide(b->slot[FOREST_BEST], rows, n, b->out, b->decided);
	else
		forest_score(b->slot[engine - 1], rows, n, NULL, b->out);
}

/* ns per row, over at least `sample_ns`. The number of calls is doubled until the cost of reading
 * the clock is negligible. */
static double sample(struct bench *b, uint32_t engine, uint32_t n)
{
	double start = now_ns(), end;
	uint64_t rows = 0;
	uint32_t at = 0;

	for (uint32_t calls = 1;; calls *= 2) {
		for (uint32_t i = 0; i < calls; i++) {
			score_batch(b, engine, at, n);
			at = at + 2 * n <= TEST_ROWS ? at + n : 0;
		}
		rows += (uint64_t)calls * n;
		end = now_ns();
		if (end - start >= b->sample_ns)
			return (end - start) / (double)rows;
	}
}

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Medians of alternating samples; 0 for an engine that does not run here. */
static void measure(struct bench *b, uint32_t n, double median[ENGINES])
{
	double samples[ENGINES][SAMPLES];

	for (int i = 0; i < SAMPLES; i++)
		for (uint32_t e = 0; e < ENGINES; e++)
			if (runs(b, e))
				samples[e][i] = sample(b, e, n);
	for (uint32_t e = 0; e < ENGINES; e++) {
		if (runs(b, e))
			qsort(samples[e], SAMPLES, sizeof(double), compare_doubles);
		median[e] = runs(b, e) ? samples[e][SAMPLES / 2] : 0;
	}
}

static const char *engine_name(uint32_t engine, char name[32])
{
	if (engine <= 1)
		return engine == 0 ? "xgboost" : "forest";
	if (engine == DECIDE)
		return "forest-decide";
	snprintf(name, 32, "forest-%s", forest_kernel_name(engine - 1));
	return name;
}

static void report(const char *model, uint32_t batch, const double median[ENGINES], FILE *text,
		   json_t *json)
{
	char name[32];

	for (uint32_t e = 0; e < ENGINES; e++) {
		if (median[e] <= 0)
			continue;
		fprintf(text, "%-10s batch %4u  %-20s %10.1f ns a row  %6.2f times xgboost\n",
			model, batch, engine_name(e, name), median[e], median[0] / median[e]);
		json_array_append_new(json,
				      json_pack("{s:s, s:s, s:i, s:f, s:f, s:f}", "model", model,
						"engine", engine_name(e, name), "batch", (int)batch,
						"ns_per_row", median[e], "xgboost_ns_per_row",
						median[0], "ratio", median[0] / median[e]));
	}
	fflush(text);
}

static void run_shape(const struct shape *s, const struct data *d, const char *dir, double seconds,
		      FILE *text, json_t *json)
{
	struct bench b = {
		.sample_ns =
			seconds * 1e9 / (RTE_DIM(shapes) * RTE_DIM(batches) * ENGINES * SAMPLES),
	};
	double median[ENGINES];
	char path[512], name[32];

	snprintf(name, sizeof(name), "%s%s", s->name, SUFFIX(d->quick));
	snprintf(path, sizeof(path), "%s/%s.ubj", dir, name);
	if (access(path, R_OK) != 0)
		train(s, d, path);
	open_bench(&b, d, path);
	fprintf(text, "# %s: %u trees, %u nodes, depth %u, %u columns of ranks\n", name,
		b.forest->trees, b.forest->nodes, b.forest->depth, b.forest->columns);
	for (size_t i = 0; i < RTE_DIM(batches); i++) {
		measure(&b, batches[i], median);
		report(name, batches[i], median, text, json);
	}
	close_bench(&b);
}

struct options {
	const char *json, *models;
	double seconds;
	bool quick;
};

static void parse(struct options *o, int argc, char **argv)
{
	static const struct option longs[] = {{"json", required_argument, NULL, 'j'},
					      {"seconds", required_argument, NULL, 's'},
					      {"models", required_argument, NULL, 'm'},
					      {"quick", no_argument, NULL, 'q'},
					      {0}};
	int found;

	*o = (struct options){.seconds = 1};
	while ((found = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (found == 'j')
			o->json = optarg;
		else if (found == 'm')
			o->models = optarg;
		else if (found == 'q')
			o->quick = true;
		else if (found == 's' && atof(optarg) > 0)
			o->seconds = atof(optarg);
		else
			goto usage;
	}
	if (optind == argc)
		return;
usage:
	fputs("usage: bench_infer [--json PATH|-] [--seconds S] [--models DIR] [--quick]\n",
	      stderr);
	exit(2);
}

static void remove_models(const char *dir, bool quick)
{
	char path[512];

	for (size_t i = 0; i < RTE_DIM(shapes); i++) {
		snprintf(path, sizeof(path), "%s/%s%s.ubj", dir, shapes[i].name, SUFFIX(quick));
		unlink(path);
	}
	rmdir(dir);
}

int main(int argc, char **argv)
{
	char dir[] = "/tmp/lj-bench-infer-XXXXXX";
	json_t *json = json_array();
	struct options o;
	struct data d;
	bool to_stdout;
	FILE *text;
	int ret = 0;

	parse(&o, argc, argv);
	to_stdout = o.json != NULL && strcmp(o.json, "-") == 0;
	text = to_stdout ? stderr : stdout;
	if (o.models == NULL && mkdtemp(dir) == NULL) {
		perror(dir);
		return EXIT_FAILURE;
	}
	d.quick = o.quick;
	make_data(&d);
	for (size_t i = 0; i < RTE_DIM(shapes); i++)
		run_shape(&shapes[i], &d, o.models != NULL ? o.models : dir, o.seconds, text, json);
	if (o.json != NULL)
		ret = to_stdout ? json_dumpf(json, stdout, JSON_INDENT(1))
				: json_dump_file(json, o.json, JSON_INDENT(1));
	if (o.models == NULL)
		remove_models(dir, o.quick);
	json_decref(json);
	free_data(&d);
	return ret == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
