#include "capture_xdp_kernel.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/sockios.h>

#include "lj_log.h"
#include "xdp_tap.skel.h"

/* An MTU that fits in one buffer of any driver: a page also holds headroom and tailroom. */
#define ONE_BUFFER_MTU 3000

/* BPF_F_XDP_DEV_BOUND_ONLY (Linux 6.3): a program bound to one interface, which may call its
 * driver's metadata functions. */
#define BOUND_TO_INTERFACE (1U << 6)

static int log_libbpf(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	if (level == LIBBPF_DEBUG)
		return 0;
	return rte_vlog(RTE_LOG_DEBUG, (uint32_t)lj_logtype, fmt, ap);
}

/* Issues an ioctl on the interface. 0 or -errno. */
static int ask(const struct xdp_kernel *k, unsigned long request, struct ifreq *ifr)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), ret;

	if (fd < 0)
		return -errno;
	snprintf(ifr->ifr_name, sizeof(ifr->ifr_name), "%s", k->config.interface);
	ret = ioctl(fd, request, ifr) == 0 ? 0 : -errno;
	close(fd);
	return ret;
}

/* Whether VLAN tags may be outside the frame: a NIC reports it by rxvlan; a virtual device, such as
 * a veth or a bond, passes on whatever it gets. */
static bool strips_vlan(const struct xdp_kernel *k)
{
	struct ethtool_value value = {.cmd = ETHTOOL_GFLAGS};
	struct ifreq ifr = {.ifr_data = (void *)&value};
	char device[64];

	snprintf(device, sizeof(device), "/sys/class/net/%s/device", k->config.interface);
	return access(device, F_OK) != 0 ||
	       (ask(k, SIOCETHTOOL, &ifr) == 0 && (value.data & ETH_FLAG_RXVLAN) != 0);
}

bool xdp_kernel_misses_vlan(const struct xdp_kernel *k)
{
	return strips_vlan(k) && !(k->generic ? k->tag_link >= 0 : k->driver_tells);
}

static void configure(struct xdp_kernel *k, bool received)
{
	struct xdp_tap *s = k->skeleton;
	uint32_t frags = 0;
	struct ifreq ifr = {0};

	k->rings = (uint32_t)libbpf_num_possible_cpus();
	s->rodata->slots_per_ring = k->config.slots_per_ring;
	s->rodata->snap_bytes = k->config.snap_bytes;
	s->rodata->several_buffers = ask(k, SIOCGIFMTU, &ifr) != 0 || ifr.ifr_mtu > ONE_BUFFER_MTU;
	if (s->rodata->several_buffers)
		frags = BPF_F_XDP_HAS_FRAGS;
	bpf_program__set_flags(s->progs.tap, frags);
	bpf_program__set_flags(s->progs.tap_tags, frags | BOUND_TO_INTERFACE);
	bpf_program__set_ifindex(s->progs.tap_tags, k->ifindex);
	bpf_program__set_autoload(s->progs.tap_tags, k->driver_tells);
	bpf_program__set_autoload(s->progs.received, received);
	bpf_map__set_max_entries(s->maps.positions, k->rings);
	bpf_map__set_max_entries(s->maps.slots, k->rings * k->config.slots_per_ring);
}

/* 0, or -errno with nothing loaded. */
static int load(struct xdp_kernel *k, bool driver_tells, bool received)
{
	int ret;

	k->skeleton = xdp_tap__open();
	if (k->skeleton == NULL)
		return -errno;
	k->driver_tells = driver_tells;
	configure(k, received);
	ret = xdp_tap__load(k->skeleton);
	if (ret == 0)
		return 0;
	xdp_tap__destroy(k->skeleton);
	k->skeleton = NULL;
	return ret;
}

/* Loads the programs with as much VLAN tag support as this kernel accepts. */
static int load_best(struct xdp_kernel *k)
{
	bool native = k->config.mode != XDP_MODE_GENERIC,
	     generic = k->config.mode != XDP_MODE_NATIVE;
	int ret = native ? load(k, true, generic) : -EOPNOTSUPP;

	if (ret != 0 && generic)
		ret = load(k, false, true);
	return ret == 0 ? 0 : load(k, false, false);
}

static int refuse_load(const struct xdp_kernel *k, int ret, struct lj_error *err)
{
	/* The verifier returns EACCES both without CAP_PERFMON and for invalid programs. */
	if (ret == -EPERM || (ret == -EACCES && geteuid() != 0))
		return lj_error_set(err, EPERM, k->config.name,
				    "an XDP tap needs root, or the capabilities CAP_BPF, "
				    "CAP_PERFMON, CAP_NET_ADMIN and CAP_NET_RAW");
	return lj_error_set(err, -ret, k->config.name, "the kernel rejects the XDP program: %s",
			    strerror(-ret));
}

static size_t positions_bytes(const struct xdp_kernel *k)
{
	return RTE_ALIGN_CEIL(k->rings * sizeof(*k->position), (size_t)sysconf(_SC_PAGESIZE));
}

static size_t slots_bytes(const struct xdp_kernel *k)
{
	return RTE_ALIGN_CEIL((size_t)k->rings * k->config.slots_per_ring * sizeof(*k->slot),
			      (size_t)sysconf(_SC_PAGESIZE));
}

