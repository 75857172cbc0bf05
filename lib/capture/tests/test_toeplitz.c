#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_thash.h>

#include "lj_rss.h"
#include "lj_test.h"

/* Microsoft, "Verifying the RSS hash calculation". */
static const uint8_t published_key[40] = {
	0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
	0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
	0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa};

static const struct published {
	int family;
	const char *src, *dst;
	uint16_t src_port, dst_port;
	uint32_t addresses, with_ports;
} published[] = {
	{AF_INET, "66.9.149.187", "161.142.100.80", 2794, 1766, 0x323e8fc2, 0x51ccc178},
	{AF_INET, "199.92.111.2", "65.69.140.83", 14230, 4739, 0xd718262a, 0xc626b0ea},
	{AF_INET, "24.19.198.95", "12.22.207.184", 12898, 38024, 0xd2d0a5de, 0x5c2b394a},
	{AF_INET, "38.27.205.30", "209.142.163.6", 48228, 2217, 0x82989176, 0xafc7327f},
	{AF_INET, "153.39.163.191", "202.188.127.2", 44251, 1303, 0x5d1809c5, 0x10e828a2},
	{AF_INET6, "3ffe:2501:200:1fff::7", "3ffe:2501:200:3::1", 2794, 1766, 0x2cc18cd5,
	 0x40207d3d},
	{AF_INET6, "3ffe:501:8::260:97ff:fe40:efab", "ff02::1", 14230, 4739, 0x0f0c461c,
	 0xdde51bbf},
	{AF_INET6, "3ffe:1900:4545:3:200:f8ff:fe21:67cf", "fe80::200:f8ff:fe21:67cf", 44251, 38024,
	 0x4b61e985, 0x02d1feef},
};

static uint32_t tuple_of(const struct published *p, uint8_t tuple[LJ_RSS_TUPLE_MAX])
{
	uint32_t n = p->family == AF_INET ? 4 : 16;

	CU_ASSERT_EQUAL(inet_pton(p->family, p->src, tuple), 1);
	CU_ASSERT_EQUAL(inet_pton(p->family, p->dst, tuple + n), 1);
	tuple[2 * n] = (uint8_t)(p->src_port >> 8);
	tuple[2 * n + 1] = (uint8_t)p->src_port;
	tuple[2 * n + 2] = (uint8_t)(p->dst_port >> 8);
	tuple[2 * n + 3] = (uint8_t)p->dst_port;
	return 2 * n;
}

static void the_published_vectors_come_out(void)
{
	for (int way = LJ_TOEPLITZ_BEST; way <= LJ_TOEPLITZ_GFNI; way++) {
		struct lj_toeplitz t;

		lj_toeplitz_init(&t, published_key, sizeof(published_key),
				 (enum lj_toeplitz_way)way);
		for (size_t i = 0; i < RTE_DIM(published); i++) {
			uint8_t tuple[LJ_RSS_TUPLE_MAX];
			uint32_t n = tuple_of(&published[i], tuple);

			CU_ASSERT_EQUAL(lj_toeplitz_hash(&t, tuple, n), published[i].addresses);
			CU_ASSERT_EQUAL(lj_toeplitz_hash(&t, tuple, n + 4),
					published[i].with_ports);
		}
	}
}

