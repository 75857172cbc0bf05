#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "config_table.h"

static void *member(void *base, const struct key *key)
{
	return (char *)base + key->offset;
}

static int set_number(void *base, const struct key *key, double value, const char *where,
		      struct lj_error *err)
{
	if (!(value >= key->min && value <= key->max))
		return lj_error_set(err, ERANGE, where, "%.10g is not in %.10g..%.10g", value,
				    key->min, key->max);
	if (key->type == U32) {
		if (value != floor(value))
			return lj_error_set(err, EINVAL, where, "%.10g is not a whole number",
					    value);
		*(uint32_t *)member(base, key) = (uint32_t)value;
	} else {
		*(uint64_t *)member(base, key) =
			(uint64_t)llround(value * (key->type == SECONDS ? 1e9 : 1e6));
	}
	return 0;
}

static int set_choice(void *base, const struct key *key, const char *text, const char *where,
		      struct lj_error *err)
{
	const char *at = key->choices;
	uint32_t index = 0;

	for (;; index++) {
		size_t length = strcspn(at, "|");

		if (strlen(text) == length && strncmp(at, text, length) == 0) {
			*(uint32_t *)member(base, key) = index;
			return 0;
		}
		if (at[length] == '\0')
			return lj_error_set(err, EINVAL, where, "\"%s\" is not one of %s", text,
					    key->choices);
		at += length + 1;
	}
}

static int set_string(void *base, const struct key *key, const char *text, const char *where,
		      struct lj_error *err)
{
	if (key->type == CHOICE)
		return set_choice(base, key, text, where, err);
	if (strlen(text) < key->min)
		return lj_error_set(err, EINVAL, where, "is empty");
	if (strlen(text) >= LJ_CONFIG_TEXT)
		return lj_error_set(err, EINVAL, where, "is longer than %d characters",
				    LJ_CONFIG_TEXT - 1);
	strcpy(member(base, key), text);
	return 0;
}

static int set_strings(void *base, const struct key *key, const json_t *list, const char *where,
		       struct lj_error *err)
{
	struct lj_strings *strings = member(base, key);
	const json_t *item;
	size_t i;

	if (json_array_size(list) > key->max)
		return lj_error_set(err, ERANGE, where, "has %zu items; %.0f are the most",
				    json_array_size(list), key->max);
	config_strings_free(strings);
	json_array_foreach (list, i, item) {
		if (!json_is_string(item))
			return lj_error_set(err, EINVAL, where, "item %zu is not a string", i);
		if (config_strings_add(strings, json_string_value(item)) != 0)
			return lj_error_set(err, ENOMEM, where, "out of memory");
	}
	return 0;
}

static const struct key *find_key(const struct key *keys, size_t n, const char *path)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(keys[i].path, path) == 0)
			return &keys[i];
	return NULL;
}

/* Whether `path` is the section (the part before the dot) of any key. */
static bool is_section(const char *path)
{
	size_t length = strlen(path);

	for (size_t i = 0; i < config_n_keys; i++)
		if (strncmp(config_keys[i].path, path, length) == 0 &&
		    config_keys[i].path[length] == '.')
			return true;
	return false;
}

static int unknown_key(const struct key *keys, size_t n, const char *path, const char *where,
		       struct lj_error *err)
{
	const char *names[LJ_CONFIG_KEYS];
	char nearest[256];

	for (size_t i = 0; i < n; i++)
		names[i] = keys[i].path;
	lj_name_nearest(path, names, n, nearest, sizeof(nearest));
	return lj_error_set(err, EINVAL, where, "no such key%s%s",
			    nearest[0] != '\0' ? "; did you mean " : "", nearest);
}

/*
 * Completes a PCI address to the form of DPDK and sysfs, which look ports up by this text:
 * "3B:00.0" becomes "0000:3b:00.0". A prefix "auto:" and device arguments are kept.
 */
