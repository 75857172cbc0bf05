/*
 * Private: the kernel's side of the XDP tap: loading and attaching the program, and mapping the
 * memory that it shares.
 *
 * The program is attached by a bpf_link that only this process holds, so the kernel detaches it
 * when the process ends in any way.
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
	XDP_MODE_GENERIC, /* in the stack; any driver; GRO may have merged frames by then */
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
	int poll_link;	   /* of the program on napi_poll; -1: the clock is read for each packet */
	int tag_link;	   /* of the program that reads skb->vlan_tci, in generic mode; -1: none */
	bool driver_tells; /* native mode asks the driver for VLAN tags */
	bool generic;
	char no_native[160]; /* why native mode is not used; "" */
	uint32_t rings;	     /* one per CPU */
	struct xdp_position *position;
	const struct xdp_slot *slot; /* [rings * slots_per_ring]; mapped read-only */
};

/* Loads the program and maps its memory; does not attach it yet. 0, or -errno with `err`; call
 * xdp_kernel_close() in both cases. */
int xdp_kernel_open(struct xdp_kernel *k, const struct xdp_kernel_config *config,
		    struct lj_error *err);
void xdp_kernel_close(struct xdp_kernel *k);

/* 0, also if it is attached already, or -errno with `err`. */
int xdp_kernel_attach(struct xdp_kernel *k, struct lj_error *err);
void xdp_kernel_detach(struct xdp_kernel *k);

/* Whether the interface that the program was attached to still exists. */
bool xdp_kernel_alive(const struct xdp_kernel *k);

/* Whether the interface removes VLAN tags from frames and the tap cannot see them on this kernel.
 */
bool xdp_kernel_misses_vlan(const struct xdp_kernel *k);

/* The program's file descriptor, for BPF_PROG_TEST_RUN in benchmarks. */
int xdp_kernel_program(const struct xdp_kernel *k);

/* From now on the packets of one driver poll share one timestamp; if the kernel lacks the
 * tracepoint each still gets its own. Called by xdp_kernel_attach(). */
void xdp_kernel_share_clock(struct xdp_kernel *k);

#endif
