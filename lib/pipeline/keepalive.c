/*
 * Keepalive. The heartbeat is the loop counter that every lcore maintains anyway; rte_keepalive
 * would cost one more store per loop for the same information. An lcore that is parked, while
 * another one polls its roles, keeps looping.
 */
#include "lj_log.h"
#include "pipeline.h"

static void name_roles(const struct lcore *l, char *out, size_t size)
{
	size_t used = 0;

	out[0] = '\0';
	for (uint32_t i = 0; i < l->n_roles && used < size; i++)
		used += (size_t)snprintf(out + used, size - used, "%s%s", i > 0 ? " " : "",
					 l->role[i]->name);
}

static uint64_t loops_of(const struct lcore *l, bool *finished)
{
	*finished = true;
	for (uint32_t i = 0; i < l->n_roles; i++)
		*finished = *finished && l->role[i]->finished;
	return __atomic_load_n(&l->loop_ns.count, __ATOMIC_RELAXED);
}

static void end_stall(struct lcore *l, uint64_t silent_ns)
{
	char roles[96];

	if (!l->heart.stalled)
		return;
	l->heart.stalled = false;
	name_roles(l, roles, sizeof(roles));
	lj_log(WARNING, "keepalive: lcore %u (%s) goes on after %.0f ms\n", l->id, roles,
	       (double)silent_ns / 1e6);
}

static void begin_stall(struct lcore *l, uint64_t silent_ns)
{
	char roles[96];

	if (l->heart.stalled)
		return;
	l->heart.stalled = true;
	l->heart.stalls++;
	name_roles(l, roles, sizeof(roles));
	lj_log(WARNING, "keepalive: lcore %u (%s) is stalled: no progress for %.0f ms\n", l->id,
	       roles, (double)silent_ns / 1e6);
}

static uint64_t look(struct lcore *l, uint64_t now_tsc, uint64_t limit_ns)
{
	bool finished;
	uint64_t loops = loops_of(l, &finished);
	uint64_t silent_ns = lj_cycles_to_ns(now_tsc - l->heart.since_tsc);

	if (finished || loops != l->heart.loops) {
		end_stall(l, silent_ns);
		l->heart.loops = loops;
		l->heart.since_tsc = now_tsc;
		l->heart.silent_ns = 0;
		return 0;
	}
	l->heart.silent_ns = silent_ns;
	if (silent_ns < limit_ns)
		return 0;
	begin_stall(l, silent_ns);
	if (silent_ns > l->heart.longest_ns)
		l->heart.longest_ns = silent_ns;
	return silent_ns;
}

/* If main itself was late, it cannot tell which lcore was stalled, so all timers restart. */
static void begin_anew(struct lj_pipeline *p, uint64_t now_tsc)
{
	for (uint32_t i = 0; i < p->n_lcores; i++)
		if (!p->lcore[i].heart.stalled)
			p->lcore[i].heart.since_tsc = now_tsc;
}

uint64_t lj_pipeline_keepalive(struct lj_pipeline *p)
{
	uint64_t limit_ns = p->config->keepalive.stall_ms * 1000000ULL, worst_ns = 0;
	uint64_t now_tsc = rte_rdtsc();

	if (p->shared.replay || limit_ns == 0)
		return 0;
	if (lj_cycles_to_ns(now_tsc - p->looked_tsc) > limit_ns / 2)
		begin_anew(p, now_tsc);
	p->looked_tsc = now_tsc;
	for (uint32_t i = 0; i < p->n_lcores; i++) {
		uint64_t stalled_ns = look(&p->lcore[i], now_tsc, limit_ns);

		worst_ns = RTE_MAX(worst_ns, stalled_ns);
	}
	return worst_ns;
}

uint32_t lj_pipeline_lcores(const struct lj_pipeline *p)
{
	return p->n_lcores;
}

void lj_pipeline_health(const struct lj_pipeline *p, uint32_t i, struct lj_health *health)
{
	const struct lcore *l = &p->lcore[i];

	*health = (struct lj_health){
		.lcore = l->id,
		.stalled = l->heart.stalled,
		.silent_ns = l->heart.silent_ns,
		.stalls = l->heart.stalls,
		.longest_ns = l->heart.longest_ns,
	};
	loops_of(l, &health->finished); /* of a replay, too, where nobody looks */
	name_roles(l, health->roles, sizeof(health->roles));
}
