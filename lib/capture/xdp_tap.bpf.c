/*
 * The tap: copies the first bytes of each packet to this CPU's ring and always passes the packet on
 * to the host.
 *
 * The store to `head`, the last one, publishes the others: x86 keeps stores in order, so a compiler
 * barrier is enough.
 *
 * Reading the clock costs four times as much as everything else, so up to SHARERS packets of one
 * driver poll share a timestamp: they arrived before the poll and are handled back to back, so
 * individual timestamps would say nothing about the wire. A tracepoint tells the end of a poll. For
 * packets received without polling (a tun device) a timestamp is valid for at most a jiffy.
 *
 * A VLAN tag may have been removed from the frame by the NIC, or by the sender at the other end of
 * a veth. A native program asks the driver for it (`tap_tags`; Linux 6.8 and later, if the driver
 * supports it). A generic one cannot, but the kernel passes a tracepoint for each packet just
 * before the program, on the same CPU (`received`).
 */
#include <linux/bpf.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "xdp_tap.h"

#define SHARERS 64

/* Set before the program is loaded: constants to the verifier. */
const volatile __u32 slots_per_ring = 1;
const volatile __u32 snap_bytes = XDP_SNAP;
/* Whether frames may span several buffers: bpf_xdp_get_buff_len() costs 6 ns. */
const volatile _Bool several_buffers = 1;

/* Set once `polled` is attached; until then the clock is read for each packet. */
_Bool share_clock = 0;

/* One position per CPU, and the slots of all rings; max_entries is set before loading. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct xdp_position);
} positions SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct xdp_slot);
} slots SEC(".maps");

#define barrier() asm volatile("" ::: "memory")

/* Keeps a value in one register: the verifier must see the bound checked on the register used. */
#define own_register(value) asm volatile("" : "+r"(value))

#define WORDS(to, from, n)                                                                         \
	_Pragma("unroll") for (int word = 0; word < (n); word++)((__u64 *)(to))[word] =            \
		((const __u64 *)(from))[word]

/* Copies `size` bytes, a constant power of two, if that bit of `bytes` is set. */
#define COPY_BIT(size)                                                                             \
	do {                                                                                       \
		if ((bytes & (size)) == 0)                                                         \
			break;                                                                     \
		if (from + (size) > end)                                                           \
			return;                                                                    \
		WORDS(to, from, (size) / 8);                                                       \
		from += (size);                                                                    \
		to += (size);                                                                      \
	} while (0)

/*
 * Copies of constant sizes become plain loads and stores, faster than the helper that takes a
 * length: the multiple of 16 by its bits, then the last 16 bytes, which overlap.
 * 16 <= bytes <= XDP_SLOT_DATA.
 */
static __always_inline void copy(__u8 *to, const __u8 *from, const __u8 *end, __u64 bytes)
{
	__u64 last = bytes - 16;
	__u8 *last_to = to;
	const __u8 *last_from = from;

	COPY_BIT(128);
	COPY_BIT(64);
	COPY_BIT(32);
	COPY_BIT(16);
	if ((bytes & 15) == 0)
		return;
	own_register(last);
	if (last > XDP_SLOT_DATA - 16)
		return;
	last_to += last;
	last_from += last;
	if (last_from + 16 > end)
		return;
	WORDS(last_to, last_from, 2);
}

static __always_inline struct xdp_slot *reserve(struct xdp_position *position, __u32 cpu)
{
	__u64 head = position->head;
	__u32 index = cpu * slots_per_ring + (head & (slots_per_ring - 1));

	if (head - position->seen_tail >= slots_per_ring) {
		position->seen_tail = *(volatile __u64 *)&position->tail;
		if (head - position->seen_tail >= slots_per_ring) {
			position->overruns++;
			return NULL;
		}
	}
	return bpf_map_lookup_elem(&slots, &index);
}

