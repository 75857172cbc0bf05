/* Private: finds files that belong to linejudge, in the build tree or installed. */
#ifndef PLACE_H
#define PLACE_H

#include <limits.h>
#include <stdbool.h>

/* The running program. False if the kernel does not tell. */
bool place_of_program(char path[PATH_MAX]);

/* The folder of the default model, and the program behind --calibrate. False if it does not
 * exist. */
bool place_of_model(char path[PATH_MAX]);
bool place_of_calibrate(char path[PATH_MAX]);

#endif
