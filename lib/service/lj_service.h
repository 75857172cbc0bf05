/*
 * What a daemon owes its host: it tells its service manager how it is, and keeps no right that it
 * needs no more.
 *
 * The service manager is systemd, reached by libsystemd's sd_notify(3); without one ($NOTIFY_SOCKET
 * unset) telling does nothing. Rights end in one step, lj_service_confine(), once ports, sinks and
 * models are open: the service user, no capabilities, no new ones by execve, and a seccomp filter.
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

/* Where stderr is the journal's: has the log go there once, with severities, instead of there and,
 * as the EAL does, to syslog, which is the journal's as well. Before the EAL. */
void lj_service_log(void);
/* Up and classifying. */
void lj_service_ready(void);
/* On the way down: what is in flight drains. */
void lj_service_stopping(void);
/* One line for `systemctl status`. */
void lj_service_status(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Most ns that may pass between two pings, as the service manager asks; 0: it does not. */
uint64_t lj_service_watchdog_ns(void);
/* All is well. Leaving these out has the service manager end and restart the daemon. */
void lj_service_ping(void);

/* --- rights --- */

struct lj_identity {
	bool change; /* false: stay who we are */
	uid_t uid;
	gid_t gid;
};

/*
 * Looks up whom to become: a user and a group by name, an empty group meaning the user's own. An
 * empty user is no change. 0, or -errno with `err` (where: the config key) when there is no such
 * one, or when we are neither root nor that user already.
 */
int lj_service_identity(const char *user, const char *group, struct lj_identity *identity,
			struct lj_error *err);

struct lj_confinement {
	const struct lj_identity *identity;
	/* Refuse system calls outside of the steady state's: they fail with EPERM, and those that
	 * only an intruder makes (execve, ptrace, mount, setuid ...) end the process. */
	bool filter;
	/* The ports are kernel interfaces (af_packet, af_xdp, tap, XDP): the calls and, on the
	 * calling thread, the capabilities that their drivers need to let go of them stay. Ports
	 * bound to vfio-pci need none. */
	bool kernel_ports;
	/* Ports may be watched another way later: main keeps what an XDP tap needs, too. */
	bool failover;
};

/*
 * Gives up every right that is not needed from now on, for all threads of the process: groups,
 * user, capabilities, then no_new_privs and the filter. There is no way back. 0, or -errno with
 * `err`; the process may then be half confined and should end.
 */
int lj_service_confine(const struct lj_confinement *c, struct lj_error *err);

/*
 * Makes the socket `path` and its folder reachable for `group` (empty: the folder's own) with
 * `mode` on the socket, and gives both to `identity`, so that it can remove them at exit. Call
 * before confining. 0, or -errno with `err`.
 */
int lj_service_share(const char *path, const struct lj_identity *identity, const char *group,
		     mode_t mode, struct lj_error *err);

#endif
