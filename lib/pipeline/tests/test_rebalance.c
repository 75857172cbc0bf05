/* Rebalancing RETAs under a live pipeline, stepped by hand, on net_null: it has a RETA, but its
 * packets are no IP, so load and flows are put in by the test. */
#include <string.h>

#include <rte_ethdev.h>

#include "lj_packet_rss.h"
#include "ports.h"

#define FLOWS 4000

static struct lj_packet packet_of(uint32_t flow)
{
	struct lj_packet p = {.key = {.version = 4, .proto = 6, .port = {443, 0}},
			      .time_ns = 1000000000000 + flow,
			      .seq = flow + 1,
			      .l3_bytes = 40,
			      .side = 1,
			      .tcp_flags = LJ_TCP_ACK};

	for (int end = 0; end < 2; end++) {
		p.key.addr[end][10] = p.key.addr[end][11] = 0xff;
		p.key.addr[end][12] = (uint8_t)(10 + end);
		p.key.addr[end][14] = (uint8_t)(flow >> 8);
		p.key.addr[end][15] = (uint8_t)flow;
	}
	p.key.port[1] = (uint16_t)(1024 + flow);
	p.hash = (flow + 1) * 0x9e3779b97f4a7c15;
	return p;
}

static uint16_t bucket_of(const struct lj_rss *rss, uint32_t flow)
{
	struct lj_packet p = packet_of(flow);
	uint32_t hash;

	CU_ASSERT_FATAL(lj_packet_rss_hash(rss, &p, false, &hash));
	return lj_rss_bucket(rss, hash);
}

/* Two packets of each flow, where the RETA sends them. */
static void add_flows(struct lj_pipeline *p)
{
	const struct lj_rss *rss = p->source[0]->rss;

	for (uint32_t flow = 0; flow < FLOWS; flow++) {
		struct worker *w = p->worker[lj_rss_entry(rss, bucket_of(rss, flow))];
		struct lj_packet twice[2] = {packet_of(flow), packet_of(flow)};
		struct lj_flow *due[4];
		uint16_t n_due;

		CU_ASSERT_EQUAL(lj_flow_update(w->table, twice, 2, due, &n_due), 2);
		CU_ASSERT_EQUAL(n_due, 0);
	}
}

static uint64_t total(const struct lj_pipeline *p, enum lj_counter counter)
{
	struct lj_counters all;

	lj_pipeline_total(p, &all);
	return all.value[counter];
}

/* Ten samples of each entry, and 200 more of entry 6 (queue 0). */
static void add_load(struct lj_pipeline *p)
{
	const struct lj_rss *rss = p->source[0]->rss;

	for (uint16_t e = 0; e < rss->reta_entries; e++)
		p->worker[lj_rss_entry(rss, e)]->receiver.rx[0].bucket[e] += 10;
	p->worker[0]->receiver.rx[0].bucket[6] += 200;
}

static uint16_t reta_of_device(const char *name, uint16_t entry)
{
	struct rte_eth_rss_reta_entry64 groups[LJ_RETA_MAX / RTE_ETH_RETA_GROUP_SIZE] = {0};
	uint16_t port;

	groups[entry / RTE_ETH_RETA_GROUP_SIZE].mask = UINT64_MAX;
	CU_ASSERT_EQUAL(rte_eth_dev_get_port_by_name(name, &port), 0);
	CU_ASSERT_EQUAL(rte_eth_dev_rss_reta_query(port, groups, 128), 0);
	return groups[entry / RTE_ETH_RETA_GROUP_SIZE].reta[entry % RTE_ETH_RETA_GROUP_SIZE];
}

