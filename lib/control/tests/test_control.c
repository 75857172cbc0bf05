/* Runs every command by its words, as at the prompt; packets are processed step by step. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lj_clock.h"
#include "lj_control.h"
#include "lj_test.h"

static struct lj_config config;
static struct lj_pipeline *pipeline;
static struct lj_control *control;
static char answer[1 << 16];
static int result;

static const char *ask(const char *line)
{
	FILE *out = fmemopen(answer, sizeof(answer), "w");

	CU_ASSERT_PTR_NOT_NULL_FATAL(out);
	memset(answer, 0, sizeof(answer));
	result = lj_control_run(control, line, out);
	fclose(out);
	return answer;
}

static bool says(const char *line, const char *text)
{
	bool found = strstr(ask(line), text) != NULL;

	if (!found)
		fprintf(stderr, "\"%s\" does not say \"%s\":\n%s\n", line, text, answer);
	return found;
}

static void open_demo(void)
{
	struct lj_error err = {0};
	char set[600];

	lj_config_init(&config);
	snprintf(set, sizeof(set), "capture.files=%s/tools/data/demo.pcap",
		 getenv("LJ_SOURCE_ROOT"));
	lj_config_set(&config, set, &err);
	snprintf(set, sizeof(set), "models=%s/models/default", getenv("LJ_SOURCE_ROOT"));
	lj_config_set(&config, set, &err);
	lj_config_set(&config, "flow.capacity=65536", &err);
	pipeline = lj_pipeline_create(&config, &err);
	if (pipeline != NULL)
		control = lj_control_create(pipeline, &config, &err);
	if (control == NULL) {
		fprintf(stderr, "%s: %s\n", err.where, err.what);
		exit(EXIT_FAILURE);
	}
}

static void step_to_the_end(void)
{
	for (uint32_t i = 0; i < 1000000 && !lj_pipeline_finished(pipeline); i++)
		lj_pipeline_step(pipeline);
	CU_ASSERT(lj_pipeline_finished(pipeline));
}

static void a_setting_is_in_force_and_shown(void)
{
	ask("set batch size 17");
	CU_ASSERT_EQUAL(result, 0);
	CU_ASSERT(says("show tuning", "17"));
	ask("set batch deadline 123");
	ask("set timeout idle 1.5");
	ask("set timeout active 77");
	ask("set timeout linger 0");
	CU_ASSERT_EQUAL(result, 0);
	ask("set classify at 9");
	CU_ASSERT(says("show tuning", "123"));
	CU_ASSERT(strstr(answer, "1500") != NULL && strstr(answer, "77000") != NULL);
	ask("set classify at 0");
	CU_ASSERT(says("set classify after 250", "250"));
	/* Rounded down to 0 it would mean that there is none. */
	CU_ASSERT(says("set classify after 0.5", "classify_after_ms  0.5\n"));
	CU_ASSERT(says("set timeout active 604799.0005", "active_timeout_ms  604799000.5\n"));
	ask("set classify after 0");
	ask("set timeout idle 120");
	ask("set timeout active 1800");
	ask("set timeout linger 5");
	CU_ASSERT_EQUAL(result, 0);
}

static void a_bad_setting_is_refused_with_its_range(void)
{
	static const struct {
		const char *line, *text;
	} bad[] = {
		{"set batch size 0", "1..1024"},
		{"set batch size 1025", "1..1024"},
		{"set batch size -1", "batch size"},
		{"set batch size ten", "is not a number"},
		{"set batch size 7x", "not a number"},
		{"set batch deadline 1000001", "0..1000000"},
		{"set timeout idle 0", "0.001..86400"},
		{"set timeout idle nan", "timeout idle"},
		{"set timeout active 604801", "604800"},
		{"set timeout linger -1", "linger"},
		{"set batch size", "needs a parameter"},
		{"set timeout active 4.9", "shorter than timeout linger"},
		{"set timeout linger 1801", "longer than timeout active"},
		{"show tuning 5", "takes no parameter"},
		{"set batch size \xe9", "takes UTF-8 text only"},
	};

	ask("set batch size 33");
	ask("set timeout linger 5");
	for (size_t i = 0; i < RTE_DIM(bad); i++) {
		CU_ASSERT(says(bad[i].line, bad[i].text));
		CU_ASSERT(result == -EINVAL || result == -ERANGE);
	}
	CU_ASSERT(says("show tuning", "33"));
}

static void what_is_no_command_says_so(void)
{
	CU_ASSERT(says("shew flows", "no such command: shew flows"));
	CU_ASSERT_EQUAL(result, -ENOENT);
	ask("show flow statsx");
	CU_ASSERT_EQUAL(result, -ENOENT);
	ask("");
	CU_ASSERT_EQUAL(result, -ENOENT);
}

