/* A pipeline of vdevs with two workers, to be stepped by hand. */
#ifndef PORTS_H
#define PORTS_H

#include "lj_test.h"
#include "pipeline.h"

static struct lj_config config;

static inline struct lj_pipeline *open_ports(const char *ports, const char *check)
{
	const char *const settings[] = {ports, check, "lcores.workers=2", "flow.capacity=8192"};
	struct lj_error err = {0};
	struct lj_pipeline *p;

	lj_config_init(&config);
	for (size_t i = 0; i < RTE_DIM(settings); i++)
		CU_ASSERT_EQUAL_FATAL(lj_config_set(&config, settings[i], &err), 0);
	p = lj_pipeline_create(&config, &err);
	CU_ASSERT_PTR_NOT_NULL_FATAL(p);
	for (uint32_t i = 0; i < lj_pipeline_sources(p); i++)
		CU_ASSERT_EQUAL_FATAL(lj_source_start(lj_pipeline_source(p, i), &err), 0);
	return p;
}

static inline void close_ports(struct lj_pipeline *p)
{
	CU_ASSERT_EQUAL(lj_pipeline_destroy(p, NULL), 0);
	lj_config_free(&config);
}

#endif
