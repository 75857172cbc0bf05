#include <errno.h>
#include <grp.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "filter.h"

static int refused(const char *what, struct lj_error *err)
{
	int errnum = errno;

	return lj_error_set(err, errnum, "service", "%s is refused: %s", what, strerror(errnum));
}

/*
 * glibc changes the user of every thread, and the kernel clears the capabilities of a thread that
 * stops being root. Only the calling thread keeps its own (PR_SET_KEEPCAPS), to be reduced to the
 * listed ones by keep_capabilities().
 */
static int become(const struct lj_identity *identity, bool keep, struct lj_error *err)
{
	if (keep && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0)
		return refused("keeping capabilities", err);
	if (setgroups(0, NULL) != 0)
		return refused("leaving the groups", err);
	if (setresgid(identity->gid, identity->gid, identity->gid) != 0)
		return refused("changing the group", err);
	if (setresuid(identity->uid, identity->uid, identity->uid) != 0)
		return refused("changing the user", err);
	return 0;
}

static int keep_capabilities(bool kernel_ports, bool failover, struct lj_error *err)
{
	/* The first two: detach an XDP program, close what net_tap and net_af_packet created. The
	 * others: load an XDP program. */
	static const cap_value_t kept[] = {CAP_NET_ADMIN, CAP_NET_RAW, CAP_BPF, CAP_PERFMON};
	int n = failover ? 4 : kernel_ports ? 2 : 0;
	cap_t caps = cap_init();
	int ret = 0;

	if (caps == NULL)
		return refused("the list of capabilities", err);
	if (n > 0 && (cap_set_flag(caps, CAP_PERMITTED, n, kept, CAP_SET) != 0 ||
		      cap_set_flag(caps, CAP_EFFECTIVE, n, kept, CAP_SET) != 0))
		ret = refused("the list of capabilities", err);
	if (ret == 0 && cap_set_proc(caps) != 0)
		ret = refused("dropping capabilities", err);
	cap_free(caps);
	return ret;
}

int lj_service_confine(const struct lj_confinement *c, struct lj_error *err)
{
	bool ports = c->kernel_ports || c->failover;
	int ret = 0;

	if (c->identity->change) {
		ret = become(c->identity, ports, err);
		if (ret == 0)
			ret = keep_capabilities(ports, c->failover, err);
		if (ret == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
			ret = refused("no_new_privs", err);
	}
	if (ret == 0 && c->filter)
		ret = filter_load(ports, err);
	return ret;
}
