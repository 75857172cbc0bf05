/* A pipeline of the demo capture, to be stepped by hand. */
#ifndef DEMO_H
#define DEMO_H

#include "lj_test.h"
#include "pipeline.h"

/* By the bundle MODELS, and settings as --set takes them, up to NULL. */
static inline struct lj_pipeline *demo_open(struct lj_config *c, const char *models,
					    const char *const *settings)
{
	struct lj_error err = {0};
	struct lj_pipeline *p;
	char set[700];

	lj_config_init(c);
	snprintf(set, sizeof(set), "capture.files=%s/tools/data/demo.pcap",
		 getenv("LJ_SOURCE_ROOT"));
	CU_ASSERT_EQUAL_FATAL(lj_config_set(c, set, &err), 0);
	snprintf(set, sizeof(set), "models=%s", models);
	CU_ASSERT_EQUAL_FATAL(lj_config_set(c, set, &err), 0);
	for (; *settings != NULL; settings++)
		CU_ASSERT_EQUAL_FATAL(lj_config_set(c, *settings, &err), 0);
	p = lj_pipeline_create(c, &err);
	if (p == NULL)
		fprintf(stderr, "%s: %s\n", err.where, err.what);
	CU_ASSERT_PTR_NOT_NULL_FATAL(p);
	return p;
}

#endif
