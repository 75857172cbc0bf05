/* The EAL's device events are experimental in DPDK 22.11, but nothing else reports that a device
 * bound to vfio-pci is requested back. */
#define ALLOW_EXPERIMENTAL_API
#include "capture_life.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_dev.h>
#include <rte_ethdev.h>
#include <rte_pause.h>

#include "netdev.h"

/* Events that end a port: it is gone, or would have to be set up again. */
static const struct {
	enum rte_eth_event_type event;
	const char *why;
} ends[] = {
	{RTE_ETH_EVENT_INTR_RMV, "the device was removed"},
	{RTE_ETH_EVENT_INTR_RESET, "the device was reset"},
};

int life_find(const char *given, uint16_t *port, struct lj_error *err)
{
	char name[RTE_ETH_NAME_MAX_LEN];

	snprintf(name, sizeof(name), "%.*s", (int)strcspn(given, ","), given);
	if (rte_eth_dev_get_port_by_name(name, port) == 0)
		return 0;
	return lj_error_set(err, ENODEV, given, "no such port: DPDK has not probed it (%s)",
			    strchr(name, ':') != NULL
				    ? "is it bound to vfio-pci?"
				    : "its arguments may be wrong, or name something that does "
				      "not exist");
}

/* The name tells the bus: a PCI address has a colon. */
int life_plug(const char *name, struct lj_error *err)
{
	const char *comma = strchr(name, ',');
	char device[RTE_ETH_NAME_MAX_LEN];
	uint16_t port;
	int ret;

	if (life_find(name, &port, NULL) == 0)
		return 0;
	snprintf(device, sizeof(device), "%.*s", (int)strcspn(name, ","), name);
	ret = rte_eal_hotplug_add(strchr(device, ':') != NULL ? "pci" : "vdev", device,
				  comma != NULL ? comma + 1 : "");
	return ret == 0
		       ? 0
		       : lj_error_set(err, -ret, name, "DPDK cannot set it up: %s", strerror(-ret));
}

static int on_event(uint16_t port, enum rte_eth_event_type event, void *life, void *result)
{
	struct port_life *l = life;

	RTE_SET_USED(port);
	RTE_SET_USED(result);
	for (size_t i = 0; i < RTE_DIM(ends); i++)
		if (ends[i].event == event)
			atomic_store_explicit(&l->ended, ends[i].why, memory_order_relaxed);
	return 0;
}

/* The kernel requests a device back from vfio-pci: it is being removed or unbound, which blocks
 * until we release it. */
static void on_device_event(const char *device, enum rte_dev_event_type event, void *life)
{
	struct port_life *l = life;

	RTE_SET_USED(device);
	if (event == RTE_DEV_EVENT_REMOVE)
		atomic_store_explicit(&l->ended, "the device is being removed",
				      memory_order_relaxed);
}

void life_begin(struct port_life *l, uint16_t port)
{
	struct rte_eth_dev_info info = {0};

	l->port = port;
	if (rte_eth_dev_info_get(port, &info) == 0) {
		l->ifindex = info.if_index;
		snprintf(l->device, sizeof(l->device), "%s", rte_dev_name(info.device));
		rte_dev_event_callback_register(l->device, on_device_event, l);
	}
	for (size_t i = 0; i < RTE_DIM(ends); i++)
		rte_eth_dev_callback_register(port, ends[i].event, on_event, l);
}

void life_end(struct port_life *l)
{
	/* -EAGAIN: the callback is running. */
	for (size_t i = 0; i < RTE_DIM(ends); i++)
		while (rte_eth_dev_callback_unregister(l->port, ends[i].event, on_event, l) ==
		       -EAGAIN)
			rte_pause();
	if (l->device[0] != '\0')
		while (rte_dev_event_callback_unregister(l->device, on_device_event, l) == -EAGAIN)
			rte_pause();
}

enum lj_port_health life_health(const struct port_life *l, const char **why)
{
	enum netdev_state state = l->ifindex > 0 ? netdev_state(l->ifindex) : NETDEV_UP;
	struct rte_eth_link link = {0};

	*why = atomic_load_explicit(&l->ended, memory_order_relaxed);
	if (*why == NULL && rte_eth_dev_is_removed(l->port))
		*why = "the device was removed";
	if (*why == NULL && state == NETDEV_GONE)
		*why = "the interface is gone";
	if (*why != NULL)
		return LJ_PORT_DEAD;
	/* net_af_packet and net_af_xdp report link up regardless of the interface's link. */
	if (l->ifindex == 0 && rte_eth_link_get_nowait(l->port, &link) == 0 && !link.link_status)
		state = NETDEV_DOWN;
	*why = state == NETDEV_UP ? "" : "the link is down";
	return state == NETDEV_UP ? LJ_PORT_WELL : LJ_PORT_LINK_DOWN;
}
