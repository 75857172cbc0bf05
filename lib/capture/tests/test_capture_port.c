#include <stdio.h>
#include <string.h>

#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include "capture_bytes.h"
#include "lj_capture.h"
#include "lj_clock.h"
#include "lj_test.h"
#include "port_fixture.h"

static char dir[] = "/tmp/lj-test-capture-port-XXXXXX";
static char path[128];

static void a_pcap_port_keeps_the_times_of_its_file(void)
{
	struct lj_error err = {0};
	struct lj_source *s = open_port("net_pcap0,rx_pcap=somewhere", 1, &err);
	struct lj_source_stats stats = {0};
	struct lj_burst burst;

	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	CU_ASSERT(s->own_time && !s->replay && !s->spreads);
	CU_ASSERT_EQUAL_FATAL(lj_source_rx(s, 0, &burst), 2);
	CU_ASSERT_EQUAL(burst.time_ns[0], 100000007000);
	CU_ASSERT_EQUAL(burst.time_ns[1], 100000008000);
	CU_ASSERT_EQUAL(burst.wire_bytes[0], 60);
	CU_ASSERT_EQUAL(burst.leg[0], 3);
	/* A jumbo frame arrives as a chain of mbufs. */
	CU_ASSERT_EQUAL(burst.wire_bytes[1], 9000);
	CU_ASSERT(burst.mbuf[1]->nb_segs > 1);
	lj_burst_free(&burst);
	CU_ASSERT_EQUAL(burst.count, 0);
	CU_ASSERT_EQUAL(lj_source_rx(s, 0, &burst), 0);
	CU_ASSERT_EQUAL(lj_source_state(s), LJ_SOURCE_RUNNING);
	CU_ASSERT_EQUAL(lj_source_stats(s, &stats), 0);
	CU_ASSERT_EQUAL(stats.received, 2);
	CU_ASSERT_EQUAL(stats.received_bytes, 9060);
	lj_source_stop(s);
	lj_source_close(s);
}

static void a_pcap_port_that_repeats_for_ever_lives_by_the_clock(void)
{
	struct lj_error err = {0};
	uint64_t before = lj_clock_wall_ns(rte_rdtsc());
	const struct lj_port_config config = {
		.name = "net_pcap1", .queues = 1, .descriptors = 64, .mbufs = 4096, .mtu = 9000};
	struct lj_source *s = lj_source_open_port(&config, &err);
	struct lj_burst burst;

	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	CU_ASSERT_EQUAL(lj_source_start(s, &err), 0);
	CU_ASSERT_FALSE(s->own_time);
	for (uint32_t i = 0; i < 100; i++) {
		CU_ASSERT_EQUAL_FATAL(lj_source_rx(s, 0, &burst), LJ_BURST_MAX);
		CU_ASSERT(burst.time_ns[0] >= before);
		CU_ASSERT_EQUAL(burst.wire_bytes[1], 9000);
		lj_burst_free(&burst);
	}
	lj_source_close(s); /* also stops it */
}

static void more_queues_than_the_device_has_are_refused(void)
{
	struct lj_error err = {0};
	struct lj_source *s;

	CU_ASSERT_PTR_NULL(open_port("net_pcap2", 2, &err));
	CU_ASSERT_STRING_EQUAL(err.where, "net_pcap2");
	CU_ASSERT_STRING_EQUAL(err.what, "2 receive queues requested, net_pcap has 1");
	CU_ASSERT_PTR_NULL(open_port("net_pcap2", 0, &err));
	CU_ASSERT_PTR_NULL(open_port("net_pcap2", LJ_SOURCE_QUEUES + 1, &err));
	/* The port is unchanged. */
	s = open_port("net_pcap2", 1, &err);
	CU_ASSERT_PTR_NOT_NULL(s);
	lj_source_close(s);
}

