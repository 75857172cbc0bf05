/*
 * Private: whether a port of DPDK's lives: what its driver's events tell, the kernel of the
 * interface that it is of, and its link.
 *
 * Thread: main; events come on the EAL's interrupt thread.
 */
#ifndef CAPTURE_LIFE_H
#define CAPTURE_LIFE_H

#include <stdatomic.h>

#include "lj_capture.h"

struct port_life {
	uint16_t port;
	char device[LJ_SOURCE_NAME]; /* the EAL's name of it; "" */
	unsigned int ifindex;	     /* 0: no interface of the kernel's */
	_Atomic(const char *)
		ended; /* why, as an event told; NULL. interrupt thread: wo; all: ro */
};

/* The port of that name, of a vdev without its arguments. 0, or -errno and `err`: the EAL has not
 * probed it. */
int life_find(const char *name, uint16_t *port, struct lj_error *err);
/* Has the EAL probe it, if it has not. 0, or -errno and `err`. */
int life_plug(const char *name, struct lj_error *err);

/* Begins to listen to the events of a port that the EAL has probed. */
void life_begin(struct port_life *l, uint16_t port);
void life_end(struct port_life *l);

/* As lj_source_health(). */
enum lj_port_health life_health(const struct port_life *l, const char **why);

/* Whether an event has told of its end: nothing that is read of it is true any more. */
static inline bool life_ended(const struct port_life *l)
{
	return atomic_load_explicit(&l->ended, memory_order_relaxed) != NULL;
}

#endif
