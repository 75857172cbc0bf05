/* What comes with linejudge: beside the build in its tree, or where it was installed. */
#ifndef PLACE_H
#define PLACE_H

#include <limits.h>
#include <stdbool.h>

/* The running program itself. false when the kernel does not say. */
bool place_of_program(char path[PATH_MAX]);

/* The default model's folder, and the program behind --calibrate. false when it is not there. */
bool place_of_model(char path[PATH_MAX]);
bool place_of_calibrate(char path[PATH_MAX]);

#endif
