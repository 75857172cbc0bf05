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
 * rte_cmdline tokens, generated from the command table: each word of a command is a fixed-string
 * token (so that TAB completes it), its parameter is the rest of the line. A command about a port
 * can also be given with the port before the last word: "show port 0 queues" is "show port queues
 * 0".
 */
#define WORDS_MAX 4

struct parsed {
	cmdline_fixed_string_t word[WORDS_MAX];
	cmdline_multi_string_t param;
};
_Static_assert(sizeof(struct parsed) <= CMDLINE_PARSE_RESULT_BUFSIZE, "cmdline has no room");

/* With the parameter at the end; without it; with the parameter before the last word. */
enum form { FORM_PLAIN, FORM_ALONE, FORM_INSIDE, FORMS };

struct shell_command {
	struct lj_shell *shell;
	const struct command *command; /* NULL: quit */
	enum form form;
	bool with_param;
	cmdline_parse_token_string_t token[WORDS_MAX + 1];
	char word[WORDS_MAX][32];
	char help[192];
	cmdline_parse_inst_t *inst;
};

/* Matches a line that starts like a command but is none, for which rte_cmdline would only print
 * "Bad arguments". */
struct wrong_line {
	cmdline_parse_token_hdr_t hdr;
	struct lj_shell *shell;
	cmdline_multi_string_t line;
	size_t good; /* length of the prefix that is words of a command */
	cmdline_parse_inst_t *inst;
};

struct lj_shell {
	struct lj_control *control;
	struct cmdline *cmdline;
	bool quit;
	size_t n;
	struct shell_command *command;
	struct wrong_line wrong;
	cmdline_parse_ctx_t *context; /* [n + 2]: commands, the wrong line, NULL */
};

static const char quit_help[] = "Ends the run: capture stops, flows are flushed.";

/* Adds the prompt's own command to the help; the table does not have it. */
static void add_quit(json_t *reply, const char *words)
{
	if (!command_begins("quit", words != NULL ? words : ""))
		return;
	json_object_del(reply, "error");
	json_object_set_new(reply, "quit", json_string(quit_help));
}

static void print_reply(struct cmdline *cl, const json_t *reply)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	table_print(reply, out);
	fclose(out);
	/* Print line by line: cmdline_printf() truncates what exceeds its buffer. */
	for (char *line = text, *end; line < text + size; line = end + 1) {
		end = strchr(line, '\n');
		cmdline_printf(cl, "%.*s\n", (int)(end - line), line);
	}
	free(text);
}

static void run(void *parsed, struct cmdline *cl, void *data)
{
	struct shell_command *sc = data;
	struct parsed *p = parsed;
	const char *param;
	json_t *reply;

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
	print_reply(cl, reply);
	json_decref(reply);
}

/* Copy of a librte_cmdline function that its shared library does not export. */
static bool ends_command(char c)
{
	return c == '\0' || c == '\n' || c == '\r' || c == '#';
}

/* The number of characters that rte_cmdline accepts as the command's words and parameter; *all: the
 * line is a whole command. */
static size_t take_tokens(const cmdline_parse_inst_t *inst, const char *line, bool *all)
{
	const char *at = line;
	cmdline_multi_string_t param; /* without a buffer, parameters would not be parsed */
	size_t n, taken = 0;

	for (n = 0; inst->tokens[n] != NULL; n++) {
		int length;

		at += strspn(at, " \t");
		length = ends_command(*at) ? -1
					   : inst->tokens[n]->ops->parse(inst->tokens[n], at, param,
									 sizeof(param));
		if (length < 0)
			break;
		at += length;
		taken = (size_t)(at - line);
	}
	at += strspn(at, " \t");
	*all = inst->tokens[n] == NULL && ends_command(*at);
	return taken;
}