static uint32_t next_random(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

static void every_length_and_key_hashes_as_rte_softrss(void)
{
	uint32_t random = 7;

	for (int round = 0; round < 200; round++) {
		struct lj_toeplitz table, best;
		uint8_t key[52];
		uint32_t host[9], tuple[9];

		for (size_t i = 0; i < sizeof(key); i++)
			key[i] = (uint8_t)next_random(&random);
		lj_toeplitz_init(&table, key, sizeof(key), LJ_TOEPLITZ_TABLE);
		lj_toeplitz_init(&best, key, sizeof(key), LJ_TOEPLITZ_BEST);
		CU_ASSERT_FALSE(table.gfni);
		for (uint32_t words = 1; words <= RTE_DIM(tuple); words++) {
			uint32_t expected;

			for (uint32_t w = 0; w < words; w++) {
				host[w] = next_random(&random);
				tuple[w] = rte_cpu_to_be_32(host[w]);
			}
			expected = rte_softrss(host, words, key);
			CU_ASSERT_EQUAL(lj_toeplitz_hash(&table, tuple, words * 4), expected);
			CU_ASSERT_EQUAL(lj_toeplitz_hash(&best, tuple, words * 4), expected);
		}
	}
}

static void odd_lengths_are_the_same_both_ways(void)
{
	struct lj_toeplitz table, best;
	uint8_t tuple[LJ_RSS_TUPLE_MAX];

	lj_toeplitz_init(&table, published_key, sizeof(published_key), LJ_TOEPLITZ_TABLE);
	lj_toeplitz_init(&best, published_key, sizeof(published_key), LJ_TOEPLITZ_GFNI);
	for (uint32_t i = 0; i < sizeof(tuple); i++)
		tuple[i] = (uint8_t)(i * 37 + 11);
	for (uint32_t n = 0; n <= sizeof(tuple); n++)
		CU_ASSERT_EQUAL(lj_toeplitz_hash(&table, tuple, n),
				lj_toeplitz_hash(&best, tuple, n));
}

static void the_symmetric_key_keeps_pairs_together_and_the_published_parts_them(void)
{
	static struct lj_rss rss;

	for (uint16_t queues = 2; queues <= 64; queues *= 2) {
		lj_rss_init(&rss, LJ_RSS_5TUPLE, queues, 52, 512);
		CU_ASSERT_EQUAL(lj_rss_self_test(&rss, &rss), 0);
		lj_rss_set_key(&rss, published_key, sizeof(published_key));
		/* By chance 1 of `queues` pairs goes to the same queue. */
		CU_ASSERT(lj_rss_self_test(&rss, &rss) > LJ_RSS_TEST_PAIRS / 3);
	}
}

static void one_wrong_bit_of_the_key_is_seen(void)
{
	static struct lj_rss rss;
	uint8_t key[52];

	lj_rss_init(&rss, LJ_RSS_5TUPLE, 4, 52, 128);
	for (uint32_t bit = 40; bit < 64; bit++) {
		lj_rss_symmetric_key(key, sizeof(key));
		key[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
		lj_rss_set_key(&rss, key, sizeof(key));
		CU_ASSERT(lj_rss_self_test(&rss, &rss) > 0);
	}
}

static void two_tables_part_what_three_queues_do_not_divide(void)
{
	static struct lj_rss small, large;

	for (uint16_t queues = 2; queues <= 4; queues++) {
		uint32_t parted;

		lj_rss_init(&small, LJ_RSS_5TUPLE, queues, 40, 128);
		lj_rss_init(&large, LJ_RSS_5TUPLE, queues, 52, 512);
		parted = lj_rss_self_test(&small, &large);
		CU_ASSERT_EQUAL(parted > 0, queues == 3);
		CU_ASSERT_EQUAL(lj_rss_self_test(&large, &small) > 0, queues == 3);
	}
}

static void the_reta_is_dealt_in_turn(void)
{
	static struct lj_rss rss;

	lj_rss_init(&rss, LJ_RSS_IP, 3, 40, 128);
	CU_ASSERT_EQUAL(lj_rss_queue(&rss, 0), 0);
	CU_ASSERT_EQUAL(lj_rss_queue(&rss, 128 + 5), 2);
	CU_ASSERT_EQUAL(lj_rss_queue(&rss, 127), 127 % 3);
}

int main(void)
{
	static const struct lj_test tests[] = {
		{"the published vectors come out", the_published_vectors_come_out},
		{"every length and key hashes as rte_softrss",
		 every_length_and_key_hashes_as_rte_softrss},
		{"odd lengths are the same both ways", odd_lengths_are_the_same_both_ways},
		{"the symmetric key keeps pairs together and the published parts them",
		 the_symmetric_key_keeps_pairs_together_and_the_published_parts_them},
		{"one wrong bit of the key is seen", one_wrong_bit_of_the_key_is_seen},
		{"tables of two sizes part what three queues do not divide",
		 two_tables_part_what_three_queues_do_not_divide},
		{"the RETA is dealt in turn", the_reta_is_dealt_in_turn},
	};

	return lj_test_run("toeplitz", tests, RTE_DIM(tests));
}