/* Copies the first bytes of the frame to the slot, from its first buffer if that is long enough. */
static __always_inline void take(struct xdp_slot *slot, struct xdp_md *ctx)
{
	const __u8 *data = (const __u8 *)(long)ctx->data;
	const __u8 *end = (const __u8 *)(long)ctx->data_end;
	__u64 wire_bytes = several_buffers ? bpf_xdp_get_buff_len(ctx) : end - data;
	__u64 captured = wire_bytes < snap_bytes ? wire_bytes : snap_bytes;

	own_register(captured);
	if (captured == 0 || captured > XDP_SLOT_DATA)
		captured = 0;
	else if (captured >= 16 && data + captured <= end)
		copy(slot->data, data, end, captured);
	else if (bpf_xdp_load_bytes(ctx, 0, slot->data, captured) != 0)
		captured = 0;
	slot->wire_bytes = wire_bytes;
	slot->captured = captured;
}

static __always_inline __u64 now_ns(struct xdp_position *position)
{
	__u64 jiffies = bpf_jiffies64();

	if (share_clock && position->time_ns != 0 && position->jiffies == jiffies &&
	    position->sharers < SHARERS - 1) {
		position->sharers++;
		return position->time_ns;
	}
	position->jiffies = jiffies;
	position->sharers = 0;
	position->time_ns = bpf_ktime_get_ns();
	return position->time_ns;
}

SEC("raw_tp/napi_poll") int polled(void *ctx)
{
	__u32 cpu = bpf_get_smp_processor_id();
	struct xdp_position *position = bpf_map_lookup_elem(&positions, &cpu);

	if (position != NULL)
		position->time_ns = 0;
	return 0;
}

/* The only kernel field read here; CO-RE relocates its offset by the kernel's BTF. */
struct sk_buff {
	__u16 vlan_tci;
} __attribute__((preserve_access_index));

/* Before Linux 6.2, where vlan_tci kept its value after the tag was removed. */
struct sk_buff___6_1 {
	__u8 vlan_present : 1;
} __attribute__((preserve_access_index));

static __always_inline _Bool has_tag(const struct sk_buff *skb)
{
	const struct sk_buff___6_1 *old = (const void *)skb;

	return !bpf_core_field_exists(old->vlan_present) ||
	       BPF_CORE_READ_BITFIELD(old, vlan_present);
}

SEC("tp_btf/netif_receive_skb") int BPF_PROG(received, const struct sk_buff *skb)
{
	__u32 cpu = bpf_get_smp_processor_id();
	struct xdp_position *position = bpf_map_lookup_elem(&positions, &cpu);

	if (position != NULL)
		position->vlan_tci = skb->vlan_tci != 0 && has_tag(skb) ? skb->vlan_tci : 0;
	return 0;
}

extern int bpf_xdp_metadata_rx_vlan_tag(const struct xdp_md *ctx, __be16 *proto,
					__u16 *tci) __ksym __weak;

static __always_inline __u16 ask_driver(const struct xdp_md *ctx)
{
	__be16 proto;
	__u16 tci;

	return bpf_xdp_metadata_rx_vlan_tag(ctx, &proto, &tci) == 0 ? tci : 0;
}

static __always_inline int tap_packet(struct xdp_md *ctx, _Bool driver_tells)
{
	__u32 cpu = bpf_get_smp_processor_id();
	struct xdp_position *position = bpf_map_lookup_elem(&positions, &cpu);
	struct xdp_slot *slot;

	if (position == NULL)
		return XDP_PASS;
	slot = reserve(position, cpu);
	if (slot == NULL)
		return XDP_PASS;
	slot->time_ns = now_ns(position);
	slot->vlan_tci = driver_tells ? ask_driver(ctx) : position->vlan_tci;
	take(slot, ctx);
	barrier();
	*(volatile __u64 *)&position->head = position->head + 1;
	return XDP_PASS;
}

/* Loaded with BPF_F_XDP_HAS_FRAGS if frames may span several buffers. */
SEC("xdp") int tap(struct xdp_md *ctx)
{
	return tap_packet(ctx, 0);
}

/* Bound to one interface, so that the kernel knows which driver to ask. */
SEC("xdp") int tap_tags(struct xdp_md *ctx)
{
	return tap_packet(ctx, 1);
}

char LICENSE[] SEC("license") = "GPL";
