/*
 * Checks the machine's setup for problems that would cost packets, and says how to fix them.
 *
 * Checked are: hugepages per NUMA node against what is needed (or ordinary memory), hugepage files
 * left by a killed process, the ports' PCI devices (driver, IOMMU, link, node, LLDP agent,
 * firmware) and interfaces (present, up, no GRO or LRO), descriptors and buffers against the
 * driver's limits, the CPUs of workers and inference (enough, isolated, governor, node), versions
 * at build and at run time. /proc and /sys are read below `root`, so that tests can supply their
 * own.
 *
 * Thread: main.
 */
#ifndef LJ_DOCTOR_H
#define LJ_DOCTOR_H

#include <stdio.h>

#include "lj_config.h"
#include "lj_driver.h"

enum lj_severity {
	LJ_FINE,    /* checked, no problem */
	LJ_NOTE,    /* could not be checked, or may matter */
	LJ_WARNING, /* works, but packets or time may be lost */
	LJ_FATAL,   /* will not work */
};

struct lj_finding {
	enum lj_severity severity;
	char check[24];	  /* "hugepages" */
	char subject[64]; /* "node 0", "0000:3b:00.0" */
	char what[256];
	char remedy[384]; /* "": nothing to do */
};

#define LJ_FINDINGS_MAX 256

struct lj_doctor {
	const struct lj_config *config; /* borrowed */
	const char *root;		/* borrowed; "": this machine */
	uint32_t n_findings;		/* findings beyond LJ_FINDINGS_MAX are dropped */
	struct lj_finding finding[LJ_FINDINGS_MAX];
};

void lj_doctor_init(struct lj_doctor *d, const struct lj_config *config, const char *root);

/* Runs all checks that are possible before rte_eal_init(). */
void lj_doctor_examine(struct lj_doctor *d);

/* Checks the firmware of an open port ("" if its driver does not report it) against the driver's
 * file. `dpdk`: the running version. */
void lj_doctor_firmware(struct lj_doctor *d, const char *port, const struct lj_driver *driver,
			const char *firmware, const char *dpdk);

/* The worst of the findings. */
enum lj_severity lj_doctor_worst(const struct lj_doctor *d);
extern const char *const lj_severity_name[];

void lj_doctor_print(const struct lj_doctor *d, bool json, FILE *out);

#endif
