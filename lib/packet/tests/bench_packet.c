/*
 * The cost of parsing a packet: the plain case, a mix as on a border link, segmented mbufs, and
 * frames that are not in the cache. Compared with DPDK's rte_net_get_ptype(), which only determines
 * where the layers start, without facts, key or hash.
 */
#include <rte_net.h>

#include "lj_bench.h"
#include "lj_packet.h"

#define FRAMES	    4096
#define COLD_FRAMES 65536
#define SLOT	    2048 /* as in a mempool: each frame starts in another cache line and page */
#define PACKETS	    (1u << 20)
#define REPEATS	    7
#define BURST	    32
#define FRAME_MAX   128

/* From the IP header on; the EtherTypes are in `kinds`. */
#define IPV4(total, proto)                                                                         \
	0x45, 0, 0, total, 0, 1, 0x40, 0, 64, proto, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2
#define IPV6(bytes, next)                                                                          \
	0x60, 0, 0, 0, 0, bytes, next, 63, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, \
		0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1
#define TCP 0x30, 0x39, 1, 0xbb, 0, 0, 0, 7, 0, 0, 0, 9, 0x50, 0x18, 0x12, 0x34, 0, 0, 0, 0
#define SYN                                                                                        \
	0x30, 0x39, 1, 0xbb, 0, 0, 0, 7, 0, 0, 0, 0, 0xa0, 2, 0xff, 0xff, 0, 0, 0, 0, 2, 4, 5,     \
		0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7
#define UDP 0x13, 0x88, 1, 0xbb, 0, 12, 0, 0

static const uint8_t tcp4[] = {8, 0, IPV4(52, 6), TCP};
static const uint8_t syn4[] = {8, 0, IPV4(60, 6), SYN};
static const uint8_t udp4[] = {8, 0, IPV4(32, 17), UDP, 1, 2, 3, 4};
static const uint8_t tcp6[] = {0x86, 0xdd, IPV6(20, 6), TCP};
static const uint8_t udp6[] = {0x86, 0xdd, IPV6(12, 17), UDP, 1, 2, 3, 4};
static const uint8_t vlan[] = {0x81, 0, 0, 100, 8, 0, IPV4(52, 6), TCP};
static const uint8_t mpls[] = {0x88, 0x47, 0, 1, 0x41, 64, IPV4(32, 17), UDP, 1, 2, 3, 4};
static const uint8_t ping[] = {8, 0, IPV4(30, 1), 8, 0, 0, 0, 0xab, 0xcd, 0, 1, 1, 2};
static const uint8_t arp[] = {8, 6, 0, 1, 8, 0, 6, 4, 0, 1};

/* `address` is the end of the source address, which is changed so that every frame has its own
 * endpoint. */
static const struct kind {
	const uint8_t *bytes;
	uint8_t n, address;
	uint16_t share; /* percent in the mix */
} kinds[] = {
	{tcp4, sizeof(tcp4), 16, 40}, {udp4, sizeof(udp4), 16, 20}, {tcp6, sizeof(tcp6), 24, 10},
	{udp6, sizeof(udp6), 24, 8},  {vlan, sizeof(vlan), 20, 8},  {syn4, sizeof(syn4), 16, 6},
	{mpls, sizeof(mpls), 20, 3},  {ping, sizeof(ping), 16, 3},  {arp, sizeof(arp), 9, 2},
};

static const struct bench_case {
	const char *name;
	uint32_t frames;
	bool mixed, segmented;
} cases[] = {
	{"ipv4_tcp", FRAMES / 8, false, false},
	{"mix", FRAMES, true, false},
	{"mix_segmented", FRAMES, true, true},
	{"mix_cold", COLD_FRAMES, true, false},
};

struct bench {
	uint8_t *slots;
	struct rte_mbuf *mbufs, *seconds;
	uint32_t frames;
	uint64_t sum; /* of the results, so that parsing is not optimized away */
};

