/* Tunnels that are decapsulated or not, and fragments, packet by packet. */
#include "frames.h"

#define ETHER4	     ETHER(0x0800)
#define OUTER_UDP(n) U16(n), U16(n), U16(100), 0, 0
#define TO_UDP(n)    U16(40000), U16(n), U16(100), 0, 0
/* The inner packet: UDP 5000 to 53, four bytes of payload. */
#define INNER4	    IPV4(32, 17), UDP, FOUR
#define INNER6	    IPV6(12, 17), UDP, FOUR
#define INNER_ETHER ETHER(0x0800), INNER4

static const struct inside {
	const char *name;
	uint8_t bytes[200];
	uint16_t n;
	uint8_t tunnel, version;
} opened[] = {
#define CASE(name, tunnel, version, ...)                                                           \
	{                                                                                          \
		name, {__VA_ARGS__}, sizeof((uint8_t[]){__VA_ARGS__}), tunnel, version             \
	}
	CASE("GRE", LJ_TUNNEL_GRE, 4, ETHER4, IPV4(56, 47), 0, 0, U16(0x0800), INNER4),
	CASE("GRE with checksum, key and sequence", LJ_TUNNEL_GRE, 6, ETHER4, IPV4(88, 47), 0xb0, 0,
	     U16(0x86dd), FOUR, FOUR, FOUR, INNER6),
	CASE("NVGRE", LJ_TUNNEL_GRE, 4, ETHER4, IPV4(74, 47), 0x20, 0, U16(0x6558), FOUR,
	     INNER_ETHER),
	CASE("PPTP", LJ_TUNNEL_GRE, 4, ETHER4, IPV4(70, 47), 0x30, 0x81, U16(0x880b), FOUR, FOUR,
	     FOUR, 0xff, 3, 0, 0x21, INNER4),
	CASE("PPTP, compressed protocol field", LJ_TUNNEL_GRE, 4, ETHER4, IPV4(65, 47), 0x30, 1,
	     U16(0x880b), FOUR, FOUR, 0x21, INNER4),
	CASE("ERSPAN I", LJ_TUNNEL_ERSPAN, 4, ETHER4, IPV4(70, 47), 0, 0, U16(0x88be), INNER_ETHER),
	CASE("ERSPAN II", LJ_TUNNEL_ERSPAN, 4, ETHER4, IPV4(82, 47), 0x10, 0, U16(0x88be), FOUR,
	     0x10, 1, 0, 1, FOUR, INNER_ETHER),
	CASE("ERSPAN III", LJ_TUNNEL_ERSPAN, 4, ETHER4, IPV4(86, 47), 0x10, 0, U16(0x22eb), FOUR,
	     0x20, 1, 0, 1, FOUR, 0, 0, 0, 0, INNER_ETHER),
	CASE("ERSPAN III with a platform header", LJ_TUNNEL_ERSPAN, 4, ETHER4, IPV4(94, 47), 0x10,
	     0, U16(0x22eb), FOUR, 0x20, 1, 0, 1, FOUR, 0, 0, 0, 1, FOUR, FOUR, INNER_ETHER),
	CASE("IPv4 in IPv4", LJ_TUNNEL_IPIP, 4, ETHER4, IPV4(52, 4), INNER4),
	CASE("IPv6 in IPv4", LJ_TUNNEL_6IN4, 6, ETHER4, IPV4(72, 41), INNER6),
	CASE("IPv4 in IPv6", LJ_TUNNEL_IPIP, 4, ETHER(0x86dd), IPV6(32, 4), INNER4),
	CASE("IPv6 in IPv6", LJ_TUNNEL_IPIP, 6, ETHER(0x86dd), IPV6(52, 41), INNER6),
	CASE("EtherIP", LJ_TUNNEL_ETHERIP, 4, ETHER4, IPV4(68, 97), 0x30, 0, INNER_ETHER),
	CASE("VXLAN", LJ_TUNNEL_VXLAN, 4, ETHER4, IPV4(82, 17), TO_UDP(4789), 8, 0, 0, 0, 0, 0, 7,
	     0, INNER_ETHER),
	CASE("VXLAN at Linux's port", LJ_TUNNEL_VXLAN, 4, ETHER4, IPV4(82, 17), TO_UDP(8472), 8, 0,
	     0, 0, 0, 0, 7, 0, INNER_ETHER),
	CASE("VXLAN with a group policy", LJ_TUNNEL_VXLAN, 4, ETHER4, IPV4(82, 17), TO_UDP(4789),
	     0x88, 0x48, 0, 100, 0, 0, 7, 0, INNER_ETHER),
	CASE("VXLAN that says Ethernet", LJ_TUNNEL_VXLAN, 4, ETHER4, IPV4(82, 17), TO_UDP(4789),
	     0x0c, 0, 0, 3, 0, 0, 7, 0, INNER_ETHER),
	CASE("VXLAN that says IPv6", LJ_TUNNEL_VXLAN, 6, ETHER4, IPV4(88, 17), TO_UDP(4789), 0x0c,
	     0, 0, 2, 0, 0, 7, 0, INNER6),
	CASE("Geneve with options", LJ_TUNNEL_GENEVE, 4, ETHER4, IPV4(86, 17), TO_UDP(6081), 1, 0,
	     U16(0x6558), 0, 0, 7, 0, FOUR, INNER_ETHER),
	CASE("Geneve of IPv6", LJ_TUNNEL_GENEVE, 6, ETHER4, IPV4(88, 17), TO_UDP(6081), 0, 0,
	     U16(0x86dd), 0, 0, 7, 0, INNER6),
	CASE("GTP-U", LJ_TUNNEL_GTPU, 4, ETHER4, IPV4(68, 17), OUTER_UDP(2152), 0x30, 255, U16(32),
	     FOUR, INNER4),
	CASE("GTP-U with an extension header", LJ_TUNNEL_GTPU, 6, ETHER4, IPV4(96, 17),
	     TO_UDP(2152), 0x34, 255, U16(60), FOUR, 0, 0, 0, 0x85, 1, 0, 9, 0, INNER6),
	CASE("Teredo", LJ_TUNNEL_TEREDO, 6, ETHER4, IPV4(80, 17), TO_UDP(3544), INNER6),
	CASE("Teredo with authentication and origin", LJ_TUNNEL_TEREDO, 6, ETHER4, IPV4(106, 17),
	     TO_UDP(3544), 0, 1, 2, 3, 1, 2, 1, 2, 3, FOUR, FOUR, 0, 0, 0, FOUR, 1, 2, INNER6),
	CASE("MPLS pseudowire", LJ_TUNNEL_MPLS, 4, ETHER(0x8847), 0, 1, 0x41, 64, 0, 0, 0, 0,
	     INNER_ETHER),
	CASE("GRE in VXLAN in IPv6", LJ_TUNNEL_GRE, 4, ETHER(0x86dd), IPV6(86, 17), TO_UDP(4789), 8,
	     0, 0, 0, 0, 0, 7, 0, ETHER4, IPV4(56, 47), 0, 0, U16(0x0800), INNER4),
};

