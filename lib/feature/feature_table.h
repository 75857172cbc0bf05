/* Private: the table of features, and the plan. */
#ifndef FEATURE_TABLE_H
#define FEATURE_TABLE_H

#include "lj_feature.h"

typedef double feature_value(const struct lj_flow *f, const struct lj_host_context *h);

extern const struct lj_feature_info feature_info[];
extern feature_value *const feature_values[];
extern const size_t n_features;

/* The sets, with an introduction for the documentation. */
struct feature_set {
	const char *name, *help;
};
extern const struct feature_set feature_sets[];
extern const size_t n_feature_sets;

/* Columns of other tools' tables that have no feature, and why. */
struct missing_column {
	const char *name, *why;
};
extern const struct missing_column missing_columns[];
extern const size_t n_missing_columns;

struct lj_feature_plan {
	size_t size;
	uint32_t keep, context;
	bool first_set;	       /* it begins with all of the table's first set, in its order */
	feature_value **value; /* [size] */
	char **name;	       /* [size], as asked for */
};

/* nDPI's protocol number of the service that the ports suggest; 0: unknown. Path. */
uint16_t feature_service(const struct lj_flow *f);

#endif
