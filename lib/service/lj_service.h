/*
 * Running as a service: status notifications to the service manager, and dropping privileges.
 *
 * The service manager is systemd, notified by sd_notify(3); without one ($NOTIFY_SOCKET unset) the
 * notifications do nothing. Privileges are dropped in one step, lj_service_confine(), once ports,
 * sinks and models are open: change to the service user, no capabilities, no_new_privs, and a
 * seccomp filter.
 *
 * Thread: main.
 */
#ifndef LJ_SERVICE_H
#define LJ_SERVICE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lj_base.h"

/* --- the service manager --- */

/* If stderr is connected to the journal, logs there only, with severities; by default the EAL logs
 * both to stderr and to syslog, so each message would be in the journal twice. Call before
 * rte_eal_init(). */
void lj_service_log(void);
/* Started and classifying. */
void lj_service_ready(void);
/* Stopping: draining what is in flight. */
void lj_service_stopping(void);
/* One line for `systemctl status`. */
void lj_service_status(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The maximum time between two pings that the service manager accepts, in ns; 0: no watchdog. */
uint64_t lj_service_watchdog_ns(void);
/* Tells the watchdog that all is well. Without these the service manager restarts the daemon. */
void lj_service_ping(void);

/* --- privileges --- */

struct lj_identity {
	bool change; /* false: keep the current user */
	uid_t uid;
	gid_t gid;
};

/*
 * Looks up the user and group to run as, by name; an empty group is the user's primary group, an
 * empty user means no change. 0, or -errno with `err` (where: the config key) if there is no such
 * user or group, or if the process is neither root nor that user already.
 */
int lj_service_identity(const char *user, const char *group, struct lj_identity *identity,
			struct lj_error *err);

struct lj_confinement {
	const struct lj_identity *identity;
	/* Install the seccomp filter: system calls that are not needed fail with EPERM, and those
	 * that only an attacker would make (execve, ptrace, mount, setuid ...) kill the process. */
	bool filter;
	/* The ports are kernel interfaces (af_packet, af_xdp, tap, XDP): keep the system calls and,
	 * on the calling thread, the capabilities that are needed to close them. Ports bound to
	 * vfio-pci need none. */
	bool kernel_ports;
	/* Ports may fail over later: the calling thread also keeps what an XDP tap needs. */
	bool failover;
};

/*
 * Drops all privileges that are no longer needed, for all threads of the process: groups, user,
 * capabilities, then no_new_privs and the filter. Cannot be undone. 0, or -errno with `err`; the
 * process may then be partly confined and should exit.
 */
int lj_service_confine(const struct lj_confinement *c, struct lj_error *err);

/*
 * Makes the socket `path` and its directory accessible to `group` (empty: the identity's group),
 * with `mode` on the socket, and makes `identity` the owner of both, so that it can remove them at
 * exit. Call before lj_service_confine(). 0, or -errno with `err`.
 */
int lj_service_share(const char *path, const struct lj_identity *identity, const char *group,
		     mode_t mode, struct lj_error *err);

#endif
