#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_errno.h>
#include <rte_mbuf.h>

#include "capture_pool.h"
#include "lj_test.h"

#define MBUFS 3000
#define BYTES (sizeof(struct rte_mbuf) + RTE_MBUF_DEFAULT_BUF_SIZE)

static const struct pool_config eal = {.mbufs = MBUFS, .room_bytes = RTE_MBUF_DEFAULT_BUF_SIZE};
static const struct pool_config any = {
	.mbufs = MBUFS, .room_bytes = RTE_MBUF_DEFAULT_BUF_SIZE, .any_memory = true};

static int by_address(const void *a, const void *b)
{
	uintptr_t one = *(const uintptr_t *)a, other = *(const uintptr_t *)b;

	return (one > other) - (one < other);
}

/* Takes all mbufs and writes to the end of each; returns the distance between the first and the
 * last. */
static size_t fill_all(struct rte_mempool *pool)
{
	static struct rte_mbuf *mbuf[MBUFS];

	for (int i = 0; i < MBUFS; i++) {
		mbuf[i] = rte_pktmbuf_alloc(pool);
		CU_ASSERT_PTR_NOT_NULL_FATAL(mbuf[i]);
		CU_ASSERT_EQUAL(rte_pktmbuf_headroom(mbuf[i]), RTE_PKTMBUF_HEADROOM);
		memset(rte_pktmbuf_append(mbuf[i], RTE_MBUF_DEFAULT_DATAROOM), i & 0xff,
		       RTE_MBUF_DEFAULT_DATAROOM);
	}
	CU_ASSERT_PTR_NULL(rte_pktmbuf_alloc(pool));
	for (int i = 0; i < MBUFS; i++) {
		const uint8_t *data = rte_pktmbuf_mtod(mbuf[i], const uint8_t *);

		CU_ASSERT(data[0] == (i & 0xff) &&
			  data[RTE_MBUF_DEFAULT_DATAROOM - 1] == (i & 0xff));
		rte_mbuf_sanity_check(mbuf[i], 1);
	}
	qsort(mbuf, MBUFS, sizeof(mbuf[0]), by_address);
	rte_pktmbuf_free_bulk(mbuf, MBUFS);
	CU_ASSERT_EQUAL(rte_mempool_avail_count(pool), MBUFS);
	return (size_t)((char *)mbuf[MBUFS - 1] - (char *)mbuf[0]) + BYTES;
}

static void buffers_lie_close_together_where_the_driver_lets_them(void)
{
	struct rte_mempool *pool = pool_create("any", &any);

	CU_ASSERT_PTR_NOT_NULL_FATAL(pool);
	/* Besides the mbuf there is only mempool's header and padding. */
	CU_ASSERT(fill_all(pool) <= MBUFS * (BYTES + 2 * RTE_CACHE_LINE_SIZE));
	rte_mempool_free(pool);
}

static void elsewhere_they_are_of_the_eal(void)
{
	struct rte_mempool *pool = pool_create("eal", &eal);

	CU_ASSERT_PTR_NOT_NULL_FATAL(pool);
	CU_ASSERT_PTR_NOT_NULL(rte_mem_virt2memseg_list(STAILQ_FIRST(&pool->mem_list)->addr));
	CU_ASSERT(fill_all(pool) >= (MBUFS - 1) * BYTES);
	rte_mempool_free(pool);
}

/* Resident pages of the process, as counted by the kernel. */
static long resident(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	long size, pages = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	CU_ASSERT_EQUAL(fscanf(f, "%ld %ld", &size, &pages), 2);
	fclose(f);
	return pages;
}

static void memory_goes_back(void)
{
	long before = resident();

	for (int i = 0; i < 20; i++) {
		struct rte_mempool *pool = pool_create("again", &any);

		CU_ASSERT_PTR_NOT_NULL_FATAL(pool);
		fill_all(pool);
		rte_mempool_free(pool);
	}
	CU_ASSERT(resident() - before < (long)(MBUFS * BYTES / 4096));
}

static void a_name_that_is_taken_and_none_at_all_are_refused(void)
{
	struct pool_config many = any;
	struct rte_mempool *pool = pool_create("taken", &any);

	CU_ASSERT_PTR_NOT_NULL_FATAL(pool);
	CU_ASSERT_PTR_NULL(pool_create("taken", &any));
	CU_ASSERT_EQUAL(rte_errno, EEXIST);
	rte_mempool_free(pool);
	many.mbufs = 0;
	CU_ASSERT_PTR_NULL(pool_create("none", &many));
	CU_ASSERT_EQUAL(rte_errno, EINVAL);
}

int main(void)
{
	static const struct lj_test tests[] = {
		{"buffers lie close together where the driver lets them",
		 buffers_lie_close_together_where_the_driver_lets_them},
		{"elsewhere they are of the EAL", elsewhere_they_are_of_the_eal},
		{"memory goes back", memory_goes_back},
		{"a name that is taken, and none at all, are refused",
		 a_name_that_is_taken_and_none_at_all_are_refused},
	};

	lj_test_eal("capture-pool", NULL);
	return lj_test_run("capture_pool", tests, RTE_DIM(tests));
}
