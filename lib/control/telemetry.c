#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_telemetry.h>

#include "control.h"

/*
 * rte_telemetry passes no pointer to its callbacks and cannot unregister a command, so the active
 * control is kept here. Guarded by `answering`, so that no client thread uses the control when it
 * is freed.
 */
static pthread_mutex_t answering = PTHREAD_MUTEX_INITIALIZER;
static struct lj_control *active;

#define PREFIX "/linejudge/"

/* "show flow stats" becomes "/linejudge/show/flow/stats". */
static void path_of(const struct command *command, char *path, size_t size)
{
	snprintf(path, size, PREFIX "%s", command->words);
	for (char *at = path; *at != '\0'; at++)
		if (*at == ' ')
			*at = '/';
}

static const struct command *find(const char *path)
{
	char own[RTE_TEL_MAX_STRING_LEN];

	for (size_t i = 0; i < n_commands; i++) {
		path_of(&commands[i], own, sizeof(own));
		if (strcmp(own, path) == 0)
			return &commands[i];
	}
	return NULL;
}

/* DPDK 22.11 treats non-ASCII bytes as control characters and escapes both incorrectly, so each
 * such character is replaced by a question mark. */
static void clean_text(char *out, size_t size, const char *text)
{
	size_t used = 0;

	for (; *text != '\0' && used < size - 1; text++)
		if ((*text & 0xc0) != 0x80) /* skip continuation bytes of UTF-8 */
			out[used++] = isprint((unsigned char)*text) ? *text : '?';
	out[used] = '\0';
}

static void add_scalar(struct rte_tel_data *d, const char *name, const json_t *value)
{
	char text[RTE_TEL_MAX_STRING_LEN];

	if (json_is_integer(value) && json_integer_value(value) < 0) {
		rte_tel_data_add_dict_int(d, name, (int)json_integer_value(value));
	} else if (json_is_integer(value)) {
		rte_tel_data_add_dict_u64(d, name, (uint64_t)json_integer_value(value));
	} else if (json_is_string(value)) {
		clean_text(text, sizeof(text), json_string_value(value));
		rte_tel_data_add_dict_string(d, name, text);
	} else if (json_is_real(value)) {
		/* DPDK 22.11 has no floating-point values. */
		snprintf(text, sizeof(text), "%.6g", json_real_value(value));
		rte_tel_data_add_dict_string(d, name, text);
	} else {
		rte_tel_data_add_dict_string(d, name, json_is_true(value) ? "true" : "false");
	}
}

/* DPDK 22.11 allows only [A-Za-z0-9_/] in names of a dict; others become underscores. */
static void clean_name(char *out, size_t size, const char *name)
{
	size_t i = 0;

	for (; name[i] != '\0' && i < size - 1; i++)
		out[i] = isalnum((unsigned char)name[i]) || name[i] == '/' ? name[i] : '_';
	out[i] = '\0';
}

/* The cleaned name; if another name was cleaned to the same ("a.b" and "a_b"), a number is
 * appended. */
static void name_apart(const json_t *names, char *out, size_t size, const char *name)
{
	char clean[RTE_TEL_MAX_STRING_LEN - 16];

	clean_name(clean, sizeof(clean), name);
	snprintf(out, size, "%s", clean);
	for (int n = 2; json_object_get(names, out) != NULL; n++)
		snprintf(out, size, "%s_%d", clean, n);
}

/* Copies the reply with names that telemetry accepts. */
static json_t *clean_reply(const json_t *reply)
{
	json_t *cleaned = json_object();
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)(uintptr_t)reply, key, value) {
		char name[RTE_TEL_MAX_STRING_LEN];

		name_apart(cleaned, name, sizeof(name), key);
		json_object_set_new(cleaned, name,
				    json_is_object(value) ? clean_reply(value)
							  : json_incref(value));
	}
	return cleaned;
}