/* Matches a line that is no command but starts like one. `res` is NULL during completion. */
static int parse_wrong(cmdline_parse_token_hdr_t *token, const char *line, void *res,
		       unsigned int size)
{
	struct wrong_line *w = container_of(token, struct wrong_line, hdr);
	size_t length = 0;
	bool all;

	RTE_SET_USED(size);
	w->good = 0;
	for (size_t i = 0; res != NULL && i < w->shell->n; i++) {
		const struct shell_command *sc = &w->shell->command[i];
		size_t taken = take_tokens(sc->inst, line, &all);

		if (all)
			return -1;
		/* In this form any word is accepted as port, so a match proves nothing. */
		if (sc->form != FORM_INSIDE)
			w->good = RTE_MAX(w->good, taken);
	}
	if (w->good == 0)
		return -1;
	while (!ends_command(line[length]))
		length++;
	snprintf(w->line, sizeof(w->line), "%.*s", (int)length, line);
	return (int)length;
}

static void run_wrong(void *parsed, struct cmdline *cl, void *data)
{
	struct wrong_line *w = data;
	const char *word = w->line + w->good + strspn(w->line + w->good, " \t");
	struct lj_error err;
	json_t *reply = json_object();
	cmdline_multi_string_t words;

	RTE_SET_USED(parsed);
	snprintf(words, sizeof(words), "%.*s", (int)w->good, w->line);
	if (*word != '\0')
		cmdline_printf(cl, "\"%.*s\" cannot follow \"%s\"; possible commands:\n",
			       (int)strcspn(word, " \t"), word, words);
	else
		cmdline_printf(cl, "\"%s\" is incomplete; possible commands:\n", words);
	help(w->shell->control, words, reply, &err);
	add_quit(reply, words);
	print_reply(cl, reply);
	json_decref(reply);
}

/* Hides the token from completion, which skips choices that fail. */
static int count_none(cmdline_parse_token_hdr_t *token)
{
	RTE_SET_USED(token);
	return 1;
}

static int offer_none(cmdline_parse_token_hdr_t *token, int i, char *out, unsigned int size)
{
	RTE_SET_USED(token);
	RTE_SET_USED(i);
	RTE_SET_USED(out);
	RTE_SET_USED(size);
	return -1;
}

static int make_wrong(struct lj_shell *s)
{
	static struct cmdline_token_ops ops = {
		.parse = parse_wrong,
		.complete_get_nb = count_none,
		.complete_get_elt = offer_none,
	};
	struct wrong_line *w = &s->wrong;

	w->hdr.ops = &ops;
	w->shell = s;
	w->inst = calloc(1, sizeof(*w->inst) + 2 * sizeof(w->inst->tokens[0]));
	if (w->inst == NULL)
		return -ENOMEM;
	w->inst->f = run_wrong;
	w->inst->data = w;
	w->inst->tokens[0] = &w->hdr;
	return 0;
}

static void add_token(struct shell_command *sc, size_t at, size_t offset, const char *fixed)
{
	sc->token[at] = (cmdline_parse_token_string_t){
		.hdr = {.ops = &cmdline_token_string_ops, .offset = (unsigned int)offset},
		.string_data = {.str = fixed},
	};
	sc->inst->tokens[at] = &sc->token[at].hdr;
}

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
	sc->form = form;
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
	s->context = calloc(s->n + 2, sizeof(*s->context));
	if (s->command == NULL || s->context == NULL || make_wrong(s) != 0)
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
	s->context[s->n] = s->wrong.inst;
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
	free(s->wrong.inst);
	free(s->command);
	free(s->context);
	free(s);
}

bool lj_shell_poll(struct lj_shell *s)
{
	struct pollfd stdin_ready = {.fd = STDIN_FILENO, .events = POLLIN};

	while (!s->quit && poll(&stdin_ready, 1, 0) > 0) {
		int status = cmdline_poll(s->cmdline);

		/* Negative at the end of input: Ctrl-D, or a closed pipe. */
		if (status == RDLINE_EXITED || status < 0)
			s->quit = true;
	}
	return !s->quit;
}