/* xorshift, so that all runs have the same frames. */
static uint32_t next_random(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

static const struct kind *choose(uint32_t random)
{
	const struct kind *k = kinds;

	for (random %= 100; random >= k->share; k++)
		random -= k->share;
	return k;
}

static void tear_down(struct bench *b)
{
	free(b->slots);
	free(b->mbufs);
	free(b->seconds);
}

static bool set_up(struct bench *b, const struct bench_case *c)
{
	uint32_t random = 1;

	memset(b, 0, sizeof(*b));
	b->frames = c->frames;
	b->slots = aligned_alloc(RTE_CACHE_LINE_SIZE, (size_t)c->frames * SLOT);
	b->mbufs = aligned_alloc(RTE_CACHE_LINE_SIZE, c->frames * sizeof(*b->mbufs));
	b->seconds = aligned_alloc(RTE_CACHE_LINE_SIZE, c->frames * sizeof(*b->seconds));
	if (b->slots == NULL || b->mbufs == NULL || b->seconds == NULL)
		return false;
	memset(b->slots, 0, (size_t)c->frames * SLOT);
	memset(b->mbufs, 0, c->frames * sizeof(*b->mbufs));
	memset(b->seconds, 0, c->frames * sizeof(*b->seconds));
	for (uint32_t i = 0; i < c->frames; i++) {
		const struct kind *k = c->mixed ? choose(next_random(&random)) : kinds;
		struct rte_mbuf *m = &b->mbufs[i], *second = &b->seconds[i];
		uint8_t *frame = b->slots + (size_t)i * SLOT + RTE_PKTMBUF_HEADROOM;
		/* The worst case: the boundary is inside the addresses. */
		uint16_t n = 12 + k->n, first = c->segmented ? 30 : n;

		memcpy(frame + 12, k->bytes, k->n);
		frame[12 + k->address - 1] = (uint8_t)next_random(&random);
		first = RTE_MIN(first, n);
		m->buf_addr = b->slots + (size_t)i * SLOT;
		m->data_off = RTE_PKTMBUF_HEADROOM;
		m->data_len = first;
		m->pkt_len = n;
		m->nb_segs = first < n ? 2 : 1;
		if (first == n)
			continue;
		m->next = second;
		second->buf_addr = m->buf_addr;
		second->data_off = RTE_PKTMBUF_HEADROOM + first;
		second->data_len = n - first;
		second->nb_segs = 1;
	}
	return true;
}

static void parse_all(struct bench *b, struct lj_parser *parser)
{
	static struct lj_packet packets[BURST];
	static struct lj_burst burst;

	for (uint32_t done = 0; done < PACKETS; done += BURST) {
		uint32_t at = done % b->frames;
		uint16_t n;

		burst.count = BURST;
		for (uint16_t i = 0; i < BURST; i++) {
			burst.mbuf[i] = &b->mbufs[at + i];
			burst.time_ns[i] = done + i;
			burst.wire_bytes[i] = FRAME_MAX;
		}
		n = lj_packet_parse_burst(parser, &burst, packets);
		b->sum += packets[n - 1].hash;
	}
}

/* The baseline. */
static void find_layers(struct bench *b)
{
	for (uint32_t done = 0; done < PACKETS; done++) {
		struct rte_net_hdr_lens lengths;

		b->sum += rte_net_get_ptype(&b->mbufs[done % b->frames], &lengths,
					    RTE_PTYPE_ALL_MASK) +
			  lengths.l3_len;
	}
}

struct result {
	double own, baseline, ratio; /* ns per packet, medians */
};

/* Alternately, so that other load affects both. */
static void measure(struct bench *b, struct result *r)
{
	static struct lj_counters counters;
	double own[REPEATS], baseline[REPEATS], ratio[REPEATS];
	struct lj_parser parser;

	lj_parser_init(&parser, &counters, false, false);
	parse_all(b, &parser); /* warm up */
	for (int i = 0; i < REPEATS; i++) {
		uint64_t began_ns = lj_bench_clock_ns();

		parse_all(b, &parser);
		own[i] = lj_bench_ns_since(began_ns) / PACKETS;
		began_ns = lj_bench_clock_ns();
		find_layers(b);
		baseline[i] = lj_bench_ns_since(began_ns) / PACKETS;
		ratio[i] = baseline[i] / own[i];
	}
	*r = (struct result){lj_bench_median(own, REPEATS), lj_bench_median(baseline, REPEATS),
			     lj_bench_median(ratio, REPEATS)};
}

static bool run_case(struct lj_bench *out, const struct bench_case *c)
{
	struct result r;
	struct bench b;

	if (!set_up(&b, c)) {
		tear_down(&b);
		return false;
	}
	measure(&b, &r);
	fprintf(out->text, "%-16s %7.1f ns a packet, rte_net_get_ptype %7.1f ns (%.2f)\n", c->name,
		r.own, r.baseline, r.ratio);
	lj_bench_row(out,
		     "\"name\": \"%s\", \"ns_per_packet\": %.2f, \"rte_net_get_ptype_ns\": %.2f, "
		     "\"ratio\": %.3f",
		     c->name, r.own, r.baseline, r.ratio);
	tear_down(&b);
	return true;
}

int main(int argc, char **argv)
{
	struct lj_bench out;

	lj_bench_open(&out, "bench_packet", argc, argv, NULL, 0);
	for (size_t i = 0; i < RTE_DIM(cases); i++)
		if (!run_case(&out, &cases[i])) {
			fprintf(stderr, "bench_packet: not enough memory\n");
			return EXIT_FAILURE;
		}
	return lj_bench_close(&out);
}
