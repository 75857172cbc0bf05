#include <stdlib.h>
#include <string.h>

#include "doctor.h"
#include "lj_memory.h"

#define MIB (1ULL << 20)
#define GIB (1ULL << 30)

static bool has_pci(const struct lj_doctor *d)
{
	char address[DOCTOR_ADDRESS];

	for (uint32_t i = 0; i < d->config->capture.n_ports; i++)
		if (port_is_pci(&d->config->capture.port[i], address))
			return true;
	return false;
}

/* The NUMA node of the workers, or else of the first NIC. */
static uint32_t home_node(const struct lj_doctor *d)
{
	bool cpus[DOCTOR_CPUS];
	char address[DOCTOR_ADDRESS];

	parse_cpu_list(d->config->lcores.worker_cpus, cpus);
	for (uint32_t cpu = 0; cpu < DOCTOR_CPUS; cpu++)
		if (cpus[cpu])
			return cpu_node(d, cpu);
	for (uint32_t i = 0; i < d->config->capture.n_ports; i++)
		if (port_is_pci(&d->config->capture.port[i], address))
			return pci_node(d, address);
	return 0;
}

/* Packet buffers are on the NIC's node, the rest on the workers'. */
static void need_by_node(const struct lj_doctor *d, uint64_t need[DOCTOR_NODES])
{
	const struct lj_config *c = d->config;
	struct lj_config_memory m;
	uint32_t home = home_node(d);
	char address[DOCTOR_ADDRESS];

	lj_config_memory(c, &m);
	memset(need, 0, DOCTOR_NODES * sizeof(need[0]));
	need[home] = m.total - m.mbufs + 64 * MIB;
	for (uint32_t i = 0; i < c->capture.n_ports; i++) {
		bool pci = port_is_pci(&c->capture.port[i], address);

		need[pci ? pci_node(d, address) : home] += m.mbufs / c->capture.n_ports;
	}
}

static uint64_t free_bytes(const struct lj_doctor *d, uint32_t node)
{
	static const uint32_t sizes_kb[] = {2048, 1048576};
	uint64_t bytes = 0;

	for (size_t i = 0; i < RTE_DIM(sizes_kb); i++) {
		long pages = read_number(d, -1,
					 "/sys/devices/system/node/node%u/hugepages/"
					 "hugepages-%ukB/free_hugepages",
					 node, sizes_kb[i]);

		if (pages < 0 && node == 0)
			pages = read_number(
				d, 0, "/sys/kernel/mm/hugepages/hugepages-%ukB/free_hugepages",
				sizes_kb[i]);
		bytes += (uint64_t)RTE_MAX(pages, 0) * sizes_kb[i] * 1024;
	}
	return bytes;
}

static long read_pages(const struct lj_doctor *d, uint32_t node, uint32_t kb)
{
	return read_number(d, 0,
			   "/sys/devices/system/node/node%u/hugepages/hugepages-%ukB/nr_hugepages",
			   node, kb);
}

/* The node's share; if the node has only 1 GiB pages, rounded up to these. */
static uint64_t in_its_pages(const struct lj_doctor *d, uint32_t node, uint64_t need)
{
	struct lj_config_memory m;

	if (read_pages(d, node, 1048576) == 0 || read_pages(d, node, 2048) > 0)
		return need;
	lj_config_memory(d->config, &m);
	return node == home_node(d) ? m.hugepages_1g * GIB : RTE_ALIGN_CEIL(need, GIB);
}

/* The number of 2 MiB pages to configure: the existing ones, free or not, and those that are
 * lacking. */
static uint64_t pages_to_ask(const struct lj_doctor *d, uint32_t node, uint64_t lacking)
{
	return (uint64_t)RTE_MAX(read_pages(d, node, 2048), 0) + lacking / (2 * MIB) + 1;
}

/* Hugepages held by files of killed processes; the EAL frees them before it allocates. */
static uint64_t stale_bytes(const struct lj_doctor *d)
{
	struct lj_stale_files stale[LJ_STALE_MOUNTS];
	uint32_t mounts = lj_memory_stale_files(d->root, stale, RTE_DIM(stale));
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < mounts; i++)
		bytes += stale[i].bytes;
	return bytes;
}