static void a_tunnel_gives_what_is_inside(void)
{
	for (size_t i = 0; i < RTE_DIM(opened); i++) {
		const struct inside *t = &opened[i];

		CU_ASSERT_EQUAL(parse(t->bytes, t->n), 1);
		if (fact.tunnel != t->tunnel || fact.key.proto != 17 || fact.payload_bytes != 4 ||
		    fact.key.version != t->version || fact.key.port[fact.side] != 5000) {
			fprintf(stderr, "%s: tunnel %u, protocol %u\n", t->name, fact.tunnel,
				fact.key.proto);
			CU_FAIL("a tunnel stayed closed");
		}
		CU_ASSERT_EQUAL(fact.l3_bytes, t->version == 4 ? 32 : 52);
		CU_ASSERT_EQUAL(fact.wire_bytes, t->n);
		CU_ASSERT(counters.value[LJ_C_parse_tunnels_opened] >= (t->bytes[12] != 0x88));
	}
}

/* Truncated anywhere: the facts of the outer packet, or none, and no read beyond the end
 * (sanitizers). */
static void a_tunnel_cut_short_is_one_flow(void)
{
	for (size_t i = 0; i < RTE_DIM(opened); i++)
		for (uint16_t n = 0; n < opened[i].n; n++) {
			struct shape s = {.captured = n, .wire = opened[i].n};

			if (parse_shaped(opened[i].bytes, &s) == 1)
				CU_ASSERT(fact.l3_bytes >= 32);
		}
}

