#include "dry_run.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lj_memory.h"
#include "lj_pipeline.h"

/* Whether a model or the feature table needs host context; of models only the manifests are
 * read. */
static int needs_hosts(const struct lj_config *c, bool *hosts, struct lj_error *err)
{
	uint32_t all = 0, keep;

	for (uint32_t i = 0; i < c->models.n; i++) {
		int ret = lj_model_keep(c->models.item[i], &keep, err);

		if (ret != 0)
			return ret;
		all |= keep;
	}
	if (c->features.csv[0] != '\0') {
		struct lj_feature_plan *plan = lj_feature_plan_set(c->features.set, err);

		if (plan == NULL)
			return -EINVAL;
		all |= lj_feature_plan_keep(plan);
		lj_feature_plan_destroy(plan);
	}
	*hosts = (all & LJ_KEEP_HOST) != 0;
	return 0;
}

/* Prints the CPUs of an lcore, found in the EAL argument "--lcores=0@(0,1),1@3": "0,1" for 0. */
static void print_cpus(char **argv, uint32_t lcore)
{
	char placed[16];
	const char *at;

	while (strncmp(*argv, "--lcores=", 9) != 0)
		argv++;
	/* Inside parentheses no number is followed by @, so this finds the lcore. */
	snprintf(placed, sizeof(placed), "%c%u@", lcore == 0 ? '=' : ',', lcore);
	at = strstr(*argv, placed) + strlen(placed);
	if (*at == '(')
		printf("%.*s", (int)strcspn(at + 1, ")"), at + 1);
	else
		printf("%.*s", (int)strcspn(at, ","), at);
}

static void print_role(const struct lj_config *c, uint32_t role, char **argv,
		       const struct lj_route *routes)
{
	uint32_t lcore = lj_config_role_lcore(c, role), spread = lj_config_spreads(c);
	uint32_t workers = c->lcores.workers, at = role - spread;
	int node = lj_config_lcore_node(c, lcore);
	char to[256];

	printf("lcore %u on CPU ", lcore);
	print_cpus(argv, lcore);
	printf(": ");
	if (role < spread)
		printf("spread");
	else if (at < workers)
		printf("worker%u", at);
	else if (at - workers < c->lcores.infer)
		printf("infer%u", at - workers);
	else
		printf("sink");
	if (node >= 0)
		printf(", node %d", node);
	if (role >= spread && at < workers) {
		lj_route_text(&routes[at], to, sizeof(to));
		printf(", flows: %s", to);
	}
	printf("\n");
}

static const double mib = 1 << 20;

/* Prints the available memory, computed as in doctor. */
static void print_available(const struct lj_config_memory *m)
{
	char limit[256];
	uint64_t have = lj_memory_available("", limit, sizeof(limit));

	if (m->huge || have == UINT64_MAX)
		return;
	printf("ordinary memory: %.1f MiB available%s%s, which %s\n", (double)have / mib,
	       limit[0] != '\0' ? " by " : "", limit,
	       m->mbufs > have	 ? "are too few for the packet buffers"
	       : m->total > have ? "are too few once tables are full"
				 : "hold it all");
}

static void print_memory(const struct lj_config *c)
{
	struct lj_config_memory m;
	char needed[64] = "";

	lj_config_memory(c, &m);
	if (!lj_config_replay(c) && c->eal.huge != LJ_HUGE_OFF)
		snprintf(needed, sizeof(needed), ", %u needed%s", m.hugepages_mb_needed,
			 m.hugepages_mb_needed > m.hugepages_mb_free ? ": too few" : "");
	printf("memory: flow tables %.1f MiB, hosts %.1f MiB, queues %.1f MiB, packet buffers %.1f "
	       "MiB, in all %.1f MiB\n",
	       (double)m.flow_tables / mib, (double)m.hosts / mib, (double)m.queues / mib,
	       (double)m.mbufs / mib, (double)m.total / mib);
	print_available(&m);
	printf("hugepages: %s (%u MiB free%s), of 1 GiB: %u\n", m.huge ? "used" : "not used",
	       m.hugepages_mb_free, needed, m.hugepages_1g);
}

int dry_run(const struct lj_config *c, struct lj_error *err)
{
	struct lj_route routes[LJ_ROUTE_MAX];
	bool hosts;
	int argc, ret = needs_hosts(c, &hosts, err);
	char **argv = ret == 0 ? lj_config_eal_args(c, &argc, err) : NULL;

	if (argv == NULL)
		return -EINVAL;
	printf("EAL arguments:");
	for (int i = 1; i < argc; i++)
		printf(" %s", argv[i]);
	lj_pipeline_routes(c, hosts, routes);
	printf("\nlcore 0 on CPU ");
	print_cpus(argv, 0);
	printf(": main (management)\n");
	for (uint32_t role = 0; role < lj_config_roles(c, lj_config_spreads(c)); role++)
		print_role(c, role, argv, routes);
	print_memory(c);
	lj_config_eal_free(argv);
	return 0;
}
