#include "command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model_command.h"

static const struct program programs[] = {
	{"rss-predict", "predict how a NIC would distribute a capture over its queues",
	 rss_predict_main},
	{"model", "check a model bundle, or measure its speed: model check|bench DIR",
	 model_command},
	{"doctor", "check this machine for problems", doctor_main},
};

const struct program *program_find(const char *word)
{
	for (size_t i = 0; i < RTE_DIM(programs); i++)
		if (strcmp(programs[i].name, word) == 0)
			return &programs[i];
	return NULL;
}

void programs_help(void)
{
	printf("\nOther commands (linejudge COMMAND --help):\n\n");
	for (size_t i = 0; i < RTE_DIM(programs); i++)
		printf("  %-20s %s\n", programs[i].name, programs[i].help);
}

int program_fail(const char *program, const struct lj_error *err)
{
	fprintf(stderr, "linejudge: %s: %s%s%s\n", program, err->where,
		err->where[0] != '\0' ? ": " : "", err->what);
	return EXIT_FAILURE;
}
