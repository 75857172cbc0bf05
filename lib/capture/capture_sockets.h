/*
 * Private: drops of net_af_packet. The kernel counts the packets for which a socket had no room
 * (packet(7), PACKET_STATISTICS), but the driver of DPDK 22.11 does not read that counter. There is
 * a packet socket per queue.
 *
 * Thread: main; port_sockets_missed() any.
 */
#ifndef CAPTURE_SOCKETS_H
#define CAPTURE_SOCKETS_H

#include <stdint.h>

#include "lj_capture.h"

struct port_sockets {
	uint16_t n;
	int fd[LJ_SOURCE_QUEUES]; /* owned by the driver, which closes them when the port stops */
	uint64_t missed;	  /* packets; any thread: rw, atomic */
};

/* Finds this process's packet sockets that are bound to the interface, and starts counting. */
void port_sockets_begin(struct port_sockets *s, unsigned int ifindex);

/* To be called before the port is stopped. The count so far is kept. */
void port_sockets_end(struct port_sockets *s);

/* Packets dropped for lack of room since the first port_sockets_begin(). */
uint64_t port_sockets_missed(struct port_sockets *s);

#endif
