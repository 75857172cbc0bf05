/*
 * Private: the health of a DPDK port: driver events, the kernel interface below it, and its link.
 *
 * Thread: main; events are delivered on the EAL's interrupt thread.
 */
#ifndef CAPTURE_LIFE_H
#define CAPTURE_LIFE_H

#include <stdatomic.h>

#include "lj_capture.h"

struct port_life {
	uint16_t port;
	char device[LJ_SOURCE_NAME]; /* the EAL's device name; "" if unknown */
	unsigned int ifindex;	     /* of the kernel interface; 0: none */
	/* Why an event ended the port; NULL: none did. interrupt thread: wo; all: ro */
	_Atomic(const char *) ended;
};

/* Finds the port by its name; a vdev's arguments are ignored. 0, or -errno with `err` if the EAL
 * has not probed it. */
int life_find(const char *name, uint16_t *port, struct lj_error *err);
/* Has the EAL probe the device, unless it has already. 0, or -errno with `err`. */
int life_plug(const char *name, struct lj_error *err);

/* Registers for the events of a port that the EAL has probed; life_end() undoes it. */
void life_begin(struct port_life *l, uint16_t port);
void life_end(struct port_life *l);

/* As lj_source_health(). */
enum lj_port_health life_health(const struct port_life *l, const char **why);

/* Whether an event has ended the port: values read from the device are then meaningless. */
static inline bool life_ended(const struct port_life *l)
{
	return atomic_load_explicit(&l->ended, memory_order_relaxed) != NULL;
}

#endif
