/* A random booster in both engines, for the tests of the forest. */
#ifndef PAIR_H
#define PAIR_H

#include <stdlib.h>

#include <CUnit/Basic.h>

#include "booster.h"
#include "forest.h"
#include "model.h"

static char dir[] = "/tmp/lj-test-forest-XXXXXX"; /* created by main() */

/* A booster in both engines. */
struct pair {
	struct lj_model model;
	void *xgboost;
	struct forest *forest;
};

static inline void open_pair(struct pair *p, const struct shape *shape, uint64_t seed)
{
	json_t *root = random_booster(shape, seed);
	struct lj_error err = {0};
	float base_score = 0;
	char path[128];

	memset(p, 0, sizeof(*p));
	CU_ASSERT_PTR_NOT_NULL_FATAL(root);
	snprintf(path, sizeof(path), "%s/model.json", dir);
	CU_ASSERT_EQUAL_FATAL(json_dump_file(root, path, JSON_REAL_PRECISION(9)), 0);
	json_decref(root);
	root = booster_read(path, &p->model.manifest.info, &err);
	CU_ASSERT_PTR_NOT_NULL_FATAL(root);
	p->xgboost = lj_engine_xgboost.open(path, &p->model, &err);
	if (p->xgboost == NULL)
		printf("%s: %s\n", err.where, err.what);
	CU_ASSERT_PTR_NOT_NULL_FATAL(p->xgboost);
	CU_ASSERT_EQUAL(xgboost_base_score(p->xgboost, &base_score), 0);
	p->forest = forest_create(root, base_score, 0, &err);
	CU_ASSERT_PTR_NOT_NULL_FATAL(p->forest);
	json_decref(root);
}

static inline void close_pair(struct pair *p)
{
	forest_destroy(p->forest);
	lj_engine_xgboost.close(p->xgboost);
}

#endif
