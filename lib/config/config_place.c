/* Assigns CPUs, and so NUMA nodes, to lcores. */
#include <ctype.h>
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config_table.h"

#define MAX_CPU	 1024
#define MAX_NODE 64

/* Lcores first .. first + n - 1, which share the CPU list of one key. */
struct section {
	uint32_t first, n;
	const char *list, *key;
};
#define SECTIONS 4

/* Parses "0-3,8" into cpus[]. Returns the number of CPUs or -errno. */
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

/* The CPUs of a section, or those of the process if it has no list. Returns their number or
 * -errno. */
static int section_cpus(const struct section *s, uint16_t cpus[MAX_CPU], struct lj_error *err)
{
	cpu_set_t set;
	int n = 0;

	if (s->list[0] != '\0')
		return parse_cpus(s->list, cpus, s->key, err);
	CPU_ZERO(&set);
	sched_getaffinity(0, sizeof(set), &set);
	for (uint16_t cpu = 0; cpu < RTE_MIN(CPU_SETSIZE, MAX_CPU); cpu++)
		if (CPU_ISSET(cpu, &set))
			cpus[n++] = cpu;
	return n;
}

/* Whether each lcore of the section is pinned to one CPU; otherwise all share all of the CPUs. */
static bool is_pinned(const struct section *s, int n_cpus)
{
	return s->list[0] != '\0' && n_cpus == (int)s->n;
}

static uint32_t sections_of(const struct lj_config *c, struct section s[SECTIONS])
{
	uint32_t workers = c->lcores.workers + lj_config_spreads(c);

	s[0] = (struct section){0, 1, c->lcores.main_cpus, "lcores.main_cpus"};
	if (c->lcores.count > 0) {
		s[1] = (struct section){1, lj_config_role_lcores(c), c->lcores.worker_cpus,
					"lcores.worker_cpus"};
		return 2;
	}
	s[1] = (struct section){1, workers, c->lcores.worker_cpus, "lcores.worker_cpus"};
	s[2] = (struct section){1 + workers, c->lcores.infer, c->lcores.infer_cpus,
				"lcores.infer_cpus"};
	s[3] = (struct section){1 + workers + c->lcores.infer, 1, c->lcores.sink_cpus,
				"lcores.sink_cpus"};
	return SECTIONS;
}

/* Appends the section's lcores to `out`. */
static int place(const struct section *s, char *out, size_t size, struct lj_error *err)
{
	char all[LJ_CONFIG_TEXT * 4];
	uint16_t cpus[MAX_CPU];
	size_t used = strlen(out), length = 0;
	int count = section_cpus(s, cpus, err);

	if (count < 0)
		return count;
	for (int i = 0; i < count && length < sizeof(all); i++)
		length += (size_t)snprintf(all + length, sizeof(all) - length, "%s%u",
					   i > 0 ? "," : "", cpus[i]);
	for (uint32_t i = 0; i < s->n && used < size; i++) {
		const char *comma = used > 0 ? "," : "";

		if (is_pinned(s, count))
			used += (size_t)snprintf(out + used, size - used, "%s%u@%u", comma,
						 s->first + i, cpus[i]);
		else
			used += (size_t)snprintf(out + used, size - used, "%s%u@(%s)", comma,
						 s->first + i, s->list[0] != '\0' ? s->list : all);
	}
	return used < size ? 0 : lj_error_set(err, E2BIG, s->key, "too many lcores and CPUs");
}

int config_place_lcores(const struct lj_config *c, char *out, size_t size, struct lj_error *err)
{
	struct section s[SECTIONS];
	uint32_t n = sections_of(c, s);
	int ret = 0;

	out[0] = '\0';
	for (uint32_t i = 0; i < n && ret == 0; i++)
		ret = place(&s[i], out, size, err);
	return ret;
}

static int node_of_cpu(uint16_t cpu)
{
	for (int node = 0; node < MAX_NODE; node++) {
		char path[96];

		snprintf(path, sizeof(path), "/sys/devices/system/node/node%d/cpu%u", node, cpu);
		if (access(path, F_OK) == 0)
			return node;
	}
	return 0;
}

/* The NUMA node of all of these CPUs; -1 if there are several. */
static int common_node(const uint16_t *cpus, int n)
{
	int node = n > 0 ? node_of_cpu(cpus[0]) : -1;

	for (int i = 1; i < n; i++)
		if (node_of_cpu(cpus[i]) != node)
			return -1;
	return node;
}

int lj_config_lcore_node(const struct lj_config *c, uint32_t lcore)
{
	struct section s[SECTIONS];
	uint32_t n = sections_of(c, s);
	uint16_t cpus[MAX_CPU];

	for (uint32_t i = 0; i < n; i++) {
		uint32_t at = lcore - s[i].first;
		int count;

		if (lcore < s[i].first || at >= s[i].n)
			continue;
		count = section_cpus(&s[i], cpus, NULL);
		return is_pinned(&s[i], count) ? node_of_cpu(cpus[at]) : common_node(cpus, count);
	}
	return -1;
}

/* Whether the scheduler allows our threads on at least one of these CPUs. */
static bool may_run(const uint16_t *cpus, int n)
{
	cpu_set_t set, before;
	bool may;

	CPU_ZERO(&set);
	for (int i = 0; i < n; i++)
		CPU_SET(cpus[i], &set);
	if (sched_getaffinity(0, sizeof(before), &before) != 0)
		return true;
	may = sched_setaffinity(0, sizeof(set), &set) == 0;
	sched_setaffinity(0, sizeof(before), &before);
	return may;
}

/* Refuses what the EAL would panic on: an lcore whose CPUs are all offline, or outside the cpuset
 * of the container or of the unit's AllowedCPUs=. */
static int check_may_run(const struct section *s, const uint16_t *cpus, int n, struct lj_error *err)
{
	int at_once = is_pinned(s, n) ? 1 : n;

	for (int i = 0; i < n && s->list[0] != '\0'; i += at_once) {
		char one[8];

		if (may_run(&cpus[i], at_once))
			continue;
		snprintf(one, sizeof(one), "%u", cpus[i]);
		return lj_error_set(err, EINVAL, s->key,
				    "CPU %s is offline, or not in the cpuset of this process (a "
				    "container's, or AllowedCPUs= of a unit)",
				    at_once == 1 ? one : s->list);
	}
	return 0;
}

int lj_config_check_cpus(const struct lj_config *c, struct lj_error *err)
{
	struct section s[SECTIONS];
	uint32_t n = sections_of(c, s);

	for (uint32_t i = 0; i < n; i++) {
		uint16_t cpus[MAX_CPU];
		int count = section_cpus(&s[i], cpus, err);

		if (count < 0)
			return count;
		for (int k = 0; k < count; k++) {
			char path[64];

			snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u", cpus[k]);
			if (access(path, F_OK) != 0)
				return lj_error_set(err, ENODEV, s[i].key, "there is no CPU %u",
						    cpus[k]);
		}
		count = check_may_run(&s[i], cpus, count, err);
		if (count < 0)
			return count;
	}
	return 0;
}
