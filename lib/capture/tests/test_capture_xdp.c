#include <stdlib.h>
#include <string.h>

#include "capture_xdp_ring.h"
#include "lj_test.h"

#define RINGS 3
#define SLOTS 64

/* The test plays the XDP program: it writes the same memory in the same way. */
static struct xdp_position position[RINGS];
static struct xdp_slot slot[RINGS * SLOTS];
static struct xdp_rings rings;

static void open_rings(uint64_t counted_so_far)
{
	memset(position, 0, sizeof(position));
	memset(slot, 0, sizeof(slot));
	CU_ASSERT_EQUAL_FATAL(xdp_rings_init(&rings, RINGS, SLOTS, position, slot), 0);
	for (int i = 0; i < RINGS; i++)
		position[i].head = position[i].tail = position[i].seen_tail = counted_so_far;
	xdp_rings_skip(&rings);
}

static bool produce(uint32_t ring, uint64_t time_ns, uint32_t id)
{
	struct xdp_position *p = &position[ring];
	struct xdp_slot *s = &slot[ring * SLOTS + p->head % SLOTS];

	if (p->head - p->tail >= SLOTS) {
		p->overruns++;
		return false;
	}
	s->time_ns = time_ns;
	s->wire_bytes = id;
	p->head++;
	return true;
}

static void packets_of_a_ring_come_in_order_and_their_slots_go_back_on_release(void)
{
	const struct xdp_slot *taken[64];

	open_rings(0);
	for (uint32_t i = 0; i < 10; i++)
		produce(1, 100 + i, i);
	CU_ASSERT_EQUAL_FATAL(xdp_rings_take(&rings, taken, 64), 10);
	for (uint32_t i = 0; i < 10; i++)
		CU_ASSERT_PTR_EQUAL(taken[i], &slot[SLOTS + i]);
	CU_ASSERT_EQUAL(position[1].tail, 0);
	CU_ASSERT_EQUAL(xdp_rings_take(&rings, taken, 64), 0);
	CU_ASSERT_EQUAL(position[1].tail, 0);
	xdp_rings_release(&rings);
	CU_ASSERT_EQUAL(position[1].tail, 10);
	CU_ASSERT_EQUAL(position[0].tail, 0);
	xdp_rings_free(&rings);
}

static void rings_are_merged_by_time(void)
{
	static const uint64_t times[RINGS][4] = {
		{10, 40, 70, 71}, {20, 30, 90, 91}, {5, 50, 60, 80}};
	static const uint64_t merged[] = {5, 10, 20, 30, 40, 50, 60, 70, 71, 80, 90, 91};
	const struct xdp_slot *taken[64];

	open_rings(0);
	for (uint32_t r = 0; r < RINGS; r++)
		for (int i = 0; i < 4; i++)
			produce(r, times[r][i], 0);
	CU_ASSERT_EQUAL_FATAL(xdp_rings_take(&rings, taken, 64), 12);
	for (int i = 0; i < 12; i++)
		CU_ASSERT_EQUAL(taken[i]->time_ns, merged[i]);
	xdp_rings_free(&rings);
}

static void no_more_than_asked_is_taken_and_the_rest_comes_next(void)
{
	const struct xdp_slot *taken[64];

	open_rings(0);
	for (uint32_t i = 0; i < 30; i++)
		produce(i % RINGS, i, i);
	CU_ASSERT_EQUAL_FATAL(xdp_rings_take(&rings, taken, 7), 7);
	CU_ASSERT_EQUAL(taken[6]->wire_bytes, 6);
	xdp_rings_release(&rings);
	CU_ASSERT_EQUAL(position[0].tail + position[1].tail + position[2].tail, 7);
	CU_ASSERT_EQUAL_FATAL(xdp_rings_take(&rings, taken, 64), 23);
	CU_ASSERT_EQUAL(taken[0]->wire_bytes, 7);
	CU_ASSERT_EQUAL(taken[22]->wire_bytes, 29);
	xdp_rings_free(&rings);
}

