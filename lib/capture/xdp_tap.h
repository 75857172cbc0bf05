/*
 * Private: what the XDP program writes and the daemon reads. Both sides include this, so it knows
 * neither DPDK nor libc.
 *
 * Each CPU has a ring of slots of its own, since a CPU runs one XDP program at a time: one
 * producer. The ring of CPU c is the slots c * slots_per_ring and on; `head` and `tail` count
 * packets for ever, and packet n of a ring is in slot n & (slots_per_ring - 1).
 */
#ifndef XDP_TAP_H
#define XDP_TAP_H

#include <linux/types.h>

#define XDP_SLOT_DATA 240
#define XDP_SNAP      192 /* bytes of a frame that are copied, unless asked otherwise */
#define XDP_SNAP_MIN  64

struct xdp_slot {
	__u64 time_ns; /* CLOCK_MONOTONIC */
	__u32 wire_bytes;
	__u16 captured; /* of data */
	__u16 vlan_tci; /* of a tag that is not in the frame any more, outside of it; 0: none */
	__u8 data[XDP_SLOT_DATA];
};

/*
 * A line each for who writes it: the producer touches the consumer's only when the ring looks full
 * by the tail that it saw last.
 */
struct xdp_position {
	/* XDP program: wo; daemon: ro */
	__u64 head;
	__u64 seen_tail;
	__u64 overruns; /* packets that found the ring full */
	__u64 time_ns;	/* the clock as last read; 0: a poll of a driver has ended since */
	__u64 jiffies;	/* when */
	__u64 sharers;	/* packets that had this time after the first */
	/* of the packet that the kernel took in hand last; 0: none, or nobody looks */
	__u64 vlan_tci;
	__u64 producer_reserved[1];
	/* daemon: wo; XDP program: ro */
	__u64 tail;
	__u64 consumer_reserved[7];
};

_Static_assert(sizeof(struct xdp_slot) == 256, "a slot is four cache lines");
_Static_assert(sizeof(struct xdp_position) == 128, "a position is two cache lines");

#endif
