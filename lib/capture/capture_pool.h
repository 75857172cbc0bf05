/*
 * Private: a port's packet buffers.
 *
 * They are of the EAL, unless it has no hugepages: then its memory is in pages of 4 KiB, none of
 * which may hold a part of an mbuf, so that each takes one, and receiving waits for the TLB. Where
 * a driver does not mind whose memory it is (only copies, in this process), they are the kernel's,
 * close together, in transparent hugepages where there are any.
 */
#ifndef CAPTURE_POOL_H
#define CAPTURE_POOL_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_mempool.h>

/* Mbufs that each lcore may keep to itself. */
#define POOL_CACHE 256

struct pool_config {
	uint32_t mbufs;
	uint16_t room_bytes; /* of each, headroom included */
	int socket_id;
	bool any_memory; /* the driver does not mind */
};

/* For rte_mempool_free(). NULL with rte_errno. */
struct rte_mempool *pool_create(const char *name, const struct pool_config *config);

#endif
