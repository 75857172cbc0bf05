/*
 * The whole configuration: one JSON file, every key a row of config.def.
 *
 * The parser, the validation, --dump-config and the reference page are generated from that table.
 * Errors name the key's path and what is permitted: "flow.idle_timeout_s: 0 is not in
 * 0.001..86400".
 *
 * Thread: main.
 */
#ifndef LJ_CONFIG_H
#define LJ_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "lj_base.h"

#define LJ_CONFIG_TEXT	512
#define LJ_CONFIG_PORTS 16
#define LJ_CONFIG_ROLES 64 /* max. workers; max. inference lcores */
#define LJ_CONFIG_SHED	6  /* flow classes of load shedding, enum lj_shed_class */

struct lj_strings {
	uint32_t n;
	char **item; /* owned */
};

enum lj_idle_mode {
	LJ_IDLE_ADAPTIVE, /* spin, pause, then sleep up to idle.max_sleep_us */
	LJ_IDLE_POLL,	  /* busy-poll, never yield the CPU */
};

enum lj_tunnels_mode {
	LJ_TUNNELS_INNER, /* flows are those inside of tunnels */
	LJ_TUNNELS_OUTER, /* a tunnel is one flow */
};

enum lj_when {
	LJ_WHEN_LIVE, /* in live capture, not in a replay */
	LJ_WHEN_ALWAYS,
	LJ_WHEN_NEVER,
};

enum lj_summary {
	LJ_SUMMARY_TEXT,
	LJ_SUMMARY_JSON,
	LJ_SUMMARY_NONE,
};

enum lj_doctor_at_start {
	LJ_DOCTOR_REFUSE, /* do not start if there is a fatal finding */
	LJ_DOCTOR_WARN,
	LJ_DOCTOR_OFF,
};

enum lj_huge {
	LJ_HUGE_AUTO, /* hugepages if enough are free */
	LJ_HUGE_ON,
	LJ_HUGE_OFF,
};

enum lj_stall_policy {
	LJ_STALL_REPORT,
	LJ_STALL_RESTART, /* abort, so that the service manager restarts the process */
};

enum lj_failover_policy {
	LJ_FAILOVER_REPORT,
	LJ_FAILOVER_COMMAND, /* only on command; the privileges it needs are kept */
	LJ_FAILOVER_AUTO,
};

enum lj_seccomp {
	LJ_SECCOMP_AUTO, /* if service.user is set */
	LJ_SECCOMP_ON,
	LJ_SECCOMP_OFF,
};

struct lj_config_port {
	char name[LJ_CONFIG_TEXT];     /* PCI address, or a vdev with its arguments */
	char failover[LJ_CONFIG_TEXT]; /* spare interface or PCI address; "": the port's own */
	uint32_t queues, descriptors, mbufs, mtu, leg;
	bool promiscuous;
};

#define LJ_CONFIG_KEYS 96

struct lj_config {
	struct {
		struct lj_strings files;
		bool tap;
		uint32_t rss_mode; /* enum lj_rss_mode */
		uint32_t rss_check, tap_reorder_us;
		uint64_t leg_silence_ns, link_down_ns;
		uint32_t failover; /* enum lj_failover_policy */
		struct lj_config_port port[LJ_CONFIG_PORTS];
		uint32_t n_ports;
	} capture;
	struct {
		uint32_t workers, infer, count;
		char main_cpus[LJ_CONFIG_TEXT], worker_cpus[LJ_CONFIG_TEXT];
		char infer_cpus[LJ_CONFIG_TEXT], sink_cpus[LJ_CONFIG_TEXT];
	} lcores;
	struct {
		uint32_t mode; /* enum lj_idle_mode */
		uint32_t max_sleep_us;
	} idle;
	struct {
		uint32_t tunnels; /* enum lj_tunnels_mode */
	} packet;
	struct {
		uint32_t capacity, classify_at;
		uint64_t classify_after_ns, idle_timeout_ns, active_timeout_ns, tcp_linger_ns;
	} flow;
	struct {
		uint32_t size, deadline_us;
		uint32_t shed; /* enum lj_shed, from LJ_SHED_OLDEST on */
	} batch;
	struct {
		/* [enum lj_shed_class] 0: as batch.shed; else enum lj_shed */
		uint32_t by_class[LJ_CONFIG_SHED];
	} shed;
	struct {
		uint32_t spread, infer, sink;
	} queue;
	struct {
		uint32_t decision_us; /* 0: no objective */
	} slo;
	struct lj_strings models; /* empty: none */
	struct {
		uint32_t engine; /* enum lj_engine */
		uint32_t mode;	 /* enum lj_mode */
	} model;
	struct {
		uint32_t rule; /* enum lj_rule */
		uint32_t quorum;
	} verdict;
	struct {
		uint32_t top; /* 0: none */
	} explain;
	struct {
		uint32_t every; /* 0: none */
		uint64_t window_ns, silent_ns;
		uint32_t flood_percent;
	} drift;
	struct {
		char target[LJ_CONFIG_TEXT]; /* "": no EVE */
		bool append, early;
		uint32_t flows;		/* enum lj_eve_flows */
		uint32_t decision_time; /* enum lj_when */
	} eve;
	struct {
		char collector[LJ_CONFIG_TEXT]; /* "": no IPFIX */
		uint32_t flows;			/* enum lj_eve_flows */
		uint32_t domain, enterprise;
		uint64_t templates_every_ns;
	} ipfix;
	struct {
		char csv[LJ_CONFIG_TEXT]; /* "": no features file */
		char set[LJ_CONFIG_TEXT];
		bool early;
	} features;
	struct {
		char file[LJ_CONFIG_TEXT]; /* "": none */
		uint64_t every_ns;
	} metrics;
	uint32_t doctor;  /* enum lj_doctor_at_start */
	uint32_t summary; /* enum lj_summary */
	struct {
		uint32_t stall_ms, restart_ms; /* stall_ms 0: stalls are not detected */
		uint32_t policy;	       /* enum lj_stall_policy */
	} keepalive;
	struct {
		char user[LJ_CONFIG_TEXT], group[LJ_CONFIG_TEXT];
		uint32_t seccomp; /* enum lj_seccomp */
	} service;
	struct {
		char group[LJ_CONFIG_TEXT], mode[LJ_CONFIG_TEXT]; /* mode: octal */
	} telemetry;
	struct {
		struct lj_strings args;
		char file_prefix[LJ_CONFIG_TEXT];
		uint32_t huge; /* enum lj_huge */
		uint32_t memory_mb;
	} eal;

