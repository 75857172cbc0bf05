#include <stdlib.h>
#include <string.h>

#include "lj_packet.h"
#include "lj_test.h"

#define ETHER(type) 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, (type) >> 8, (type)&0xff
#define IPV4(total, proto)                                                                         \
	0x45, 0, (total) >> 8, (total)&0xff, 0, 1, 0x40, 0, 64, proto, 0, 0, 10, 0, 0, 1, 10, 0,   \
		0, 2
#define IPV6(bytes, next)                                                                          \
	0x60, 0, 0, 0, (bytes) >> 8, (bytes)&0xff, next, 63, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, \
		0, 0, 0, 0, 0, 9, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1
#define TCP(flags) 0x30, 0x39, 0, 80, 0, 0, 0, 7, 0, 0, 0, 9, 0x50, flags, 0x12, 0x34, 0, 0, 0, 0
#define TCP_SYN_OPTIONS                                                                            \
	0x30, 0x39, 0, 80, 0, 0, 0, 7, 0, 0, 0, 0, 0x70, 2, 0x12, 0x34, 0, 0, 0, 0, 2, 4, 5, 0xb4, \
		1, 3, 3, 7
#define UDP 0x13, 0x88, 0, 53, 0, 12, 0, 0

static struct lj_counters counters;
static struct lj_packet fact;

/*
 * Parses a frame whose bytes end where the heap's do, so that a sanitizer sees a read too far.
 * `split` > 0 puts a segment boundary there.
 */
static int parse(const uint8_t *bytes, uint16_t n, uint16_t split)
{
	uint8_t *first = malloc(split > 0 ? split : n), *second = malloc(n);
	struct rte_mbuf mbuf[2];
	struct lj_burst burst = {.count = 1, .mbuf = {mbuf}, .time_ns = {5}, .wire_bytes = {n}};
	struct lj_parser parser;
	uint16_t got, head = split > 0 ? split : n;

	memset(mbuf, 0, sizeof(mbuf));
	memset(&counters, 0, sizeof(counters));
	lj_parser_init(&parser, &counters, false, false);
	memcpy(first, bytes, head);
	mbuf[0].buf_addr = first;
	mbuf[0].data_len = head;
	mbuf[0].pkt_len = n;
	mbuf[0].nb_segs = 1;
	if (split > 0) {
		free(second);
		second = malloc(n - split);
		memcpy(second, bytes + split, n - split);
		mbuf[0].nb_segs = 2;
		mbuf[0].next = &mbuf[1];
		mbuf[1].buf_addr = second;
		mbuf[1].data_len = n - split;
	}
	got = lj_packet_parse_burst(&parser, &burst, &fact);
	free(first);
	free(second);
	return got;
}

static uint64_t refused(void)
{
	uint64_t n = 0;

	for (int i = LJ_C_parse_ignored_ethertype; i <= LJ_C_parse_malformed_l4_header; i++)
		n += counters.value[i];
	return n;
}

static const uint8_t tcp4[] = {
	ETHER(0x0800), IPV4(44, 6), TCP(0x18), 1, 2, 3, 4, /* padding */ 0, 0};
static const uint8_t syn4[] = {ETHER(0x0800), IPV4(48, 6), TCP_SYN_OPTIONS};
static const uint8_t udp4[] = {ETHER(0x0800), IPV4(32, 17), UDP, 1, 2, 3, 4};
static const uint8_t udp6[] = {ETHER(0x86dd), IPV6(12, 17), UDP, 1, 2, 3, 4};
static const uint8_t hop6[] = {
	ETHER(0x86dd), IPV6(28, 0), 60, 0, 0, 0, 0, 0, 0, 0, 17, 0, 0, 0, 0, 0, 0, 0,
	UDP,	       1,	    2,	3, 4};
static const uint8_t qinq[] = {ETHER(0x88a8), 0,   100, 0x81, 0, 0, 200, 8, 0,
			       IPV4(32, 17),  UDP, 1,	2,    3, 4};
static const uint8_t mpls[] = {ETHER(0x8847), 0,   1, 0x40, 64, 0, 1, 0x41, 64,
			       IPV4(32, 17),  UDP, 1, 2,    3,	4};
static const uint8_t pppoe[] = {ETHER(0x8864), 0x11,	     0,	  0, 1, 0, 34, 0,
				0x21,	       IPV4(32, 17), UDP, 1, 2, 3, 4};
static const uint8_t ping4[] = {ETHER(0x0800), IPV4(30, 1), 8, 0, 0, 0, 0xab, 0xcd, 0, 1, 1, 2};
static const uint8_t sctp4[] = {
	ETHER(0x0800), IPV4(32, 132), 0x30, 0x39, 0, 80, 0, 0, 0, 0, 0, 0, 0, 0};