static void add_reply(struct rte_tel_data *d, const json_t *reply)
{
	const char *name;
	json_t *value;

	json_object_foreach ((json_t *)(uintptr_t)reply, name, value) {
		if (json_is_object(value)) {
			struct rte_tel_data *row = rte_tel_data_alloc();

			if (row == NULL)
				break;
			rte_tel_data_start_dict(row);
			add_reply(row, value);
			rte_tel_data_add_dict_container(d, name, row, 0);
		} else {
			add_scalar(d, name, value);
		}
	}
}

/* Limits of a page: of 16 KiB per reply and 256 entries per dict, leaving room for "next" and the
 * path. */
#define PAGE_BYTES   (15 * 1024)
#define PAGE_ENTRIES 250

/*
 * Cuts a reply that is too long for telemetry, which would silently drop rows, into pages: "next"
 * is the parameter for the following one, as in /linejudge/show/lcores,64.
 */
static void cut_to_page(json_t *reply, size_t first)
{
	size_t used = 0, entries = 0, at = 0;
	size_t next = 0;
	const char *key;
	json_t *value;
	void *tmp;

	json_object_foreach_safe(reply, tmp, key, value)
	{
		bool on_page = at >= first && next == 0;
		size_t bytes = strlen(key) + strlen("\"\": , ") +
			       json_dumpb(value, NULL, 0, JSON_ENCODE_ANY);

		if (on_page && (used + bytes > PAGE_BYTES || entries == PAGE_ENTRIES)) {
			next = at;
			on_page = false;
		}
		at++;
		if (!on_page) {
			json_object_del(reply, key);
			continue;
		}
		used += bytes;
		entries++;
	}
	if (next > 0)
		json_object_set_new(reply, "next", json_integer((json_int_t)next));
}

/* The first row to reply with, given as a number after a "show" command or "help" whose own
 * parameter is optional or absent; else 0. */
static size_t first_row(const struct command *command, const char **params)
{
	char *end;
	unsigned long first;

	if (command == NULL || !command_goes_alone(command) || *params == NULL ||
	    !isdigit((unsigned char)**params) ||
	    (strncmp(command->words, "show ", 5) != 0 && strcmp(command->words, "help") != 0))
		return 0;
	first = strtoul(*params, &end, 10);
	if (*end != '\0')
		return 0;
	*params = NULL;
	return first;
}

static int answer(const char *path, const char *params, struct rte_tel_data *d)
{
	const struct command *command = find(path);
	size_t first = first_row(command, &params);
	json_t *reply = json_object(), *cleaned;

	rte_tel_data_start_dict(d);
	pthread_mutex_lock(&answering);
	if (active == NULL || command == NULL)
		json_object_set_new(reply, "error", json_string("shutting down"));
	else
		command_call(active, command, params, reply);
	pthread_mutex_unlock(&answering);
	/* Clean the whole reply before cutting it, so that names are the same on all pages. */
	cleaned = clean_reply(reply);
	cut_to_page(cleaned, first);
	add_reply(d, cleaned);
	json_decref(cleaned);
	json_decref(reply);
	return 0;
}

int telemetry_register(struct lj_control *c, struct lj_error *err)
{
	for (size_t i = 0; i < n_commands; i++) {
		char path[RTE_TEL_MAX_STRING_LEN];
		int ret;

		path_of(&commands[i], path, sizeof(path));
		ret = rte_telemetry_register_cmd(path, answer, commands[i].help);
		if (ret != 0 && ret != -EEXIST && ret != -EALREADY)
			return lj_error_set(err, -ret, path,
					    "cannot be registered with telemetry: %s",
					    strerror(-ret));
	}
	pthread_mutex_lock(&answering);
	active = c;
	pthread_mutex_unlock(&answering);
	return 0;
}

void telemetry_unregister(struct lj_control *c)
{
	pthread_mutex_lock(&answering);
	if (active == c)
		active = NULL;
	pthread_mutex_unlock(&answering);
}
