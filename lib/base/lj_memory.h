/*
 * Large zeroed memory, allocated for an lcore before it starts; how much memory is available; and
 * hugepage files left over by killed processes.
 *
 * With hugepages the memory comes from the EAL, on the lcore's socket, or on another if that one
 * has none left. Without, it comes from mmap() and costs nothing until it is touched: a replay may
 * create a table for a million flows and use a thousand.
 *
 * Thread: any.
 */
#ifndef LJ_MEMORY_H
#define LJ_MEMORY_H

#include <stddef.h>
#include <stdint.h>

/* Aligned to two cache lines. NULL when there is not enough memory. */
void *lj_memory_map(const char *name, size_t bytes, int socket_id);
/* `bytes` as passed to lj_memory_map(); `at` may be NULL. */
void lj_memory_unmap(void *at, size_t bytes);

/*
 * Bytes of ordinary memory that this process can still allocate without swapping or being killed:
 * the minimum of what the machine (/proc/meminfo) and the process's cgroups (v2, or v1's memory
 * controller) have left; UINT64_MAX if unknown. `limit` is set to the limit file of the cgroup that
 * has the least left, "" if that is the machine. `root` is prepended to the paths of all files read
 * ("" in production; a directory in tests).
 */
uint64_t lj_memory_available(const char *root, char *limit, size_t size);

/* DPDK's hugepage files below one mount that no process uses any more, left by killed programs. The
 * next EAL frees them at its start, before it allocates. */
struct lj_stale_files {
	char mount[256];
	uint32_t files;
	uint64_t bytes;
};
#define LJ_STALE_MOUNTS 16

/* Fills one entry per mounted hugetlbfs, at most `max`; returns how many. `root`: as above. */
uint32_t lj_memory_stale_files(const char *root, struct lj_stale_files *stale, uint32_t max);

#endif
