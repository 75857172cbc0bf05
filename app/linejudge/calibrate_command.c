/*
 * linejudge --calibrate: calibrates a model's threshold on a site's own traffic.
 *
 * Runs tools/calibrate, found relative to this program, which replaces the process. It in turn runs
 * this program to score the traffic, so that it measures exactly what will be used.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "place.h"

bool calibrate_asked(char **argv)
{
	for (; *argv != NULL && strcmp(*argv, "--") != 0; argv++)
		if (strcmp(*argv, "--calibrate") == 0)
			return true;
	return false;
}

int calibrate_main(int argc, char **argv)
{
	char script[PATH_MAX], program[PATH_MAX], model[PATH_MAX];
	char **args = calloc((size_t)argc + 1, sizeof(*args));
	struct lj_error err = {0};
	int n = 0;

	if (args == NULL || !place_of_program(program) || !place_of_calibrate(script)) {
		free(args);
		lj_error_set(&err, ENOENT, "", "tools/calibrate is not found");
		return program_fail("calibrate", &err);
	}
	args[n++] = script;
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "--calibrate") != 0)
			args[n++] = argv[i];
	setenv("LINEJUDGE", program, 1);
	if (place_of_model(model))
		setenv("LINEJUDGE_MODEL", model, 1);
	execv(script, args);
	lj_error_set(&err, errno, script, "cannot be run: %s (it needs python3)", strerror(errno));
	free(args);
	return program_fail("calibrate", &err);
}
