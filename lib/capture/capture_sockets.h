/*
 * Private: the packet sockets of net_af_packet, a queue each. What one has no room for the kernel
 * counts, and the driver of DPDK 22.11 never asks (packet(7), PACKET_STATISTICS).
 *
 * Thread: main; port_sockets_missed() any.
 */
#ifndef CAPTURE_SOCKETS_H
#define CAPTURE_SOCKETS_H

#include <stdint.h>

#include "lj_capture.h"

struct port_sockets {
	uint16_t n;
	int fd[LJ_SOURCE_QUEUES]; /* the driver's, which closes them when the port is stopped */
	uint64_t missed;	  /* packets; words stored whole: all */
};

/* Begins to count by this process's packet sockets that are bound to the interface. */
void port_sockets_begin(struct port_sockets *s, unsigned int ifindex);

/* Before the port is stopped: what was missed stays known. */
void port_sockets_end(struct port_sockets *s);

/* Packets missed, for want of room, since the first begin. */
uint64_t port_sockets_missed(struct port_sockets *s);

#endif