	bool set[LJ_CONFIG_KEYS]; /* by row of config.def: given, not the default */
};

/* Every key at its default. */
void lj_config_init(struct lj_config *c);
void lj_config_free(struct lj_config *c);
/* An element of capture.ports at its defaults; the caller sets the name. */
void lj_config_port_init(struct lj_config_port *port);

/* Reads a JSON file; keys it does not have keep their values. 0, or -errno with `err`
 * ("file.json:12:3" or "file.json: flow.capacity"). */
int lj_config_load(struct lj_config *c, const char *path, struct lj_error *err);
/* Sets one key from "key=value", as --set does; the items of a list are separated by commas. 0, or
 * -errno and `err`. */
int lj_config_set(struct lj_config *c, const char *assignment, struct lj_error *err);
/* Checks that concern several keys: there is a source, not both files and ports, CPU lists ... 0,
 * or -errno and `err`. */
int lj_config_check(const struct lj_config *c, struct lj_error *err);

/* Whether the key was given by a file or --set. */
bool lj_config_given(const struct lj_config *c, const char *key);
static inline bool lj_config_replay(const struct lj_config *c)
{
	return c->capture.files.n > 0;
}

/* The configuration as JSON text that lj_config_load() reads back; the caller frees it. A key left
 * to the first model is null. NULL and `err` if a string is not UTF-8, which JSON cannot express.
 */
char *lj_config_dump(const struct lj_config *c, struct lj_error *err);
/* Writes the reference page, docs/configuration.md. */
void lj_config_manual(FILE *out);

/*
 * The EAL's arguments, derived: argv[0], cores, memory, devices, file prefix, log levels, then
 * eal.args. Caller frees with lj_config_eal_free(). NULL and `err`.
 */
char **lj_config_eal_args(const struct lj_config *c, int *argc, struct lj_error *err);
void lj_config_eal_free(char **argv);

/* Checks that the configured CPUs exist on this machine and that this process may run each lcore on
 * one of them. (Not part of lj_config_check(): a dry run may be for another machine.) 0, or -errno
 * and `err`. */
int lj_config_check_cpus(const struct lj_config *c, struct lj_error *err);

/* The number of roles (including the spreader if `spreader`), and of the EAL lcores besides main
 * that run them. */
uint32_t lj_config_roles(const struct lj_config *c, bool spreader);
uint32_t lj_config_role_lcores(const struct lj_config *c);

/* The lcore that runs role `role` (in the order: spreader, if any, workers, inference lcores,
 * sink); and an lcore's NUMA node, -1 if its CPUs are on several. */
uint32_t lj_config_role_lcore(const struct lj_config *c, uint32_t role);
int lj_config_lcore_node(const struct lj_config *c, uint32_t lcore);

/* Receive queues of port i: as configured, else one per worker on a NIC and one on a vdev. */
uint32_t lj_config_port_queues(const struct lj_config *c, uint32_t i);

/* Whether a spreader is needed: one receive queue feeds several workers. */
bool lj_config_spreads(const struct lj_config *c);

/* Whether any port is a kernel interface: its driver needs privileges at run time that vfio-pci
 * does not. */
bool lj_config_kernel_ports(const struct lj_config *c);

/* Estimated memory use in bytes, by part; for --dry-run and the doctor. */
struct lj_config_memory {
	uint64_t flow_tables, hosts, queues, mbufs, total;
	uint32_t hugepages_1g;	      /* number of pages if they have 1 GiB each */
	uint32_t hugepages_mb_free;   /* MiB free now, including those of killed DPDK processes */
	uint32_t hugepages_mb_needed; /* MiB that must be free for LJ_HUGE_AUTO to use them */
	bool huge;		      /* hugepages will be used */
};
void lj_config_memory(const struct lj_config *c, struct lj_config_memory *m);

#endif
