/*
 * libFuzzer: no input crashes the validation of a booster file, or, if it passes, XGBoost, the
 * forest made from it, or a kernel that scores or decides with it. The first byte selects JSON or
 * UBJ.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "forest.h"
#include "model.h"

#define ROWS	     80	  /* two blocks */
#define FEATURES_MAX 4096 /* longer rows take too much of the fuzzer's time */

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void score_all(struct forest *f)
{
	float *matrix = malloc((size_t)ROWS * f->features * sizeof(*matrix));
	float *scores = malloc((size_t)ROWS * f->outputs * sizeof(*scores));
	uint8_t decided[ROWS];

	for (size_t i = 0; matrix != NULL && i < (size_t)ROWS * f->features; i++)
		matrix[i] = i % 7 == 0 ? NAN : (float)(i % 13) - 6;
	f->bounds = forest_bound(f, 0.5f);
	for (enum forest_kernel k = FOREST_BEST; k < FOREST_KERNELS; k++) {
		struct forest_slot *slot =
			forest_kernel_runs(f, k) ? forest_slot_create(f, k) : NULL;

		if (slot != NULL && matrix != NULL && scores != NULL)
			forest_score(slot, matrix, ROWS, NULL, scores);
		if (slot != NULL && matrix != NULL && scores != NULL && f->bounds != NULL)
			forest_decide(slot, matrix, ROWS, scores, decided);
		forest_slot_destroy(slot);
	}
	free(matrix);
	free(scores);
}

/* Uses XGBoost as linejudge does: it may reject the file, but must not crash. */
static void ask_xgboost(const char *path, const struct lj_model_info *info)
{
	struct lj_model model = {.manifest.info = *info};
	size_t floats = (size_t)info->outputs * (info->features + 1);
	float *row = malloc(info->features * sizeof(*row)), *out = malloc(floats * sizeof(*out));
	float base_score;
	struct lj_error err;
	void *handle = lj_engine_xgboost.open(path, &model, &err);

	for (uint32_t i = 0; row != NULL && i < info->features; i++)
		row[i] = i % 7 == 0 ? NAN : (float)(i % 13) - 6;
	if (handle != NULL && row != NULL && out != NULL) {
		lj_engine_xgboost.score(handle, row, 1, NULL, out);
		xgboost_contributions(handle, row, out);
		xgboost_base_score(handle, &base_score);
	}
	lj_engine_xgboost.close(handle);
	free(row);
	free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct lj_model_info info = {0};
	struct lj_error err;
	struct forest *f = NULL;
	json_t *root;
	char path[64];
	FILE *file;

	if (n == 0)
		return 0;
	snprintf(path, sizeof(path), "/tmp/lj-fuzz-%d.%s", (int)getpid(),
		 bytes[0] & 1 ? "json" : "ubj");
	file = fopen(path, "wb");
	if (file == NULL)
		return 0;
	fwrite(bytes + 1, 1, n - 1, file);
	fclose(file);
	root = booster_read(path, &info, &err);
	if (root != NULL && info.features <= FEATURES_MAX) {
		ask_xgboost(path, &info);
		f = forest_create(root, 0.5f, 1 << 26, &err);
	}
	if (f != NULL)
		score_all(f);
	forest_destroy(f);
	json_decref(root);
	unlink(path);
	return 0;
}