static void on_request_tunnels_stay_closed(void)
{
	struct lj_parser *parser = malloc(sizeof(*parser));

	CU_ASSERT_PTR_NOT_NULL_FATAL(parser);
	for (size_t i = 0; i < RTE_DIM(opened); i++) {
		const struct inside *t = &opened[i];
		struct rte_mbuf m = {.buf_addr = (void *)(uintptr_t)t->bytes,
				     .data_len = t->n,
				     .pkt_len = t->n,
				     .nb_segs = 1};
		struct lj_burst burst = {.count = 1, .mbuf = {&m}, .wire_bytes = {t->n}};

		lj_parser_init(parser, &counters, false, true);
		CU_ASSERT_EQUAL(lj_packet_parse_burst(parser, &burst, &fact), 1);
		CU_ASSERT_EQUAL(fact.tunnel,
				t->tunnel == LJ_TUNNEL_MPLS ? LJ_TUNNEL_MPLS : LJ_TUNNEL_NONE);
	}
	free(parser);
}

static void what_only_looks_like_a_tunnel_stays_what_it_is(void)
{
	static const struct inside plain[] = {
		CASE("VXLAN port, other bytes", 0, 4, ETHER4, IPV4(82, 17), TO_UDP(4789), 9, 0, 0,
		     0, 0, 0, 7, 0, INNER_ETHER),
		CASE("VXLAN that says NSH", 0, 4, ETHER4, IPV4(82, 17), TO_UDP(4789), 0x0c, 0, 0, 4,
		     0, 0, 7, 0, INNER_ETHER),
		CASE("GTP-U echo request", 0, 4, ETHER4, IPV4(68, 17), OUTER_UDP(2152), 0x32, 1,
		     U16(4), FOUR, INNER4),
		CASE("Teredo port, IPv4 inside", 0, 4, ETHER4, IPV4(60, 17), TO_UDP(3544), INNER4),
		CASE("Geneve of something else", 0, 4, ETHER4, IPV4(68, 17), TO_UDP(6081), 0, 0,
		     U16(0x0806), 0, 0, 7, 0, INNER4),
		CASE("GRE of something else", 0, 4, ETHER4, IPV4(56, 47), 0, 0, U16(0x0806),
		     INNER4),
		CASE("GRE of version 2", 0, 4, ETHER4, IPV4(56, 47), 0, 2, U16(0x0800), INNER4),
		CASE("VXLAN of ARP", 0, 4, ETHER4, IPV4(82, 17), TO_UDP(4789), 8, 0, 0, 0, 0, 0, 7,
		     0, ETHER(0x0806), INNER4),
		CASE("IPv4 in IPv4 that is no IPv4", 0, 4, ETHER4, IPV4(72, 4), INNER6),
		CASE("fragment of a tunnel", 0, 4, ETHER4, IPV4_AT(20, 52, 0x2000, 4), INNER4),
	};

	for (size_t i = 0; i < RTE_DIM(plain); i++) {
		CU_ASSERT_EQUAL(parse(plain[i].bytes, plain[i].n), 1);
		CU_ASSERT_EQUAL(fact.tunnel, LJ_TUNNEL_NONE);
		CU_ASSERT_EQUAL(fact.l3_bytes, plain[i].bytes[17]);
	}
}
#undef CASE

