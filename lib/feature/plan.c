#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "feature_table.h"

size_t lj_feature_count(void)
{
	return n_features;
}

const struct lj_feature_info *lj_feature_info(size_t i)
{
	return &feature_info[i];
}

void lj_feature_plan_destroy(struct lj_feature_plan *plan)
{
	if (plan == NULL)
		return;
	for (size_t i = 0; plan->name != NULL && i < plan->size; i++)
		free(plan->name[i]);
	free(plan->name);
	free(plan->value);
	free(plan);
}

static int unknown_name(const char *name, struct lj_error *err)
{
	const char **names = malloc(n_features * sizeof(*names));
	char nearest[256] = "";

	for (size_t i = 0; names != NULL && i < n_features; i++)
		names[i] = feature_info[i].name;
	if (names != NULL)
		lj_name_nearest(name, names, n_features, nearest, sizeof(nearest));
	free(names);
	return lj_error_set(err, EINVAL, name, "no such feature%s%s",
			    nearest[0] != '\0' ? "; did you mean " : "", nearest);
}

static int add(struct lj_feature_plan *plan, size_t at, const char *name, struct lj_error *err)
{
	for (size_t i = 0; i < at; i++)
		if (strcasecmp(plan->name[i], name) == 0)
			return lj_error_set(err, EINVAL, name, "the feature is named twice");
	for (size_t i = 0; i < n_features; i++) {
		if (strcasecmp(feature_info[i].name, name) != 0)
			continue;
		plan->value[at] = feature_values[i];
		plan->keep |= feature_info[i].keep;
		plan->name[at] = strdup(name);
		return plan->name[at] != NULL
			       ? 0
			       : lj_error_set(err, ENOMEM, name, "not enough memory");
	}
	return unknown_name(name, err);
}

struct lj_feature_plan *lj_feature_plan_create(const char *const *names, size_t n,
					       struct lj_error *err)
{
	struct lj_feature_plan *plan = calloc(1, sizeof(*plan));

	if (plan == NULL)
		goto no_memory;
	plan->size = n;
	plan->value = calloc(n, sizeof(*plan->value));
	plan->name = calloc(n, sizeof(*plan->name));
	if (plan->value == NULL || plan->name == NULL)
		goto no_memory;
	for (size_t i = 0; i < n; i++)
		if (add(plan, i, names[i], err) != 0)
			goto destroy;
	return plan;
no_memory:
	lj_error_set(err, ENOMEM, "features", "not enough memory");
destroy:
	lj_feature_plan_destroy(plan);
	return NULL;
}

/* Whether `set` stands in the comma-separated list. */
static bool is_listed(const char *list, const char *set)
{
	size_t length = strlen(set);

	for (const char *at = list;; at++) {
		size_t n = strcspn(at, ",");

		if (n == length && strncmp(at, set, n) == 0)
			return true;
		at += n;
		if (*at == '\0')
			return false;
	}
}

/* Every name of the list has to be a set. */
static int check_sets(const char *sets, struct lj_error *err)
{
	for (const char *at = sets;; at++) {
		size_t n = strcspn(at, ",");
		bool known = false;

		for (size_t i = 0; i < n_features; i++)
			known = known || (strlen(feature_info[i].set) == n &&
					  strncmp(feature_info[i].set, at, n) == 0);
		if (!known)
			return lj_error_set(err, EINVAL, "features.set",
					    "\"%.*s\" is no set of features (linejudge, network)",
					    (int)n, at);
		at += n;
		if (*at == '\0')
			return 0;
	}
}

struct lj_feature_plan *lj_feature_plan_set(const char *sets, struct lj_error *err)
{
	struct lj_feature_plan *plan = NULL;
	const char **names;
	size_t n = 0;

	if (check_sets(sets, err) != 0)
		return NULL;
	names = malloc(n_features * sizeof(*names));
	if (names == NULL) {
		lj_error_set(err, ENOMEM, "features.set", "not enough memory");
		return NULL;
	}
	for (size_t i = 0; i < n_features; i++)
		if (is_listed(sets, feature_info[i].set))
			names[n++] = feature_info[i].name;
	plan = lj_feature_plan_create(names, n, err);
	free(names);
	return plan;
}

size_t lj_feature_plan_size(const struct lj_feature_plan *plan)
{
	return plan->size;
}

const char *lj_feature_plan_name(const struct lj_feature_plan *plan, size_t i)
{
	return plan->name[i];
}

uint32_t lj_feature_plan_keep(const struct lj_feature_plan *plan)
{
	return plan->keep;
}
