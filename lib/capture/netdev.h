/*
 * Private: what the kernel reports about an interface or a PCI device. Thread: main.
 */
#ifndef NETDEV_H
#define NETDEV_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct netdev {
	char interface[IF_NAMESIZE]; /* "": the device has no kernel interface */
	char pci[16];		     /* "0000:3b:00.0"; "": no PCI device */
	char driver[32];	     /* the kernel driver of the PCI device; "": none */
};

/* Looks up an interface name or a PCI address. False if there is neither. */
bool netdev_find(const char *name, struct netdev *dev);

/* The first IP address of the interface, as text; IPv6 link-local addresses, which are assigned
 * automatically, are ignored. False if there is none. */
bool netdev_address(const char *interface, char *out, size_t size);

/* The number of receive queues; 0 if unknown. */
uint32_t netdev_rx_queues(const char *interface);

enum netdev_state { NETDEV_UP, NETDEV_DOWN, NETDEV_GONE };

/* The state of the interface with that index, even if it was renamed. No carrier counts as down. */
enum netdev_state netdev_state(unsigned int ifindex);

/* Whether the user has set it promiscuous (ip link set IF promisc on). */
bool netdev_promiscuous(unsigned int ifindex);

#endif
