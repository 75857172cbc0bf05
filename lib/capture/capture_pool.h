/*
 * Private: a port's packet buffers.
 *
 * Normally from the EAL. Without hugepages its memory is in 4 KiB pages, and since an mbuf must not
 * cross a page each mbuf takes a page of its own, which costs TLB misses. For drivers that accept
 * any memory (they only copy, in this process) the buffers then come from mmap(), packed, and in
 * transparent hugepages where available.
 *
 * Thread: main.
 */
#ifndef CAPTURE_POOL_H
#define CAPTURE_POOL_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_mempool.h>

/* Mbufs in each lcore's cache. */
#define POOL_CACHE 256

struct pool_config {
	uint32_t mbufs;
	uint16_t room_bytes; /* data room of each, headroom included */
	int socket_id;
	bool any_memory; /* see lj_port_config */
};

/* To be freed with rte_mempool_free(). NULL with rte_errno set. */
struct rte_mempool *pool_create(const char *name, const struct pool_config *config);

#endif
