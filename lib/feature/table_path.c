#include "formula_host.h"
#include "formula_other.h"

/* A row's expression stands once: the function and the formula's text are made of the same token.
 */
#define LJ_FEATURE(set, name, unit, keep, expression, help, ...)                                   \
	static __rte_always_inline double name##_of(const struct lj_flow *f,                       \
						    const struct lj_host_context *h)               \
	{                                                                                          \
		return (double)(expression);                                                       \
	}                                                                                          \
	static const char *const name##_names[] = {#name, ##__VA_ARGS__, NULL};
#include "features.def"
#undef LJ_FEATURE

const struct lj_feature_info feature_info[] = {
#define LJ_FEATURE(set, name, unit, keep, expression, help, ...)                                   \
	{#name,                                                                                    \
	 #set,                                                                                     \
	 unit,                                                                                     \
	 #expression,                                                                              \
	 help,                                                                                     \
	 name##_names,                                                                             \
	 (uint32_t)(keep),                                                                         \
	 (uint32_t)((uint64_t)(keep) >> CONTEXT_SHIFT)},
#include "features.def"
#undef LJ_FEATURE
};

feature_value *const feature_values[] = {
#define LJ_FEATURE(set, name, unit, keep, expression, help, ...) name##_of,
#include "features.def"
#undef LJ_FEATURE
};

const size_t n_features = RTE_DIM(feature_info);

/* Sets, by the words of the rows. */
enum set { SET_linejudge, SET_network, SET_host, SET_argus, SET_cic, SET_netflow };

/* The first set of the table, in its order; returns how many. Without a call a feature it takes 0.4
 * times the instructions. */
static size_t first_set(const struct lj_flow *f, double *values)
{
	const struct lj_host_context *h = NULL;
	double *at = values;

#define LJ_FEATURE(set, name, ...)                                                                 \
	if (SET_##set == SET_linejudge)                                                            \
		*at++ = name##_of(f, h);
#include "features.def"
#undef LJ_FEATURE
	return (size_t)(at - values);
}

void lj_feature_values(const struct lj_feature_plan *plan, const struct lj_flow *flow,
		       const struct lj_host_context *context, double *values)
{
	for (size_t i = plan->first_set ? first_set(flow, values) : 0; i < plan->size; i++)
		values[i] = plan->value[i](flow, context);
}

void lj_feature_extract(const struct lj_feature_plan *plan, const struct lj_flow *const *flows,
			const struct lj_host_context *contexts, uint16_t n, float *matrix)
{
	for (uint16_t row = 0; row < n; row++) {
		const struct lj_host_context *context = contexts != NULL ? &contexts[row] : NULL;

		for (size_t i = 0; i < plan->size; i++)
			*matrix++ = (float)plan->value[i](flows[row], context);
	}
}
