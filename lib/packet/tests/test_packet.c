/* Single fields, keys and rejections; all facts of every frame are in test_packet_bounds.c. */
#include "frames.h"

static void tcp_gives_its_sequence_flags_window_and_options(void)
{
	parse(tcp4, sizeof(tcp4));
	CU_ASSERT_EQUAL(fact.tcp_seq, 7);
	CU_ASSERT_EQUAL(fact.tcp_flags, LJ_TCP_PSH | LJ_TCP_ACK);
	CU_ASSERT_EQUAL(fact.tcp_window, 0x1234);
	CU_ASSERT_EQUAL(fact.ttl, 64);
	parse(syn4, sizeof(syn4));
	CU_ASSERT_EQUAL(fact.tcp_mss, 1460);
	CU_ASSERT_EQUAL(fact.tcp_wscale, 8);
	CU_ASSERT_EQUAL(fact.l4_header_bytes, 32);
}

static void both_directions_have_one_key_and_one_hash(void)
{
	uint8_t back[sizeof(udp4)];
	struct lj_packet there;

	parse(udp4, sizeof(udp4));
	there = fact;
	memcpy(back, udp4, sizeof(back));
	memcpy(back + 26, udp4 + 30, 4);
	memcpy(back + 30, udp4 + 26, 4);
	memcpy(back + 34, udp4 + 36, 2);
	memcpy(back + 36, udp4 + 34, 2);
	parse(back, sizeof(back));
	CU_ASSERT_EQUAL(memcmp(&fact.key, &there.key, sizeof(fact.key)), 0);
	CU_ASSERT_EQUAL(fact.hash, there.hash);
	CU_ASSERT_NOT_EQUAL(fact.side, there.side);
}

static void the_hash_depends_on_every_bit_of_key_and_seed(void)
{
	uint64_t seed[4] = {1, 2, 3, 4}, base;
	struct lj_flow_key key;

	parse(udp4, sizeof(udp4));
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

/* A change of one byte, and the reason for which it must be rejected. */
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
		CU_ASSERT_EQUAL(parse(bytes, sizeof(bytes)), wrongs[i].reason == LJ_COUNTERS);
		if (wrongs[i].reason != LJ_COUNTERS)
			CU_ASSERT_EQUAL(counters.value[wrongs[i].reason], 1);
	}
}

/* An IEEE 802.3 frame, whose type follows LLC and SNAP; also with a tag. */
static void snap_is_followed_behind_tags_too(void)
{
	static const uint8_t snap[] = {0xaa, 0xaa, 3, 0, 0, 0, 8, 0};
	uint8_t bytes[sizeof(udp4) + 2 * 4 + sizeof(snap)];

	for (size_t tags = 0; tags <= 2; tags++) {
		size_t at = 12, n = sizeof(udp4) - 14;

		memcpy(bytes, udp4, at);
		for (size_t i = 0; i < tags; i++, at += 4)
			memcpy(bytes + at, (uint8_t[]){0x81, 0, 0, (uint8_t)(7 + i)}, 4);
		bytes[at] = 0;
		bytes[at + 1] = (uint8_t)(n + sizeof(snap));
		memcpy(bytes + at + 2, snap, sizeof(snap));
		memcpy(bytes + at + 2 + sizeof(snap), udp4 + 14, n);
		CU_ASSERT_EQUAL(parse(bytes, at + 2 + sizeof(snap) + n), 1);
		CU_ASSERT_EQUAL(fact.key.proto, 17);
		CU_ASSERT_EQUAL(fact.vlan, tags > 0 ? 7 : 0);
		bytes[at + 2] = 0x42; /* spanning tree's LLC */
		CU_ASSERT_EQUAL(parse(bytes, at + 2 + sizeof(snap) + n), 0);
		CU_ASSERT_EQUAL(counters.value[LJ_C_parse_ignored_ethertype], 1);
	}
}

static void headers_nested_for_ever_are_given_up(void)
{
	uint8_t tags[14 + 4 * 40] = {ETHER(0x8100)};

	for (size_t i = 14; i + 4 <= sizeof(tags); i += 4)
		memcpy(tags + i, (uint8_t[]){0, 1, 0x81, 0}, 4);
	CU_ASSERT_EQUAL(parse(tags, sizeof(tags)), 0);
	CU_ASSERT_EQUAL(counters.value[LJ_C_parse_ignored_nesting], 1);
}

