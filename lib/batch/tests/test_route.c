/* The assignment of inference lcores to workers, on simulated machines. */
#include <string.h>

#include "batch_fixture.h"
#include "lj_route.h"

#define MOST 64

struct machine {
	uint16_t workers, infer;
	int worker_node[MOST], infer_node[MOST];
};

static struct lj_route route[MOST];

static void assign(const struct machine *m, bool by_initiator)
{
	memset(route, 0xff, sizeof(route));
	lj_route_assign(m->worker_node, m->workers, m->infer_node, m->infer, by_initiator, route);
}

/* For `flows` flows of each worker, how many each inference lcore gets. */
static void load_of(const struct machine *m, uint32_t flows, uint32_t load[MOST])
{
	memset(load, 0, MOST * sizeof(load[0]));
	for (uint16_t w = 0; w < m->workers; w++)
		for (uint32_t i = 0; i < flows; i++) {
			struct lj_flow f = {.flow_id = i * 7919 + w};
			uint16_t at = lj_route_pick(&route[w], &f);

			CU_ASSERT_FATAL(at < route[w].n);
			load[route[w].infer[at]]++;
		}
}

static bool goes_to(uint16_t w, uint16_t n, const uint16_t *infer)
{
	return route[w].n == n && memcmp(route[w].infer, infer, n * sizeof(infer[0])) == 0;
}

#define TO(...)                                                                                    \
	RTE_DIM(((uint16_t[]){__VA_ARGS__})), (uint16_t[])                                         \
	{                                                                                          \
		__VA_ARGS__                                                                        \
	}

static void on_one_node_all_share_alike(void)
{
	for (uint16_t workers = 1; workers <= MOST; workers += 7)
		for (uint16_t infer = 1; infer <= MOST; infer += 7) {
			struct machine m = {.workers = workers, .infer = infer};
			uint32_t load[MOST], mean = workers * 4000u / infer;

			assign(&m, false);
			load_of(&m, 4000, load);
			for (uint16_t i = 0; i < infer; i++)
				CU_ASSERT(load[i] > mean - mean / 4 && load[i] < mean + mean / 4);
		}
}

static void as_many_of_both_are_pairs(void)
{
	struct machine m = {.workers = 4, .infer = 4};
	char text[128];

	assign(&m, false);
	for (uint16_t w = 0; w < 4; w++)
		CU_ASSERT(goes_to(w, TO(w)));
	lj_route_text(&route[2], text, sizeof(text));
	CU_ASSERT_STRING_EQUAL(text, "infer2 100%");
}

static void three_workers_share_two_inference_lcores(void)
{
	struct machine m = {.workers = 3, .infer = 2};
	char text[128];

	assign(&m, false);
	CU_ASSERT(goes_to(0, TO(0)));
	CU_ASSERT(goes_to(1, TO(0, 1)));
	CU_ASSERT(goes_to(2, TO(1)));
	lj_route_text(&route[1], text, sizeof(text));
	CU_ASSERT_STRING_EQUAL(text, "infer0 50%, infer1 50%");
}

static void flows_stay_on_their_node(void)
{
	struct machine m = {4, 4, {0, 1, 0, 1}, {0, 0, 1, 1}};

	assign(&m, false);
	CU_ASSERT(goes_to(0, TO(0)));
	CU_ASSERT(goes_to(1, TO(2)));
	CU_ASSERT(goes_to(2, TO(1)));
	CU_ASSERT(goes_to(3, TO(3)));
}

static void who_is_alone_on_its_node_helps_where_there_is_most_to_do(void)
{
	/* Nodes 0 and 1 have both; node 2 only inference, and one worker floats. */
	struct machine m = {5, 4, {0, 0, 0, 1, -1}, {0, 0, 1, 2}};
	uint32_t load[MOST];

	assign(&m, false);
	/* Now the worker goes to node 1, whose load is lower, and the inference lcore of node 2 is
	 * needed there. */
	CU_ASSERT(goes_to(0, TO(0)));
	CU_ASSERT(goes_to(1, TO(0, 1)));
	CU_ASSERT(goes_to(2, TO(1)));
	CU_ASSERT(goes_to(3, TO(2)));
	CU_ASSERT(goes_to(4, TO(3)));
	load_of(&m, 4000, load);
	for (uint16_t i = 0; i < m.infer; i++)
		CU_ASSERT(load[i] > 3900 && load[i] < 6100);
}

static void nodes_are_left_where_one_would_have_far_too_much(void)
{
	struct machine m = {8, 4, {0, 0, 0, 0, 0, 0, 0, 1}, {0, 1, 1, 1}};

	assign(&m, false);
	for (uint16_t w = 0; w < 8; w++)
		CU_ASSERT(goes_to(w, TO(w / 2)));
	/* No node has both. */
	m = (struct machine){2, 2, {0, 0}, {1, 1}};
	assign(&m, false);
	CU_ASSERT(goes_to(0, TO(0)));
	CU_ASSERT(goes_to(1, TO(1)));
}

static void with_host_context_the_initiator_decides(void)
{
	struct machine m = {4, 3, {0, 1, 0, 1}, {0, 0, 1}};
	char text[128];

	assign(&m, true);
	for (uint16_t w = 0; w < 4; w++) {
		CU_ASSERT(goes_to(w, TO(0, 1, 2)));
		for (uint32_t i = 0; i < 1000; i++) {
			struct lj_flow f = flow_from(i * 31, i);

			CU_ASSERT_EQUAL(lj_route_pick(&route[w], &f), lj_batch_owner(&f, 3));
		}
	}
	lj_route_text(&route[0], text, sizeof(text));
	CU_ASSERT_STRING_EQUAL(text, "by initiator to infer0 infer1 infer2");
}

static void whatever_the_machine_every_inference_lcore_has_work(void)
{
	uint32_t seed = 12345, load[MOST];

	for (int turn = 0; turn < 300; turn++) {
		struct machine m;

		m.workers = (uint16_t)(1 + (seed = seed * 1664525 + 1013904223) % 24);
		m.infer = (uint16_t)(1 + (seed = seed * 1664525 + 1013904223) % 24);
		for (int i = 0; i < 24; i++) {
			m.worker_node[i] =
				(int)((seed = seed * 1664525 + 1013904223) >> 24) % 5 - 1;
			m.infer_node[i] = (int)((seed = seed * 1664525 + 1013904223) >> 24) % 5 - 1;
		}
		assign(&m, false);
		load_of(&m, 500, load);
		for (uint16_t i = 0; i < m.infer; i++)
			CU_ASSERT(load[i] > 0 && load[i] < 2.5 * 500 * m.workers / m.infer + 50);
	}
}

static const struct lj_test tests[] = {
	{"on one node all share alike", on_one_node_all_share_alike},
	{"as many of both are pairs", as_many_of_both_are_pairs},
	{"three workers share two inference lcores", three_workers_share_two_inference_lcores},
	{"flows stay on their node", flows_stay_on_their_node},
	{"who is alone on its node helps where there is most to do",
	 who_is_alone_on_its_node_helps_where_there_is_most_to_do},
	{"nodes do not matter where one would have far too much",
	 nodes_are_left_where_one_would_have_far_too_much},
	{"with host context the initiator decides", with_host_context_the_initiator_decides},
	{"whatever the machine, every inference lcore has work, and none far too much",
	 whatever_the_machine_every_inference_lcore_has_work},
};

int main(void)
{
	lj_test_eal("route", NULL);
	return lj_test_run("route", tests, RTE_DIM(tests));
}
