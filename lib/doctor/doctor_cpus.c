#include <string.h>

#include "doctor.h"

/* Those of `cpus` for which `good` is false, as "2,3,8". */
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

static void examine_isolation(struct lj_doctor *d, const bool cpus[DOCTOR_CPUS])
{
	bool isolated[DOCTOR_CPUS];
	char text[256], others[128];

	read_text(d, text, sizeof(text), "/sys/devices/system/cpu/isolated");
	parse_cpu_list(text, isolated);
	if (list_others(cpus, isolated, others, sizeof(others)) == 0)
		finding(d, LJ_FINE, "isolation", "workers", "their CPUs are isolated");
	else
		finding(d, LJ_WARNING, "isolation", "workers",
			"the scheduler may put other work on CPU %s\nisolcpus=%s nohz_full=%s "
			"rcu_nocbs=%s on the kernel's command line",
			others, d->config->lcores.worker_cpus, d->config->lcores.worker_cpus,
			d->config->lcores.worker_cpus);
}

static void examine_governor(struct lj_doctor *d, const bool cpus[DOCTOR_CPUS])
{
	bool good[DOCTOR_CPUS], known = false;
	char text[64], others[128];

	for (uint32_t cpu = 0; cpu < DOCTOR_CPUS; cpu++) {
		good[cpu] = true;
		if (!cpus[cpu] ||
		    !read_text(d, text, sizeof(text),
			       "/sys/devices/system/cpu/cpu%u/cpufreq/scaling_governor", cpu))
			continue;
		known = true;
		good[cpu] = strcmp(text, "performance") == 0;
	}
	if (!known)
		finding(d, LJ_NOTE, "governor", "workers",
			"no cpufreq here: a virtual machine, or the firmware decides");
	else if (list_others(cpus, good, others, sizeof(others)) == 0)
		finding(d, LJ_FINE, "governor", "workers", "performance");
	else
		finding(d, LJ_WARNING, "governor", "workers",
			"not performance on CPU %s\ncpupower -c %s frequency-set -g performance",
			others, others);
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

void examine_cpus(struct lj_doctor *d)
{
	const struct lj_config *c = d->config;
	bool cpus[DOCTOR_CPUS], pci = false;
	char address[16];

	for (uint32_t i = 0; i < c->capture.n_ports; i++)
		pci = pci || port_is_pci(&c->capture.port[i], address);
	if (c->lcores.worker_cpus[0] == '\0') {
		finding(d, pci ? LJ_WARNING : LJ_NOTE, "isolation", "workers",
			"have no CPUs of their own\nset lcores.worker_cpus to as many CPUs as "
			"there are workers");
		return;
	}
	parse_cpu_list(c->lcores.worker_cpus, cpus);
	for (uint32_t cpu = 0; cpu < DOCTOR_CPUS; cpu++)
		if (cpus[cpu] && !exists(d, "/sys/devices/system/cpu/cpu%u", cpu))
			finding(d, LJ_FATAL, "cpus", "workers",
				"there is no CPU %u\nset lcores.worker_cpus to CPUs that are there",
				cpu);
	examine_isolation(d, cpus);
	examine_governor(d, cpus);
	for (uint32_t i = 0; i < c->capture.n_ports; i++)
		if (port_is_pci(&c->capture.port[i], address))
			examine_node(d, &c->capture.port[i], address, cpus);
}
