#include "late.h"

#include "pipeline.h"

static void put(uint64_t *word, uint64_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELAXED);
}

static uint64_t latest(uint64_t *before, uint64_t now)
{
	/* Roles may have moved to another lcore, with what they had counted. */
	uint64_t n = now > *before ? now - *before : 0;

	*before = now;
	return n;
}

/* Of the roles that it holds now. */
static uint64_t busy_cycles(const struct lj_pipeline *p, const struct lcore *l)
{
	uint64_t cycles = 0;

	for (uint32_t i = 0; i < p->n_roles; i++)
		if (p->role[i]->holder == l->id)
			cycles += lj_counter_read(&p->role[i]->counters, LJ_C_cycles_busy);
	return cycles;
}

static bool finished(const struct lcore *l)
{
	for (uint32_t i = 0; i < l->n_roles + l->n_guests; i++)
		if (!atomic_load_explicit(&l->role[i]->finished, memory_order_relaxed))
			return false;
	return true;
}

/* The longest loop that ended since the latest look, or how long one has been going on that did
 * not: a stall of seconds is told while it lasts. */
static uint64_t away_ns(const struct lcore *l, struct lateness *e, const struct lj_histogram *now,
			uint64_t now_ns)
{
	struct lj_histogram since;
	bool looped = e->loops.count > 0;

	lj_histogram_since(&since, now, &e->loops);
	if (since.count > 0 || !looped || finished(l))
		e->silent_ns = 0;
	else
		e->silent_ns += now_ns - e->looked_ns;
	e->loops = *now;
	e->looked_ns = now_ns;
	return since.count > 0 ? RTE_MIN(since.max, now->max) : e->silent_ns;
}

static void look_at(struct lj_pipeline *p, struct lcore *l, uint64_t elapsed_tsc, uint64_t now_ns)
{
	struct lateness *e = &l->lateness;
	struct lj_histogram now;
	uint64_t busy = latest(&e->busy_cycles, busy_cycles(p, l));

	lj_histogram_init(&now);
	lj_histogram_add(&now, &l->loop_ns);
	e->latest.lcore = l->id;
	put(&e->latest.away_ns, away_ns(l, e, &now, now_ns));
	put(&e->latest.switches,
	    latest(&e->switches, __atomic_load_n(&l->involuntary_switches, __ATOMIC_RELAXED)));
	/* Two clocks were read one after the other. */
	busy = busy * 100 / RTE_MAX(elapsed_tsc, 1ULL);
	put(&e->latest.busy_percent, RTE_MIN(busy, 100ULL));
	if (e->latest.away_ns > e->longest_ns) {
		e->longest_ns = e->latest.away_ns;
		put(&e->longest_at_ns, now_ns);
	}
}

void late_look(struct lj_pipeline *p, uint64_t elapsed_tsc, uint64_t now_ns)
{
	for (uint32_t i = 0; i < p->n_lcores; i++)
		look_at(p, &p->lcore[i], elapsed_tsc, now_ns);
}

struct lj_late late_of(const struct lj_pipeline *p, enum lj_role_kind kind)
{
	struct lj_late late = {0};

	for (uint32_t i = 0; i < p->n_roles; i++) {
		const struct lj_late *of = &p->lcore[p->role[i]->holder - 1].lateness.latest;

		if (p->role[i]->kind == kind && (late.lcore == 0 || of->away_ns > late.away_ns))
			late = *of;
	}
	return late;
}
