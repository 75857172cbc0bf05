#include "place.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lj_base.h"

bool place_of_program(char path[PATH_MAX])
{
	ssize_t length = readlink("/proc/self/exe", path, PATH_MAX - 1);

	path[length > 0 ? length : 0] = '\0';
	return length > 0;
}

/* The first existing one of two places, relative to the program's folder. */
static bool find(const char *const places[2], char path[PATH_MAX])
{
	char program[PATH_MAX], candidate[2 * PATH_MAX];

	if (!place_of_program(program))
		return false;
	*strrchr(program, '/') = '\0';
	for (int i = 0; i < 2; i++) {
		snprintf(candidate, sizeof(candidate), "%s/%s", program, places[i]);
		if (realpath(candidate, path) != NULL)
			return true;
	}
	return false;
}

bool place_of_model(char path[PATH_MAX])
{
	static const char *const places[2] = {"../../models/default/manifest.json",
					      "../share/linejudge/models/default/manifest.json"};

	if (!find(places, path))
		return false;
	*strrchr(path, '/') = '\0';
	return true;
}

bool place_of_calibrate(char path[PATH_MAX])
{
	static const char *const places[2] = {"../../tools/calibrate",
					      "../lib/linejudge/calibrate"};

	return find(places, path);
}
