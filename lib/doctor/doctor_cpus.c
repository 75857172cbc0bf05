#include <string.h>

#include "doctor.h"

/* Lists those of `cpus` for which `good` is false, as "2,3,8". Returns their number. */
static uint32_t list_others(const bool cpus[DOCTOR_CPUS], const bool good[DOCTOR_CPUS], char *out,
			    size_t size)
{
	uint32_t n = 0;
	size_t used = 0;

	out[0] = '\0';
	for (uint32_t cpu = 0; cpu < DOCTOR_CPUS; cpu++) {
		if (!cpus[cpu] || good[cpu])
			continue;
		n++;
		if (used < size)
			used += (size_t)snprintf(out + used, size - used, "%s%u",
						 used > 0 ? "," : "", cpu);
	}
	return n;
}

/* Lcores that busy-poll: other work on their CPUs costs packets or latency. */
struct pollers {
	const char *who, *key;
	uint32_t lcores;
	bool cpus[DOCTOR_CPUS];
	uint32_t n_cpus;
};

/* The list of all CPUs to be isolated: those of the workers and of the inference lcores. */
static void join_lists(const struct lj_config *c, char *out, size_t size)
{
	const char *infer = c->lcores.count == 0 ? c->lcores.infer_cpus : "";

	snprintf(out, size, "%s%s%s", c->lcores.worker_cpus, infer[0] != '\0' ? "," : "", infer);
}

static void examine_isolation(struct lj_doctor *d, const struct pollers *p)
{
	char text[256], others[128], all[2 * LJ_CONFIG_TEXT];
	bool isolated[DOCTOR_CPUS];

	read_text(d, text, sizeof(text), "/sys/devices/system/cpu/isolated");
	parse_cpu_list(text, isolated);
	join_lists(d->config, all, sizeof(all));
	if (list_others(p->cpus, isolated, others, sizeof(others)) == 0)
		finding(d, LJ_FINE, "isolation", p->who, "their CPUs are isolated");
	else
		finding(d, LJ_WARNING, "isolation", p->who,
			"the scheduler may put other work on CPU %s\nisolcpus=%s nohz_full=%s "
			"rcu_nocbs=%s on the kernel's command line",
			others, all, all, all);
}

static void examine_governor(struct lj_doctor *d, const struct pollers *p)
{
	bool good[DOCTOR_CPUS], known = false;
	char text[64], others[128];

	for (uint32_t cpu = 0; cpu < DOCTOR_CPUS; cpu++) {
		good[cpu] = true;
		if (!p->cpus[cpu] ||
		    !read_text(d, text, sizeof(text),
			       "/sys/devices/system/cpu/cpu%u/cpufreq/scaling_governor", cpu))
			continue;
		known = true;
		good[cpu] = strcmp(text, "performance") == 0;
	}
	if (!known)
		finding(d, LJ_NOTE, "governor", p->who,
			"no cpufreq here: a virtual machine, or the firmware decides");
	else if (list_others(p->cpus, good, others, sizeof(others)) == 0)
		finding(d, LJ_FINE, "governor", p->who, "performance");
	else
		finding(d, LJ_WARNING, "governor", p->who,
			"not performance on CPU %s\ncpupower -c %s frequency-set -g performance",
			others, others);
}

static void examine_pollers(struct lj_doctor *d, const struct pollers *p)
{
	for (uint32_t cpu = 0; cpu < DOCTOR_CPUS; cpu++) {
		if (!p->cpus[cpu])
			continue;
		if (!exists(d, "/sys/devices/system/cpu/cpu%u", cpu))
			finding(d, LJ_FATAL, "cpus", p->who,
				"CPU %u does not exist\nset %s to existing CPUs", cpu, p->key);
		else if (read_number(d, 1, "/sys/devices/system/cpu/cpu%u/online", cpu) == 0)
			finding(d, LJ_FATAL, "cpus", p->who,
				"CPU %u is offline\nset %s to CPUs that are online, or echo 1 > "
				"/sys/devices/system/cpu/cpu%u/online",
				cpu, p->key, cpu);
	}
	if (p->n_cpus < p->lcores)
		finding(d, LJ_WARNING, "cpus", p->who,
			"%u lcores share %u CPUs\nname as many CPUs in %s as there are "
			"lcores (--dry-run lists them)",
			p->lcores, p->n_cpus, p->key);
	examine_isolation(d, p);
	examine_governor(d, p);
}