static void nesting_is_bounded(void)
{
	uint8_t bytes[14 + 20 * 12] = {ETHER4};
	const uint8_t ipip[] = {IPV4(0, 4)};

	for (int i = 0; i < 12; i++) {
		memcpy(bytes + 14 + 20 * i, ipip, sizeof(ipip));
		bytes[14 + 20 * i + 3] = (uint8_t)(20 * (12 - i));
	}
	CU_ASSERT_EQUAL(parse(bytes, sizeof(bytes)), 1);
	CU_ASSERT_EQUAL(fact.l3_bytes, 20 * 8);
	CU_ASSERT_EQUAL(counters.value[LJ_C_parse_tunnels_opened], 4);
	CU_ASSERT_EQUAL(counters.value[LJ_C_parse_tunnels_closed], 1);
}

static struct lj_parser parser;

static uint16_t next_fragment(const uint8_t *bytes, uint16_t n, uint64_t time_ns)
{
	struct rte_mbuf m = {
		.buf_addr = (void *)(uintptr_t)bytes, .data_len = n, .pkt_len = n, .nb_segs = 1};
	struct lj_burst burst = {.count = 1, .mbuf = {&m}, .time_ns = {time_ns}, .wire_bytes = {n}};

	return lj_packet_parse_burst(&parser, &burst, &fact);
}

static const uint8_t first[] = {ETHER4, IPV4_AT(20, 32, 0x2000, 17), UDP, FOUR};
static const uint8_t later[] = {ETHER4, IPV4_AT(20, 28, 0x2001, 17), FOUR, FOUR};
static const uint8_t last6[] = {ETHER(0x86dd), IPV6(16, 44), 60, 0, 0, 8, 0, 0, 0, 9, FOUR, FOUR};

static void a_later_fragment_joins_the_first(void)
{
	struct lj_flow_key key;

	memset(&counters, 0, sizeof(counters));
	lj_parser_init(&parser, &counters, false, false);
	CU_ASSERT_EQUAL(next_fragment(later, sizeof(later), 1000), 0);
	CU_ASSERT_EQUAL(counters.value[LJ_C_parse_ignored_fragment], 1);
	CU_ASSERT_EQUAL(next_fragment(first, sizeof(first), 1000), 1);
	CU_ASSERT_EQUAL(fact.fragment, LJ_FRAGMENT_FIRST);
	key = fact.key;
	CU_ASSERT_EQUAL(next_fragment(later, sizeof(later), 2000), 1);
	CU_ASSERT_EQUAL(fact.fragment, LJ_FRAGMENT_LATER);
	CU_ASSERT_EQUAL(memcmp(&fact.key, &key, sizeof(key)), 0);
	CU_ASSERT_EQUAL(fact.hash, lj_flow_key_hash(&key, parser.seed));
	CU_ASSERT_EQUAL(fact.l3_bytes, 28);
	CU_ASSERT_EQUAL(fact.payload_bytes, 8);
	CU_ASSERT_EQUAL(counters.value[LJ_C_parse_fragments_joined], 1);
	CU_ASSERT_EQUAL(next_fragment(later, sizeof(later), 1000 + LJ_FRAGMENT_TIMEOUT_NS), 1);
	CU_ASSERT_EQUAL(next_fragment(later, sizeof(later), 1001 + LJ_FRAGMENT_TIMEOUT_NS), 0);
}

static void fragments_are_told_apart_by_id_protocol_and_direction(void)
{
	uint8_t other[sizeof(later)];

	lj_parser_init(&parser, &counters, false, false);
	CU_ASSERT_EQUAL(next_fragment(first, sizeof(first), 1000), 1);
	memcpy(other, later, sizeof(later));
	other[19] = 2; /* identification */
	CU_ASSERT_EQUAL(next_fragment(other, sizeof(other), 1000), 0);
	memcpy(other, later, sizeof(later));
	other[23] = 6;
	CU_ASSERT_EQUAL(next_fragment(other, sizeof(other), 1000), 0);
	memcpy(other, later, sizeof(later));
	memcpy(other + 26, later + 30, 4);
	memcpy(other + 30, later + 26, 4);
	CU_ASSERT_EQUAL(next_fragment(other, sizeof(other), 1000), 0);
}