static void the_symmetric_key_is_read_back(void)
{
	uint8_t key[64] = {0};
	struct rte_eth_rss_conf rss = {.rss_key = key, .rss_key_len = sizeof(key)};
	struct lj_error err = {0};
	struct lj_source *s = open_port("net_null0", 2, &err);
	struct lj_burst burst;
	uint16_t port;
	char text[256];

	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	CU_ASSERT(s->spreads);
	CU_ASSERT_EQUAL(s->queues, 2);
	CU_ASSERT_EQUAL(rte_eth_dev_get_port_by_name("net_null0", &port), 0);
	CU_ASSERT_EQUAL(rte_eth_dev_rss_hash_conf_get(port, &rss), 0);
	for (uint32_t i = 0; i < 40; i++)
		CU_ASSERT_EQUAL(key[i], i % 2 == 0 ? 0x6d : 0x5a);
	lj_source_describe(s, text, sizeof(text));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "net_null, "));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "link up"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "2 queues, RSS symmetric, key read back"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "key read back, tested"));
	/* net_null leaves its RETA all zero, so it is rewritten. */
	CU_ASSERT_PTR_NOT_NULL_FATAL(s->rss);
	for (uint16_t i = 0; i < s->rss->reta_entries; i++)
		CU_ASSERT_EQUAL(s->rss->reta[i], i % 2);
	CU_ASSERT_EQUAL(lj_rss_self_test(s->rss, s->rss), 0);
	for (uint16_t q = 0; q < 2; q++) {
		CU_ASSERT_EQUAL(lj_source_rx(s, q, &burst), LJ_BURST_MAX);
		lj_burst_free(&burst);
	}
	lj_source_close(s);
}

static void addresses_only_by_rules_is_refused_where_there_are_none(void)
{
	const struct lj_port_config config = {
		.name = "net_null3",
		.queues = 2,
		.descriptors = 64,
		.mbufs = 1024,
		.mtu = 1500,
		.symmetric_rss = true,
		.rss = {.mode = LJ_RSS_IP,
			.by = LJ_RSS_BY_FLOW,
			.functions = RTE_ETH_RSS_NONFRAG_IPV4_TCP},
	};
	struct lj_error err = {0};
	struct lj_source *s = lj_source_open_port(&config, &err);

	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	CU_ASSERT_NOT_EQUAL(lj_source_start(s, &err), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(err.what, "refused for ipv4-tcp"));
	CU_ASSERT_PTR_NULL(s->rss);
	lj_source_close(s);
}

static void a_probed_port_names_its_driver(void)
{
	struct lj_error err = {0};
	char driver[32];

	CU_ASSERT_EQUAL(lj_port_driver("net_null0,size=64", driver, sizeof(driver), &err), 0);
	CU_ASSERT_STRING_EQUAL(driver, "net_null");
	CU_ASSERT_NOT_EQUAL(lj_port_driver("net_nowhere", driver, sizeof(driver), &err), 0);
	CU_ASSERT_STRING_EQUAL(err.where, "net_nowhere");
}

static void a_frame_too_long_for_the_device_is_refused(void)
{
	const struct lj_port_config config = {
		.name = "net_null1", .queues = 1, .descriptors = 64, .mbufs = 1024, .mtu = 20};
	struct lj_error err = {0};

	CU_ASSERT_PTR_NULL(lj_source_open_port(&config, &err));
	CU_ASSERT_STRING_EQUAL(err.where, "net_null1");
	CU_ASSERT_PTR_NOT_NULL(strstr(err.what, "MTU 20 requested, net_null supports"));
}