void examine_hugepages(struct lj_doctor *d)
{
	uint32_t huge = d->config->eal.huge;
	enum lj_severity lacking = huge == LJ_HUGE_ON ? LJ_FATAL
				   : has_pci(d)	      ? LJ_WARNING
						      : LJ_NOTE;
	uint64_t need[DOCTOR_NODES], stale;
	char subject[32];

	if (lj_config_replay(d->config) || huge == LJ_HUGE_OFF) {
		finding(d, LJ_NOTE, "hugepages", "all nodes", "not used by this configuration");
		return;
	}
	need_by_node(d, need);
	stale = stale_bytes(d);
	for (uint32_t node = 0; node < DOCTOR_NODES; node++) {
		uint64_t have = free_bytes(d, node), taken = 0;

		if (need[node] == 0)
			continue;
		need[node] = in_its_pages(d, node, need[node]);
		if (have < need[node] && need[node] - have <= stale)
			taken = need[node] - have;
		stale -= taken;
		snprintf(subject, sizeof(subject), "node %u", node);
		if (have + taken >= need[node])
			finding(d, LJ_FINE, "hugepages", subject, "%llu MiB free%s, %llu needed",
				(unsigned long long)(have / MIB),
				taken > 0 ? " and those of stale files, which are freed at start"
					  : "",
				(unsigned long long)(need[node] / MIB));
		else
			finding(d, lacking, "hugepages", subject,
				"%llu MiB free, %llu needed\necho %llu > "
				"/sys/devices/system/node/node%u/hugepages/hugepages-2048kB/"
				"nr_hugepages (or hugepagesz=1G hugepages=N on the kernel's "
				"command line)",
				(unsigned long long)(have / MIB),
				(unsigned long long)(need[node] / MIB),
				(unsigned long long)pages_to_ask(d, node, need[node] - have), node);
	}
}

/* Without hugepages all memory is ordinary. The kernel overcommits it, and kills the process when
 * it touches more than there is: for packet buffers at start, for tables as they fill. */
void examine_memory(struct lj_doctor *d)
{
	char limit[256], raise[320] = "";
	uint64_t have = lj_memory_available(d->root, limit, sizeof(limit));
	const char *where = limit[0] != '\0' ? " in its cgroup" : "";
	struct lj_config_memory m;

	lj_config_memory(d->config, &m);
	if (lj_config_replay(d->config) || m.huge || have == UINT64_MAX)
		return;
	if (limit[0] != '\0')
		snprintf(raise, sizeof(raise), ", or raise %s (MemoryMax= of a unit)", limit);
	if (m.mbufs > have)
		finding(d, LJ_FATAL, "memory", "packet buffers",
			"%llu MiB needed, %llu available%s: the kernel would kill linejudge\n"
			"lower mbufs of capture.ports%s",
			(unsigned long long)(m.mbufs / MIB), (unsigned long long)(have / MIB),
			where, raise);
	else if (m.total > have)
		finding(d, LJ_WARNING, "memory", "all",
			"%llu MiB needed once tables are full, %llu available%s: the kernel would "
			"kill linejudge then\nlower flow.capacity (flow tables have %llu MiB of "
			"it)%s",
			(unsigned long long)(m.total / MIB), (unsigned long long)(have / MIB),
			where, (unsigned long long)(m.flow_tables / MIB), raise);
	else
		finding(d, LJ_FINE, "memory", "all", "%llu MiB available%s, %llu needed",
			(unsigned long long)(have / MIB), where,
			(unsigned long long)(m.total / MIB));
}

void examine_stale_files(struct lj_doctor *d)
{
	struct lj_stale_files stale[LJ_STALE_MOUNTS];
	uint32_t mounts = lj_memory_stale_files(d->root, stale, RTE_DIM(stale));

	for (uint32_t i = 0; i < mounts; i++)
		if (stale[i].files > 0)
			finding(d, LJ_WARNING, "stale files", stale[i].mount,
				"%u hugepage files of %llu MiB that no process uses\nrm %s/*map_* "
				"after every DPDK program has ended",
				stale[i].files, (unsigned long long)(stale[i].bytes / MIB),
				stale[i].mount);
		else
			finding(d, LJ_FINE, "stale files", stale[i].mount, "none");
	if (mounts == 0 && has_pci(d))
		finding(d, d->config->eal.huge == LJ_HUGE_ON ? LJ_FATAL : LJ_WARNING, "hugepages",
			"hugetlbfs", "is not mounted\nmount -t hugetlbfs none /dev/hugepages");
}
