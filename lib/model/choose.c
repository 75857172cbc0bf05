/*
 * Chooses the engine of a model. XGBoost is always opened first: it is the reference that the
 * forest must match before it may be chosen.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "forest.h"
#include "lj_log.h"
#include "model.h"

#define FOREST_BYTES_MAX (1ULL << 30)
#define MEASURE_ROWS	 32 /* batch size when both engines are measured */
#define MEASURE_TIMES	 7  /* measurements, of which the median is taken */

/* Sets the reason for the choice of the engine. */
__attribute__((format(printf, 2, 3))) static void set_reason(struct lj_model *m, const char *format,
							     ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(m->manifest.info.engine_reason, sizeof(m->manifest.info.engine_reason), format,
		  ap);
	va_end(ap);
}

/* The forest, checked against XGBoost; NULL with `err` if it cannot be used. */
static struct forest *proved_forest(struct lj_model *m, const json_t *root, void *reference,
				    struct lj_error *err)
{
	struct forest *f = NULL;
	float base_score;

	if (xgboost_base_score(reference, &base_score) != 0)
		lj_error_set(err, EPROTO, "", "XGBoost does not report its base_score");
	else
		f = forest_create(root, base_score, FOREST_BYTES_MAX, err);
	if (f != NULL &&
	    forest_prove(f, reference, m->proof, &m->manifest.info.proof_rows, err) != 0) {
		m->manifest.info.proof_rows = 0;
		forest_destroy(f);
		f = NULL;
	}
	return f;
}