static void a_ring_port_hands_on_what_is_put_in(void)
{
	struct rte_ring *ring = rte_ring_lookup("ETH_RXTX0_net_ring0");
	struct rte_mempool *pool = rte_pktmbuf_pool_create(
		"frames", 255, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	struct lj_error err = {0};
	struct lj_source *s = open_port("net_ring0", 1, &err);
	struct rte_mbuf *frames[100];
	struct lj_burst burst;
	uint64_t now;

	CU_ASSERT_PTR_NOT_NULL_FATAL(ring);
	CU_ASSERT_PTR_NOT_NULL_FATAL(pool);
	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	CU_ASSERT_FALSE(s->own_time);
	CU_ASSERT_EQUAL(lj_source_rx(s, 0, &burst), 0);
	CU_ASSERT_EQUAL(rte_pktmbuf_alloc_bulk(pool, frames, 100), 0);
	for (uint32_t i = 0; i < 100; i++)
		rte_pktmbuf_append(frames[i], (uint16_t)(60 + i));
	now = lj_clock_wall_ns(rte_rdtsc());
	CU_ASSERT_EQUAL(rte_ring_enqueue_bulk(ring, (void **)frames, 100, NULL), 100);
	CU_ASSERT_EQUAL(lj_source_rx(s, 0, &burst), 64);
	CU_ASSERT_EQUAL(burst.wire_bytes[63], 123);
	CU_ASSERT(burst.time_ns[0] >= now);
	lj_burst_free(&burst);
	CU_ASSERT_EQUAL(lj_source_rx(s, 0, &burst), 36);
	CU_ASSERT_EQUAL(burst.wire_bytes[35], 159);
	lj_burst_free(&burst);
	CU_ASSERT_EQUAL(rte_mempool_avail_count(pool), 255);
	lj_source_close(s);
	rte_mempool_free(pool);
}

static void a_port_that_is_not_there_is_named(void)
{
	struct lj_error err = {0};

	CU_ASSERT_PTR_NULL(open_port("0000:ff:1f.7", 1, &err));
	CU_ASSERT_STRING_EQUAL(err.where, "0000:ff:1f.7");
	CU_ASSERT_PTR_NOT_NULL(strstr(err.what, "vfio-pci"));
	CU_ASSERT_PTR_NULL(open_port("net_null9", 1, &err));
}

/* The file must exist before the EAL probes the ports that read it. */
static void start_eal(void)
{
	static char pcap[3][256];
	const char *const vdevs[] = {"net_null0", "net_null1", "net_null3", "net_ring0",
				     pcap[0],	  pcap[1],     pcap[2],	    NULL};
	static struct bytes file;

	begin_pcap(&file, 1);
	put_pcap(&file, 100000007, 60, 60, 0xaa);
	put_pcap(&file, 100000008, 9000, 9000, 0xbb);
	save_bytes(&file, file.n, path);
	for (uint32_t i = 0; i < 3; i++)
		snprintf(pcap[i], sizeof(pcap[i]), "net_pcap%u,rx_pcap=%s%s", i, path,
			 i == 1 ? ",infinite_rx=1" : "");
	lj_test_eal("capture-port", vdevs);
}

int main(void)
{
	static const struct lj_test tests[] = {
		{"a pcap port keeps the times of its file",
		 a_pcap_port_keeps_the_times_of_its_file},
		{"a pcap port that repeats for ever lives by the clock",
		 a_pcap_port_that_repeats_for_ever_lives_by_the_clock},
		{"more queues than the device has are refused",
		 more_queues_than_the_device_has_are_refused},
		{"a probed port names its driver", a_probed_port_names_its_driver},
		{"the symmetric key is read back", the_symmetric_key_is_read_back},
		{"addresses only by rules is refused where there are none",
		 addresses_only_by_rules_is_refused_where_there_are_none},
		{"a frame too long for the device is refused",
		 a_frame_too_long_for_the_device_is_refused},
		{"a ring port hands on what is put in", a_ring_port_hands_on_what_is_put_in},
		{"a port that is not there is named", a_port_that_is_not_there_is_named},
	};
	int ret;

	if (mkdtemp(dir) == NULL)
		return EXIT_FAILURE;
	snprintf(path, sizeof(path), "%s/port.pcap", dir);
	start_eal();
	lj_clock_init();
	ret = lj_test_run("capture_port", tests, RTE_DIM(tests));
	remove_folder(dir);
	return ret;
}
