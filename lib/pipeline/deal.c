/* Which lcore has which roles at the start. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pipeline.h"

/* Where inference lcores may be parked, each has to know the others' roles. */
static void introduce_guests(struct lj_pipeline *p)
{
	for (uint32_t i = 0; i < p->config->lcores.infer; i++) {
		struct lcore *l = &p->lcore[p->inferrer[i]->role.lcore - 1];

		for (uint32_t k = 0; k < p->config->lcores.infer; k++)
			if (k != i)
				l->role[l->n_roles + l->n_guests++] = &p->inferrer[k]->role;
	}
}

int deal_roles(struct lj_pipeline *p, struct lj_error *err)
{
	p->n_lcores = lj_config_role_lcores(p->config);
	if (posix_memalign((void **)&p->lcore, 128, p->n_lcores * sizeof(*p->lcore)) != 0)
		return lj_error_set(err, ENOMEM, "lcores", "not enough memory");
	memset(p->lcore, 0, p->n_lcores * sizeof(*p->lcore));
	for (uint32_t i = 0; i < p->n_lcores; i++) {
		lj_histogram_init(&p->lcore[i].loop_ns);
		lj_histogram_init(&p->lcore[i].lateness.loops);
		p->lcore[i].id = i + 1;
		p->lcore[i].idle = (enum lj_idle_mode)p->config->idle.mode;
		p->lcore[i].max_sleep_ns = p->config->idle.max_sleep_us * 1000ULL;
	}
	for (uint32_t i = 0; i < p->n_roles; i++) {
		struct lcore *l = &p->lcore[p->role[i]->lcore - 1];

		l->role[l->n_roles++] = p->role[i];
		p->role[i]->wanted = l->id;
		p->role[i]->holder = l->id;
	}
	if (p->hold.slo.min_lcores < p->hold.slo.max_lcores)
		introduce_guests(p);
	return 0;
}
