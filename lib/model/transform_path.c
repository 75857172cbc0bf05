/* Converts margins to probabilities if the bundle defines its own transform. */
#include <math.h>

#include "model.h"

/* Clamps to 0..1, since rounding may take a mean of probabilities slightly out of range. */
static float mean(float margin, double divisor)
{
	double value = (double)margin / divisor;

	return (float)(value < 0 ? 0 : value > 1 ? 1 : value);
}

void model_transform(const struct lj_model_info *info, const float *margins, uint32_t n,
		     float *probabilities)
{
	for (uint32_t i = 0; i < n * info->outputs; i++)
		probabilities[i] = info->transform == LJ_TRANSFORM_MEAN
					   ? mean(margins[i], info->divisor)
					   : (float)exp2(-(double)margins[i] / info->divisor);
}

int model_probabilities(const struct lj_model *m, uint16_t slot, const float *rows, uint32_t n,
			float *probabilities)
{
	const struct lj_model_info *info = &m->manifest.info;
	int ret;

	if (info->transform == LJ_TRANSFORM_OBJECTIVE)
		return m->engine->score(m->handle[slot], rows, n, NULL, probabilities);
	ret = m->engine->score(m->handle[slot], rows, n, probabilities, NULL);
	if (ret == 0)
		model_transform(info, probabilities, n, probabilities);
	return ret;
}