static void flows_that_move_are_counted_and_marked(void)
{
	struct lj_pipeline *p = open_ports("capture.ports=[{\"name\":\"net_null0\",\"queues\":2},"
					   "{\"name\":\"net_null1\",\"queues\":2,\"leg\":1}]",
					   "capture.rss_check=16");
	const struct lj_rss *rss = p->source[0]->rss;
	struct lj_rebalance result;
	struct lj_error err = {0};
	uint16_t before[128];
	uint64_t moved = 0, lossy = 0;

	CU_ASSERT_EQUAL_FATAL(rss->reta_entries, 128);
	lj_pipeline_step(p); /* the workers take their queues */
	add_flows(p);
	add_load(p);
	memcpy(before, rss->reta, sizeof(before));
	CU_ASSERT_EQUAL_FATAL(lj_pipeline_rebalance(p, &result, &err), 0);
	CU_ASSERT(result.balance.moved > 0 && result.balance.moved < 15);
	CU_ASSERT(result.balance.after < result.balance.before);
	CU_ASSERT_EQUAL(result.samples, 128 * 10 + 200);
	/* All legs, and both the device and what we think of it. */
	for (uint16_t e = 0; e < 128; e++) {
		CU_ASSERT_EQUAL(reta_of_device("net_null0", e), lj_rss_entry(rss, e));
		CU_ASSERT_EQUAL(reta_of_device("net_null1", e), lj_rss_entry(rss, e));
		CU_ASSERT_EQUAL(p->source[1]->rss->reta[e], lj_rss_entry(rss, e));
	}
	for (uint32_t flow = 0; flow < FLOWS; flow++)
		moved += before[bucket_of(rss, flow)] != lj_rss_entry(rss, bucket_of(rss, flow));
	CU_ASSERT(moved > 0);
	/* Until all are counted, there is no other. */
	CU_ASSERT_EQUAL(lj_pipeline_rebalance(p, &result, &err), -EBUSY);
	for (int i = 0; i < FLOWS / 100; i++)
		for (uint32_t w = 0; w < 2; w++)
			rebalance_records(p->worker[w]);
	CU_ASSERT_EQUAL(total(p, LJ_C_rss_moved_flows), moved);
	CU_ASSERT_EQUAL(total(p, LJ_C_rss_moved_packets), 2 * moved);
	/* What was sampled has been used up. */
	CU_ASSERT_EQUAL(lj_pipeline_rebalance(p, &result, &err), -EAGAIN);
	CU_ASSERT_PTR_NOT_NULL(strstr(err.what, "wait"));

	for (uint32_t w = 0; w < 2; w++) {
		struct lj_flow *due[LJ_BURST_MAX];
		uint16_t n;

		while ((n = lj_flow_flush(p->worker[w]->table, 1, due, LJ_BURST_MAX)) > 0) {
			for (uint16_t i = 0; i < n; i++)
				lossy += due[i]->lossy;
			lj_flow_settle(p->worker[w]->table, due, n);
		}
	}
	CU_ASSERT_EQUAL(lossy, moved);
	close_ports(p);
}

static void an_even_load_moves_nothing(void)
{
	struct lj_pipeline *p = open_ports("capture.ports=[{\"name\":\"net_null2\",\"queues\":2}]",
					   "capture.rss_check=16");
	struct lj_rebalance result;
	struct lj_error err = {0};

	for (uint16_t e = 0; e < 128; e++)
		p->worker[e % 2]->receiver.rx[0].bucket[e] = 9;
	CU_ASSERT_EQUAL(lj_pipeline_rebalance(p, &result, &err), 0);
	CU_ASSERT_EQUAL(result.balance.moved, 0);
	/* And is not begun: there is nothing to count. */
	CU_ASSERT_EQUAL(lj_pipeline_rebalance(p, &result, &err), 0);
	close_ports(p);
}