static int compare_times(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* CPU time of this thread, so that other load on the machine does not affect the choice. */
static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* The median time per row, in ns, in batches of MEASURE_ROWS, for each engine. */
static void measure(const struct lj_engine_ops *const *engines, void *const *handles,
		    const float *matrix, float *scores, double *ns)
{
	uint64_t times[2][MEASURE_TIMES];

	for (int i = 0; i < MEASURE_TIMES; i++)
		for (int e = 0; e < 2; e++) {
			uint64_t start = now_ns();

			engines[e]->score(handles[e], matrix, MEASURE_ROWS, NULL, scores);
			times[e][i] = now_ns() - start;
		}
	for (int e = 0; e < 2; e++) {
		qsort(times[e], MEASURE_TIMES, sizeof(times[e][0]), compare_times);
		ns[e] = (double)times[e][MEASURE_TIMES / 2] / MEASURE_ROWS;
	}
}

/* Whether the forest is faster than XGBoost. */
static bool forest_is_faster(struct lj_model *m, void *reference, struct lj_error *err)
{
	const struct lj_engine_ops *engines[] = {&lj_engine_xgboost, &lj_engine_forest};
	void *handles[] = {reference, lj_engine_forest.open(m->dir, m, err)};
	float *matrix = calloc(MEASURE_ROWS * m->manifest.info.features, sizeof(*matrix));
	float *scores = calloc(MEASURE_ROWS * m->manifest.info.outputs, sizeof(*scores));
	double ns[2] = {0, 0};

	if (handles[1] != NULL && matrix != NULL && scores != NULL) {
		/* Rows that take different paths. */
		for (uint32_t i = 0; i < MEASURE_ROWS * m->manifest.info.features; i++)
			matrix[i] = (float)(i * 2654435761U % 100003) / (float)(1 + i % 97);
		measure(engines, handles, matrix, scores, ns);
	}
	set_reason(m, "measured: forest %.0f ns per row, xgboost %.0f, in batches of %d", ns[1],
		   ns[0], MEASURE_ROWS);
	lj_engine_forest.close(handles[1]);
	free(matrix);
	free(scores);
	return ns[1] < ns[0];
}

static const struct lj_engine_ops *choose(struct lj_model *m, enum lj_engine wanted,
					  const json_t *root, void *reference)
{
	struct lj_error err = {0};

	if (wanted == LJ_ENGINE_XGBOOST) {
		set_reason(m, "as configured");
		return &lj_engine_xgboost;
	}
	m->forest = proved_forest(m, root, reference, &err);
	if (m->forest == NULL) {
		set_reason(m, "forest refused: %.110s", err.what);
		lj_log(WARNING, "model %s: the forest engine cannot be used, using xgboost: %s\n",
		       m->dir, err.what);
		return &lj_engine_xgboost;
	}
	if (wanted == LJ_ENGINE_FOREST)
		set_reason(m, "as configured");
	else if (!forest_is_faster(m, reference, &err))
		return &lj_engine_xgboost;
	return &lj_engine_forest;
}

static int open_handles(struct lj_model *m, const char *path, struct lj_error *err)
{
	for (uint16_t i = 0; i < m->slots; i++) {
		m->handle[i] = m->engine->open(path, m, err);
		if (m->handle[i] == NULL)
			return -EIO;
	}
	return 0;
}

static void close_handles(struct lj_model *m)
{
	for (uint16_t i = 0; i < m->slots; i++) {
		m->engine->close(m->handle[i]);
		m->handle[i] = NULL;
	}
}

/* Opens the handles of `engine`; 0 if it reproduces the golden rows. */
static int take(struct lj_model *m, const struct lj_engine_ops *engine, const char *path,
		struct lj_error *err)
{
	int ret;

	m->engine = engine;
	snprintf(m->manifest.info.engine, sizeof(m->manifest.info.engine), "%s", engine->name);
	ret = open_handles(m, path, err);
	return ret != 0 ? ret : golden_prove(m, err);
}

static const char *why_exact(const struct lj_model *m)
{
	if (m->forest == NULL)
		return "xgboost scores";
	if (m->manifest.info.transform != LJ_TRANSFORM_OBJECTIVE)
		return "its manifest has a transform";
	return "its margins are too large for bounds";
}

/* Records the mode in effect, and warns if it is not the one requested. */
static void say_mode(struct lj_model *m, enum lj_mode wanted)
{
	bool decides = m->forest != NULL && m->forest->bounds != NULL;
	char *mode = m->manifest.info.mode;

	snprintf(mode, sizeof(m->manifest.info.mode), "%s", decides ? "decide" : "exact");
	if (wanted == LJ_MODE_DECIDE && !decides)
		lj_log(WARNING, "model %s: %s, so scores are exact, not decided early\n", m->dir,
		       why_exact(m));
}

int engine_choose(struct lj_model *m, enum lj_engine wanted, enum lj_mode mode, const json_t *root,
		  const char *path, struct lj_error *err)
{
	void *reference = lj_engine_xgboost.open(path, m, err);
	const struct lj_engine_ops *engine;
	int ret;

	if (reference == NULL)
		return -EIO;
	engine = choose(m, wanted, root, reference);
	lj_engine_xgboost.close(reference);
	/* The bounds assume the objective's own transform. */
	if (engine == &lj_engine_forest && mode == LJ_MODE_DECIDE &&
	    m->manifest.info.transform == LJ_TRANSFORM_OBJECTIVE)
		m->forest->bounds = forest_bound(m->forest, m->manifest.info.threshold);
	ret = take(m, engine, path, err);
	if (ret != 0 && engine == &lj_engine_forest) {
		close_handles(m);
		ret = take(m, &lj_engine_xgboost, path, err);
		if (ret == 0) {
			m->manifest.info.proof_rows = 0;
			set_reason(m, "forest refused: it does not reproduce the golden rows");
			lj_log(WARNING,
			       "model %s: the forest engine does not reproduce the golden rows, "
			       "using xgboost\n",
			       m->dir);
		}
	}
	if (m->engine != &lj_engine_forest) {
		forest_destroy(m->forest);
		m->forest = NULL;
	}
	if (ret == 0)
		say_mode(m, mode);
	return ret;
}
