#include "netdev.h"

#include <arpa/inet.h>
#include <glob.h>
#include <ifaddrs.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* The last path component of a symbolic link's target; "" if the link does not exist. */
static void link_name(const char *path, char *out, size_t size)
{
	char target[PATH_MAX];
	ssize_t length = readlink(path, target, sizeof(target) - 1);
	const char *slash;

	out[0] = '\0';
	if (length <= 0)
		return;
	target[length] = '\0';
	slash = strrchr(target, '/');
	snprintf(out, size, "%.*s", (int)size - 1, slash != NULL ? slash + 1 : target);
}

static void find_pci(struct netdev *dev)
{
	char path[PATH_MAX], bus[32];

	snprintf(path, sizeof(path), "/sys/class/net/%s/device/subsystem", dev->interface);
	link_name(path, bus, sizeof(bus));
	if (strcmp(bus, "pci") != 0)
		return;
	snprintf(path, sizeof(path), "/sys/class/net/%s/device", dev->interface);
	link_name(path, dev->pci, sizeof(dev->pci));
}

static void find_interface(struct netdev *dev)
{
	char pattern[PATH_MAX];
	glob_t found;

	snprintf(pattern, sizeof(pattern), "/sys/bus/pci/devices/%s/net/*", dev->pci);
	if (glob(pattern, 0, NULL, &found) == 0)
		snprintf(dev->interface, sizeof(dev->interface), "%.*s", IF_NAMESIZE - 1,
			 strrchr(found.gl_pathv[0], '/') + 1);
	globfree(&found);
}

bool netdev_find(const char *name, struct netdev *dev)
{
	char path[PATH_MAX];

	*dev = (struct netdev){0};
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s", name);
	if (strchr(name, '/') == NULL && if_nametoindex(name) > 0) {
		snprintf(dev->interface, sizeof(dev->interface), "%s", name);
		find_pci(dev);
	} else if (name[0] != '\0' && strchr(name, '/') == NULL && access(path, F_OK) == 0 &&
		   strlen(name) < sizeof(dev->pci)) {
		snprintf(dev->pci, sizeof(dev->pci), "%s", name);
		find_interface(dev);
	} else {
		return false;
	}
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver", dev->pci);
	if (dev->pci[0] != '\0')
		link_name(path, dev->driver, sizeof(dev->driver));
	return true;
}

/* The IP address of an entry; NULL if it has none, or a link-local one. */
static const void *address_of(const struct ifaddrs *at)
{
	const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)at->ifa_addr;

	if (at->ifa_addr == NULL)
		return NULL;
	if (at->ifa_addr->sa_family == AF_INET)
		return &((const struct sockaddr_in *)at->ifa_addr)->sin_addr;
	if (at->ifa_addr->sa_family == AF_INET6 && !IN6_IS_ADDR_LINKLOCAL(&six->sin6_addr))
		return &six->sin6_addr;
	return NULL;
}

bool netdev_address(const char *interface, char *out, size_t size)
{
	struct ifaddrs *all;
	bool found = false;

	if (getifaddrs(&all) != 0)
		return false;
	for (const struct ifaddrs *at = all; at != NULL && !found; at = at->ifa_next) {
		const void *address = address_of(at);

		if (address == NULL || strcmp(at->ifa_name, interface) != 0)
			continue;
		found = inet_ntop(at->ifa_addr->sa_family, address, out, (socklen_t)size) != NULL;
	}
	freeifaddrs(all);
	return found;
}

uint32_t netdev_rx_queues(const char *interface)
{
	char pattern[PATH_MAX];
	uint32_t n = 0;
	glob_t found;

	snprintf(pattern, sizeof(pattern), "/sys/class/net/%s/queues/rx-*", interface);
	if (glob(pattern, 0, NULL, &found) == 0)
		n = (uint32_t)found.gl_pathc;
	globfree(&found);
	return n;
}

/*
 * Reads the interface's flags, 0 if it no longer exists. Uses an ioctl, which applies to the
 * process's network namespace, whereas sysfs belongs to the namespace it was mounted in. False if
 * the socket cannot be opened, which says nothing about the interface.
 */
static bool read_flags(unsigned int ifindex, bool *there, int *flags)
{
	struct ifreq ifr = {.ifr_ifindex = (int)ifindex};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return false;
	*there = ioctl(fd, SIOCGIFNAME, &ifr) == 0 && ioctl(fd, SIOCGIFFLAGS, &ifr) == 0;
	*flags = *there ? ifr.ifr_flags : 0;
	close(fd);
	return true;
}

enum netdev_state netdev_state(unsigned int ifindex)
{
	bool there;
	int flags;

	if (!read_flags(ifindex, &there, &flags))
		return NETDEV_UP;
	if (!there)
		return NETDEV_GONE;
	return (flags & IFF_UP) && (flags & IFF_RUNNING) ? NETDEV_UP : NETDEV_DOWN;
}

bool netdev_promiscuous(unsigned int ifindex)
{
	bool there;
	int flags;

	return read_flags(ifindex, &there, &flags) && (flags & IFF_PROMISC);
}
