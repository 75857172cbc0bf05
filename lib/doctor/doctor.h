/* Private: helpers of the examinations. */
#ifndef DOCTOR_H
#define DOCTOR_H

#include "lj_doctor.h"

#define DOCTOR_NODES 16
#define DOCTOR_CPUS  1024
/* Size of a PCI address: domains have up to 32 bits (behind VMD they start at 0x10000). */
#define DOCTOR_ADDRESS sizeof("ffffffff:ff:ff.f")

/* Adds a finding; `fmt` gives its `what` and, after a '\n', its `remedy`. */
void finding(struct lj_doctor *d, enum lj_severity severity, const char *check, const char *subject,
	     const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* Reads the first line of a file below `root`, without the newline; "" and false if it cannot be
 * read. */
bool read_text(const struct lj_doctor *d, char *out, size_t size, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* Likewise as a number; `otherwise` if there is none. */
long read_number(const struct lj_doctor *d, long otherwise, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The last component of a symbolic link's target; "" if there is none. */
void read_link_name(const struct lj_doctor *d, char *out, size_t size, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
bool exists(const struct lj_doctor *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* "0-3,8" as one flag per CPU. Returns the number of CPUs. */
uint32_t parse_cpu_list(const char *list, bool cpus[DOCTOR_CPUS]);
/* The NUMA node of a CPU or of a PCI device; 0 if the machine has only one. */
uint32_t cpu_node(const struct lj_doctor *d, uint32_t cpu);
uint32_t pci_node(const struct lj_doctor *d, const char *address);
/* Whether the port is a PCI device; if so its full address in `address`. */
bool port_is_pci(const struct lj_config_port *port, char address[DOCTOR_ADDRESS]);

void examine_hugepages(struct lj_doctor *d);
void examine_memory(struct lj_doctor *d);
void examine_stale_files(struct lj_doctor *d);
void examine_ports(struct lj_doctor *d);
/* Whether the kernel merges segments (GRO, LRO) before the port receives them from `interface`.
 * Only on this machine, not below another root. */
void examine_offloads(struct lj_doctor *d, const char *port, const char *interface);
void examine_cpus(struct lj_doctor *d);

#endif