static void complete_address(char name[LJ_CONFIG_TEXT])
{
	unsigned int domain = 0, bus, device, function;
	int prefix = strncmp(name, "auto:", 5) == 0 ? 5 : 0, length = 0;
	char full[LJ_CONFIG_TEXT];
	const char *at = name + prefix;

	if (sscanf(at, "%x:%x:%x.%x%n", &domain, &bus, &device, &function, &length) != 4) {
		domain = 0;
		if (sscanf(at, "%x:%x.%x%n", &bus, &device, &function, &length) != 3)
			return;
	}
	if (at[length] != '\0' && at[length] != ',')
		return;
	if (snprintf(full, sizeof(full), "%.*s%04x:%02x:%02x.%x%s", prefix, name, domain, bus,
		     device, function, at + length) < (int)sizeof(full))
		strcpy(name, full);
}

static int set_ports(struct lj_config *c, const json_t *list, const char *where,
		     struct lj_error *err)
{
	const json_t *object;
	size_t i;

	if (json_array_size(list) > LJ_CONFIG_PORTS)
		return lj_error_set(err, ERANGE, where, "has %zu ports; %d are the most",
				    json_array_size(list), LJ_CONFIG_PORTS);
	c->capture.n_ports = 0;
	json_array_foreach (list, i, object) {
		struct lj_config_port *port = &c->capture.port[i];
		char path[256];
		const char *name;
		json_t *value;

		snprintf(path, sizeof(path), "%s[%zu]", where, i);
		if (!json_is_object(object))
			return lj_error_set(err, EINVAL, path, "is not an object");
		lj_config_port_init(port);
		json_object_foreach ((json_t *)(uintptr_t)object, name, value) {
			const struct key *key =
				find_key(config_port_keys, config_n_port_keys, name);
			int ret;

			snprintf(path, sizeof(path), "%s[%zu].%s", where, i, name);
			if (key == NULL)
				return unknown_key(config_port_keys, config_n_port_keys, name, path,
						   err);
			ret = config_set_value(port, key, value, path, err);
			if (ret != 0)
				return ret;
		}
		snprintf(path, sizeof(path), "%s[%zu].name", where, i);
		if (port->name[0] == '\0')
			return lj_error_set(err, EINVAL, path, "is missing");
		complete_address(port->name);
		complete_address(port->failover);
		c->capture.n_ports++;
	}
	return 0;
}

int config_set_value(void *base, const struct key *key, const json_t *value, const char *where,
		     struct lj_error *err)
{
	static const char *const wanted[] = {
		[BOOL] = "true or false",    [U32] = "a number",  [SECONDS] = "a number",
		[MILLISECONDS] = "a number", [TEXT] = "a string", [CHOICE] = "a string",
		[STRINGS] = "a list",	     [PORTS] = "a list",
	};

	switch (key->type) {
	case BOOL:
		if (!json_is_boolean(value))
			break;
		*(bool *)member(base, key) = json_is_true(value);
		return 0;
	case U32:
	case SECONDS:
	case MILLISECONDS:
		if (!json_is_number(value))
			break;
		return set_number(base, key, json_number_value(value), where, err);
	case TEXT:
	case CHOICE:
		if (!json_is_string(value))
			break;
		return set_string(base, key, json_string_value(value), where, err);
	case STRINGS:
		if (!json_is_array(value))
			break;
		return set_strings(base, key, value, where, err);
	case PORTS:
		if (!json_is_array(value))
			break;
		return set_ports(base, value, where, err);
	}
	return lj_error_set(err, EINVAL, where, "is not %s", wanted[key->type]);
}

static json_t *split_list(const char *text, const char *where, struct lj_error *err)
{
	json_t *list = json_array();

	while (*text != '\0') {
		size_t length = strcspn(text, ",");

		if (json_array_append_new(list, json_stringn(text, length)) != 0) {
			lj_error_set(err, EINVAL, where, "item %zu is not UTF-8 text",
				     json_array_size(list));
			json_decref(list);
			return NULL;
		}
		text += length + (text[length] == ',');
	}
	return list;
}

