#define ALLOW_EXPERIMENTAL_API /* of the EAL's events about devices */
#include <stdio.h>
#include <string.h>

#include <rte_dev.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include "capture_bytes.h"
#include "lj_capture.h"
#include "lj_clock.h"
#include "lj_test.h"

static char dir[] = "/tmp/lj-test-capture-port-XXXXXX";
static char path[128];

static struct lj_source *open_port(const char *name, uint16_t queues, struct lj_error *err)
{
	const struct lj_port_config config = {
		.name = name,
		.queues = queues,
		.descriptors = 512,
		.mbufs = 2048,
		.mtu = 1500,
		.promiscuous = true,
		.symmetric_rss = true,
		.leg = 3,
	};
	struct lj_source *s = lj_source_open_port(&config, err);

	if (s == NULL || lj_source_start(s, err) != 0) {
		lj_source_close(s);
		return NULL;
	}
	return s;
}

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
	/* A jumbo frame comes as a chain, as it is. */
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
	lj_source_close(s); /* stops, too */
}

static void more_queues_than_the_device_has_are_refused(void)
{
	struct lj_error err = {0};
	struct lj_source *s;

	CU_ASSERT_PTR_NULL(open_port("net_pcap2", 2, &err));
	CU_ASSERT_STRING_EQUAL(err.where, "net_pcap2");
	CU_ASSERT_STRING_EQUAL(err.what, "2 receive queues asked, net_pcap has 1");
	CU_ASSERT_PTR_NULL(open_port("net_pcap2", 0, &err));
	CU_ASSERT_PTR_NULL(open_port("net_pcap2", LJ_SOURCE_QUEUES + 1, &err));
	/* And the port is as it was. */
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
	/* net_null leaves its RETA all zeros: it is dealt. */
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
	CU_ASSERT_PTR_NOT_NULL(strstr(err.what, "MTU 20 asked, net_null takes"));
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

static void a_stopped_port_starts_again(void)
{
	struct lj_error err = {0};
	struct lj_source *s = open_port("net_null2", 1, &err);
	struct lj_burst burst;

	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	for (uint32_t i = 0; i < 3; i++) {
		CU_ASSERT_EQUAL(lj_source_rx(s, 0, &burst), LJ_BURST_MAX);
		lj_burst_free(&burst);
		lj_source_stop(s);
		lj_source_stop(s);
		CU_ASSERT_EQUAL(lj_source_start(s, &err), 0);
	}
	lj_source_close(s);
}

static void a_port_that_is_not_there_is_named(void)
{
	struct lj_error err = {0};

	CU_ASSERT_PTR_NULL(open_port("0000:ff:1f.7", 1, &err));
	CU_ASSERT_STRING_EQUAL(err.where, "0000:ff:1f.7");
	CU_ASSERT_PTR_NOT_NULL(strstr(err.what, "vfio-pci"));
	CU_ASSERT_PTR_NULL(open_port("net_null9", 1, &err));
}

/* Of the EAL's drivers' side, which its headers do not give: an event as a driver tells it. */
int rte_eth_dev_callback_process(void *dev, enum rte_eth_event_type event, void *result);
extern char rte_eth_devices[]; /* begins with port 0 */

static void a_removed_port_is_dead_and_keeps_its_last_numbers(void)
{
	struct lj_source *s = NULL;
	struct lj_error err = {0};
	struct lj_source_stats before, after;
	struct lj_burst burst;
	char name[RTE_ETH_NAME_MAX_LEN];
	const char *why;

	CU_ASSERT_EQUAL_FATAL(rte_eth_dev_get_name_by_port(0, name), 0);
	s = open_port(name, 1, &err);
	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	CU_ASSERT_EQUAL(lj_source_health(s, &why), LJ_PORT_WELL);
	CU_ASSERT_STRING_EQUAL(why, "");
	CU_ASSERT_EQUAL(lj_source_rx(s, 0, &burst), LJ_BURST_MAX);
	lj_burst_free(&burst);
	CU_ASSERT_EQUAL(lj_source_stats(s, &before), 0);
	rte_eth_dev_callback_process(rte_eth_devices, RTE_ETH_EVENT_INTR_RMV, NULL);
	CU_ASSERT_EQUAL(lj_source_health(s, &why), LJ_PORT_DEAD);
	CU_ASSERT_STRING_EQUAL(why, "the device was removed");
	rte_eth_stats_reset(0); /* what a device that is gone would tell */
	CU_ASSERT_EQUAL(lj_source_stats(s, &after), 0);
	CU_ASSERT_EQUAL(after.received, before.received);
	lj_source_close(s);
}

static void a_device_that_the_kernel_wants_back_is_dead(void)
{
	struct lj_error err = {0};
	struct lj_source *s = open_port("net_null6", 1, &err);
	const char *why;

	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	rte_dev_event_callback_process("net_null4", RTE_DEV_EVENT_REMOVE);
	rte_dev_event_callback_process("net_null6", RTE_DEV_EVENT_ADD);
	CU_ASSERT_EQUAL(lj_source_health(s, &why), LJ_PORT_WELL);
	rte_dev_event_callback_process("net_null6", RTE_DEV_EVENT_REMOVE);
	CU_ASSERT_EQUAL(lj_source_health(s, &why), LJ_PORT_DEAD);
	CU_ASSERT_STRING_EQUAL(why, "the device is being removed");
	lj_source_retire(s);
	rte_dev_event_callback_process("net_null6", RTE_DEV_EVENT_REMOVE); /* nobody listens */
}

static void a_ports_way_is_told_by_its_name(void)
{
	static const struct {
		const char *name, *way;
	} ports[] = {
		{"net_null4", "configured"},
		{"net_ring1", "configured"},
	};
	static const char *const given[] = {"driver",	     "net_af_xdp", "af_xdp",	"xdp",
					    "net_af_packet", "af_packet",  "configured"};
	struct lj_error err = {0};

	for (size_t i = 0; i < RTE_DIM(ports); i++) {
		struct lj_source *s = open_port(ports[i].name, 1, &err);

		CU_ASSERT_PTR_NOT_NULL_FATAL(s);
		CU_ASSERT_STRING_EQUAL(lj_source_way(s), ports[i].way);
		lj_source_retire(s);
	}
	for (size_t i = 0; i < RTE_DIM(given); i++)
		CU_ASSERT_PTR_NOT_NULL(lj_way_find(given[i]));
	CU_ASSERT_STRING_EQUAL(lj_way_find("af_xdp"), "net_af_xdp");
	CU_ASSERT_PTR_NULL(lj_way_find("net_"));
	CU_ASSERT_PTR_NULL(lj_way_find(""));
}

static void a_port_that_was_retired_is_taken_up_again_as_configured(void)
{
	const struct lj_port_config config = {.name = "net_null5,size=100",
					      .queues = 2,
					      .descriptors = 64,
					      .mbufs = 1024,
					      .mtu = 1500};
	struct lj_takeover t = {.config = &config, .spare = "", .after = "configured"};
	struct lj_error err = {0};
	struct lj_source *s = lj_source_open_port(&config, &err);
	struct lj_burst burst;
	uint16_t port;

	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	lj_source_retire(s);
	CU_ASSERT_NOT_EQUAL(rte_eth_dev_get_port_by_name("net_null5", &port), 0);
	t.way = "xdp";
	CU_ASSERT_PTR_NULL(lj_source_take_over(&t, &err));
	CU_ASSERT_STRING_EQUAL(err.what, "there is no interface or device to watch");
	t.way = NULL;
	s = lj_source_take_over(&t, &err);
	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	CU_ASSERT_EQUAL(s->queues, 2);
	CU_ASSERT_STRING_EQUAL(s->name, config.name);
	CU_ASSERT_EQUAL(lj_source_rx(s, 1, &burst), LJ_BURST_MAX);
	CU_ASSERT_EQUAL(burst.wire_bytes[0], 100);
	lj_burst_free(&burst);
	lj_source_close(s);
}

/* What it is looked for by, when it is to be watched another way. */
static void a_port_is_about_an_interface_or_device(void)
{
	static const struct {
		const char *name, *about;
	} ports[] = {
		{"xdp:eth0,mode=generic", "eth0"},
		{"auto:0000:3b:00.0", "0000:3b:00.0"},
		{"0000:3b:00.0,safe-mode-support=1", "0000:3b:00.0"},
		{"net_pcap0,rx_pcap=f.pcap", "net_pcap0,rx_pcap=f.pcap"},
	};
	char text[64];

	for (size_t i = 0; i < RTE_DIM(ports); i++)
		CU_ASSERT_STRING_EQUAL(lj_port_interface(ports[i].name, text, sizeof(text)),
				       ports[i].about);
}

static void nobody_watches_a_vacant_port(void)
{
	struct lj_source *s = lj_source_open_vacant("net_null7", "all is lost");
	struct lj_error err = {0};
	struct lj_source_stats stats;
	struct lj_burst burst;
	const char *why;
	char text[64];

	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	CU_ASSERT_EQUAL(lj_source_start(s, &err), 0);
	CU_ASSERT_EQUAL(lj_source_rx(s, 0, &burst), 0);
	CU_ASSERT_EQUAL(burst.count, 0);
	CU_ASSERT_EQUAL(lj_source_health(s, &why), LJ_PORT_WELL);
	CU_ASSERT_EQUAL(lj_source_stats(s, &stats), 0);
	CU_ASSERT_EQUAL(stats.received + stats.imissed, 0);
	lj_source_describe(s, text, sizeof(text));
	CU_ASSERT_STRING_EQUAL(text, "nobody watches it: all is lost");
	CU_ASSERT_STRING_EQUAL(lj_source_way(s), "none");
	lj_source_stop(s);
	lj_source_close(s);
}

/* The file has to be there before the EAL probes the ports that read it. */
static void start_eal(void)
{
	static char pcap[3][256];
	const char *const vdevs[] = {"net_null8", /* port 0 */
				     "net_null0", "net_null1", "net_null2",
				     "net_null3", "net_null4", "net_null5,size=100",
				     "net_null6", "net_ring0", "net_ring1",
				     pcap[0],	  pcap[1],     pcap[2],
				     NULL};
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
		{"a stopped port starts again", a_stopped_port_starts_again},
		{"a port that is not there is named", a_port_that_is_not_there_is_named},
		{"a port that was retired is taken up again as configured",
		 a_port_that_was_retired_is_taken_up_again_as_configured},
		{"a port is about an interface or device", a_port_is_about_an_interface_or_device},
		{"nobody watches a vacant port", nobody_watches_a_vacant_port},
		{"a port's way is told by its name", a_ports_way_is_told_by_its_name},
		{"a device that the kernel wants back is dead",
		 a_device_that_the_kernel_wants_back_is_dead},
		{"a removed port is dead and keeps its last numbers",
		 a_removed_port_is_dead_and_keeps_its_last_numbers},
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
