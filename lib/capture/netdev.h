/*
 * Private: what the kernel says of an interface or a PCI device. Thread: main.
 */
#ifndef NETDEV_H
#define NETDEV_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct netdev {
	char interface[IF_NAMESIZE]; /* "": the kernel has none of it */
	char pci[16];		     /* "0000:3b:00.0"; "": no PCI device */
	char driver[32];	     /* that the PCI device is bound to; "": none */
};

/* By the name of an interface, or a PCI address. False when there is neither. */
bool netdev_find(const char *name, struct netdev *dev);

/* The first IP address that the host has on the interface, as text; link-local ones, which every
 * interface gets by itself, do not count. False when there is none. */
bool netdev_address(const char *interface, char *out, size_t size);

/* Receive queues in use; 0 when the kernel does not tell. */
uint32_t netdev_rx_queues(const char *interface);

enum netdev_state { NETDEV_UP, NETDEV_DOWN, NETDEV_GONE };

/* Of the interface that has that index, whatever its name is by now. Down: no carrier, too. */
enum netdev_state netdev_state(unsigned int ifindex);

/* Whether somebody has set it promiscuous (ip link set IF promisc on). */
bool netdev_promiscuous(unsigned int ifindex);

#endif
