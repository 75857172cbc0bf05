#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <sys/stat.h>
#include <unistd.h>

#include "model.h"

#define FORMAT 1

/* The file, and where to report errors in it. */
struct place {
	const char *path;
	struct lj_error *err;
};

static int wrong(const struct place *p, const char *key, const char *what)
{
	char where[1200];

	snprintf(where, sizeof(where), "%s: %s", p->path, key);
	return lj_error_set(p->err, EINVAL, where, "%s", what);
}

static int check_keys(const struct place *p, const json_t *object, const char *prefix,
		      const char *const *keys, size_t n)
{
	const char *name;
	json_t *value;

	json_object_foreach ((json_t *)(uintptr_t)object, name, value) {
		char full[128], what[320], nearest[256];
		bool known = false;

		for (size_t i = 0; i < n; i++)
			known = known || strcmp(keys[i], name) == 0;
		if (known)
			continue;
		lj_name_nearest(name, keys, n, nearest, sizeof(nearest));
		snprintf(full, sizeof(full), "%s%s", prefix, name);
		snprintf(what, sizeof(what), "no such key%s%s",
			 nearest[0] != '\0' ? "; did you mean " : "", nearest);
		return wrong(p, full, what);
	}
	return 0;
}

static int get_text(const struct place *p, const json_t *object, const char *key, const char *full,
		    char *out, size_t size)
{
	const char *text = json_string_value(json_object_get(object, key));

	if (text == NULL || text[0] == '\0')
		return wrong(p, full, "is missing, or not a string");
	if (strlen(text) >= size)
		return wrong(p, full, "is too long");
	strcpy(out, text);
	return 0;
}

static int get_file(const struct place *p, const json_t *files, const char *key, char *name,
		    size_t size, char sha256[65])
{
	static const char *const keys[] = {"name", "sha256"};
	const json_t *file = json_object_get(files, key);
	char full[64];
	int ret;

	snprintf(full, sizeof(full), "files.%s.", key);
	ret = check_keys(p, file, full, keys, RTE_DIM(keys));
	snprintf(full, sizeof(full), "files.%s.name", key);
	if (ret == 0)
		ret = get_text(p, file, "name", full, name, size);
	if (ret == 0 && strchr(name, '/') != NULL)
		ret = wrong(p, full, "is not a file of the bundle's own folder");
	snprintf(full, sizeof(full), "files.%s.sha256", key);
	return ret != 0 ? ret : get_text(p, file, "sha256", full, sha256, 65);
}

static int get_features(const struct place *p, const json_t *root, struct manifest *m)
{
	const json_t *list = json_object_get(root, "features");
	size_t n = json_array_size(list), i;
	const json_t *item;

	if (n == 0)
		return wrong(p, "features", "is missing, or not a list of names");
	m->features = calloc(n, sizeof(*m->features));
	if (m->features == NULL)
		return wrong(p, "features", "not enough memory");
	m->info.features = (uint32_t)n;
	json_array_foreach (list, i, item) {
		if (!json_is_string(item))
			return wrong(p, "features", "has an item that is not a name");
		m->features[i] = strdup(json_string_value(item));
		if (m->features[i] == NULL)
			return wrong(p, "features", "not enough memory");
	}
	return 0;
}

static int get_classes(const struct place *p, const json_t *root, struct manifest *m)
{
	const json_t *list = json_object_get(root, "classes"), *item;
	size_t i;

	if (json_array_size(list) < 2 || json_array_size(list) > LJ_CLASSES_MAX)
		return wrong(p, "classes", "is not a list of 2 to 16 names");
	m->info.classes = (uint16_t)json_array_size(list);
	json_array_foreach (list, i, item) {
		if (!json_is_string(item) || json_string_length(item) == 0 ||
		    json_string_length(item) >= sizeof(m->info.class_name[0]))
			return wrong(p, "classes",
				     "has an item that is not a name of 1 to 31 "
				     "characters");
		strcpy(m->info.class_name[i], json_string_value(item));
		for (size_t j = 0; j < i; j++)
			if (strcmp(m->info.class_name[j], m->info.class_name[i]) == 0)
				return wrong(p, "classes", "has a name twice");
	}
	if (strcmp(m->info.class_name[0], "benign") != 0)
		return wrong(p, "classes[0]", "is not \"benign\"");
	return 0;
}

/* Reads a number of `flow`, in the range of the configuration key of that name. If it is absent the
 * value is 0, which must also be in range. */
static int get_number(const struct place *p, const json_t *flow, const char *key, double lo,
		      double hi, double *out)
{
	const json_t *number = json_object_get(flow, key);
	char full[64], what[96];

	*out = json_number_value(number);
	if ((number == NULL || json_is_number(number)) && *out >= lo && *out <= hi)
		return 0;
	snprintf(full, sizeof(full), "flow.%s", key);
	snprintf(what, sizeof(what), "%s in %.10g..%.10g",
		 number == NULL ? "is missing: a number" : "is not a number", lo, hi);
	return wrong(p, full, what);
}