static void a_full_ring_overruns_until_it_is_released(void)
{
	const struct xdp_slot *taken[64];
	uint32_t kept = 0;

	open_rings(0);
	for (uint32_t i = 0; i < SLOTS + 5; i++)
		kept += produce(0, i, i);
	CU_ASSERT_EQUAL(kept, SLOTS);
	CU_ASSERT_EQUAL(xdp_rings_overruns(&rings), 5);
	CU_ASSERT_EQUAL(xdp_rings_take(&rings, taken, 64), 64);
	CU_ASSERT_FALSE(produce(0, 100, 100));
	xdp_rings_release(&rings);
	CU_ASSERT_TRUE(produce(0, 100, 100));
	CU_ASSERT_EQUAL(xdp_rings_overruns(&rings), 6);
	xdp_rings_free(&rings);
}

static void skipping_forgets_what_waits_and_what_was_overrun(void)
{
	const struct xdp_slot *taken[64];

	open_rings(0);
	for (uint32_t i = 0; i < SLOTS + 5; i++)
		produce(2, i, i);
	xdp_rings_skip(&rings);
	CU_ASSERT_EQUAL(xdp_rings_overruns(&rings), 0);
	CU_ASSERT_EQUAL(position[2].tail, SLOTS);
	CU_ASSERT_EQUAL(xdp_rings_take(&rings, taken, 64), 0);
	CU_ASSERT_TRUE(produce(2, 1000, 7));
	CU_ASSERT_EQUAL_FATAL(xdp_rings_take(&rings, taken, 64), 1);
	CU_ASSERT_EQUAL(taken[0]->wire_bytes, 7);
	xdp_rings_free(&rings);
}

/* Each packet is delivered once, in the order of its ring; also when the counters wrap. */
static void every_packet_comes_once_whatever_the_pace(void)
{
	uint32_t made[RINGS] = {0}, seen[RINGS] = {0};
	const struct xdp_slot *taken[64];
	uint64_t overrun = 0, wrong = 0;

	open_rings(UINT64_MAX - 1000);
	srandom(6);
	for (uint64_t step = 0; step < 20000; step++) {
		uint32_t r = (uint32_t)random() % RINGS;
		uint16_t n;

		for (long burst = random() % 50; burst > 0; burst--)
			if (produce(r, step, made[r]))
				made[r]++;
			else
				overrun++;
		n = xdp_rings_take(&rings, taken, (uint16_t)(1 + random() % 64));
		for (uint16_t i = 0; i < n; i++) {
			uint32_t from = (uint32_t)(taken[i] - slot) / SLOTS;

			wrong += taken[i]->wire_bytes != seen[from]++;
		}
		xdp_rings_release(&rings);
	}
	for (uint16_t n = 1; n > 0; xdp_rings_release(&rings)) {
		n = xdp_rings_take(&rings, taken, 64);
		for (uint16_t i = 0; i < n; i++)
			seen[(taken[i] - slot) / SLOTS]++;
	}
	CU_ASSERT_EQUAL(wrong, 0);
	CU_ASSERT(overrun > 0);
	CU_ASSERT_EQUAL(xdp_rings_overruns(&rings), overrun);
	for (int r = 0; r < RINGS; r++) {
		CU_ASSERT(made[r] > 1000);
		CU_ASSERT_EQUAL(seen[r], made[r]);
	}
	xdp_rings_free(&rings);
}

int main(void)
{
	static const struct lj_test tests[] = {
		{"packets of a ring come in order, and their slots go back on release",
		 packets_of_a_ring_come_in_order_and_their_slots_go_back_on_release},
		{"rings are merged by time", rings_are_merged_by_time},
		{"no more than asked is taken, and the rest comes next",
		 no_more_than_asked_is_taken_and_the_rest_comes_next},
		{"a full ring overruns until it is released",
		 a_full_ring_overruns_until_it_is_released},
		{"skipping forgets what waits and what was overrun",
		 skipping_forgets_what_waits_and_what_was_overrun},
		{"every packet comes once, whatever the pace",
		 every_packet_comes_once_whatever_the_pace},
	};

	return lj_test_run("capture_xdp", tests, RTE_DIM(tests));
}
