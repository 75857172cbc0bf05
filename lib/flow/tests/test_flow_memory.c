/* What a table takes is what it was reckoned at: --dry-run and docs/performance.md tell the latter.
 */
#include <stdio.h>
#include <unistd.h>

#include "lj_flow.h"
#include "lj_test.h"

#define FLOWS 100000
#define MIB   (1 << 20)

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#define SANITIZED __has_feature(address_sanitizer)
#else
#define SANITIZED 0
#endif

/* Bytes of memory that this process has touched. */
static uint64_t resident_bytes(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	unsigned long long size, pages = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	CU_ASSERT_EQUAL(fscanf(f, "%llu %llu", &size, &pages), 2);
	fclose(f);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static struct lj_packet packet_of(uint32_t flow)
{
	struct lj_packet p = {.key = {.version = 4, .proto = 6, .port = {80, 5000}},
			      .time_ns = 1000000000000 + flow,
			      .seq = flow + 1,
			      .l3_bytes = 40,
			      .hash = (flow + 1) * 0x9e3779b97f4a7c15};

	p.key.addr[0][13] = (uint8_t)(flow >> 16);
	p.key.addr[0][14] = (uint8_t)(flow >> 8);
	p.key.addr[0][15] = (uint8_t)flow;
	return p;
}

static void fill(struct lj_flow_table *t)
{
	struct lj_flow *due[LJ_BURST_MAX + 2];
	uint16_t n_due;

	for (uint32_t flow = 0; flow < FLOWS; flow++) {
		struct lj_packet p = packet_of(flow);

		CU_ASSERT_EQUAL(lj_flow_update(t, &p, 1, due, &n_due), 1);
		CU_ASSERT_EQUAL(n_due, 0);
	}
	CU_ASSERT_EQUAL(lj_flow_active(t), FLOWS);
}

static void flush(struct lj_flow_table *t)
{
	struct lj_flow *due[LJ_BURST_MAX];
	uint16_t n;

	while ((n = lj_flow_flush(t, 1, due, LJ_BURST_MAX)) > 0)
		lj_flow_settle(t, due, n);
}

static void a_full_table_takes_the_memory_that_it_was_reckoned_at(void)
{
	const struct lj_flow_config config = {.capacity = FLOWS,
					      .keep = LJ_KEEP_ALL,
					      .idle_timeout_ns = 1000000000000,
					      .active_timeout_ns = 1000000000000,
					      .ordered = true,
					      .socket_id = SOCKET_ID_ANY};
	uint64_t reckoned = lj_flow_memory(FLOWS), before, taken;
	static struct lj_counters counters;
	struct lj_flow_table *t;

	before = resident_bytes();
	t = lj_flow_create("memory", &config, &counters);
	CU_ASSERT_PTR_NOT_NULL_FATAL(t);
	/* Nothing is touched before it is used. */
	CU_ASSERT(resident_bytes() - before < 4 * MIB || SANITIZED);
	fill(t);
	flush(t);
	taken = resident_bytes() - before;
	fprintf(stderr, "%d flows: reckoned %.1f MiB, taken %.1f MiB\n", FLOWS,
		(double)reckoned / MIB, (double)taken / MIB);
	/* The sanitizer has a byte of its own for every eight. Regions end in a huge page. */
	CU_ASSERT(taken > reckoned - reckoned / 50);
	CU_ASSERT(taken < reckoned + reckoned / 50 + 8 * MIB + (SANITIZED ? reckoned / 4 : 0));
	lj_flow_destroy(t);
	CU_ASSERT(resident_bytes() - before < 8 * MIB || SANITIZED);
}

static void a_flow_takes_as_much_in_a_large_table(void)
{
	/* Up to the index's rounding to a power of two: 16 to 32 bytes a flow,
	 * beside its record, link, place in one list, and place and order in another. */
	for (uint32_t capacity = 100000; capacity <= 100000000; capacity *= 10) {
		double bytes = (double)lj_flow_memory(capacity) / capacity;

		CU_ASSERT(bytes > 320 + 1024 + 16 + 4 + 24 + 16 - 1);
		CU_ASSERT(bytes < 320 + 1024 + 16 + 4 + 24 + 32 + 5);
	}
}

static const struct lj_test tests[] = {
	{"a full table takes the memory that it was reckoned at",
	 a_full_table_takes_the_memory_that_it_was_reckoned_at},
	{"a flow takes as much in a large table", a_flow_takes_as_much_in_a_large_table},
};

int main(void)
{
	/* Without an EAL: ordinary memory, as where there are no hugepages. */
	return lj_test_run("flow_memory", tests, RTE_DIM(tests));
}