static int get_flow(const struct place *p, const json_t *root, struct manifest *m)
{
	static const char *const keys[] = {"idle_timeout_s", "active_timeout_s", "tcp_linger_s",
					   "classify_at"};
	const json_t *flow = json_object_get(root, "flow");
	struct lj_model_flow *f = &m->info.flow;
	double idle, active, linger, at;
	int ret;

	if (flow == NULL)
		return 0;
	if (!json_is_object(flow))
		return wrong(p, "flow", "is not an object");
	ret = check_keys(p, flow, "flow.", keys, RTE_DIM(keys));
	if (ret == 0)
		ret = get_number(p, flow, keys[0], 0.001, 86400, &idle);
	if (ret == 0)
		ret = get_number(p, flow, keys[1], 0.001, 604800, &active);
	if (ret == 0)
		ret = get_number(p, flow, keys[2], 0, 3600, &linger);
	if (ret == 0)
		ret = get_number(p, flow, keys[3], 0, UINT32_MAX, &at);
	if (ret == 0 && at != floor(at))
		ret = wrong(p, "flow.classify_at", "is not a whole number");
	if (ret != 0)
		return ret;
	f->present = true;
	f->idle_timeout_ns = (uint64_t)llround(idle * 1e9);
	f->active_timeout_ns = (uint64_t)llround(active * 1e9);
	f->tcp_linger_ns = (uint64_t)llround(linger * 1e9);
	f->classify_at = (uint32_t)at;
	return 0;
}

static int get_transform(const struct place *p, const json_t *root, struct manifest *m)
{
	static const char *const keys[] = {"kind", "divisor"};
	const json_t *transform = json_object_get(root, "transform");
	double divisor = json_number_value(json_object_get(transform, "divisor"));
	char kind[16];
	int ret;

	if (transform == NULL)
		return 0;
	ret = check_keys(p, transform, "transform.", keys, RTE_DIM(keys));
	if (ret == 0)
		ret = get_text(p, transform, "kind", "transform.kind", kind, sizeof(kind));
	if (ret != 0)
		return ret;
	if (strcmp(kind, "mean") == 0)
		m->info.transform = LJ_TRANSFORM_MEAN;
	else if (strcmp(kind, "path_length") == 0)
		m->info.transform = LJ_TRANSFORM_PATH_LENGTH;
	else
		return wrong(p, "transform.kind", "is neither mean nor path_length");
	if (!(divisor > 0 && divisor < 1e12))
		return wrong(p, "transform.divisor", "is not a number over 0");
	m->info.divisor = divisor;
	return 0;
}

static int get_mode(const struct place *p, const json_t *root, struct manifest *m)
{
	char mode[16] = "exact";
	int ret = 0;

	if (json_object_get(root, "mode") != NULL)
		ret = get_text(p, root, "mode", "mode", mode, sizeof(mode));
	if (ret != 0)
		return ret;
	if (strcmp(mode, "decide") == 0)
		m->mode = LJ_MODE_DECIDE;
	else if (strcmp(mode, "exact") != 0)
		return wrong(p, "mode", "is neither exact nor decide");
	return 0;
}

static int get_head(const struct place *p, const json_t *root, struct manifest *m)
{
	const json_t *threshold = json_object_get(root, "threshold");
	double value = json_number_value(threshold);
	char engine[16] = "auto";
	int ret;

	if (json_integer_value(json_object_get(root, "format")) != FORMAT)
		return wrong(p, "format", "is not 1, the format that this version reads");
	if (json_integer_value(json_object_get(root, "feature_schema")) != LJ_FEATURE_SCHEMA)
		return wrong(
			p, "feature_schema",
			"is not " RTE_STR(
				LJ_FEATURE_SCHEMA) ": features are defined differently in this "
						   "version; retrain the model");
	ret = get_text(p, root, "name", "name", m->info.name, sizeof(m->info.name));
	if (ret == 0)
		ret = get_text(p, root, "version", "version", m->info.version,
			       sizeof(m->info.version));
	if (ret == 0 && json_object_get(root, "engine") != NULL)
		ret = get_text(p, root, "engine", "engine", engine, sizeof(engine));
	if (ret != 0)
		return ret;
	if (strcmp(engine, "forest") == 0)
		m->engine = LJ_ENGINE_FOREST;
	else if (strcmp(engine, "xgboost") == 0)
		m->engine = LJ_ENGINE_XGBOOST;
	else if (strcmp(engine, "auto") != 0)
		return wrong(p, "engine", "is neither auto, forest nor xgboost");
	ret = get_mode(p, root, m);
	if (ret != 0)
		return ret;
	if (!json_is_number(threshold) || !((float)value > 0 && value <= 1))
		return wrong(p, "threshold", "is not a number over 0 and up to 1");
	m->info.threshold = (float)value;
	return 0;
}

