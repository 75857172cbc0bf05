#include <stdlib.h>
#include <string.h>

#include <sys/mman.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_malloc.h>
#include <rte_memory.h>

#include "flow_table.h"

/* Records beyond the capacity: as many as one update can have lent at most. */
#define SPARE_RECORDS (2 * LJ_BURST_MAX)

static uint64_t bucket_count(uint32_t capacity)
{
	/* Half full at capacity: few records live outside their home bucket. */
	return rte_align64pow2(RTE_MAX((uint64_t)capacity / 4, 16ULL));
}

uint64_t lj_flow_memory(uint32_t capacity)
{
	uint64_t records = (uint64_t)capacity + SPARE_RECORDS;

	return sizeof(struct lj_flow_table) + bucket_count(capacity) * sizeof(struct bucket) +
	       records * (sizeof(struct flow_slot) + sizeof(uint32_t));
}

/* An EAL that has not begun says it has hugepages, but it has no memory. */
static bool eal_memory(void)
{
	return rte_eal_has_hugepages() && rte_eal_get_physmem_size() > 0;
}

/*
 * Zeroed memory: of the EAL, on the lcore's socket and there before it runs; without hugepages from
 * the kernel, which costs nothing until it is touched: a replay makes a table for a million flows
 * and uses a thousand.
 */
static void *map(const char *name, size_t bytes, int socket_id)
{
	void *at;

	if (eal_memory())
		return rte_zmalloc_socket(name, bytes, RTE_CACHE_LINE_SIZE, socket_id);
	at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		  -1, 0);
	if (at == MAP_FAILED)
		return NULL;
	madvise(at, bytes, MADV_HUGEPAGE);
	return at;
}

static void unmap(void *at, size_t bytes)
{
	if (eal_memory())
		rte_free(at);
	else if (at != NULL)
		munmap(at, bytes);
}

struct lj_flow_table *lj_flow_create(const char *name, const struct lj_flow_config *config,
				     struct lj_counters *counters)
{
	uint64_t buckets = bucket_count(config->capacity);
	struct lj_flow_table *t;

	t = map(name, sizeof(*t), config->socket_id);
	if (t == NULL)
		goto no_memory;
	t->config = *config;
	t->counters = counters;
	t->bucket_mask = buckets - 1;
	t->capacity = config->capacity + SPARE_RECORDS;
	t->free = NONE;
	memset(t->slot, 0xff, sizeof(t->slot));
	t->buckets = map(name, buckets * sizeof(*t->buckets), config->socket_id);
	t->slots = map(name, t->capacity * sizeof(*t->slots), config->socket_id);
	t->expired = map(name, t->capacity * sizeof(*t->expired), config->socket_id);
	if (t->buckets != NULL && t->slots != NULL && t->expired != NULL)
		return t;
no_memory:
	lj_flow_destroy(t);
	rte_errno = ENOMEM;
	return NULL;
}

void lj_flow_destroy(struct lj_flow_table *t)
{
	if (t == NULL)
		return;
	unmap(t->expired, t->capacity * sizeof(*t->expired));
	unmap(t->slots, t->capacity * sizeof(*t->slots));
	unmap(t->buckets, (t->bucket_mask + 1) * sizeof(*t->buckets));
	unmap(t, sizeof(*t));
}

void lj_flow_configure(struct lj_flow_table *t, const struct lj_flow_config *config)
{
	t->config.classify_at = config->classify_at;
	t->config.classify_after_ns = config->classify_after_ns;
	t->config.idle_timeout_ns = config->idle_timeout_ns;
	t->config.active_timeout_ns = config->active_timeout_ns;
	t->config.tcp_linger_ns = config->tcp_linger_ns;
}

void lj_flow_note_loss(struct lj_flow_table *t)
{
	t->loss_epoch++;
}

uint32_t lj_flow_active(const struct lj_flow_table *t)
{
	return t->active;
}
