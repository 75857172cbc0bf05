#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_table.h"

/* Returns NULL and sets `err` if the text is not UTF-8, which JSON requires: file names may be any
 * bytes. */
static json_t *text_json(const char *text, const char *where, struct lj_error *err)
{
	json_t *value = json_string(text);

	if (value == NULL)
		lj_error_set(err, EILSEQ, where,
			     "\"%s\" is not UTF-8 text, so a configuration file cannot contain it",
			     text);
	return value;
}

static json_t *strings_json(const struct lj_strings *s, const char *where, struct lj_error *err)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < s->n; i++) {
		char path[64];

		snprintf(path, sizeof(path), "%s[%u]", where, i);
		if (json_array_append_new(list, text_json(s->item[i], path, err)) != 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static json_t *choice_json(const char *choices, uint32_t index)
{
	while (index-- > 0)
		choices += strcspn(choices, "|") + 1;
	return json_stringn(choices, strcspn(choices, "|"));
}

/* Returns an integer if possible: 120, not 120.0. */
static json_t *scaled_json(uint64_t ns, uint64_t unit)
{
	if (ns % unit == 0)
		return json_integer((json_int_t)(ns / unit));
	return json_real((double)ns / (double)unit);
}

static json_t *ports_json(const struct lj_config *c, struct lj_error *err);

/* Returns NULL and sets `err` if JSON cannot represent the value. */
static json_t *value_json(const void *base, const struct key *key, const char *where,
			  struct lj_error *err)
{
	const void *at = (const char *)base + key->offset;

	switch (key->type) {
	case BOOL:
		return json_boolean(*(const bool *)at);
	case U32:
		return json_integer(*(const uint32_t *)at);
	case SECONDS:
		return scaled_json(*(const uint64_t *)at, 1000000000);
	case MILLISECONDS:
		return scaled_json(*(const uint64_t *)at, 1000000);
	case TEXT:
		return text_json(at, where, err);
	case CHOICE:
		return choice_json(key->choices, *(const uint32_t *)at);
	case STRINGS:
		return strings_json(at, where, err);
	case PORTS:
		return ports_json(base, err);
	}
	return json_null();
}

static json_t *ports_json(const struct lj_config *c, struct lj_error *err)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < c->capture.n_ports; i++) {
		json_t *object = json_object();

		json_array_append_new(list, object);
		for (size_t k = 0; k < config_n_port_keys; k++) {
			const struct key *key = &config_port_keys[k];
			char path[128];

			snprintf(path, sizeof(path), "capture.ports[%u].%s", i, key->path);
			if (json_object_set_new(object, key->path,
						value_json(&c->capture.port[i], key, path, err)) !=
			    0) {
				json_decref(list);
				return NULL;
			}
		}
	}
	return list;
}

/* The object of the path's section (before the dot), created if it does not exist; *name is the
 * rest. */
static json_t *section_of(json_t *root, const char *path, const char **name)
{
	const char *dot = strchr(path, '.');
	json_t *section;
	char prefix[64];

	*name = path;
	if (dot == NULL)
		return root;
	*name = dot + 1;
	snprintf(prefix, sizeof(prefix), "%.*s", (int)(dot - path), path);
	section = json_object_get(root, prefix);
	if (section == NULL) {
		section = json_object();
		json_object_set_new(root, prefix, section);
	}
	return section;
}

char *lj_config_dump(const struct lj_config *c, struct lj_error *err)
{
	json_t *root = json_object();
	char *text = NULL;

	for (size_t i = 0; i < config_n_keys; i++) {
		const struct key *key = &config_keys[i];
		const char *name;
		json_t *section = section_of(root, key->path, &name);

		if (json_object_set_new(section, name,
					c->set[i] || !config_of_model(key)
						? value_json(c, key, key->path, err)
						: json_null()) != 0)
			goto out;
	}
	text = json_dumps(root, JSON_INDENT(2) | JSON_REAL_PRECISION(15));
out:
	json_decref(root);
	return text;
}

static void manual_rows(FILE *out, const struct key *keys, size_t n)
{
	static const char *const types[] = {
		[BOOL] = "true or false", [U32] = "whole number", [SECONDS] = "seconds",
		[MILLISECONDS] = "ms",	  [TEXT] = "text",	  [CHOICE] = "choice",
		[STRINGS] = "list",	  [PORTS] = "list",
	};

	fprintf(out, "| key | type | permitted | default | |\n|---|---|---|---|---|\n");
	for (size_t i = 0; i < n; i++) {
		fprintf(out, "| `%s` | %s | ", keys[i].path, types[keys[i].type]);
		if (keys[i].type == CHOICE)
			for (const char *c = keys[i].choices; *c != '\0'; c++)
				fprintf(out, *c == '|' ? ", " : "%c", *c);
		else if (keys[i].type == STRINGS || keys[i].type == PORTS)
			fprintf(out, "up to %.0f", keys[i].max);
		else if (keys[i].type != TEXT && keys[i].type != BOOL)
			fprintf(out, "%.10g..%.10g", keys[i].min, keys[i].max);
		fprintf(out, " | %s | %s |\n", keys[i].standard[0] ? keys[i].standard : "–",
			keys[i].help);
	}
}

void lj_config_manual(FILE *out)
{
	fprintf(out, "# Configuration\n\n"
		     "One JSON file, given by `linejudge --config FILE`. A key is written in its "
		     "section:\n`flow.idle_timeout_s` is `{\"flow\": {\"idle_timeout_s\": 60}}`. "
		     "`--set KEY=VALUE` on the command\nline overrides any key of it, and so "
		     "do options such as `--workers`; both for one key are refused.\n"
		     "`--dump-config` prints what is in force (null: what the first model "
		     "says). This page is printed by\n`linejudge --help-config`.\n\n");
	manual_rows(out, config_keys, config_n_keys);
	fprintf(out, "\n## Each object of `capture.ports`\n\n");
	manual_rows(out, config_port_keys, config_n_port_keys);
}