static const uint8_t gre4[] = {ETHER(0x0800), IPV4(24, 47), 0, 0, 8, 0};

static const struct {
	const char *name;
	const uint8_t *bytes;
	uint16_t n;
	uint16_t needed; /* bytes without which there are no facts */
	uint8_t proto, version;
	uint32_t l3, payload;
	uint16_t src, dst, vlan;
} frames[] = {
	{"tcp4", tcp4, sizeof(tcp4), 54, 6, 4, 44, 4, 12345, 80, 0},
	{"syn4", syn4, sizeof(syn4), 54, 6, 4, 48, 0, 12345, 80, 0},
	{"udp4", udp4, sizeof(udp4), 38, 17, 4, 32, 4, 5000, 53, 0},
	{"udp6", udp6, sizeof(udp6), 58, 17, 6, 52, 4, 5000, 53, 0},
	{"hop6", hop6, sizeof(hop6), 74, 17, 6, 68, 4, 5000, 53, 0},
	{"qinq", qinq, sizeof(qinq), 46, 17, 4, 32, 4, 5000, 53, 100},
	{"mpls", mpls, sizeof(mpls), 46, 17, 4, 32, 4, 5000, 53, 0},
	{"pppoe", pppoe, sizeof(pppoe), 46, 17, 4, 32, 4, 5000, 53, 0},
	{"ping4", ping4, sizeof(ping4), 42, 1, 4, 30, 2, 0xabcd, 0xabcd, 0},
	{"sctp4", sctp4, sizeof(sctp4), 38, 132, 4, 32, 0, 12345, 80, 0},
	{"gre4", gre4, sizeof(gre4), 34, 47, 4, 24, 4, 0, 0, 0},
};

static void every_kind_of_frame_gives_its_facts(void)
{
	for (size_t i = 0; i < RTE_DIM(frames); i++) {
		CU_ASSERT_EQUAL(parse(frames[i].bytes, frames[i].n, 0), 1);
		CU_ASSERT_EQUAL(fact.key.proto, frames[i].proto);
		CU_ASSERT_EQUAL(fact.key.version, frames[i].version);
		CU_ASSERT_EQUAL(fact.l3_bytes, frames[i].l3);
		CU_ASSERT_EQUAL(fact.payload_bytes, frames[i].payload);
		CU_ASSERT_EQUAL(fact.key.port[fact.side], frames[i].src);
		CU_ASSERT_EQUAL(fact.key.port[!fact.side], frames[i].dst);
		CU_ASSERT_EQUAL(fact.vlan, frames[i].vlan);
		CU_ASSERT_EQUAL(fact.wire_bytes, frames[i].n);
		CU_ASSERT_EQUAL(fact.time_ns, 5);
	}
}

static void a_cut_frame_is_counted_and_never_read_past_its_end(void)
{
	for (size_t i = 0; i < RTE_DIM(frames); i++)
		for (uint16_t n = 1; n <= frames[i].n; n++) {
			int accepted = parse(frames[i].bytes, n, 0);

			CU_ASSERT_EQUAL(accepted, n >= frames[i].needed);
			CU_ASSERT_EQUAL((uint64_t)accepted + refused(), 1);
		}
}

static void segments_may_meet_anywhere(void)
{
	for (size_t i = 0; i < RTE_DIM(frames); i++) {
		struct lj_packet whole;

		parse(frames[i].bytes, frames[i].n, 0);
		whole = fact;
		for (uint16_t split = 1; split < frames[i].n; split++) {
			CU_ASSERT_EQUAL(parse(frames[i].bytes, frames[i].n, split), 1);
			CU_ASSERT_EQUAL(memcmp(&fact, &whole, sizeof(fact)), 0);
		}
	}
}

static void tcp_gives_its_sequence_flags_window_and_options(void)
{
	parse(tcp4, sizeof(tcp4), 0);
	CU_ASSERT_EQUAL(fact.tcp_seq, 7);
	CU_ASSERT_EQUAL(fact.tcp_flags, LJ_TCP_PSH | LJ_TCP_ACK);
	CU_ASSERT_EQUAL(fact.tcp_window, 0x1234);
	CU_ASSERT_EQUAL(fact.ttl, 64);
	parse(syn4, sizeof(syn4), 0);
	CU_ASSERT_EQUAL(fact.tcp_mss, 1460);
	CU_ASSERT_EQUAL(fact.tcp_wscale, 8);
	CU_ASSERT_EQUAL(fact.l4_header_bytes, 28);
}

