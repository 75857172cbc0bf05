#include "filter.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>

#include <seccomp.h>

static const int allowed[] = {
#define CALL(name) SCMP_SYS(name),
#define KILL(name)
#include "filter.def"
#undef CALL
#undef KILL
};

static const int killing[] = {
#define CALL(name)
#define KILL(name) SCMP_SYS(name),
#include "filter.def"
#undef CALL
#undef KILL
};

/* Called by the drivers of kernel interfaces to close or to open them. */
static const int of_kernel_ports[] = {SCMP_SYS(bpf), SCMP_SYS(setsockopt), SCMP_SYS(bind)};
static const int kernel_families[] = {AF_NETLINK, AF_PACKET, AF_XDP};

static int add_all(scmp_filter_ctx filter, uint32_t action, const int *calls, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int ret = seccomp_rule_add(filter, action, calls[i], 0);

		if (ret != 0)
			return ret;
	}
	return 0;
}

static int add_socket(scmp_filter_ctx filter, int family)
{
	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
				SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)family));
}

/*
 * Allows threads, but no processes. A filter cannot see the flags of clone3, which are in memory,
 * so it fails with ENOSYS as on an old kernel, and glibc falls back to clone.
 */
static int add_threads(scmp_filter_ctx filter)
{
	int ret = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);

	if (ret == 0)
		ret = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
				       SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
	return ret;
}

static int add_kernel_ports(scmp_filter_ctx filter)
{
	int ret = add_all(filter, SCMP_ACT_ALLOW, of_kernel_ports, RTE_DIM(of_kernel_ports));

	for (size_t i = 0; i < RTE_DIM(kernel_families) && ret == 0; i++)
		ret = add_socket(filter, kernel_families[i]);
	/* Interface ioctls need any datagram socket; stream sockets, which could listen, stay
	 * refused. */
	if (ret == 0)
		ret = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2,
				       SCMP_A0(SCMP_CMP_EQ, AF_INET),
				       SCMP_A1(SCMP_CMP_MASKED_EQ, 0xf, SOCK_DGRAM));
	return ret;
}

int filter_load(bool kernel_ports, struct lj_error *err)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int ret = filter != NULL ? 0 : -ENOMEM;

	/* TSYNC: the lcore and telemetry threads exist already. */
	if (ret == 0)
		ret = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
	if (ret == 0)
		ret = add_all(filter, SCMP_ACT_ALLOW, allowed, RTE_DIM(allowed));
	if (ret == 0)
		ret = add_all(filter, SCMP_ACT_KILL_PROCESS, killing, RTE_DIM(killing));
	if (ret == 0)
		ret = add_socket(filter, AF_UNIX);
	if (ret == 0)
		ret = add_threads(filter);
	if (ret == 0 && kernel_ports)
		ret = add_kernel_ports(filter);
	if (ret == 0)
		ret = seccomp_load(filter);
	seccomp_release(filter);
	return ret == 0 ? 0
			: lj_error_set(err, -ret, "service.seccomp",
				       "the filter cannot be loaded: %s", strerror(-ret));
}
