/*
 * Large zeroed memory that an lcore is given before it starts.
 *
 * Of the EAL, on the lcore's socket (or another when that has none left) and there at once, when it
 * has hugepages; otherwise of the kernel, which costs nothing until it is touched: a replay makes a
 * table for a million flows and uses a thousand. And how much of the latter there is.
 */
#ifndef LJ_MEMORY_H
#define LJ_MEMORY_H

#include <stddef.h>
#include <stdint.h>

/* On pairs of cache lines of its own. NULL when there is none. */
void *lj_memory_map(const char *name, size_t bytes, int socket_id);
/* `bytes` as it was mapped; NULL is fine. */
void lj_memory_unmap(void *at, size_t bytes);

/*
 * Bytes of ordinary memory that this process may still take without swapping, or being killed for
 * it: the least that the machine (/proc/meminfo) and the cgroups that it is in (v2, or v1's memory)
 * leave; UINT64_MAX where nothing tells. `limit` becomes the file of the cgroup whose least it is,
 * "" when it is the machine's. Files are looked for below `root`, "" for the machine's own.
 */
uint64_t lj_memory_available(const char *root, char *limit, size_t size);

/* Hugepage files of DPDK's below one mount that no process uses: of programs that were killed. The
 * EAL of the next one gives them back when it comes up, before it takes any. */
struct lj_stale_files {
	char mount[256];
	uint32_t files;
	uint64_t bytes;
};
#define LJ_STALE_MOUNTS 16

/* Of each hugetlbfs that is mounted, `max` at most; how many. `root`: as above. */
uint32_t lj_memory_stale_files(const char *root, struct lj_stale_files *stale, uint32_t max);

#endif
