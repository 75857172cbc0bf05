/*
 * reference.json of a bundle: {"format": 1, "rows": n, "features": [...], "score": {...}}. For each
 * feature, in the manifest's order, and for the score: {"edges": [ascending], "shares": [missing,
 * below the first edge, ..., from the last edge on]}.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <jansson.h>

#include "drift.h"

static const char *read_bins(const json_t *json, struct reference *r)
{
	const json_t *edges = json_object_get(json, "edges"),
		     *shares = json_object_get(json, "shares");
	size_t n = json_array_size(edges);
	double sum = 0;

	if (!json_is_array(edges) || n > EDGES_MAX)
		return "edges is not a list of at most 15 numbers";
	if (json_array_size(shares) != n + 2)
		return "shares are not two more than edges";
	r->edges = (uint32_t)n;
	for (size_t i = 0; i < n; i++) {
		r->edge[i] = (float)json_number_value(json_array_get(edges, i));
		if (!isfinite(r->edge[i]) || (i > 0 && !(r->edge[i] > r->edge[i - 1])))
			return "edges do not ascend";
	}
	for (size_t i = 0; i < n + 2; i++) {
		double share = json_number_value(json_array_get(shares, i));

		if (!(share >= 0 && share <= 1))
			return "a share is not in 0..1";
		r->share[i] = (float)share;
		sum += share;
	}
	return fabs(sum - 1) <= 1e-3 ? NULL : "shares do not add up to 1";
}

static const char *read_all(const json_t *root, struct reference *r, uint32_t n, char *where,
			    size_t size)
{
	const json_t *list = json_object_get(root, "features");
	const char *what = NULL;

	snprintf(where, size, "features");
	if (json_integer_value(json_object_get(root, "format")) != 1)
		return "format is not 1";
	if (json_array_size(list) != n)
		return "are not as many as the manifest names";
	for (uint32_t i = 0; i < n && what == NULL; i++) {
		snprintf(where, size, "features[%u]", i);
		what = read_bins(json_array_get(list, i), &r[i]);
	}
	if (what != NULL)
		return what;
	snprintf(where, size, "score");
	return read_bins(json_object_get(root, "score"), &r[n]);
}

struct reference *reference_load(const struct lj_model *m, struct lj_error *err)
{
	uint32_t n = lj_model_info(m)->features;
	char path[1024], where[32];
	struct reference *r;
	const char *what;
	json_error_t at;
	json_t *root;

	if (!lj_model_reference(m, path, sizeof(path)))
		return NULL;
	r = calloc(n + 1, sizeof(*r));
	if (r == NULL) {
		lj_error_set(err, ENOMEM, path, "not enough memory");
		return NULL;
	}
	root = json_load_file(path, 0, &at);
	if (root == NULL) {
		lj_error_set(err, EINVAL, path, "line %d: %s", at.line, at.text);
		free(r);
		return NULL;
	}
	what = read_all(root, r, n, where, sizeof(where));
	json_decref(root);
	if (what == NULL)
		return r;
	lj_error_set(err, EINVAL, path, "%s: %s", where, what);
	free(r);
	return NULL;
}