static void both_directions_have_one_key_and_one_hash(void)
{
	uint8_t back[sizeof(udp4)];
	struct lj_packet there;

	parse(udp4, sizeof(udp4), 0);
	there = fact;
	memcpy(back, udp4, sizeof(back));
	memcpy(back + 26, udp4 + 30, 4);
	memcpy(back + 30, udp4 + 26, 4);
	memcpy(back + 34, udp4 + 36, 2);
	memcpy(back + 36, udp4 + 34, 2);
	parse(back, sizeof(back), 0);
	CU_ASSERT_EQUAL(memcmp(&fact.key, &there.key, sizeof(fact.key)), 0);
	CU_ASSERT_EQUAL(fact.hash, there.hash);
	CU_ASSERT_NOT_EQUAL(fact.side, there.side);
}

static void the_hash_depends_on_every_bit_of_key_and_seed(void)
{
	uint64_t seed[4] = {1, 2, 3, 4}, base;
	struct lj_flow_key key;

	parse(udp4, sizeof(udp4), 0);
	key = fact.key;
	base = lj_flow_key_hash(&key, seed);
	for (size_t bit = 0; bit < 8 * sizeof(key); bit++) {
		((uint8_t *)&key)[bit / 8] ^= (uint8_t)(1 << bit % 8);
		CU_ASSERT_NOT_EQUAL(lj_flow_key_hash(&key, seed), base);
		((uint8_t *)&key)[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	for (int i = 0; i < 4; i++) {
		seed[i] ^= 1ULL << 40;
		CU_ASSERT_NOT_EQUAL(lj_flow_key_hash(&key, seed), base);
		seed[i] ^= 1ULL << 40;
	}
}

/* A change of one byte, and the reason it must be refused for. */
static void what_is_wrong_is_counted_by_its_name(void)
{
	static const struct {
		uint16_t at;
		uint8_t value;
		enum lj_counter reason;
	} wrongs[] = {
		{12, 0x08, LJ_COUNTERS}, /* unchanged: accepted */
		{13, 0x06, LJ_C_parse_ignored_ethertype},
		{14, 0x65, LJ_C_parse_malformed_ip_version},
		{14, 0x44, LJ_C_parse_malformed_ip_header},
		{17, 19, LJ_C_parse_malformed_ip_header},
		{17, 30, LJ_C_parse_malformed_l4_header},
		{21, 1, LJ_C_parse_ignored_fragment},
		{46, 0x40, LJ_C_parse_malformed_l4_header},
		{46, 0xf0, LJ_C_parse_malformed_l4_header},
	};

	for (size_t i = 0; i < RTE_DIM(wrongs); i++) {
		uint8_t bytes[sizeof(tcp4)];

		memcpy(bytes, tcp4, sizeof(bytes));
		bytes[wrongs[i].at] = wrongs[i].value;
		CU_ASSERT_EQUAL(parse(bytes, sizeof(bytes), 0), wrongs[i].reason == LJ_COUNTERS);
		if (wrongs[i].reason != LJ_COUNTERS)
			CU_ASSERT_EQUAL(counters.value[wrongs[i].reason], 1);
	}
}

static void headers_nested_for_ever_are_given_up(void)
{
	uint8_t tags[14 + 4 * 40] = {ETHER(0x8100)};

	for (size_t i = 14; i + 4 <= sizeof(tags); i += 4)
		memcpy(tags + i, (uint8_t[]){0, 1, 0x81, 0}, 4);
	CU_ASSERT_EQUAL(parse(tags, sizeof(tags), 0), 0);
	CU_ASSERT_EQUAL(counters.value[LJ_C_parse_ignored_nesting], 1);
}

int main(void)
{
	static const struct lj_test tests[] = {
		{"every kind of frame gives its facts", every_kind_of_frame_gives_its_facts},
		{"a cut frame is counted and never read past its end",
		 a_cut_frame_is_counted_and_never_read_past_its_end},
		{"segments may meet anywhere", segments_may_meet_anywhere},
		{"TCP gives its sequence, flags, window and options",
		 tcp_gives_its_sequence_flags_window_and_options},
		{"both directions have one key and one hash",
		 both_directions_have_one_key_and_one_hash},
		{"the hash depends on every bit of key and seed",
		 the_hash_depends_on_every_bit_of_key_and_seed},
		{"what is wrong is counted by its name", what_is_wrong_is_counted_by_its_name},
		{"headers nested for ever are given up", headers_nested_for_ever_are_given_up},
	};

	return lj_test_run("packet", tests, RTE_DIM(tests));
}
