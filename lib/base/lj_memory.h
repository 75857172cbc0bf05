/*
 * Large zeroed memory that an lcore is given before it starts.
 *
 * Of the EAL, on the lcore's socket (or another when that has none left) and there at once, when it
 * has hugepages; otherwise of the kernel, which costs nothing until it is touched: a replay makes a
 * table for a million flows and uses a thousand.
 */
#ifndef LJ_MEMORY_H
#define LJ_MEMORY_H

#include <stddef.h>

/* On pairs of cache lines of its own. NULL when there is none. */
void *lj_memory_map(const char *name, size_t bytes, int socket_id);
/* `bytes` as it was mapped; NULL is fine. */
void lj_memory_unmap(void *at, size_t bytes);

#endif
