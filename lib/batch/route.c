#include "lj_route.h"

#include <stdio.h>

#include <rte_common.h>

#define NONE UINT16_MAX

/* Groups of workers and inference lcores; flows stay within a group. */
struct groups {
	uint16_t n;
	int node[LJ_ROUTE_MAX];
	uint16_t workers[LJ_ROUTE_MAX], infers[LJ_ROUTE_MAX];	  /* [n] how many in each */
	uint16_t of_worker[LJ_ROUTE_MAX], of_infer[LJ_ROUTE_MAX]; /* which group; NONE: not yet */
};

static uint16_t group_of(const struct groups *g, int node)
{
	for (uint16_t i = 0; i < g->n; i++)
		if (g->node[i] == node)
			return i;
	return NONE;
}

static bool is_among(int node, const int *nodes, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++)
		if (nodes[i] == node)
			return true;
	return false;
}

/* The group with the most workers per inference lcore; with `least` that with the fewest. */
static uint16_t loaded(const struct groups *g, bool least)
{
	uint16_t best = 0;

	for (uint16_t i = 1; i < g->n; i++) {
		uint32_t a = (uint32_t)g->workers[i] * g->infers[best];
		uint32_t b = (uint32_t)g->workers[best] * g->infers[i];

		if (least ? a < b : a > b)
			best = i;
	}
	return best;
}

/* A group per node that has both; the other lcores are assigned so as to balance the load. */
static void group_by_node(struct groups *g, const int *worker_node, uint16_t workers,
			  const int *infer_node, uint16_t infer)
{
	*g = (struct groups){0};
	for (uint16_t w = 0; w < workers; w++)
		if (group_of(g, worker_node[w]) == NONE &&
		    is_among(worker_node[w], infer_node, infer))
			g->node[g->n++] = worker_node[w];
	for (uint16_t w = 0; w < workers; w++) {
		g->of_worker[w] = group_of(g, worker_node[w]);
		if (g->of_worker[w] != NONE)
			g->workers[g->of_worker[w]]++;
	}
	for (uint16_t i = 0; i < infer; i++) {
		g->of_infer[i] = group_of(g, infer_node[i]);
		if (g->of_infer[i] != NONE)
			g->infers[g->of_infer[i]]++;
	}
	for (uint16_t w = 0; w < workers && g->n > 0; w++)
		if (g->of_worker[w] == NONE) {
			g->of_worker[w] = loaded(g, true);
			g->workers[g->of_worker[w]]++;
		}
	for (uint16_t i = 0; i < infer && g->n > 0; i++)
		if (g->of_infer[i] == NONE) {
			g->of_infer[i] = loaded(g, false);
			g->infers[g->of_infer[i]]++;
		}
}

static void one_group(struct groups *g, uint16_t workers, uint16_t infer)
{
	*g = (struct groups){.n = 1, .workers = {workers}, .infers = {infer}};
}

static bool is_lopsided(const struct groups *g, uint16_t workers, uint16_t infer)
{
	uint16_t most = loaded(g, false);

	return (uint32_t)g->workers[most] * infer > 2u * workers * g->infers[most];
}

/* The `rank`-th worker's share of its group, and the inference lcores in it. */
static void cut(const struct groups *g, uint16_t group, uint16_t rank, uint16_t infer,
		struct lj_route *r)
{
	uint32_t line = (uint32_t)g->infers[group] << 16;
	uint32_t start = (uint32_t)((uint64_t)line * rank / g->workers[group]);
	uint32_t end = (uint32_t)((uint64_t)line * (rank + 1u) / g->workers[group]);
	uint16_t first = (uint16_t)(start >> 16), at = 0;

	*r = (struct lj_route){.start = start - ((uint32_t)first << 16), .width = end - start};
	for (uint16_t i = 0; i < infer; i++) {
		if (g->of_infer[i] != group)
			continue;
		if (at >= first && (uint32_t)at << 16 < end)
			r->infer[r->n++] = i;
		at++;
	}
}

void lj_route_assign(const int *worker_node, uint16_t workers, const int *infer_node,
		     uint16_t infer, bool by_initiator, struct lj_route *routes)
{
	uint16_t rank[LJ_ROUTE_MAX] = {0};
	struct groups g;

	group_by_node(&g, worker_node, workers, infer_node, infer);
	if (g.n == 0 || is_lopsided(&g, workers, infer))
		one_group(&g, workers, infer);
	for (uint16_t w = 0; w < workers; w++) {
		uint16_t group = g.of_worker[w];

		cut(&g, group, rank[group]++, infer, &routes[w]);
		if (!by_initiator)
			continue;
		routes[w].by_initiator = true;
		routes[w].n = infer;
		for (uint16_t i = 0; i < infer; i++)
			routes[w].infer[i] = i;
	}
}

/* The share of the worker's flows that go to infer[i], in percent. */
static uint32_t percent(const struct lj_route *r, uint16_t i)
{
	uint32_t begin = RTE_MAX((uint32_t)i << 16, r->start);
	uint32_t end = RTE_MIN((i + 1u) << 16, r->start + r->width);

	return (uint32_t)(((uint64_t)(end - begin) * 200 / r->width + 1) / 2);
}

void lj_route_text(const struct lj_route *route, char *text, size_t size)
{
	size_t used =
		(size_t)snprintf(text, size, "%s", route->by_initiator ? "by initiator to" : "");

	for (uint16_t i = 0; i < route->n && used < size; i++) {
		if (route->by_initiator)
			used += (size_t)snprintf(text + used, size - used, " infer%u",
						 route->infer[i]);
		else
			used += (size_t)snprintf(text + used, size - used, "%sinfer%u %u%%",
						 i > 0 ? ", " : "", route->infer[i],
						 percent(route, i));
	}
}
