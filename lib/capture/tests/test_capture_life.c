/* The life of a port: stop and start, removal, failover, and what names say about ports. */
#define ALLOW_EXPERIMENTAL_API /* the EAL's device events */
#include <stdio.h>
#include <string.h>

#include <rte_dev.h>
#include <rte_ethdev.h>

#include "lj_capture.h"
#include "lj_clock.h"
#include "lj_test.h"
#include "port_fixture.h"

/* A function for drivers that the headers do not declare: delivers an event. */
int rte_eth_dev_callback_process(void *dev, enum rte_eth_event_type event, void *result);
extern char rte_eth_devices[]; /* begins with port 0 */

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
	rte_eth_stats_reset(0); /* simulates what a removed device would report */
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
	rte_dev_event_callback_process("net_null6", RTE_DEV_EVENT_REMOVE); /* no listener */
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

/* The name under which other drivers for it are looked for. */
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
	CU_ASSERT_STRING_EQUAL(text, "not watched: all is lost");
	CU_ASSERT_STRING_EQUAL(lj_source_way(s), "none");
	lj_source_stop(s);
	lj_source_close(s);
}

int main(void)
{
	static const struct lj_test tests[] = {
		{"a stopped port starts again", a_stopped_port_starts_again},
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
	static const char *const vdevs[] = {"net_null8", /* port 0 */
					    "net_null2", "net_null4", "net_null5,size=100",
					    "net_null6", "net_ring1", NULL};

	lj_test_eal("capture-life", vdevs);
	lj_clock_init();
	return lj_test_run("capture_life", tests, RTE_DIM(tests));
}