static int map_memory(struct xdp_kernel *k, struct lj_error *err)
{
	void *position = mmap(NULL, positions_bytes(k), PROT_READ | PROT_WRITE, MAP_SHARED,
			      bpf_map__fd(k->skeleton->maps.positions), 0);
	void *slot = mmap(NULL, slots_bytes(k), PROT_READ, MAP_SHARED | MAP_POPULATE,
			  bpf_map__fd(k->skeleton->maps.slots), 0);

	k->position = position == MAP_FAILED ? NULL : position;
	k->slot = slot == MAP_FAILED ? NULL : slot;
	if (k->position == NULL || k->slot == NULL)
		return lj_error_set(err, errno, k->config.name, "its rings cannot be mapped: %s",
				    strerror(errno));
	return 0;
}

int xdp_kernel_open(struct xdp_kernel *k, const struct xdp_kernel_config *config,
		    struct lj_error *err)
{
	int ret;

	*k = (struct xdp_kernel){.config = *config, .link = -1, .poll_link = -1, .tag_link = -1};
	k->ifindex = if_nametoindex(config->interface);
	if (k->ifindex == 0)
		return lj_error_set(err, ENODEV, config->name, "there is no interface %s",
				    config->interface);
	libbpf_set_print(log_libbpf);
	ret = load_best(k);
	if (ret != 0)
		return refuse_load(k, ret, err);
	return map_memory(k, err);
}

void xdp_kernel_close(struct xdp_kernel *k)
{
	xdp_kernel_detach(k);
	if (k->slot != NULL)
		munmap((void *)(uintptr_t)k->slot, slots_bytes(k));
	if (k->position != NULL)
		munmap(k->position, positions_bytes(k));
	xdp_tap__destroy(k->skeleton);
	*k = (struct xdp_kernel){.link = -1, .poll_link = -1, .tag_link = -1};
}

static int attach(struct xdp_kernel *k, bool generic)
{
	const struct xdp_tap *s = k->skeleton;
	const struct bpf_program *program =
		!generic && k->driver_tells ? s->progs.tap_tags : s->progs.tap;
	LIBBPF_OPTS(bpf_link_create_opts, opts,
		    .flags = generic ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE);
	int fd = bpf_link_create(bpf_program__fd(program), (int)k->ifindex, BPF_XDP, &opts);

	if (fd < 0)
		return fd;
	k->link = fd;
	k->generic = generic;
	return 0;
}

static const char *why_not(int ret)
{
	switch (ret) {
	case -EBUSY:
	case -EEXIST:
		return "another XDP program is on the interface (see bpftool net)";
	case -EOPNOTSUPP:
		return "the driver has no native XDP";
	case -EPERM:
		return "attaching needs CAP_NET_ADMIN";
	default:
		return strerror(-ret);
	}
}

/* Attaches the program that records VLAN tags before the generic XDP program runs, if the kernel
 * accepted it. It costs every packet received by the host, on any interface, about 40 ns, so it is
 * attached only where tags can occur. */
static void watch_tags(struct xdp_kernel *k)
{
	int program = bpf_program__fd(k->skeleton->progs.received);

	k->tag_link = program >= 0 ? bpf_raw_tracepoint_open(NULL, program) : -1;
}

int xdp_kernel_attach(struct xdp_kernel *k, struct lj_error *err)
{
	enum xdp_mode mode = k->config.mode;
	int ret = -EOPNOTSUPP;

	if (k->link >= 0)
		return 0;
	k->no_native[0] = '\0';
	if (mode != XDP_MODE_GENERIC) {
		ret = attach(k, false);
		if (ret != 0)
			snprintf(k->no_native, sizeof(k->no_native), "%s", why_not(ret));
	}
	if (mode == XDP_MODE_GENERIC || (ret != 0 && mode == XDP_MODE_ANY))
		ret = attach(k, true);
	if (ret == 0) {
		xdp_kernel_share_clock(k);
		if (k->generic && strips_vlan(k))
			watch_tags(k);
		return 0;
	}
	return lj_error_set(err, -ret, k->config.name, "cannot be attached (%s mode): %s",
			    mode == XDP_MODE_NATIVE ? "native" : "generic", why_not(ret));
}

void xdp_kernel_share_clock(struct xdp_kernel *k)
{
	k->poll_link =
		bpf_raw_tracepoint_open("napi_poll", bpf_program__fd(k->skeleton->progs.polled));
	k->skeleton->bss->share_clock = k->poll_link >= 0;
}

static void close_link(int *link)
{
	if (*link >= 0)
		close(*link);
	*link = -1;
}

void xdp_kernel_detach(struct xdp_kernel *k)
{
	close_link(&k->link);
	close_link(&k->poll_link);
	close_link(&k->tag_link);
}

bool xdp_kernel_alive(const struct xdp_kernel *k)
{
	struct bpf_link_info info = {0};
	uint32_t size = sizeof(info);

	return k->link >= 0 && bpf_obj_get_info_by_fd(k->link, &info, &size) == 0 &&
	       info.xdp.ifindex != 0;
}

int xdp_kernel_program(const struct xdp_kernel *k)
{
	return bpf_program__fd(k->skeleton->progs.tap);
}
