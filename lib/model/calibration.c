/*
 * Reads calibration.json: a threshold that tools/calibrate determined from a site's own traffic. It
 * is valid for one booster only; `active` is the id of the entry of `history` in force, or null.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "lj_log.h"
#include "model.h"

#define CALIBRATION_FORMAT 1

static int wrong(const char *path, struct lj_error *err, const char *what)
{
	return lj_error_set(err, EINVAL, path,
			    "%s; tools/calibrate writes this file, and the model "
			    "runs as shipped without it",
			    what);
}

static const json_t *entry_of(const json_t *root, json_int_t id)
{
	const json_t *entry;
	size_t i;

	json_array_foreach (json_object_get(root, "history"), i, entry)
		if (json_integer_value(json_object_get(entry, "id")) == id)
			return entry;
	return NULL;
}

static int read_calibration(struct lj_model_info *info, const json_t *root, const char *path,
			    struct lj_error *err)
{
	const char *sha256 = json_string_value(json_object_get(root, "booster_sha256"));
	const json_t *active = json_object_get(root, "active"), *entry, *threshold;
	const char *made;
	double value;

	if (json_integer_value(json_object_get(root, "format")) != CALIBRATION_FORMAT)
		return wrong(path, err, "format is not 1, the format that this version reads");
	if (sha256 == NULL)
		return wrong(path, err, "booster_sha256 is missing");
	if (json_is_null(active))
		return 0;
	entry = json_is_integer(active) ? entry_of(root, json_integer_value(active)) : NULL;
	threshold = json_object_get(entry, "threshold");
	made = json_string_value(json_object_get(entry, "made"));
	value = json_number_value(threshold);
	if (entry == NULL || json_integer_value(active) <= 0 ||
	    json_integer_value(active) > UINT32_MAX)
		return wrong(path, err, "active is not the id of an entry of history, nor null");
	if (!json_is_number(threshold) || !((float)value > 0 && value <= 1) || made == NULL)
		return wrong(path, err,
			     "the active entry's threshold is not a number over 0 and up "
			     "to 1, or it does not say when it was made");
	if (strcmp(sha256, info->sha256) != 0) {
		/* The model was replaced, so the calibration is invalid. That must not prevent the
		 * start. */
		lj_log(WARNING, "%s: made for another booster; using the shipped threshold\n",
		       path);
		snprintf(info->calibration, sizeof(info->calibration),
			 "none: calibration.json was made for another booster");
		return 0;
	}
	info->threshold = (float)value;
	snprintf(info->calibration, sizeof(info->calibration), "%u of %.40s",
		 (uint32_t)json_integer_value(active), made);
	return 0;
}

int calibration_load(struct manifest *m, const char *dir, struct lj_error *err)
{
	char path[1024];
	json_t *root;
	int ret;

	snprintf(m->info.calibration, sizeof(m->info.calibration), "none");
	m->info.threshold_shipped = m->info.threshold;
	snprintf(path, sizeof(path), "%s/calibration.json", dir);
	if (access(path, F_OK) != 0 && errno == ENOENT)
		return 0;
	root = document_read(path, JSON_REJECT_DUPLICATES, EINVAL, err);
	if (root == NULL)
		return -EINVAL;
	ret = read_calibration(&m->info, root, path, err);
	json_decref(root);
	return ret;
}