static void what_cannot_be_is_refused_with_a_reason(void)
{
	struct lj_rebalance result;
	struct lj_error err = {0};
	struct lj_pipeline *p = open_ports("capture.ports=[{\"name\":\"net_null3\",\"queues\":2}]",
					   "capture.rss_check=0");

	CU_ASSERT_EQUAL(lj_pipeline_rebalance(p, &result, &err), -EINVAL);
	CU_ASSERT_STRING_EQUAL(err.where, "capture.rss_check");
	close_ports(p);
	p = open_ports("capture.ports=[{\"name\":\"net_ring0\",\"queues\":2}]",
		       "capture.rss_check=16");
	CU_ASSERT_EQUAL(lj_pipeline_rebalance(p, &result, &err), -ENOTSUP);
	CU_ASSERT_STRING_EQUAL(err.where, "net_ring0");
	CU_ASSERT_PTR_NOT_NULL(strstr(err.what, "redirection table"));
	close_ports(p);
	p = open_ports("capture.ports=[{\"name\":\"net_ring1\",\"queues\":1}]",
		       "capture.rss_check=16");
	CU_ASSERT_EQUAL(lj_pipeline_rebalance(p, &result, &err), -EAGAIN);
	CU_ASSERT_PTR_NOT_NULL(strstr(err.what, "0 packets were dealt"));
	close_ports(p);
}

/* One queue, which the spreader deals to two workers by a table of its own. */
static void flows_that_the_spreader_deals_anew_are_counted(void)
{
	struct lj_pipeline *p = open_ports("capture.ports=[{\"name\":\"net_ring2\",\"queues\":1}]",
					   "capture.rss_check=0");
	struct lj_rss *rss = &p->spreader->rss;
	struct lj_rebalance result;
	struct lj_error err = {0};
	uint16_t before[LJ_RETA_MAX];
	uint64_t moved = 0;

	CU_ASSERT_EQUAL_FATAL(rss->reta_entries, 512);
	for (uint32_t flow = 0; flow < FLOWS; flow++) {
		struct lj_packet one = packet_of(flow);
		struct lj_flow *due[4];
		uint16_t n_due;

		lj_flow_update(p->worker[lj_rss_queue(rss, spread_hash(rss, &one.key))]->table,
			       &one, 1, due, &n_due);
	}
	for (uint16_t e = 0; e < 512; e++)
		p->spreader->bucket[e] = e % 2 == 0 ? 30 : 10;
	memcpy(before, rss->reta, sizeof(before));
	CU_ASSERT_EQUAL_FATAL(lj_pipeline_rebalance(p, &result, &err), 0);
	CU_ASSERT_EQUAL(result.samples, 512 * 20);
	CU_ASSERT(result.balance.moved > 0 && result.balance.after < 1.06);
	for (uint32_t flow = 0; flow < FLOWS; flow++) {
		struct lj_packet one = packet_of(flow);
		uint16_t bucket = lj_rss_bucket(rss, spread_hash(rss, &one.key));

		moved += before[bucket] != lj_rss_entry(rss, bucket);
	}
	CU_ASSERT(moved > 0);
	for (int i = 0; i < FLOWS / 100; i++)
		for (uint32_t w = 0; w < 2; w++)
			rebalance_records(p->worker[w]);
	CU_ASSERT_EQUAL(total(p, LJ_C_rss_moved_flows), moved);
	CU_ASSERT_EQUAL(lj_pipeline_rebalance(p, &result, &err), -EAGAIN);
	close_ports(p);
}

static const struct lj_test tests[] = {
	{"flows that move are counted and marked", flows_that_move_are_counted_and_marked},
	{"an even load moves nothing", an_even_load_moves_nothing},
	{"what cannot be is refused with a reason", what_cannot_be_is_refused_with_a_reason},
	{"flows that the spreader deals anew are counted",
	 flows_that_the_spreader_deals_anew_are_counted},
};

int main(void)
{
	static const char *const vdevs[] = {"net_null0", "net_null1", "net_null2", "net_null3",
					    "net_ring0", "net_ring1", "net_ring2", NULL};
	char path[512];

	snprintf(path, sizeof(path), "%s/drivers-config", getenv("LJ_SOURCE_ROOT"));
	setenv("LINEJUDGE_DRIVERS", path, 1);
	lj_test_eal("rebalance", vdevs);
	lj_clock_init();
	return lj_test_run("rebalance", tests, RTE_DIM(tests));
}
