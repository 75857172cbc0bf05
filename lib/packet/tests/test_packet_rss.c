#include <rte_thash.h>

#include "frames.h"
#include "lj_packet_rss.h"

static struct lj_rss rss;
static const uint8_t first_fragment[] = {ETHER(0x0800), IPV4_AT(20, 32, 0x2000, 17), UDP, FOUR};
static const uint8_t under_mpls[] = {ETHER(0x8847), 0, 1, 0x41, 64, IPV4(32, 17), UDP, FOUR};
static const uint8_t data6[] = {ETHER(0x86dd), IPV6(24, 6), TCP(0x18), FOUR};
static const uint8_t init4[] = {
	ETHER(0x0800), IPV4(36, 132), U16(12345), U16(80), 0, 0, 0, 1, 0, 0, 0, 0, FOUR};

static void asymmetric(enum lj_rss_mode mode)
{
	uint8_t key[52];

	lj_rss_init(&rss, mode, 4, sizeof(key), 128);
	for (size_t i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)(i * i * 7 + i * 13 + 1);
	lj_rss_set_key(&rss, key, sizeof(key));
}

static void parse_all(const uint8_t *bytes, uint16_t n)
{
	CU_ASSERT_EQUAL_FATAL(parse(bytes, n), 1);
}

static void check(uint32_t *host, uint32_t words, bool reverse)
{
	uint32_t hash;

	CU_ASSERT(lj_packet_rss_hash(&rss, &fact, reverse, &hash));
	CU_ASSERT_EQUAL(hash, rte_softrss(host, words, rss.key));
}

static void the_tuple_is_as_it_is_on_the_wire(void)
{
	uint32_t forth[3] = {0x0a000001, 0x0a000002, 12345u << 16 | 80};
	uint32_t back[3] = {0x0a000002, 0x0a000001, 80u << 16 | 12345};

	asymmetric(LJ_RSS_5TUPLE);
	parse_all(tcp4, sizeof(tcp4));
	check(forth, 3, false);
	check(back, 3, true);
}

static void mode_ip_takes_addresses_only(void)
{
	uint32_t forth[2] = {0x0a000001, 0x0a000002}, back[2] = {0x0a000002, 0x0a000001};

	asymmetric(LJ_RSS_IP);
	parse_all(tcp4, sizeof(tcp4));
	check(forth, 2, false);
	check(back, 2, true);
}

static void ipv6_takes_all_of_its_addresses(void)
{
	uint32_t forth[9] = {0x20010db8, 0, 0, 9, 0x20010db8, 0, 0, 1, 12345u << 16 | 80};

	asymmetric(LJ_RSS_5TUPLE);
	parse_all(data6, sizeof(data6));
	check(forth, 9, false);
	asymmetric(LJ_RSS_IP);
	check(forth, 8, false);
}

static void a_fragment_is_hashed_by_its_addresses(void)
{
	uint32_t forth[2] = {0x0a000001, 0x0a000002};

	asymmetric(LJ_RSS_5TUPLE);
	parse_all(first_fragment, sizeof(first_fragment));
	check(forth, 2, false);
}

static void sctp_ports_count_where_the_nic_hashes_them(void)
{
	uint32_t forth[3] = {0x0a000001, 0x0a000002, 12345u << 16 | 80}, hash;

	asymmetric(LJ_RSS_5TUPLE);
	parse_all(init4, sizeof(init4));
	check(forth, 2, false);
	rss.sctp = LJ_RSS_SCTP_PORTS;
	check(forth, 3, false);
	rss.sctp = LJ_RSS_SCTP_UNHASHED;
	CU_ASSERT_FALSE(lj_packet_rss_hash(&rss, &fact, false, &hash));
}

static void what_is_in_a_tunnel_is_not_predicted(void)
{
	uint32_t hash;

	asymmetric(LJ_RSS_5TUPLE);
	parse_all(under_mpls, sizeof(under_mpls));
	CU_ASSERT_FALSE(lj_packet_rss_hash(&rss, &fact, false, &hash));
}

int main(void)
{
	static const struct lj_test tests[] = {
		{"the tuple is as it is on the wire", the_tuple_is_as_it_is_on_the_wire},
		{"mode ip takes addresses only", mode_ip_takes_addresses_only},
		{"IPv6 takes all of its addresses", ipv6_takes_all_of_its_addresses},
		{"a fragment is hashed by its addresses", a_fragment_is_hashed_by_its_addresses},
		{"SCTP ports count where the NIC hashes them",
		 sctp_ports_count_where_the_nic_hashes_them},
		{"what is in a tunnel is not predicted", what_is_in_a_tunnel_is_not_predicted},
	};

	return lj_test_run("packet_rss", tests, RTE_DIM(tests));
}
