#include <ctype.h>
#include <errno.h>
#include <glob.h>
#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config_table.h"
#include "lj_batch.h"
#include "lj_verdict.h"

#define MAX_CPU 1024

struct arguments {
	char **argv;
	int argc;
};

static void add(struct arguments *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void add(struct arguments *a, const char *fmt, ...)
{
	char text[4096];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	a->argv = realloc(a->argv, (a->argc + 2) * sizeof(*a->argv));
	a->argv[a->argc++] = strdup(text);
	a->argv[a->argc] = NULL;
}

void lj_config_eal_free(char **argv)
{
	if (argv == NULL)
		return;
	for (char **at = argv; *at != NULL; at++)
		free(*at);
	free(argv);
}

/* "0-3,8" into cpus[]; how many, or -errno. */
static int parse_cpus(const char *list, uint16_t cpus[MAX_CPU], const char *where,
		      struct lj_error *err)
{
	const char *at = list;
	int n = 0;

	for (;;) {
		char *end;
		unsigned long first = strtoul(at, &end, 10), last = first;

		if (!isdigit((unsigned char)*at))
			break;
		if (*end == '-' && isdigit((unsigned char)end[1]))
			last = strtoul(end + 1, &end, 10);
		if (last < first || last >= MAX_CPU || n + (last - first) >= MAX_CPU)
			break;
		while (first <= last)
			cpus[n++] = (uint16_t)first++;
		if (*end == '\0')
			return n;
		if (*end != ',')
			break;
		at = end + 1;
	}
	return lj_error_set(err, EINVAL, where, "\"%s\" is not a list of CPUs such as 0-3,8", list);
}

static void own_cpus(char *out, size_t size)
{
	cpu_set_t set;
	size_t used = 0;

	out[0] = '\0';
	CPU_ZERO(&set);
	sched_getaffinity(0, sizeof(set), &set);
	for (int cpu = 0; cpu < CPU_SETSIZE && used < size; cpu++)
		if (CPU_ISSET(cpu, &set))
			used += snprintf(out + used, size - used, "%s%d", used ? "," : "", cpu);
}

/* Adds the lcores first..first+n-1 to `out`: pinned when there is a CPU for each, otherwise
 * floating. */
static int place(char *out, size_t size, uint32_t first, uint32_t n, const char *list,
		 const char *where, struct lj_error *err)
{
	char own[LJ_CONFIG_TEXT * 4];
	uint16_t cpus[MAX_CPU];
	size_t used = strlen(out);
	int count = 0;

	own_cpus(own, sizeof(own));
	if (list[0] != '\0') {
		count = parse_cpus(list, cpus, where, err);
		if (count < 0)
			return count;
	}
	for (uint32_t i = 0; i < n && used < size; i++) {
		const char *comma = used > 0 ? "," : "";

		if (count == (int)n)
			used += snprintf(out + used, size - used, "%s%u@%u", comma, first + i,
					 cpus[i]);
		else
			used += snprintf(out + used, size - used, "%s%u@(%s)", comma, first + i,
					 count > 0 ? list : own);
	}
	return used < size ? 0 : lj_error_set(err, E2BIG, where, "too many lcores and CPUs");
}

static int place_lcores(const struct lj_config *c, char *out, size_t size, struct lj_error *err)
{
	uint32_t lcores = lj_config_role_lcores(c);
	uint32_t workers = c->lcores.workers + lj_config_spreads(c);
	int ret;

	out[0] = '\0';
	ret = place(out, size, 0, 1, c->lcores.main_cpus, "lcores.main_cpus", err);
	if (ret != 0)
		return ret;
	if (c->lcores.count > 0)
		return place(out, size, 1, lcores, c->lcores.worker_cpus, "lcores.worker_cpus",
			     err);
	ret = place(out, size, 1, workers, c->lcores.worker_cpus, "lcores.worker_cpus", err);
	if (ret != 0)
		return ret;
	ret = place(out, size, 1 + workers, c->lcores.infer, c->lcores.infer_cpus,
		    "lcores.infer_cpus", err);
	if (ret != 0)
		return ret;
	return place(out, size, 1 + workers + c->lcores.infer, 1, c->lcores.sink_cpus,
		     "lcores.sink_cpus", err);
}

static uint32_t free_hugepages_mb(void)
{
	uint64_t kib = 0;
	glob_t found;

	if (glob("/sys/kernel/mm/hugepages/hugepages-*kB", 0, NULL, &found) != 0)
		return 0;
	for (size_t i = 0; i < found.gl_pathc; i++) {
		const char *dash = strrchr(found.gl_pathv[i], '-');
		char path[256];
		unsigned long pages = 0;
		FILE *f;

		snprintf(path, sizeof(path), "%s/free_hugepages", found.gl_pathv[i]);
		f = fopen(path, "r");
		if (f == NULL)
			continue;
		if (fscanf(f, "%lu", &pages) == 1)
			kib += pages * strtoull(dash + 1, NULL, 10);
		fclose(f);
	}
	globfree(&found);
	return (uint32_t)(kib >> 10);
}

void lj_config_memory(const struct lj_config *c, struct lj_config_memory *m)
{
	const struct lj_host_config hosts = {.hosts = LJ_HOST_HOSTS};
	uint64_t workers = c->lcores.workers, infer = c->lcores.infer;

	memset(m, 0, sizeof(*m));
	m->flow_tables = lj_flow_memory(c->flow.capacity) * workers;
	m->hosts = lj_host_memory(&hosts) * infer;
	m->queues = workers * infer * c->queue.infer * sizeof(struct lj_due_flow) +
		    infer * c->queue.sink * lj_verdict_bytes(0) +
		    lj_config_spreads(c) * workers * c->queue.spread * sizeof(struct lj_packet);
	for (uint32_t i = 0; i < c->capture.n_ports; i++)
		m->mbufs += c->capture.port[i].mbufs *
			    (uint64_t)(sizeof(struct rte_mbuf) + RTE_MBUF_DEFAULT_BUF_SIZE);
	m->total = m->flow_tables + m->hosts + m->queues + m->mbufs;
	m->hugepages_mb_free = free_hugepages_mb();
	m->huge =
		c->eal.huge == LJ_HUGE_ON || (c->eal.huge == LJ_HUGE_AUTO && !lj_config_replay(c) &&
					      m->hugepages_mb_free >= (m->total >> 20) + 64);
}

static void add_devices(struct arguments *a, const struct lj_config *c)
{
	bool pci = false;

	for (uint32_t i = 0; i < c->capture.n_ports; i++) {
		const char *name = c->capture.port[i].name;
		char address[64];

		char spare[LJ_CONFIG_TEXT + 8];

		snprintf(spare, sizeof(spare), "auto:%s", c->capture.port[i].failover);
		if (lj_port_auto_pci(spare, address, sizeof(address))) {
			pci = true;
			add(a, "--allow=%s", address);
		}
		if (lj_port_auto_pci(name, address, sizeof(address))) {
			pci = true;
			add(a, "--allow=%s", address);
		} else if (lj_port_is_pci(name)) {
			pci = true;
			add(a, "--allow=%s", name);
		} else if (!lj_port_is_kernels(name)) {
			add(a, "--vdev=%s", name);
		}
	}
	if (!pci)
		add(a, "--no-pci");
}

char **lj_config_eal_args(const struct lj_config *c, int *argc, struct lj_error *err)
{
	struct arguments a = {0};
	struct lj_config_memory memory;
	char lcores[8192];

	if (place_lcores(c, lcores, sizeof(lcores), err) != 0)
		return NULL;
	lj_config_memory(c, &memory);
	add(&a, "linejudge");
	add(&a, "--lcores=%s", lcores);
	add(&a, "--main-lcore=0");
	if (c->eal.file_prefix[0] != '\0')
		add(&a, "--file-prefix=%s", c->eal.file_prefix);
	else if (lj_config_replay(c))
		add(&a, "--file-prefix=linejudge-%d", (int)getpid());
	else
		add(&a, "--file-prefix=linejudge");
	if (!memory.huge) {
		/* Without hugepages the flow tables take ordinary memory, outside of the EAL's. */
		uint64_t mb = c->eal.memory_mb > 0 ? c->eal.memory_mb
						   : 128 + ((memory.queues + memory.mbufs) >> 19);

		add(&a, "--no-huge");
		add(&a, "--no-shconf");
		add(&a, "-m%u", (unsigned int)mb);
	} else if (c->eal.memory_mb > 0) {
		add(&a, "-m%u", c->eal.memory_mb);
	}
	add_devices(&a, c);
	/* DPDK 22.11 warns of a legacy telemetry socket at every start; main raises the level once
	 * it is up. */
	add(&a, "--log-level=error");
	for (uint32_t i = 0; i < c->eal.args.n; i++)
		add(&a, "%s", c->eal.args.item[i]);
	*argc = a.argc;
	return a.argv;
}
