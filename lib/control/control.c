#include "control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_telemetry.h>

#include "lj_log.h"

const struct command commands[] = {
#define LJ_COMMAND(words, param, function, help) {words, param, function, help},
#include "commands.def"
#undef LJ_COMMAND
};
const size_t n_commands = RTE_DIM(commands);

#define LJ_COMMAND(words, param, function, help)                                                   \
	_Static_assert(sizeof(help) <= RTE_TEL_MAX_STRING_LEN,                                     \
		       "telemetry does not register a longer help: " words);
#include "commands.def"
#undef LJ_COMMAND

struct lj_control *lj_control_create(struct lj_pipeline *p, const struct lj_config *config,
				     struct lj_error *err)
{
	struct lj_control *c = aligned_alloc(_Alignof(struct lj_control), sizeof(*c));

	if (c == NULL) {
		lj_error_set(err, ENOMEM, "control", "not enough memory");
		return NULL;
	}
	memset(c, 0, sizeof(*c));
	c->pipeline = p;
	c->metrics.path = lj_config_replay(config) ? "" : config->metrics.file;
	c->metrics.process =
		config->eal.file_prefix[0] != '\0' ? config->eal.file_prefix : "linejudge";
	c->metrics.every_ns = config->metrics.every_ns;
	pthread_mutex_init(&c->lock, NULL);
	if (telemetry_register(c, err) != 0) {
		lj_control_destroy(c);
		return NULL;
	}
	return c;
}

void lj_control_destroy(struct lj_control *c)
{
	if (c == NULL)
		return;
	telemetry_unregister(c);
	if (c->reloader_made)
		pthread_join(c->reloader, NULL);
	metrics_end(&c->metrics);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

void lj_control_attend(struct lj_control *c, uint64_t now_ns)
{
	/* The lock also protects texts set by a fail-over, which show port failover may be reading.
	 * main must not block on it: reading models takes longer than main may pause. */
	if (pthread_mutex_trylock(&c->lock) != 0)
		return;
	if (lj_pipeline_failover_due(c->pipeline, now_ns))
		lj_pipeline_failover(c->pipeline);
	metrics_attend(&c->metrics, c->pipeline, now_ns);
	pthread_mutex_unlock(&c->lock);
}

/* Runs the command "reload models" in the background; errors are logged. */
static void *reload(void *control)
{
	struct lj_control *c = control;
	const char *param;
	json_t *reply = json_object();

	if (command_call(c, command_find("reload models", &param), NULL, reply) != 0)
		lj_log(ERR, "%s\n", json_string_value(json_object_get(reply, "error")));
	json_decref(reply);
	atomic_store_explicit(&c->reloading, false, memory_order_release);
	return NULL;
}

bool lj_control_reload(struct lj_control *c)
{
	if (atomic_load_explicit(&c->reloading, memory_order_acquire))
		return false;
	if (c->reloader_made)
		pthread_join(c->reloader, NULL);
	atomic_store_explicit(&c->reloading, true, memory_order_relaxed);
	c->reloader_made = pthread_create(&c->reloader, NULL, reload, c) == 0;
	if (!c->reloader_made) {
		lj_log(ERR, "reload models: cannot create a thread\n");
		atomic_store_explicit(&c->reloading, false, memory_order_relaxed);
	}
	return true;
}

/* Whether the parameter is UTF-8, as JSON, and so the reply, requires. */
static bool is_text(const char *param)
{
	json_t *text = json_string(param);

	json_decref(text);
	return text != NULL;
}

int command_call(struct lj_control *c, const struct command *command, const char *param,
		 json_t *reply)
{
	struct lj_error err = {0};
	int ret;

	if (!command_goes_alone(command) && (param == NULL || param[0] == '\0'))
		ret = lj_error_set(&err, EINVAL, command->words, "needs a parameter: %s",
				   command->param);
	else if (command->param == NULL && param != NULL && param[0] != '\0')
		ret = lj_error_set(&err, EINVAL, command->words, "takes no parameter");
	else if (param != NULL && !is_text(param))
		ret = lj_error_set(&err, EINVAL, command->words, "takes UTF-8 text only");
	else {
		pthread_mutex_lock(&c->lock);
		ret = command->run(c, param, reply, &err);
		pthread_mutex_unlock(&c->lock);
	}
	if (ret != 0) {
		json_object_clear(reply);
		json_object_set_new(
			reply, "error",
			strcmp(err.where, command->words) == 0
				? json_sprintf("%s: %s", err.where, err.what)
				: json_sprintf("%s %s: %s", command->words, err.where, err.what));
	}
	return ret;
}

const struct command *command_find(const char *line, const char **param)
{
	const struct command *found = NULL;
	size_t longest = 0;

	for (size_t i = 0; i < n_commands; i++) {
		size_t length = strlen(commands[i].words);

		if (length > longest && strncmp(line, commands[i].words, length) == 0 &&
		    (line[length] == '\0' || line[length] == ' ')) {
			found = &commands[i];
			longest = length;
		}
	}
	*param = line + longest + strspn(line + longest, " ");
	return found;
}

int lj_control_run(struct lj_control *c, const char *line, FILE *out)
{
	const char *param;
	const struct command *command = command_find(line, &param);
	json_t *reply;
	int ret;

	if (command == NULL) {
		fprintf(out, "no such command: %s (try help)\n", line);
		return -ENOENT;
	}
	reply = json_object();
	ret = command_call(c, command, param, reply);
	table_print(reply, out);
	json_decref(reply);
	return ret;
}

bool command_begins(const char *command, const char *words)
{
	for (;;) {
		size_t length;

		words += strspn(words, " /");
		length = strcspn(words, " /");
		if (length == 0)
			return true;
		if (strcspn(command, " ") != length || strncmp(command, words, length) != 0)
			return false;
		words += length;
		command += length;
		command += *command == ' ';
	}
}

/* For example "show port queues <port>", "help [words]". */
static void usage_of(const struct command *command, char *out, size_t size)
{
	if (command->param == NULL)
		snprintf(out, size, "%s", command->words);
	else if (command_goes_alone(command))
		snprintf(out, size, "%s %s", command->words, command->param);
	else
		snprintf(out, size, "%s <%s>", command->words, command->param);
}

int help(struct lj_control *c, const char *param, json_t *reply, struct lj_error *err)
{
	const char *words = param != NULL ? param : "";

	RTE_SET_USED(c);
	for (size_t i = 0; i < n_commands; i++) {
		char usage[96];

		if (!command_begins(commands[i].words, words))
			continue;
		usage_of(&commands[i], usage, sizeof(usage));
		json_object_set_new(reply, usage, json_string(commands[i].help));
	}
	if (json_object_size(reply) == 0)
		return lj_error_set(err, ENOENT, words,
				    "no command starts with these words (try help)");
	return 0;
}
