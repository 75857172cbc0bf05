#include "lj_memory.h"

#include <stdbool.h>

#include <sys/mman.h>

#include <rte_eal.h>
#include <rte_malloc.h>
#include <rte_memory.h>

/* Two cache lines: the adjacent-line prefetcher fetches lines in pairs. */
#define ALIGNMENT (2 * RTE_CACHE_LINE_SIZE)

/* Before rte_eal_init() the EAL claims to have hugepages, but has no memory. */
static bool eal_memory(void)
{
	return rte_eal_has_hugepages() && rte_eal_get_physmem_size() > 0;
}

void *lj_memory_map(const char *name, size_t bytes, int socket_id)
{
	void *at;

	if (eal_memory()) {
		at = rte_zmalloc_socket(name, bytes, ALIGNMENT, socket_id);
		if (at == NULL && socket_id != SOCKET_ID_ANY)
			at = rte_zmalloc_socket(name, bytes, ALIGNMENT, SOCKET_ID_ANY);
		return at;
	}
	at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		  -1, 0);
	if (at == MAP_FAILED)
		return NULL;
	madvise(at, bytes, MADV_HUGEPAGE);
	return at;
}

void lj_memory_unmap(void *at, size_t bytes)
{
	if (eal_memory())
		rte_free(at);
	else if (at != NULL)
		munmap(at, bytes);
}
