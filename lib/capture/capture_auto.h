/* Private: the ways of watching an interface, in the order in which they are tried. Thread: main.
 */
#ifndef CAPTURE_AUTO_H
#define CAPTURE_AUTO_H

#include "netdev.h"
#include "source.h"

#define AUTO_WAYS 4

/* A port as configured, and what the kernel reports about the device to be watched. */
struct candidate {
	const struct lj_port_config *config;
	struct netdev dev;
};

const char *auto_way_name(size_t way);

/* Opens the port in one way; the source gets the port's name. NULL with `err`, where only `what` is
 * set: the reason. */
struct lj_source *auto_open_way(size_t way, const struct candidate *c, struct lj_error *err);

#endif
