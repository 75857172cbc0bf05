#include "dry_run.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* The CPUs of an lcore, as "--lcores=0@(0,1),1@3" places it: "0,1". */
static void print_cpus(char **argv, uint32_t lcore)
{
	char placed[16];
	const char *at;

	while (strncmp(*argv, "--lcores=", 9) != 0)
		argv++;
	/* Within parentheses no number stands before an @. */
	snprintf(placed, sizeof(placed), "%c%u@", lcore == 0 ? '=' : ',', lcore);
	at = strstr(*argv, placed) + strlen(placed);
	if (*at == '(')
		printf("%.*s", (int)strcspn(at + 1, ")"), at + 1);
	else
		printf("%.*s", (int)strcspn(at, ","), at);
}

static void print_role(const struct lj_config *c, uint32_t i)
{
	uint32_t spread = lj_config_spreads(c), workers = c->lcores.workers;

	if (i < spread)
		printf("spread\n");
	else if ((i -= spread) < workers)
		printf("worker%u\n", i);
	else if ((i -= workers) < c->lcores.infer)
		printf("infer%u\n", i);
	else
		printf("sink\n");
}

static void print_memory(const struct lj_config *c)
{
	static const double mib = 1 << 20;
	struct lj_config_memory m;

	lj_config_memory(c, &m);
	printf("memory: flow tables %.1f MiB, hosts %.1f MiB, queues %.1f MiB, packet buffers %.1f "
	       "MiB, in all %.1f MiB\nhugepages: %s (%u MiB free)\n",
	       (double)m.flow_tables / mib, (double)m.hosts / mib, (double)m.queues / mib,
	       (double)m.mbufs / mib, (double)m.total / mib, m.huge ? "used" : "not used",
	       m.hugepages_mb_free);
}

int dry_run(const struct lj_config *c, struct lj_error *err)
{
	uint32_t roles = lj_config_roles(c, lj_config_spreads(c));
	uint32_t lcores = lj_config_role_lcores(c);
	int argc;
	char **argv = lj_config_eal_args(c, &argc, err);

	if (argv == NULL)
		return -EINVAL;
	printf("EAL arguments:");
	for (int i = 1; i < argc; i++)
		printf(" %s", argv[i]);
	printf("\nlcore 0 on CPU ");
	print_cpus(argv, 0);
	printf(": main (management)\n");
	for (uint32_t i = 0; i < roles; i++) {
		printf("lcore %u on CPU ", 1 + i % lcores);
		print_cpus(argv, 1 + i % lcores);
		printf(": ");
		print_role(c, i);
	}
	print_memory(c);
	lj_config_eal_free(argv);
	return 0;
}