int config_set_text(void *base, const struct key *key, const char *text, const char *where,
		    struct lj_error *err)
{
	json_t *value = NULL;
	char *end;
	double number;
	int ret;

	switch (key->type) {
	case BOOL:
		if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)
			value = json_boolean(text[0] == 't');
		break;
	case U32:
	case SECONDS:
	case MILLISECONDS:
		number = strtod(text, &end);
		if (end != text && *end == '\0' && isfinite(number))
			value = json_real(number);
		break;
	case TEXT:
	case CHOICE:
		return set_string(base, key, text, where, err);
	case STRINGS:
		value = split_list(text, where, err);
		if (value == NULL)
			return -EINVAL;
		break;
	case PORTS:
		value = json_loads(text, 0, NULL);
		break;
	}
	if (value == NULL)
		value = json_string(text);
	ret = config_set_value(base, key, value, where, err);
	json_decref(value);
	return ret;
}

int lj_config_set(struct lj_config *c, const char *assignment, struct lj_error *err)
{
	const char *equals = strchr(assignment, '=');
	const struct key *key;
	char path[128];
	int ret;

	if (equals == NULL || equals == assignment)
		return lj_error_set(err, EINVAL, assignment, "is not KEY=VALUE");
	snprintf(path, sizeof(path), "%.*s", (int)(equals - assignment), assignment);
	key = find_key(config_keys, config_n_keys, path);
	if (key == NULL)
		return unknown_key(config_keys, config_n_keys, path, path, err);
	ret = config_set_text(c, key, equals + 1, path, err);
	if (ret == 0)
		c->set[key - config_keys] = true;
	return ret;
}

/* Sets the keys of an object, recursively for sections. */
static int load_object(struct lj_config *c, json_t *object, const char *file, const char *prefix,
		       struct lj_error *err)
{
	const char *name;
	json_t *value;

	json_object_foreach (object, name, value) {
		char path[256], where[512];
		const struct key *key;
		int ret;

		snprintf(path, sizeof(path), "%s%s%s", prefix, prefix[0] != '\0' ? "." : "", name);
		snprintf(where, sizeof(where), "%s: %s", file, path);
		key = find_key(config_keys, config_n_keys, path);
		if (key != NULL && json_is_null(value) && config_of_model(key)) {
			ret = 0;
		} else if (key != NULL) {
			ret = config_set_value(c, key, value, where, err);
			c->set[key - config_keys] = ret == 0;
		} else if (json_is_object(value) && prefix[0] == '\0' &&
			   (json_object_size(value) > 0 || is_section(path))) {
			ret = load_object(c, value, file, path, err);
		} else if (prefix[0] == '\0' && is_section(path)) {
			ret = lj_error_set(err, EINVAL, where, "is not an object of keys");
		} else {
			ret = unknown_key(config_keys, config_n_keys, path, where, err);
		}
		if (ret != 0)
			return ret;
	}
	return 0;
}

json_t *config_read_json(const char *path, struct lj_error *err)
{
	FILE *f = fopen(path, "r");
	char where[LJ_CONFIG_TEXT];
	json_t *root = NULL;
	json_error_t at;

	if (f != NULL)
		root = json_loadf(f, JSON_REJECT_DUPLICATES, &at);
	if (f == NULL || (root == NULL && ferror(f))) {
		lj_error_set(err, errno, path, "cannot be read: %s", strerror(errno));
	} else if (root == NULL) {
		snprintf(where, sizeof(where), "%s:%d:%d", path, at.line, at.column);
		lj_error_set(err, EINVAL, where, "%s", at.text);
	}
	if (f != NULL)
		fclose(f);
	return root;
}

int lj_config_load(struct lj_config *c, const char *path, struct lj_error *err)
{
	json_t *root = config_read_json(path, err);
	int ret;

	if (root == NULL)
		return -EINVAL;
	if (json_is_object(root))
		ret = load_object(c, root, path, "", err);
	else
		ret = lj_error_set(err, EINVAL, path, "is not a JSON object");
	json_decref(root);
	return ret;
}
