#include <errno.h>
#include <glob.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config_table.h"
#include "lj_batch.h"
#include "lj_memory.h"
#include "lj_verdict.h"

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

static unsigned long read_pages(const char *folder, const char *name)
{
	unsigned long pages = 0;
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "r");
	if (f == NULL)
		return 0;
	if (fscanf(f, "%lu", &pages) != 1)
		pages = 0;
	fclose(f);
	return pages;
}

#define PAGES "/sys/kernel/mm/hugepages/hugepages-"

static uint32_t free_hugepages_mb(void)
{
	uint64_t kib = 0;
	glob_t found;

	if (glob(PAGES "*kB", 0, NULL, &found) != 0)
		return 0;
	for (size_t i = 0; i < found.gl_pathc; i++)
		kib += read_pages(found.gl_pathv[i], "free_hugepages") *
		       strtoull(strrchr(found.gl_pathv[i], '-') + 1, NULL, 10);
	globfree(&found);
	return (uint32_t)(kib >> 10);
}

static bool has_only_1g(void)
{
	return read_pages(PAGES "1048576kB", "nr_hugepages") > 0 &&
	       read_pages(PAGES "2048kB", "nr_hugepages") == 0;
}

/* Hugepages held by files of terminated processes; the EAL frees them when it starts. */
static uint32_t stale_hugepages_mb(void)
{
	struct lj_stale_files stale[LJ_STALE_MOUNTS];
	uint32_t mounts = lj_memory_stale_files("", stale, RTE_DIM(stale));
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < mounts; i++)
		bytes += stale[i].bytes;
	return (uint32_t)(bytes >> 20);
}

#define BESIDE_PLAN (64ULL << 20) /* what the EAL needs beyond the plan */

/* Features assumed per model, since models have not been opened yet. */
#define MODEL_FEATURES 128

/*
 * Number of 1 GB pages. The EAL allocates new pages for anything larger than its largest free
 * block, so a table larger than a page never starts in the rest of a page. Smaller allocations fill
 * pages up, together with the EAL's own.
 */
static uint32_t count_1g(const struct lj_config *c, const struct lj_config_memory *m)
{
	uint64_t page = 1ULL << 30, table = lj_flow_memory(c->flow.capacity), pages;
	uint64_t rest = m->total - m->flow_tables + BESIDE_PLAN;

	if (m->total + BESIDE_PLAN <= page)
		return 1;
	if (table >= page)
		pages = c->lcores.workers * ((table + page - 1) / page);
	else
		pages = (c->lcores.workers + page / table - 1) / (page / table);
	return (uint32_t)(pages + (rest + page - 1) / page);
}

void lj_config_memory(const struct lj_config *c, struct lj_config_memory *m)
{
	const struct lj_host_config hosts = {.hosts = LJ_HOST_HOSTS};
	uint64_t workers = c->lcores.workers, infer = c->lcores.infer;

	memset(m, 0, sizeof(*m));
	m->flow_tables = lj_flow_memory(c->flow.capacity) * workers;
	m->hosts = lj_host_memory(&hosts) * infer;
	m->queues = workers * infer * c->queue.infer * sizeof(struct lj_due_flow) +
		    infer * c->queue.sink * lj_verdict_bytes(0, c->models.n * MODEL_FEATURES) +
		    lj_config_spreads(c) * workers * c->queue.spread * sizeof(struct lj_packet);
	for (uint32_t i = 0; i < c->capture.n_ports; i++)
		m->mbufs += c->capture.port[i].mbufs *
			    (uint64_t)(sizeof(struct rte_mbuf) + RTE_MBUF_DEFAULT_BUF_SIZE);
	m->total = m->flow_tables + m->hosts + m->queues + m->mbufs;
	m->hugepages_1g = count_1g(c, m);
	m->hugepages_mb_needed = (uint32_t)(has_only_1g() ? m->hugepages_1g * 1024ULL
							  : (m->total + BESIDE_PLAN) >> 20);
	m->hugepages_mb_free = free_hugepages_mb();
	if (c->eal.huge != LJ_HUGE_OFF && !lj_config_replay(c))
		m->hugepages_mb_free += stale_hugepages_mb();
	m->huge =
		c->eal.huge == LJ_HUGE_ON || (c->eal.huge == LJ_HUGE_AUTO && !lj_config_replay(c) &&
					      m->hugepages_mb_free >= m->hugepages_mb_needed);
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

	if (config_place_lcores(c, lcores, sizeof(lcores), err) != 0)
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
		/* Without hugepages, flow tables and queues use ordinary memory outside the EAL's.
		 * The EAL's heap costs nothing until it is touched, so it is sized generously: the
		 * pools of many ports take more than their mbufs. */
		uint64_t mb = c->eal.memory_mb > 0 ? c->eal.memory_mb
						   : 128 + ((memory.queues + memory.mbufs) >> 19);

		add(&a, "--no-huge");
		add(&a, "--no-shconf");
		add(&a, "-m%u", (unsigned int)mb);
	} else if (c->eal.memory_mb > 0) {
		add(&a, "-m%u", c->eal.memory_mb);
	}
	add_devices(&a, c);
	/* DPDK 22.11 warns about a legacy telemetry socket at every start; main raises the level
	 * after rte_eal_init(). */
	add(&a, "--log-level=error");
	for (uint32_t i = 0; i < c->eal.args.n; i++)
		add(&a, "%s", c->eal.args.item[i]);
	*argc = a.argc;
	return a.argv;
}