/* Identifications may be reused while they are remembered. */
static void of_two_datagrams_of_one_id_the_latest_is_meant(void)
{
	uint8_t again[sizeof(first)];

	memcpy(again, first, sizeof(first));
	again[35] ^= 1; /* source port */
	lj_parser_init(&parser, &counters, false, false);
	CU_ASSERT_EQUAL(next_fragment(first, sizeof(first), 1000), 1);
	CU_ASSERT_EQUAL(next_fragment(again, sizeof(again), 2000), 1);
	CU_ASSERT_EQUAL(next_fragment(later, sizeof(later), 3000), 1);
	CU_ASSERT_EQUAL(fact.key.port[fact.side], 5001);
}

/* The rest of the TCP header is in the next fragment. */
static void a_first_fragment_may_end_within_its_header(void)
{
	static const uint8_t bytes[] = {ETHER4, IPV4_AT(20, 44, 0x2000, 6), TCP_AT(40, 0x10), FOUR};

	CU_ASSERT_EQUAL(parse(bytes, sizeof(bytes)), 1);
	CU_ASSERT_EQUAL(fact.l4_header_bytes, 24);
	CU_ASSERT_EQUAL(fact.payload_bytes, 0);
}

/* By its own identification, not that of the outer packet. */
static void a_fragment_in_a_tunnel_is_known_by_its_own_id(void)
{
	uint8_t around[] = {ETHER4, IPV4(52, 4), IPV4_AT(20, 32, 0x2000, 17), UDP, FOUR};
	uint8_t other[sizeof(later)];

	around[19] = 9; /* identification of the outer packet */
	memcpy(other, later, sizeof(later));
	other[19] = 9;
	lj_parser_init(&parser, &counters, false, false);
	CU_ASSERT_EQUAL(next_fragment(around, sizeof(around), 1000), 1);
	CU_ASSERT_EQUAL(fact.tunnel, LJ_TUNNEL_IPIP);
	CU_ASSERT_EQUAL(fact.fragment, LJ_FRAGMENT_FIRST);
	CU_ASSERT_EQUAL(next_fragment(other, sizeof(other), 1000), 0);
	CU_ASSERT_EQUAL(next_fragment(later, sizeof(later), 1000), 1);
	CU_ASSERT_EQUAL(fact.key.port[fact.side], 5000);
}

/* The next header of a later IPv6 fragment is whatever followed the fragment header (RFC 8200). */
static void an_ipv6_fragment_joins_whatever_its_next_header(void)
{
	lj_parser_init(&parser, &counters, false, false);
	CU_ASSERT_EQUAL(next_fragment(first6, sizeof(first6), 1000), 1);
	CU_ASSERT_EQUAL(next_fragment(last6, sizeof(last6), 1000), 1);
	CU_ASSERT_EQUAL(fact.key.proto, 17);
	CU_ASSERT_EQUAL(fact.key.port[fact.side], 5000);
	CU_ASSERT_EQUAL(fact.payload_bytes, 8);
}

/* All ways of a set are used: with a quarter of the capacity in use, almost no datagram is
 * evicted. */
static void many_datagrams_are_remembered_at_once(void)
{
	const uint32_t n = LJ_FRAGMENT_SETS * LJ_FRAGMENT_WAYS / 4;
	uint8_t one[sizeof(first)], rest[sizeof(later)];
	uint32_t joined = 0;

	lj_parser_init(&parser, &counters, false, false);
	memcpy(one, first, sizeof(first));
	memcpy(rest, later, sizeof(later));
	for (uint32_t i = 0; i < n; i++) {
		memcpy(one + 26, &i, sizeof(i));
		CU_ASSERT_EQUAL(next_fragment(one, sizeof(one), 1000 + i), 1);
	}
	for (uint32_t i = 0; i < n; i++) {
		memcpy(rest + 26, &i, sizeof(i));
		joined += next_fragment(rest, sizeof(rest), 2000);
	}
	CU_ASSERT(joined * 100 >= n * 95);
}