static int get_files(const struct place *p, const json_t *root, struct manifest *m)
{
	static const char *const keys[] = {"booster", "golden", "reference"};
	const json_t *files = json_object_get(root, "files");
	int ret = check_keys(p, files, "files.", keys, RTE_DIM(keys));

	if (ret == 0)
		ret = get_file(p, files, "booster", m->booster, sizeof(m->booster),
			       m->booster_sha256);
	if (ret == 0)
		ret = get_file(p, files, "golden", m->golden, sizeof(m->golden), m->golden_sha256);
	if (ret == 0 && json_object_get(files, "reference") != NULL)
		ret = get_file(p, files, "reference", m->reference, sizeof(m->reference),
			       m->reference_sha256);
	strcpy(m->info.sha256, m->booster_sha256);
	return ret;
}

static int get_family(const struct place *p, const json_t *root, struct manifest *m)
{
	static const char *const keys[] = {"folder", "sha256"};
	const json_t *family = json_object_get(root, "family");
	int ret;

	if (family == NULL)
		return 0;
	ret = check_keys(p, family, "family.", keys, RTE_DIM(keys));
	if (ret == 0)
		ret = get_text(p, family, "folder", "family.folder", m->family, sizeof(m->family));
	if (ret == 0 && (strchr(m->family, '/') != NULL || m->family[0] == '.'))
		ret = wrong(p, "family.folder", "is not a folder within the bundle's own");
	return ret != 0 ? ret
			: get_text(p, family, "sha256", "family.sha256", m->family_sha256,
				   sizeof(m->family_sha256));
}

static int read_root(const struct place *p, const json_t *root, struct manifest *m)
{
	static const char *const keys[] = {"format",	     "name",	 "version",   "description",
					   "feature_schema", "features", "classes",   "threshold",
					   "engine",	     "mode",	 "flow",      "files",
					   "trained_on",     "created",	 "transform", "family"};
	int ret;

	if (!json_is_object(root))
		return wrong(p, "manifest", "is not a JSON object");
	ret = check_keys(p, root, "", keys, RTE_DIM(keys));
	if (ret == 0)
		ret = get_head(p, root, m);
	if (ret == 0)
		ret = get_features(p, root, m);
	if (ret == 0)
		ret = get_classes(p, root, m);
	if (ret == 0)
		ret = get_transform(p, root, m);
	if (ret == 0)
		ret = get_flow(p, root, m);
	if (ret == 0)
		ret = get_family(p, root, m);
	return ret != 0 ? ret : get_files(p, root, m);
}

json_t *document_read(const char *path, size_t flags, int errnum, struct lj_error *err)
{
	FILE *f = fopen(path, "r");
	json_t *root = NULL;
	json_error_t at;

	if (f != NULL)
		root = json_loadf(f, flags, &at);
	if (f == NULL || (root == NULL && ferror(f)))
		lj_error_set(err, errno, path, "cannot be read: %s", strerror(errno));
	else if (root == NULL)
		lj_error_set(err, errnum, path, "line %d: %s", at.line, at.text);
	if (f != NULL)
		fclose(f);
	return root;
}

/* Refuses a path that is not a folder, such as the model file itself. */
static int check_folder(const char *dir, struct lj_error *err)
{
	struct stat status;

	if (stat(dir, &status) != 0)
		return lj_error_set(err, errno, dir, "%s", strerror(errno));
	if (!S_ISDIR(status.st_mode))
		return lj_error_set(err, ENOTDIR, dir,
				    "is a file, not a bundle's folder; tools/import-xgboost and "
				    "tools/import-sklearn convert models to bundles");
	return 0;
}

int manifest_load(struct manifest *m, const char *dir, struct lj_error *err)
{
	char path[1024];
	struct place p = {path, err};
	json_t *root;
	int ret;

	memset(m, 0, sizeof(*m));
	snprintf(path, sizeof(path), "%s/manifest.json", dir);
	ret = check_folder(dir, err);
	if (ret != 0)
		return ret;
	root = document_read(path, JSON_REJECT_DUPLICATES, EINVAL, err);
	if (root == NULL)
		return -EINVAL;
	ret = read_root(&p, root, m);
	json_decref(root);
	return ret != 0 ? ret : calibration_load(m, dir, err);
}

void manifest_free(struct manifest *m)
{
	for (uint32_t i = 0; m->features != NULL && i < m->info.features; i++)
		free(m->features[i]);
	free(m->features);
	m->features = NULL;
}
