#include <ctype.h>
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

/* Where the name begins, blanks apart, and in *length how long it is. */
static const char *trim(const char *name, size_t *length)
{
	while (isspace((unsigned char)*name))
		name++;
	*length = strlen(name);
	while (*length > 0 && isspace((unsigned char)name[*length - 1]))
		(*length)--;
	return name;
}

static bool same_name(const char *a, const char *b)
{
	size_t length_a, length_b;

	a = trim(a, &length_a);
	b = trim(b, &length_b);
	return length_a == length_b && strncasecmp(a, b, length_a) == 0;
}

/* n_features when there is none. */
static size_t find(const char *name)
{
	size_t i;

	for (i = 0; i < n_features; i++)
		for (const char *const *known = feature_info[i].names; *known != NULL; known++)
			if (same_name(*known, name))
				return i;
	return i;
}

/* The names of all features, aliases too, into names[] (may be NULL); returns how many. */
static size_t all_names(const char **names)
{
	size_t n = 0;

	for (size_t i = 0; i < n_features; i++)
		for (const char *const *known = feature_info[i].names; *known != NULL; known++) {
			if (names != NULL)
				names[n] = *known;
			n++;
		}
	return n;
}

static int unknown_name(const char *name, struct lj_error *err)
{
	const char **names;
	char nearest[256] = "";

	for (size_t i = 0; i < n_missing_columns; i++)
		if (same_name(missing_columns[i].name, name))
			return lj_error_set(err, ENOTSUP, name, "no such feature: %s",
					    missing_columns[i].why);
	names = malloc(all_names(NULL) * sizeof(*names));
	if (names != NULL)
		lj_name_nearest(name, names, all_names(names), nearest, sizeof(nearest));
	free(names);
	return lj_error_set(err, EINVAL, name, "no such feature%s%s",
			    nearest[0] != '\0' ? "; did you mean " : "", nearest);
}

static int add(struct lj_feature_plan *plan, size_t at, const char *name, struct lj_error *err)
{
	size_t i = find(name);

	if (i == n_features)
		return unknown_name(name, err);
	for (size_t earlier = 0; earlier < at; earlier++)
		if (same_name(plan->name[earlier], name))
			return lj_error_set(err, EINVAL, name, "the feature is named twice");
	plan->value[at] = feature_values[i];
	plan->keep |= feature_info[i].keep;
	plan->context |= feature_info[i].context;
	plan->name[at] = strdup(name);
	return plan->name[at] != NULL ? 0 : lj_error_set(err, ENOMEM, name, "not enough memory");
}

static bool begins_with_first_set(const struct lj_feature_plan *plan)
{
	for (size_t i = 0; i < n_features; i++) {
		if (strcmp(feature_info[i].set, feature_info[0].set) != 0)
			break;
		if (i >= plan->size || plan->value[i] != feature_values[i])
			return false;
	}
	return true;
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
	plan->first_set = begins_with_first_set(plan);
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

		for (size_t i = 0; i < n_feature_sets; i++)
			known = known || (strlen(feature_sets[i].name) == n &&
					  strncmp(feature_sets[i].name, at, n) == 0);
		if (!known)
			return lj_error_set(err, EINVAL, "features.set",
					    "\"%.*s\" is no set of features "
					    "(linejudge, host, network, cic, netflow, argus)",
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

uint32_t lj_feature_plan_context(const struct lj_feature_plan *plan)
{
	return plan->context;
}
