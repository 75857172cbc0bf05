/*
 * Private: the kernel's side of the XDP tap: the program, where it hangs, and the memory it shares.
 *
 * The program hangs on the interface by a bpf_link that nothing but this process holds, so it goes
 * when the process does, however that ends.
 *
 * Thread: main.
 */
#ifndef CAPTURE_XDP_KERNEL_H
#define CAPTURE_XDP_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lj_base.h"
#include "xdp_tap.h"

enum xdp_mode {
	XDP_MODE_ANY,	  /* native, else generic */
	XDP_MODE_NATIVE,  /* in the driver, before the kernel has made a packet of the frame */
	XDP_MODE_GENERIC, /* in the stack; any driver; frames may be merged ones by then (GRO) */
};

struct xdp_kernel_config {
	const char *name; /* for errors */
	const char *interface;
	enum xdp_mode mode;
	uint32_t slots_per_ring; /* a power of two */
	uint32_t snap_bytes;	 /* XDP_SNAP_MIN..XDP_SLOT_DATA */
};

struct xdp_tap;

struct xdp_kernel {
	struct xdp_kernel_config config;
	struct xdp_tap *skeleton;
	unsigned int ifindex;
	int link;	   /* file descriptor; -1: not attached */
	int poll_link;	   /* of the program that watches polls; -1: each packet reads the clock */
	int tag_link;	   /* of the one that sees tags beside frames, in generic mode; -1: none */
	bool driver_tells; /* native mode asks the driver for them */
	bool generic;
	char no_native[160]; /* why the driver does not take it; "" */
	uint32_t rings;	     /* one a CPU */
	struct xdp_position *position;
	const struct xdp_slot *slot; /* [rings * slots_per_ring]; cannot be written */
};

/* Loads the program and maps its memory; attaches nothing yet. 0, or -errno and `err`; closed by
 * xdp_kernel_close() either way. */
int xdp_kernel_open(struct xdp_kernel *k, const struct xdp_kernel_config *config,
		    struct lj_error *err);
void xdp_kernel_close(struct xdp_kernel *k);

/* 0, also when it is attached already, or -errno and `err`. */
int xdp_kernel_attach(struct xdp_kernel *k, struct lj_error *err);
void xdp_kernel_detach(struct xdp_kernel *k);

/* Whether the interface that the program was attached to is still there. */
bool xdp_kernel_alive(const struct xdp_kernel *k);

/* Whether the interface takes VLAN tags off frames and this kernel lets the tap not see them. */
bool xdp_kernel_misses_vlan(const struct xdp_kernel *k);

/* The program's file descriptor, for test runs. */
int xdp_kernel_program(const struct xdp_kernel *k);

/* Packets of one poll of a driver share a reading of the clock from now on; on a kernel without the
 * tracepoint they go on having their own. */
void xdp_kernel_share_clock(struct xdp_kernel *k);

#endif
