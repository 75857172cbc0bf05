#include <stdlib.h>
#include <string.h>

#include "config_table.h"

static json_t *strings_json(const struct lj_strings *s)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < s->n; i++)
		json_array_append_new(list, json_string(s->item[i]));
	return list;
}

static json_t *choice_json(const char *choices, uint32_t index)
{
	while (index-- > 0)
		choices += strcspn(choices, "|") + 1;
	return json_stringn(choices, strcspn(choices, "|"));
}

/* Whole numbers stay whole: 120, not 120.0. */
static json_t *scaled_json(uint64_t ns, uint64_t unit)
{
	if (ns % unit == 0)
		return json_integer((json_int_t)(ns / unit));
	return json_real((double)ns / (double)unit);
}

static json_t *ports_json(const struct lj_config *c);

static json_t *value_json(const void *base, const struct key *key)
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
		return json_string(at);
	case CHOICE:
		return choice_json(key->choices, *(const uint32_t *)at);
	case STRINGS:
		return strings_json(at);
	case PORTS:
		return ports_json(base);
	}
	return json_null();
}

static json_t *ports_json(const struct lj_config *c)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < c->capture.n_ports; i++) {
		json_t *object = json_object();

		for (size_t k = 0; k < config_n_port_keys; k++)
			json_object_set_new(object, config_port_keys[k].path,
					    value_json(&c->capture.port[i], &config_port_keys[k]));
		json_array_append_new(list, object);
	}
	return list;
}

char *lj_config_dump(const struct lj_config *c)
{
	json_t *root = json_object();
	char *text;

	for (size_t i = 0; i < config_n_keys; i++) {
		const char *dot = strchr(config_keys[i].path, '.');
		json_t *section = root;
		const char *name = config_keys[i].path;

		if (dot != NULL) {
			char prefix[64];

			snprintf(prefix, sizeof(prefix), "%.*s", (int)(dot - name), name);
			section = json_object_get(root, prefix);
			if (section == NULL) {
				section = json_object();
				json_object_set_new(root, prefix, section);
			}
			name = dot + 1;
		}
		json_object_set_new(section, name,
				    c->set[i] || !config_of_model(&config_keys[i])
					    ? value_json(c, &config_keys[i])
					    : json_null());
	}
	text = json_dumps(root, JSON_INDENT(2) | JSON_REAL_PRECISION(15));
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
