/*
 * Looks for what is wrong with the machine before it costs packets, and says what to do.
 *
 * Hugepages by NUMA node against the need, or else ordinary memory, hugepage files that a dead
 * process left, the ports' PCI devices (driver, IOMMU, link, node, LLDP agent, firmware) and
 * interfaces (there, up), descriptors and buffers against the driver's limits, the CPUs of workers
 * and inference (enough, isolated, governor, node), versions built against and running. What the
 * kernel tells is read below `root`, so that a made tree can be examined, too.
 *
 * Thread: main.
 */
#ifndef LJ_DOCTOR_H
#define LJ_DOCTOR_H

#include <stdio.h>

#include "lj_config.h"
#include "lj_driver.h"

enum lj_severity {
	LJ_FINE,    /* looked at, and right */
	LJ_NOTE,    /* could not be looked at, or may matter */
	LJ_WARNING, /* works, but packets or time may be lost */
	LJ_FATAL,   /* will not work */
};

struct lj_finding {
	enum lj_severity severity;
	char check[24];	  /* "hugepages" */
	char subject[64]; /* "node 0", "0000:3b:00.0" */
	char what[256];
	char remedy[384]; /* "" when there is nothing to do */
};

#define LJ_FINDINGS_MAX 256

struct lj_doctor {
	const struct lj_config *config; /* borrowed */
	const char *root;		/* borrowed; "" is the machine */
	uint32_t n_findings;		/* the first LJ_FINDINGS_MAX are kept */
	struct lj_finding finding[LJ_FINDINGS_MAX];
};

void lj_doctor_init(struct lj_doctor *d, const struct lj_config *config, const char *root);

/* All that can be looked at before the EAL is up. */
void lj_doctor_examine(struct lj_doctor *d);

/* The firmware of an open port ("" when its driver does not tell) against the driver's file. */
void lj_doctor_firmware(struct lj_doctor *d, const char *port, const struct lj_driver *driver,
			const char *firmware, const char *dpdk);

/* The worst of the findings. */
enum lj_severity lj_doctor_worst(const struct lj_doctor *d);
extern const char *const lj_severity_name[];

void lj_doctor_print(const struct lj_doctor *d, bool json, FILE *out);

#endif
