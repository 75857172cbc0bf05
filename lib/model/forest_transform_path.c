/* Converts margins to probabilities with the same float32 operations as XGBoost 1.7. */
#include <math.h>
#include <string.h>

#include "forest_parts.h"

static float sigmoid(float margin)
{
	float x = -margin < 88.7f ? -margin : 88.7f; /* so that expf does not overflow */

	return 1.0f / (expf(x) + 1.0f + 1e-16f);
}

static void softmax(const float *margins, uint32_t n, float *p)
{
	float highest = margins[0];
	double sum = 0;

	for (uint32_t i = 1; i < n; i++)
		highest = margins[i] > highest ? margins[i] : highest;
	for (uint32_t i = 0; i < n; i++) {
		p[i] = expf(margins[i] - highest);
		sum += p[i];
	}
	for (uint32_t i = 0; i < n; i++)
		p[i] /= (float)sum;
}

void forest_transform(const struct forest *f, const float *margins, uint32_t n,
		      float *probabilities)
{
	if (f->transform == FOREST_SOFTMAX) {
		for (uint32_t r = 0; r < n; r++)
			softmax(margins + r * f->outputs, f->outputs,
				probabilities + r * f->outputs);
		return;
	}
	for (uint32_t i = 0; i < n * f->outputs; i++)
		probabilities[i] = sigmoid(margins[i]);
}
