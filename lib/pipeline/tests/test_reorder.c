/* The legs of a tap, put back in order. */
#include <string.h>

#include "lj_test.h"
#include "reorder.h"

#define WINDOW 1000 /* cycles */

static struct lj_packet out[LJ_BURST_MAX];
static uint16_t late;

static void put(struct reorder *r, uint16_t leg, uint64_t time_ns, uint8_t flags, uint64_t now)
{
	struct lj_packet p;

	memset(&p, 0, sizeof(p));
	p.time_ns = time_ns;
	p.tcp_flags = flags;
	p.leg = (uint8_t)leg;
	reorder_put(r, leg, &p, 1, now);
}

static uint16_t take(struct reorder *r, uint64_t now)
{
	return reorder_take(r, out, LJ_BURST_MAX, now, false, &late);
}

static void a_packet_goes_on_when_all_legs_are_past_it(void)
{
	struct reorder *r = reorder_create(2, WINDOW);

	put(r, 1, 20, 0, 0);
	CU_ASSERT_EQUAL(take(r, 1), 0);
	put(r, 0, 10, 0, 1);
	put(r, 0, 30, 0, 1);
	CU_ASSERT_EQUAL(take(r, 2), 2);
	CU_ASSERT_EQUAL(out[0].time_ns, 10);
	CU_ASSERT_EQUAL(out[1].time_ns, 20);
	CU_ASSERT_EQUAL(late, 0);
	/* Leg 1 has shown nothing after 30. */
	CU_ASSERT_EQUAL(take(r, 3), 0);
	reorder_destroy(r);
}

static void a_silent_leg_is_waited_for_no_longer_than_the_window(void)
{
	struct reorder *r = reorder_create(2, WINDOW);

	put(r, 0, 10, 0, 100);
	CU_ASSERT_EQUAL(take(r, 100 + WINDOW - 1), 0);
	CU_ASSERT_EQUAL(take(r, 100 + WINDOW), 1);
	/* What then comes too late goes on all the same, and is said to be late. */
	put(r, 1, 5, 0, 100 + WINDOW);
	CU_ASSERT_EQUAL(take(r, 100 + 2 * WINDOW), 1);
	CU_ASSERT_EQUAL(out[0].time_ns, 5);
	CU_ASSERT_EQUAL(late, 1);
	reorder_destroy(r);
}

static void in_one_instant_a_syn_is_first(void)
{
	struct reorder *r = reorder_create(2, WINDOW);

	put(r, 0, 10, LJ_TCP_SYN | LJ_TCP_ACK, 0);
	put(r, 1, 10, LJ_TCP_SYN, 0);
	put(r, 1, 10, LJ_TCP_ACK, 0);
	CU_ASSERT_EQUAL(take(r, 1), 2);
	CU_ASSERT_EQUAL(out[0].leg, 1);
	CU_ASSERT_EQUAL(out[1].leg, 0);
	reorder_destroy(r);
}

static void a_full_leg_goes_on(void)
{
	struct reorder *r = reorder_create(2, WINDOW);
	uint16_t n = 0;

	while (reorder_has_room(r, 0))
		put(r, 0, ++n, 0, 0);
	CU_ASSERT_EQUAL(n, REORDER_HELD - LJ_BURST_MAX + 1);
	CU_ASSERT_EQUAL(take(r, 1), 1);
	CU_ASSERT(reorder_has_room(r, 0));
	reorder_destroy(r);
}

static void at_the_end_all_go_on_in_order(void)
{
	struct reorder *r = reorder_create(3, WINDOW);
	uint64_t before = 0;
	uint16_t n;

	for (uint64_t i = 0; i < 100; i++)
		put(r, i % 2 ? 0 : 2, 1000 - 10 * (i % 2) + i * 10, 0, 0);
	n = reorder_take(r, out, LJ_BURST_MAX, 1, true, &late);
	CU_ASSERT_EQUAL(n, LJ_BURST_MAX);
	for (uint16_t i = 0; i < n; before = out[i++].time_ns)
		CU_ASSERT(out[i].time_ns >= before);
	CU_ASSERT_EQUAL(reorder_take(r, out, LJ_BURST_MAX, 1, true, &late), 100 - n);
	CU_ASSERT_EQUAL(reorder_take(r, out, LJ_BURST_MAX, 1, true, &late), 0);
	reorder_destroy(r);
}

int main(void)
{
	static const struct lj_test tests[] = {
		{"a packet goes on when all legs are past it",
		 a_packet_goes_on_when_all_legs_are_past_it},
		{"a silent leg is waited for no longer than the window",
		 a_silent_leg_is_waited_for_no_longer_than_the_window},
		{"in one instant a SYN is first", in_one_instant_a_syn_is_first},
		{"a full leg goes on", a_full_leg_goes_on},
		{"at the end all go on in order", at_the_end_all_go_on_in_order},
	};

	return lj_test_run("reorder", tests, RTE_DIM(tests));
}