/* Two polling lcores on one CPU alternate by the scheduler's time slices. */
static void examine_overlap(struct lj_doctor *d, const struct pollers *a, const struct pollers *b)
{
	bool apart[DOCTOR_CPUS];
	char shared[128];

	for (uint32_t cpu = 0; cpu < DOCTOR_CPUS; cpu++)
		apart[cpu] = !b->cpus[cpu];
	if (list_others(a->cpus, apart, shared, sizeof(shared)) > 0)
		finding(d, LJ_WARNING, "cpus", a->who,
			"CPU %s is also used by %s\nset %s to other CPUs, or set lcores.count to "
			"run both on the same lcores",
			shared, b->who, b->key);
}

static void examine_node(struct lj_doctor *d, const struct lj_config_port *port,
			 const char *address, const bool cpus[DOCTOR_CPUS])
{
	uint32_t node = pci_node(d, address), far;
	char others[128];
	bool near[DOCTOR_CPUS];

	for (uint32_t cpu = 0; cpu < DOCTOR_CPUS; cpu++)
		near[cpu] = !cpus[cpu] || cpu_node(d, cpu) == node;
	far = list_others(cpus, near, others, sizeof(others));
	if (far == 0)
		finding(d, LJ_FINE, "numa", port->name, "on node %u, as the workers", node);
	else
		finding(d, LJ_WARNING, "numa", port->name,
			"on node %u, but CPU %s is on another: each packet crosses the "
			"interconnect\nset lcores.worker_cpus to CPUs of node %u "
			"(/sys/devices/system/node/node%u/cpulist)",
			node, others, node, node);
}

static void describe(struct pollers *p, const char *who, const char *key, const char *list,
		     uint32_t lcores)
{
	*p = (struct pollers){.who = who, .key = key, .lcores = lcores};
	p->n_cpus = parse_cpu_list(list, p->cpus);
}

void examine_cpus(struct lj_doctor *d)
{
	const struct lj_config *c = d->config;
	struct pollers workers, infer, sink;
	char address[DOCTOR_ADDRESS];
	bool pci = false;

	for (uint32_t i = 0; i < c->capture.n_ports; i++)
		pci = pci || port_is_pci(&c->capture.port[i], address);
	if (c->lcores.worker_cpus[0] == '\0') {
		finding(d, pci ? LJ_WARNING : LJ_NOTE, "isolation", "workers",
			"have no dedicated CPUs\nset lcores.worker_cpus to as many CPUs as "
			"there are workers");
		return;
	}
	describe(&workers, "workers", "lcores.worker_cpus", c->lcores.worker_cpus,
		 c->lcores.count > 0 ? lj_config_role_lcores(c)
				     : c->lcores.workers + lj_config_spreads(c));
	examine_pollers(d, &workers);
	if (c->lcores.count == 0 && c->lcores.infer_cpus[0] != '\0') {
		describe(&infer, "inference", "lcores.infer_cpus", c->lcores.infer_cpus,
			 c->lcores.infer);
		examine_pollers(d, &infer);
		examine_overlap(d, &workers, &infer);
	}
	if (c->lcores.count == 0 && c->lcores.sink_cpus[0] != '\0') {
		describe(&sink, "the sink", "lcores.sink_cpus", c->lcores.sink_cpus, 1);
		examine_overlap(d, &workers, &sink);
	}
	for (uint32_t i = 0; i < c->capture.n_ports; i++)
		if (port_is_pci(&c->capture.port[i], address))
			examine_node(d, &c->capture.port[i], address, workers.cpus);
}
