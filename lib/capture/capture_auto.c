/*
 * "auto:eth0": watches an interface in the best way that works. Each way that does not is logged
 * with the reason, which is also kept for `show port info`.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_dev.h>

#include "capture_auto.h"
#include "capture_life.h"
#include "lj_log.h"

static struct lj_source *refuse(struct lj_error *err, const char *why)
{
	lj_error_set(err, ENODEV, "", "%s", why);
	return NULL;
}

/* The NIC is ours alone. The EAL has probed it at start, as lj_port_auto_pci() returned its
 * address, unless it was detached since. */
static struct lj_source *open_driver(const struct candidate *c, struct lj_error *err)
{
	struct lj_port_config config = *c->config;
	char why[128];

	if (c->dev.pci[0] == '\0')
		return refuse(err, "it is not a PCI device");
	if (strcmp(c->dev.driver, "vfio-pci") != 0) {
		snprintf(why, sizeof(why), "%s is bound to %s, not to vfio-pci", c->dev.pci,
			 c->dev.driver[0] != '\0' ? c->dev.driver : "no driver");
		return refuse(err, why);
	}
	config.name = c->dev.pci;
	if (life_plug(c->dev.pci, err) != 0)
		return NULL;
	return ethdev_open(&config, err);
}

static struct lj_source *open_vdev(const struct candidate *c, const char *driver, const char *more,
				   struct lj_error *err)
{
	struct lj_port_config config = *c->config;
	struct lj_source *source;
	char name[64], arguments[96];
	int ret;

	snprintf(name, sizeof(name), "%s_%s", driver, c->dev.interface);
	snprintf(arguments, sizeof(arguments), "iface=%s%s", c->dev.interface, more);
	config.name = name;
	ret = rte_eal_hotplug_add("vdev", name, arguments);
	if (ret != 0) {
		lj_error_set(err, -ret, "", "DPDK cannot set it up: %s", strerror(-ret));
		return NULL;
	}
	source = ethdev_open(&config, err);
	if (source == NULL)
		rte_eal_hotplug_remove("vdev", name);
	return source;
}

/* AF_XDP takes the frames of a queue away from the host. */
static struct lj_source *open_af_xdp(const struct candidate *c, struct lj_error *err)
{
	uint32_t queues = netdev_rx_queues(c->dev.interface);
	char address[INET6_ADDRSTRLEN], why[256];

	if (netdev_address(c->dev.interface, address, sizeof(address))) {
		snprintf(why, sizeof(why),
			 "the host uses it (%s), and AF_XDP would take its frames away", address);
		return refuse(err, why);
	}
	if (queues > c->config->queues) {
		snprintf(why, sizeof(why),
			 "it has %u receive queues, of which only %u would be read (ethtool -L "
			 "%s combined %u)",
			 queues, c->config->queues, c->dev.interface, c->config->queues);
		return refuse(err, why);
	}
	return open_vdev(c, "net_af_xdp", "", err);
}

static struct lj_source *open_tap(const struct candidate *c, struct lj_error *err)
{
	struct lj_port_config config = *c->config;
	char name[LJ_SOURCE_NAME];

	snprintf(name, sizeof(name), XDP_PREFIX "%s", c->dev.interface);
	config.name = name;
	return xdp_open(&config, err);
}

/*
 * The driver's ring has `framecnt` frames, by default 512, whatever number of descriptors is
 * requested. It is locked memory, so with a low LimitMEMLOCK the default is tried, too.
 */
static struct lj_source *open_af_packet(const struct candidate *c, struct lj_error *err)
{
	struct lj_source *source;
	char frames[32];

	snprintf(frames, sizeof(frames), ",framecnt=%u", rte_align32pow2(c->config->descriptors));
	source = open_vdev(c, "net_af_packet", frames, err);
	return source != NULL ? source : open_vdev(c, "net_af_packet", "", err);
}

/* In the order of preference. */
static const struct {
	const char *name;
	bool needs_interface;
	struct lj_source *(*open)(const struct candidate *c, struct lj_error *err);
} ways[AUTO_WAYS] = {
	{"driver", false, open_driver},
	{"net_af_xdp", true, open_af_xdp},
	{"xdp", true, open_tap},
	{"net_af_packet", true, open_af_packet},
};
_Static_assert(AUTO_WAYS - 1 == LJ_REFUSALS_MAX, "all ways but the last can be refused");

bool lj_port_auto_pci(const char *name, char *pci, size_t size)
{
	struct netdev dev;

	if (strncmp(name, AUTO_PREFIX, strlen(AUTO_PREFIX)) != 0 ||
	    !netdev_find(name + strlen(AUTO_PREFIX), &dev) || strcmp(dev.driver, "vfio-pci") != 0)
		return false;
	snprintf(pci, size, "%s", dev.pci);
	return true;
}

const char *auto_way_name(size_t way)
{
	return ways[way].name;
}

struct lj_source *auto_open_way(size_t way, const struct candidate *c, struct lj_error *err)
{
	struct lj_source *source;

	if (ways[way].needs_interface && c->dev.interface[0] == '\0')
		return refuse(err, "the kernel has no interface of it");
	source = ways[way].open(c, err);
	if (source == NULL)
		return NULL;
	snprintf(source->name, sizeof(source->name), "%s", c->config->name);
	((struct source *)source)->way = ways[way].name;
	return source;
}

static void keep(struct lj_refusal *refusals, uint16_t *n, const char *name, const char *way,
		 const struct lj_error *why)
{
	struct lj_refusal *r = &refusals[(*n)++];

	snprintf(r->way, sizeof(r->way), "%s", way);
	snprintf(r->why, sizeof(r->why), "%.*s", (int)sizeof(r->why) - 1, why->what);
	lj_log(WARNING, "%s: not by %s: %s\n", name, way, r->why);
}

struct lj_source *auto_open(const struct lj_port_config *config, struct lj_error *err)
{
	struct lj_refusal refusals[RTE_DIM(ways)] = {0};
	struct candidate c = {.config = config};
	struct lj_source *source = NULL;
	uint16_t n = 0;

	if (!netdev_find(config->name + strlen(AUTO_PREFIX), &c.dev)) {
		lj_error_set(err, ENODEV, config->name,
			     "there is no such interface or PCI device (one bound to vfio-pci has "
			     "no interface: give its PCI address)");
		return NULL;
	}
	for (size_t i = 0; i < RTE_DIM(ways) && source == NULL; i++) {
		struct lj_error why = {0};

		source = auto_open_way(i, &c, &why);
		if (source == NULL)
			keep(refusals, &n, config->name, ways[i].name, &why);
		else
			lj_log(NOTICE, "%s: by %s\n", config->name, ways[i].name);
	}
	if (source == NULL) {
		lj_error_set(err, ENODEV, config->name, "no way to watch it: %s: %s; %s: %s",
			     refusals[0].way, refusals[0].why, refusals[n - 1].way,
			     refusals[n - 1].why);
		return NULL;
	}
	memcpy(((struct source *)source)->refusal, refusals, n * sizeof(*refusals));
	((struct source *)source)->refusals = n;
	return source;
}
