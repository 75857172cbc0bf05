#include "capture_pool.h"

#include <errno.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_mbuf.h>

#include "lj_memory.h"

static void unmap(struct rte_mempool_memhdr *chunk, void *opaque)
{
	(void)opaque;
	lj_memory_unmap(chunk->addr, chunk->len);
}

/* Allocates the memory of all mbufs of the pool as one chunk. */
static int populate(struct rte_mempool *pool, const struct pool_config *config)
{
	size_t chunk_min, align;
	ssize_t bytes =
		rte_mempool_op_calc_mem_size_default(pool, config->mbufs, 0, &chunk_min, &align);
	void *at;
	int ret;

	if (bytes < 0)
		return (int)bytes;
	at = lj_memory_map(pool->name, (size_t)bytes, config->socket_id);
	if (at == NULL)
		return -ENOMEM;
	ret = rte_mempool_populate_iova(pool, at, RTE_BAD_IOVA, (size_t)bytes, unmap, NULL);
	if (ret <= 0)
		lj_memory_unmap(at, (size_t)bytes);
	if (ret < 0)
		return ret;
	return (uint32_t)ret == config->mbufs ? 0 : -ENOMEM;
}

/* As rte_pktmbuf_pool_create(), but with memory that is not the EAL's. */
static struct rte_mempool *create_of_process(const char *name, const struct pool_config *config)
{
	struct rte_pktmbuf_pool_private data = {.mbuf_data_room_size = config->room_bytes};
	struct rte_mempool *pool = rte_mempool_create_empty(
		name, config->mbufs, sizeof(struct rte_mbuf) + config->room_bytes, POOL_CACHE,
		sizeof(data), config->socket_id, RTE_MEMPOOL_F_NO_IOVA_CONTIG);
	int ret;

	if (pool == NULL)
		return NULL;
	ret = rte_mempool_set_ops_byname(pool, RTE_MBUF_DEFAULT_MEMPOOL_OPS, NULL);
	if (ret == 0) {
		rte_pktmbuf_pool_init(pool, &data);
		ret = populate(pool, config);
	}
	if (ret != 0) {
		rte_mempool_free(pool);
		rte_errno = -ret;
		return NULL;
	}
	rte_mempool_obj_iter(pool, rte_pktmbuf_init, NULL);
	return pool;
}

struct rte_mempool *pool_create(const char *name, const struct pool_config *config)
{
	if (config->any_memory && !rte_eal_has_hugepages())
		return create_of_process(name, config);
	return rte_pktmbuf_pool_create(name, config->mbufs, POOL_CACHE, 0, config->room_bytes,
				       config->socket_id);
}
