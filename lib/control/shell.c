#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmdline.h>
#include <cmdline_parse.h>
#include <cmdline_parse_string.h>
#include <cmdline_socket.h>

#include "control.h"

/*
 * rte_cmdline's tokens, generated from the table: each word of a command is a fixed string token
 * (so the TAB key completes it), its parameter the rest of the line. Of a command about one port
 * there is a second form, as one speaks of ports: "show port 0 queues" is "show port queues 0".
 */
#define WORDS_MAX 4

struct parsed {
	cmdline_fixed_string_t word[WORDS_MAX];
	cmdline_multi_string_t param;
};
_Static_assert(sizeof(struct parsed) <= CMDLINE_PARSE_RESULT_BUFSIZE, "cmdline has no room");

struct shell_command {
	struct lj_shell *shell;
	const struct command *command; /* NULL: quit */
	bool with_param;
	cmdline_parse_token_string_t token[WORDS_MAX + 1];
	char word[WORDS_MAX][32];
	char help[192];
	cmdline_parse_inst_t *inst;
};

struct lj_shell {
	struct lj_control *control;
	struct cmdline *cmdline;
	bool quit;
	size_t n;
	struct shell_command *command;
	cmdline_parse_ctx_t *context; /* [n + 1], NULL at the end */
};

static const char quit_help[] = "Ends the run: capture stops, flows are flushed.";

/* The one command that is only the prompt's. */
static void add_quit(json_t *reply, const char *words)
{
	if (!command_begins("quit", words != NULL ? words : ""))
		return;
	json_object_del(reply, "error");
	json_object_set_new(reply, "quit", json_string(quit_help));
}

static void run(void *parsed, struct cmdline *cl, void *data)
{
	struct shell_command *sc = data;
	struct parsed *p = parsed;
	const char *param;
	json_t *reply;
	char *text = NULL;
	size_t size = 0;
	FILE *out;

	if (sc->command == NULL) {
		sc->shell->quit = true;
		cmdline_quit(cl);
		return;
	}
	param = sc->with_param ? p->param : NULL;
	reply = json_object();
	command_call(sc->shell->control, sc->command, param, reply);
	if (sc->command->run == help)
		add_quit(reply, param);
	out = open_memstream(&text, &size);
	table_print(reply, out);
	fclose(out);
	/* In pieces: cmdline_printf() cuts what is longer than its buffer. */
	for (char *line = text, *end; line < text + size; line = end + 1) {
		end = strchr(line, '\n');
		cmdline_printf(cl, "%.*s\n", (int)(end - line), line);
	}
	free(text);
	json_decref(reply);
}

static void add_token(struct shell_command *sc, size_t at, size_t offset, const char *fixed)
{
	sc->token[at] = (cmdline_parse_token_string_t){
		.hdr = {.ops = &cmdline_token_string_ops, .offset = (unsigned int)offset},
		.string_data = {.str = fixed},
	};
	sc->inst->tokens[at] = &sc->token[at].hdr;
}

/* With the parameter that the command has at its end; without it; with it before the last word. */
enum form { FORM_PLAIN, FORM_ALONE, FORM_INSIDE, FORMS };

static bool has_form(const struct command *command, enum form form)
{
	if (form == FORM_PLAIN || command == NULL)
		return form == FORM_PLAIN;
	if (form == FORM_ALONE)
		return command->param != NULL && command_goes_alone(command);
	return command->param != NULL && strcmp(command->param, "port") == 0;
}

static int make_command(struct lj_shell *s, struct shell_command *sc, const struct command *command,
			enum form form)
{
	const char *at = command != NULL ? command->words : "quit";
	size_t n = 0, tokens = 0;

	sc->shell = s;
	sc->command = command;
	sc->with_param = command != NULL && command->param != NULL && form != FORM_ALONE;
	sc->inst = calloc(1, sizeof(*sc->inst) + (WORDS_MAX + 2) * sizeof(sc->inst->tokens[0]));
	if (sc->inst == NULL)
		return -ENOMEM;
	while (*at != '\0' && n < WORDS_MAX) {
		size_t length = strcspn(at, " ");

		if (form == FORM_INSIDE && at[length] == '\0')
			add_token(sc, tokens++, offsetof(struct parsed, param), NULL);
		snprintf(sc->word[n], sizeof(sc->word[n]), "%.*s", (int)length, at);
		add_token(sc, tokens++,
			  offsetof(struct parsed, word) + n * sizeof(cmdline_fixed_string_t),
			  sc->word[n]);
		at += length + (at[length] == ' ');
		n++;
	}
	if (sc->with_param && form != FORM_INSIDE)
		add_token(sc, tokens++, offsetof(struct parsed, param), TOKEN_STRING_MULTI);
	snprintf(sc->help, sizeof(sc->help), "%s: %s", command != NULL ? command->words : "quit",
		 command != NULL ? command->help : quit_help);
	sc->inst->f = run;
	sc->inst->data = sc;
	sc->inst->help_str = sc->help;
	return 0;
}

struct lj_shell *lj_shell_create(struct lj_control *c, struct lj_error *err)
{
	struct lj_shell *s = calloc(1, sizeof(*s));
	size_t made = 0;

	if (s == NULL)
		goto no_memory;
	s->control = c;
	for (size_t i = 0; i <= n_commands; i++)
		for (enum form form = 0; form < FORMS; form++)
			s->n += has_form(i < n_commands ? &commands[i] : NULL, form);
	s->command = calloc(s->n, sizeof(*s->command));
	s->context = calloc(s->n + 1, sizeof(*s->context));
	if (s->command == NULL || s->context == NULL)
		goto no_memory;
	for (size_t i = 0; i <= n_commands; i++) {
		const struct command *command = i < n_commands ? &commands[i] : NULL;

		for (enum form form = 0; form < FORMS; form++)
			if (has_form(command, form) &&
			    make_command(s, &s->command[made++], command, form) != 0)
				goto no_memory;
	}
	for (size_t i = 0; i < s->n; i++)
		s->context[i] = s->command[i].inst;
	s->cmdline = cmdline_stdin_new(s->context, "linejudge> ");
	if (s->cmdline != NULL)
		return s;
no_memory:
	lj_error_set(err, ENOMEM, "shell", "cannot be set up on stdin");
	lj_shell_destroy(s);
	return NULL;
}

void lj_shell_destroy(struct lj_shell *s)
{
	if (s == NULL)
		return;
	if (s->cmdline != NULL)
		cmdline_stdin_exit(s->cmdline);
	for (size_t i = 0; s->command != NULL && i < s->n; i++)
		free(s->command[i].inst);
	free(s->command);
	free(s->context);
	free(s);
}

bool lj_shell_poll(struct lj_shell *s)
{
	struct pollfd stdin_ready = {.fd = STDIN_FILENO, .events = POLLIN};

	while (!s->quit && poll(&stdin_ready, 1, 0) > 0) {
		int status = cmdline_poll(s->cmdline);

		/* Negative at the end of the input: Ctrl-D, or a pipe that is closed. */
		if (status == RDLINE_EXITED || status < 0)
			s->quit = true;
	}
	return !s->quit;
}