static uint8_t *put(uint8_t *at, const void *bytes, size_t n)
{
	return (uint8_t *)memcpy(at, bytes, n) + n;
}

/* `n` headers of one kind, then UDP; returns whether that is accepted. */
static bool accepts_nested(const uint8_t *head, size_t head_bytes, const uint8_t *each,
			   const uint8_t *last, size_t bytes, const uint8_t *rest,
			   size_t rest_bytes, uint8_t n)
{
	uint8_t frame[256], *end = put(frame, head, head_bytes);

	for (uint8_t i = 1; i < n; i++)
		end = put(end, each, bytes);
	end = put(end, last, bytes);
	end = put(end, rest, rest_bytes);
	if (head_bytes > 14) /* IPv6 has a payload length */
		frame[19] = (uint8_t)(end - frame - 54);
	return parse(frame, (uint16_t)(end - frame)) == 1 && fact.key.proto == 17;
}

static void headers_are_followed_as_deep_as_is_said_and_no_deeper(void)
{
	static const uint8_t ipv4[] = {IPV4(32, 17), UDP, FOUR}, udp[] = {UDP, FOUR};
	static const struct {
		uint8_t head[54], head_bytes, each[8], last[8], bytes;
		const uint8_t *rest;
		uint8_t rest_bytes, most;
	} kinds[] = {
		{{ETHER(0x8100)}, 14, {0, 1, 0x81, 0}, {0, 1, 8, 0}, 4, ipv4, sizeof(ipv4), 10},
		{{ETHER(0x8847)}, 14, {0, 1, 0x40, 64}, {0, 1, 0x41, 64}, 4, ipv4, sizeof(ipv4), 8},
		{{ETHER(0x86dd), IPV6(0, 60)}, 54, {60}, {17}, 8, udp, sizeof(udp), 8},
	};

	for (size_t i = 0; i < RTE_DIM(kinds); i++) {
		const uint8_t most = kinds[i].most;

		for (uint8_t n = 1; n <= most + 1; n++)
			CU_ASSERT_EQUAL(accepts_nested(kinds[i].head, kinds[i].head_bytes,
						       kinds[i].each, kinds[i].last, kinds[i].bytes,
						       kinds[i].rest, kinds[i].rest_bytes, n),
					n <= most);
		CU_ASSERT_EQUAL(counters.value[LJ_C_parse_ignored_nesting], 1);
	}
}

/* 0 means "not seen", for example of a SYN. */
static void a_packet_of_the_epochs_first_moment_has_a_time(void)
{
	struct rte_mbuf m = {.buf_addr = (void *)(uintptr_t)syn4,
			     .data_len = sizeof(syn4),
			     .pkt_len = sizeof(syn4),
			     .nb_segs = 1};
	struct lj_burst burst = {.count = 1, .mbuf = {&m}, .wire_bytes = {sizeof(syn4)}};
	struct lj_parser parser;

	lj_parser_init(&parser, &counters, false, false);
	CU_ASSERT_EQUAL(lj_packet_parse_burst(&parser, &burst, &fact), 1);
	CU_ASSERT_EQUAL(fact.time_ns, 1);
}

int main(void)
{
	static const struct lj_test tests[] = {
		{"TCP gives its sequence, flags, window and options",
		 tcp_gives_its_sequence_flags_window_and_options},
		{"both directions have one key and one hash",
		 both_directions_have_one_key_and_one_hash},
		{"the hash depends on every bit of key and seed",
		 the_hash_depends_on_every_bit_of_key_and_seed},
		{"what is wrong is counted by its name", what_is_wrong_is_counted_by_its_name},
		{"SNAP is followed, behind tags, too", snap_is_followed_behind_tags_too},
		{"headers nested for ever are given up", headers_nested_for_ever_are_given_up},
		{"headers are followed as deep as is said, and no deeper",
		 headers_are_followed_as_deep_as_is_said_and_no_deeper},
		{"a packet of the epoch's first moment has a time",
		 a_packet_of_the_epochs_first_moment_has_a_time},
	};

	return lj_test_run("packet", tests, RTE_DIM(tests));
}
