/*
 * Private: the memory that the XDP program writes and the daemon reads. Both sides include this, so
 * it depends on neither DPDK nor libc.
 *
 * Each CPU has a ring of its own, so each ring has one producer. The ring of CPU c begins at slot
 * c * slots_per_ring; `head` and `tail` count packets and never wrap, and packet n of a ring is in
 * slot n & (slots_per_ring - 1).
 */
#ifndef XDP_TAP_H
#define XDP_TAP_H

#include <linux/types.h>

#define XDP_SLOT_DATA 240
#define XDP_SNAP      192 /* bytes of a frame that are copied, by default */
#define XDP_SNAP_MIN  64

struct xdp_slot {
	__u64 time_ns; /* CLOCK_MONOTONIC */
	__u32 wire_bytes;
	__u16 captured; /* valid bytes of data */
	__u16 vlan_tci; /* of an outer tag that was removed from the frame; 0: none */
	__u8 data[XDP_SLOT_DATA];
};

/*
 * One cache line for each writer. The producer reads the consumer's line only if the ring seems
 * full by the tail it last saw.
 */
struct xdp_position {
	/* XDP program: wo; daemon: ro */
	__u64 head;
	__u64 seen_tail;
	__u64 overruns; /* packets that found the ring full */
	__u64 time_ns;	/* the clock as last read; 0: the driver poll has ended since */
	__u64 jiffies;	/* when it was read */
	__u64 sharers;	/* packets after the first that got this time */
	/* of the packet last seen by netif_receive_skb; 0: no tag, or not watched */
	__u64 vlan_tci;
	__u64 producer_reserved[1];
	/* daemon: wo; XDP program: ro */
	__u64 tail;
	__u64 consumer_reserved[7];
};

_Static_assert(sizeof(struct xdp_slot) == 256, "a slot is four cache lines");
_Static_assert(sizeof(struct xdp_position) == 128, "a position is two cache lines");

#endif
