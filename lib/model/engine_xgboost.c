#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xgboost/c_api.h>
#include <xgboost/version_config.h>

#include "model.h"

struct handle {
	BoosterHandle booster;
	uint32_t features, outputs;
};

static void close_handle(void *handle)
{
	struct handle *h = handle;

	if (h == NULL)
		return;
	if (h->booster != NULL)
		XGBoosterFree(h->booster);
	free(h);
}

/* One prediction: `type` 0 gives probabilities, 1 margins (XGBoost's own numbering). */
static int predict(struct handle *h, const float *matrix, uint32_t n, int type, float *out)
{
	char array[160], config[128];
	const bst_ulong *shape;
	const float *result;
	bst_ulong dimensions, total = 1;

	snprintf(array, sizeof(array),
		 "{\"data\":[%llu,true],\"shape\":[%u,%u],\"typestr\":\"<f4\",\"version\":3}",
		 (unsigned long long)(uintptr_t)matrix, n, h->features);
	snprintf(config, sizeof(config),
		 "{\"type\":%d,\"training\":false,\"iteration_begin\":0,\"iteration_end\":0,"
		 "\"strict_shape\":true,\"missing\":NaN,\"cache_id\":0}",
		 type);
	if (XGBoosterPredictFromDense(h->booster, array, config, NULL, &shape, &dimensions,
				      &result) != 0)
		return -EIO;
	for (bst_ulong i = 0; i < dimensions; i++)
		total *= shape[i];
	if (total != (bst_ulong)n * h->outputs)
		return -EPROTO;
	memcpy(out, result, total * sizeof(*out));
	return 0;
}

static int score(void *handle, const float *matrix, uint32_t n, float *margins,
		 float *probabilities)
{
	int ret = 0;

	if (margins != NULL)
		ret = predict(handle, matrix, n, 1, margins);
	if (ret == 0 && probabilities != NULL)
		ret = predict(handle, matrix, n, 0, probabilities);
	return ret;
}

/* XGBoost's in-place prediction does not compute contributions, so this creates a DMatrix. */
int xgboost_contributions(void *handle, const float *row, float *out)
{
	struct handle *h = handle;
	const bst_ulong *shape;
	bst_ulong dimensions, total = 1;
	DMatrixHandle matrix = NULL;
	const float *result;
	char array[160];
	int ret = -EIO;

	snprintf(array, sizeof(array),
		 "{\"data\":[%llu,true],\"shape\":[1,%u],\"typestr\":\"<f4\",\"version\":3}",
		 (unsigned long long)(uintptr_t)row, h->features);
	if (XGDMatrixCreateFromDense(array, "{\"missing\":NaN,\"nthread\":1}", &matrix) != 0)
		return -EIO;
	if (XGBoosterPredictFromDMatrix(h->booster, matrix,
					"{\"type\":2,\"training\":false,\"iteration_begin\":0,"
					"\"iteration_end\":0,\"strict_shape\":true}",
					&shape, &dimensions, &result) == 0) {
		for (bst_ulong i = 0; i < dimensions; i++)
			total *= shape[i];
		ret = total == (bst_ulong)h->outputs * (h->features + 1) ? 0 : -EPROTO;
	}
	if (ret == 0)
		memcpy(out, result, total * sizeof(*out));
	XGDMatrixFree(matrix);
	return ret;
}

/* The first prediction allocates memory that later ones reuse. */
static int warm_up(struct handle *h)
{
	float *row = calloc(h->features, sizeof(*row)), out[2 * LJ_CLASSES_MAX];
	int ret = row != NULL ? score(h, row, 1, out, out + LJ_CLASSES_MAX) : -ENOMEM;

	free(row);
	return ret;
}

void xgboost_version(int version[3])
{
	XGBoostVersion(&version[0], &version[1], &version[2]);
}

void lj_model_library(int built[3], int running[3])
{
	built[0] = XGBOOST_VER_MAJOR;
	built[1] = XGBOOST_VER_MINOR;
	built[2] = XGBOOST_VER_PATCH;
	xgboost_version(running);
}

/* Returns the value that XGBoost uses: it parses the text of the file with a float parser of its
 * own. */
int xgboost_base_score(void *handle, float *base_score)
{
	struct handle *h = handle;
	const char *text;
	bst_ulong length;
	json_t *config;
	const char *base;

	if (XGBoosterSaveJsonConfig(h->booster, &length, &text) != 0)
		return -EIO;
	config = json_loadb(text, length, 0, NULL);
	base = json_string_value(json_object_get(
		json_object_get(json_object_get(config, "learner"), "learner_model_param"),
		"base_score"));
	if (base != NULL)
		*base_score = strtof(base, NULL);
	json_decref(config);
	return base != NULL ? 0 : -EPROTO;
}

static void *open_handle(const char *path, const struct lj_model *model, struct lj_error *err)
{
	struct handle *h = calloc(1, sizeof(*h));

	if (h == NULL) {
		lj_error_set(err, ENOMEM, path, "not enough memory");
		return NULL;
	}
	h->features = lj_model_info(model)->features;
	h->outputs = lj_model_info(model)->outputs;
	if (XGBoosterCreate(NULL, 0, &h->booster) != 0 ||
	    XGBoosterSetParam(h->booster, "nthread", "1") != 0 ||
	    XGBoosterLoadModel(h->booster, path) != 0 || warm_up(h) != 0) {
		lj_error_set(err, EIO, path, "XGBoost rejects it: %.300s", XGBGetLastError());
		close_handle(h);
		return NULL;
	}
	return h;
}

const struct lj_engine_ops lj_engine_xgboost = {"xgboost", open_handle, score, close_handle};
