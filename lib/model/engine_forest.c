/* The forest as an engine: the model owns the tables, each handle is one lcore's scratch memory. */
#include <errno.h>

#include "forest.h"
#include "model.h"

static void *open_handle(const char *path, const struct lj_model *model, struct lj_error *err)
{
	struct forest_slot *slot = NULL;

	if (model->forest == NULL)
		lj_error_set(err, ENOTSUP, path, "the forest engine has not taken it");
	else if ((slot = forest_slot_create(model->forest, FOREST_BEST)) == NULL)
		lj_error_set(err, ENOMEM, path, "not enough memory");
	return slot;
}

static int score(void *handle, const float *matrix, uint32_t n, float *margins,
		 float *probabilities)
{
	forest_score(handle, matrix, n, margins, probabilities);
	return 0;
}

static void close_handle(void *handle)
{
	forest_slot_destroy(handle);
}

const struct lj_engine_ops lj_engine_forest = {"forest", open_handle, score, close_handle};