static void help_names_every_command_that_runs(void)
{
	static char commands[sizeof(answer)];
	char *rest = commands, *line;
	uint32_t shown = 0;

	ask("help");
	memcpy(commands, answer, sizeof(commands));
	while ((line = strsep(&rest, "\n")) != NULL) {
		char words[96];

		if (sscanf(line, " %95[a-z ]", words) != 1 || strncmp(words, "show", 4) != 0)
			continue;
		words[strcspn(words, ":")] = '\0';
		while (words[0] != '\0' && words[strlen(words) - 1] == ' ')
			words[strlen(words) - 1] = '\0';
		if (strchr(line, '<') != NULL)
			strcat(words, " 0");
		ask(words);
		CU_ASSERT_EQUAL(result, 0);
		shown++;
	}
	CU_ASSERT(shown >= 12);
}

static uint32_t lines(void)
{
	uint32_t n = 0;

	for (const char *at = answer; *at != '\0'; at++)
		n += *at == '\n';
	return n;
}

static void help_is_of_the_commands_that_begin_so(void)
{
	CU_ASSERT(says("help set batch", "set batch size <flows>"));
	CU_ASSERT(says("help set batch", "set batch deadline <us>"));
	CU_ASSERT_EQUAL(lines(), 2);
	CU_ASSERT(says("help show", "show ledger "));
	CU_ASSERT_PTR_NULL(strstr(answer, "set "));
	CU_ASSERT(says("help  show/flow  stats ", "Returns live records"));
	CU_ASSERT_EQUAL(lines(), 1);
	CU_ASSERT(says("help help", "help [words]"));
	CU_ASSERT_EQUAL(result, 0);
	for (size_t i = 0; i < 3; i++) {
		static const char *const none[] = {"help sho", "help show flow stats 1", "help x"};

		CU_ASSERT(says(none[i], "no command starts with these words"));
		CU_ASSERT_EQUAL(result, -ENOENT);
	}
}

static void a_port_that_is_not_there_has_no_queues(void)
{
	CU_ASSERT(says("show port queues 0", "worker0"));
	CU_ASSERT(says("show port queues 1", "ports are 0..0"));
	CU_ASSERT_EQUAL(result, -EINVAL);
	CU_ASSERT(says("show port queues all", "is not a port"));
	CU_ASSERT(says("show drops", "imissed"));
	CU_ASSERT(says("show drops", "late_then"));
	CU_ASSERT(says("show stalls", "latest_worst"));
	CU_ASSERT(says("show rss", "none"));
}

/* The sum of all bars of decisions; the longest one has 50 characters. */
static long bars_sum(void)
{
	size_t longest = 0;
	long sum = 0;

	for (char *line = strchr(ask("show latency histogram"), '\n'); line != NULL && line[1] != 0;
	     line = strchr(line + 1, '\n')) {
		char *decisions = strstr(line, " us ");
		size_t length = strcspn(line, "#");

		CU_ASSERT_PTR_NOT_NULL_FATAL(decisions);
		sum += strtol(decisions + 4, NULL, 10);
		longest = RTE_MAX(longest, strspn(line + length, "#"));
	}
	CU_ASSERT_EQUAL(longest, 50);
	return sum;
}

/* Runs last, because it processes the whole capture. */
static void numbers_are_those_of_the_run_and_count_from_clear(void)
{
	ask("stop");
	CU_ASSERT_EQUAL(result, 0);
	for (int i = 0; i < 50; i++)
		lj_pipeline_step(pipeline);
	CU_ASSERT(says("show counters", "rx_packets"));
	ask("start");
	step_to_the_end();
	CU_ASSERT(says("show packet stats", "12124"));
	CU_ASSERT(says("show flow stats", "2062"));
	CU_ASSERT(says("show ledger", "12124"));
	CU_ASSERT(says("show latency", "decision"));
	CU_ASSERT_EQUAL(bars_sum(), 2062);
	CU_ASSERT(says("show latency models", "default.decision"));
	CU_ASSERT(says("show model", "default"));
	CU_ASSERT(says("show keepalive", "finished"));
	CU_ASSERT_PTR_NULL(strstr(answer, "alive  "));
	ask("clear stats");
	CU_ASSERT_EQUAL(result, 0);
	CU_ASSERT_PTR_NULL(strstr(ask("show packet stats"), "12124"));
}

int main(void)
{
	static const struct lj_test tests[] = {
		{"a setting is in force and shown", a_setting_is_in_force_and_shown},
		{"a bad setting is refused with its range",
		 a_bad_setting_is_refused_with_its_range},
		{"what is no command says so", what_is_no_command_says_so},
		{"help names every command that runs", help_names_every_command_that_runs},
		{"help is of the commands that begin so", help_is_of_the_commands_that_begin_so},
		{"a port that is not there has no queues", a_port_that_is_not_there_has_no_queues},
		{"numbers are those of the run, and count from clear",
		 numbers_are_those_of_the_run_and_count_from_clear},
	};
	int ret;

	lj_test_eal("control", NULL);
	lj_clock_init();
	open_demo();
	ret = lj_test_run("control", tests, RTE_DIM(tests));
	lj_control_destroy(control);
	lj_pipeline_destroy(pipeline, NULL);
	lj_config_free(&config);
	return ret;
}
