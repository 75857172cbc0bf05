/* Synthetic flows for training the benchmark's models; reproducible. */
#ifndef FLOWS_H
#define FLOWS_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#define FEATURES   78
#define CLASSES	   15
#define LATENT	   10
#define TRAIN_ROWS 20000
#define TEST_ROWS  1024 /* scored in turn, so that branch prediction cannot learn them */

struct data {
	float *rows; /* [TRAIN_ROWS + TEST_ROWS][FEATURES] */
	float *classes, *malicious;
	bool quick;
};

static uint64_t seed = 7;

static inline double uniform(void)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return ((double)(seed >> 33) + 0.5) / 2147483648.0;
}

static inline double normal(void)
{
	return sqrt(-2 * log(uniform())) * cos(2 * M_PI * uniform());
}

/* Heavy-tailed bytes and durations, counts, values that are often 0, flags, plain values. */
static inline float feature_value(uint32_t f, double v)
{
	if (f % 10 == 3 && uniform() < 0.02 + 0.003 * f)
		return NAN;
	if (f < 24)
		return (float)exp(2 * v + 4);
	if (f < 40)
		return (float)floor(exp(1.1 * v + 2));
	if (f < 52)
		return v < 0.2 ? 0 : (float)exp(v);
	if (f < 60)
		return (float)fmin(fmax(floor(1.5 * v), 0), 6);
	return (float)v;
}

static inline void make_row(const struct data *d, uint32_t r, double centre[CLASSES][LATENT],
			    double mix[LATENT][FEATURES])
{
	uint32_t class = uniform() < 0.45 ? 0 : (uint32_t)(uniform() * CLASSES);
	double latent[LATENT];

	for (int i = 0; i < LATENT; i++)
		latent[i] = normal() + 0.9 * centre[class][i];
	latent[0] += 0.8 * sin(2 * latent[1]);
	for (uint32_t f = 0; f < FEATURES; f++) {
		double v = 0.7 * normal();

		for (int i = 0; i < LATENT; i++)
			v += 0.6 * latent[i] * mix[i][f];
		d->rows[(size_t)r * FEATURES + f] = feature_value(f, v);
	}
	/* Some labels are wrong, as in real data. */
	d->classes[r] = (float)(uniform() < 0.04 ? (uint32_t)(uniform() * CLASSES) : class);
	d->malicious[r] = (d->classes[r] > 0) ^ (uniform() < 0.02);
}

static inline void make_data(struct data *d)
{
	static double centre[CLASSES][LATENT], mix[LATENT][FEATURES];
	uint32_t n = TRAIN_ROWS + TEST_ROWS;

	d->rows = malloc((size_t)n * FEATURES * sizeof(float));
	d->classes = malloc(n * sizeof(float));
	d->malicious = malloc(n * sizeof(float));
	if (d->rows == NULL || d->classes == NULL || d->malicious == NULL)
		exit(EXIT_FAILURE);
	for (int i = 0; i < CLASSES * LATENT; i++)
		centre[i / LATENT][i % LATENT] = normal();
	for (int i = 0; i < LATENT * FEATURES; i++)
		mix[i / FEATURES][i % FEATURES] = uniform() < 0.35 ? normal() : 0;
	for (uint32_t r = 0; r < n; r++)
		make_row(d, r, centre, mix);
}

static inline void free_data(struct data *d)
{
	free(d->rows);
	free(d->classes);
	free(d->malicious);
}

#endif