static void a_flood_of_first_fragments_only_displaces(void)
{
	uint8_t flood[sizeof(first)];

	lj_parser_init(&parser, &counters, false, false);
	memcpy(flood, first, sizeof(first));
	for (uint32_t i = 0; i < 100000; i++) {
		memcpy(flood + 26, &i, sizeof(i));
		CU_ASSERT_EQUAL(next_fragment(flood, sizeof(flood), 1000 + i), 1);
	}
	CU_ASSERT_EQUAL(next_fragment(first, sizeof(first), 200000), 1);
	CU_ASSERT_EQUAL(next_fragment(later, sizeof(later), 200001), 1);
}

static void dns_and_ftp_fields_are_read(void)
{
	static const uint8_t answer[] = {ETHER4, IPV4(80, 17), U16(53), U16(5000), U16(60), 0, 0,
					 /* id 0x1234, response, 1 question, 2 answers */
					 0x12, 0x34, 0x81, 0x80, U16(1), U16(2), U16(0), U16(0), 1,
					 'a', 2, 'b', 'c', 0, U16(28), U16(1), 0xc0, 12, U16(5),
					 U16(1), 0, 0, 0, 9, U16(2), 0xc0, 12, 0xc0, 12, U16(1),
					 U16(1), 0, 0, 1, 0x2c, U16(4), FOUR};
	static const uint8_t reply[] = {
		ETHER4, IPV4(46, 6), U16(21), U16(40000), 0, 0, 0, 7,	0,   0,	  0,   9,   5 << 4,
		0x18,	0x12,	     0x34,    0,	  0, 0, 0, '2', '3', '0', ' ', 'o', 'k'};

	CU_ASSERT_EQUAL(parse(answer, sizeof(answer)), 1);
	CU_ASSERT_EQUAL(fact.application, LJ_APPLICATION_DNS_ANSWER);
	CU_ASSERT_EQUAL(fact.dns_id, 0x1234);
	CU_ASSERT_EQUAL(fact.dns_type, 28);
	CU_ASSERT_EQUAL(fact.dns_ttl, 300);
	CU_ASSERT_EQUAL(parse(reply, sizeof(reply)), 1);
	CU_ASSERT_EQUAL(fact.application, LJ_APPLICATION_FTP_REPLY);
	CU_ASSERT_EQUAL(fact.ftp_code, 230);
	CU_ASSERT_EQUAL(parse(tcp4, sizeof(tcp4)), 1);
	CU_ASSERT_EQUAL(fact.application, LJ_APPLICATION_NONE);
}

int main(void)
{
	static const struct lj_test tests[] = {
		{"a tunnel gives what is inside", a_tunnel_gives_what_is_inside},
		{"a tunnel cut short is one flow", a_tunnel_cut_short_is_one_flow},
		{"on request tunnels stay closed", on_request_tunnels_stay_closed},
		{"what only looks like a tunnel stays what it is",
		 what_only_looks_like_a_tunnel_stays_what_it_is},
		{"nesting is bounded", nesting_is_bounded},
		{"a later fragment joins the first", a_later_fragment_joins_the_first},
		{"fragments are told apart by id, protocol and direction",
		 fragments_are_told_apart_by_id_protocol_and_direction},
		{"of two datagrams of one id the latest is meant",
		 of_two_datagrams_of_one_id_the_latest_is_meant},
		{"a first fragment may end within its header",
		 a_first_fragment_may_end_within_its_header},
		{"a fragment in a tunnel is known by its own id",
		 a_fragment_in_a_tunnel_is_known_by_its_own_id},
		{"an IPv6 fragment joins whatever its next header",
		 an_ipv6_fragment_joins_whatever_its_next_header},
		{"many datagrams are remembered at once", many_datagrams_are_remembered_at_once},
		{"a flood of first fragments only displaces",
		 a_flood_of_first_fragments_only_displaces},
		{"DNS and FTP fields are read", dns_and_ftp_fields_are_read},
	};

	return lj_test_run("tunnel", tests, RTE_DIM(tests));
}
