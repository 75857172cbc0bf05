#include <errno.h>
#include <string.h>

#include <rte_ethdev.h>

#include "capture_rss.h"
#include "lj_test.h"

#define QUEUES 4

/* Replaces the ethdev library: a device whose RETA behaves as a test requires. */
static struct {
	uint16_t size;		    /* as reported; 0: not reported */
	int answer;		    /* return value of a query */
	uint16_t reta[LJ_RETA_MAX]; /* as read back */
	bool deaf;		    /* writes are ignored */
	uint32_t queries, updates;  /* number of calls */
	uint16_t asked, claimed;    /* entries of the last query; masked in the last update */
	uint8_t key[LJ_RSS_KEY_MAX];
} device;

int rte_eth_dev_info_get(uint16_t port, struct rte_eth_dev_info *info)
{
	CU_ASSERT_EQUAL(port, 7);
	*info = (struct rte_eth_dev_info){.reta_size = device.size,
					  .hash_key_size = 40,
					  .flow_type_rss_offloads = RTE_ETH_RSS_IP};
	return 0;
}

int rte_eth_dev_rss_hash_conf_get(uint16_t port, struct rte_eth_rss_conf *conf)
{
	CU_ASSERT_EQUAL(port, 7);
	memcpy(conf->rss_key, device.key, 40);
	return 0;
}

int rte_eth_dev_rss_reta_query(uint16_t port, struct rte_eth_rss_reta_entry64 *groups,
			       uint16_t size)
{
	CU_ASSERT_EQUAL(port, 7);
	CU_ASSERT_FATAL(size <= LJ_RETA_MAX);
	device.queries++;
	device.asked = 0;
	for (uint16_t i = 0; i < RTE_ALIGN_CEIL(size, 64) && device.answer == 0; i++)
		if (groups[i / 64].mask & RTE_BIT64(i % 64)) {
			groups[i / 64].reta[i % 64] = device.reta[i];
			device.asked++;
		}
	return device.answer;
}

int rte_eth_dev_rss_reta_update(uint16_t port, struct rte_eth_rss_reta_entry64 *groups,
				uint16_t size)
{
	CU_ASSERT_EQUAL(port, 7);
	CU_ASSERT_FATAL(size <= LJ_RETA_MAX);
	device.updates++;
	device.claimed = 0;
	for (uint16_t i = 0; i < RTE_ALIGN_CEIL(size, 64); i++)
		if (groups[i / 64].mask & RTE_BIT64(i % 64)) {
			CU_ASSERT(groups[i / 64].reta[i % 64] < QUEUES);
			if (!device.deaf)
				device.reta[i] = groups[i / 64].reta[i % 64];
			device.claimed++;
		}
	return 0;
}

static struct port_rss rss;

/* Runs the RSS set-up for a device with `size` entries that all hold `queue`. */
static void settle(uint16_t size, uint16_t queue, int answer, bool deaf)
{
	const struct lj_rss_request request = {.mode = LJ_RSS_IP};
	struct rte_eth_dev_info info;
	struct rte_eth_conf conf = {0};
	struct lj_error err = {0};

	memset(&device, 0, sizeof(device));
	memset(&rss, 0, sizeof(rss));
	device.size = size;
	device.answer = answer;
	device.deaf = deaf;
	for (uint16_t i = 0; i < LJ_RETA_MAX; i++)
		device.reta[i] = queue;
	rte_eth_dev_info_get(7, &info);
	rss_ask(&rss, &request, &info, &conf);
	memcpy(device.key, rss.key, sizeof(device.key));
	CU_ASSERT_EQUAL(rss_verify(&rss, 7, QUEUES, "liar", &err), 0);
}

static void a_reta_is_known_as_it_is_read_back(void)
{
	static const uint16_t sizes[] = {4, 16, 64, 128, 512, LJ_RETA_MAX};

	for (size_t i = 0; i < RTE_DIM(sizes); i++) {
		settle(sizes[i], 0, 0, false);
		CU_ASSERT_TRUE(rss.known);
		CU_ASSERT_EQUAL(rss.model.reta_entries, sizes[i]);
		for (uint16_t e = 0; e < sizes[i]; e++)
			CU_ASSERT_EQUAL(rss.model.reta[e], e % QUEUES);
		/* A partial group of 64 is queried and written as such. */
		CU_ASSERT_EQUAL(device.asked, sizes[i]);
		CU_ASSERT_EQUAL(device.claimed, sizes[i]);
	}
}

static void a_reta_of_a_size_that_does_not_go_is_not_asked_for(void)
{
	static const uint16_t sizes[] = {3,	    48, 96, 192, LJ_RETA_MAX + 64, 2 * LJ_RETA_MAX,
					 UINT16_MAX};

	for (size_t i = 0; i < RTE_DIM(sizes); i++) {
		settle(sizes[i], 0, 0, false);
		CU_ASSERT_FALSE(rss.known);
		CU_ASSERT_EQUAL(device.queries + device.updates, 0);
		CU_ASSERT_STRING_EQUAL(
			rss.text, "RSS symmetric, key read back; the RETA's size is not supported");
	}
}

static void a_device_that_does_not_say_has_the_usual_reta_or_none(void)
{
	settle(0, 0, -ENOTSUP, false);
	CU_ASSERT_FALSE(rss.known);
	settle(0, 0, 0, false);
	CU_ASSERT_TRUE(rss.known);
	CU_ASSERT_EQUAL(rss.model.reta_entries, 128);
}

static void entries_of_queues_that_are_not_there_are_dealt_anew(void)
{
	settle(128, 63, 0, false);
	CU_ASSERT_TRUE(rss.known);
	CU_ASSERT_EQUAL(device.updates, 1);
	for (uint16_t e = 0; e < 128; e++)
		CU_ASSERT_EQUAL(rss.model.reta[e], e % QUEUES);
}

/* lj_rss_balance() uses the entries' queues as array indexes. */
static void a_reta_that_goes_on_naming_queues_that_are_not_there_is_not_believed(void)
{
	static const uint16_t queues[] = {QUEUES, 63, 64, 1000, UINT16_MAX};

	for (size_t i = 0; i < RTE_DIM(queues); i++) {
		settle(128, queues[i], 0, true);
		CU_ASSERT_FALSE(rss.known);
		CU_ASSERT_STRING_EQUAL(
			rss.text, "RSS symmetric, key read back; the RETA contains queues that "
				  "do not exist");
	}
	/* One that leaves a queue without entries is bad, but known. */
	settle(128, 1, 0, true);
	CU_ASSERT_TRUE(rss.known);
}

static void what_is_told_after_a_change_is_not_believed_either(void)
{
	uint16_t reta[LJ_RETA_MAX] = {0};
	struct lj_error err = {0};

	settle(128, 0, 0, false);
	CU_ASSERT_TRUE_FATAL(rss.known);
	device.deaf = true;
	memset(device.reta, 0xff, sizeof(device.reta));
	CU_ASSERT_NOT_EQUAL(rss_set_reta(&rss, 7, reta, "liar", &err), 0);
	CU_ASSERT_STRING_EQUAL(
		err.what,
		"the driver does not accept another redirection table: it reads back differently");
	for (uint16_t e = 0; e < 128; e++)
		CU_ASSERT_EQUAL(rss.model.reta[e], e % QUEUES);
}

static void a_port_that_starts_again_is_known_anew(void)
{
	struct lj_error err = {0};

	settle(128, 0, 0, false);
	CU_ASSERT_TRUE(rss.known);
	device.size = UINT16_MAX;
	CU_ASSERT_EQUAL(rss_verify(&rss, 7, QUEUES, "liar", &err), 0);
	CU_ASSERT_FALSE(rss.known);
}

static const struct lj_test tests[] = {
	{"a RETA is known as it is read back", a_reta_is_known_as_it_is_read_back},
	{"a RETA of a size that does not go is not asked for",
	 a_reta_of_a_size_that_does_not_go_is_not_asked_for},
	{"a device that does not say has the usual RETA, or none",
	 a_device_that_does_not_say_has_the_usual_reta_or_none},
	{"entries of queues that are not there are dealt anew",
	 entries_of_queues_that_are_not_there_are_dealt_anew},
	{"a RETA that goes on naming queues that are not there is not believed",
	 a_reta_that_goes_on_naming_queues_that_are_not_there_is_not_believed},
	{"what is told after a change is not believed either",
	 what_is_told_after_a_change_is_not_believed_either},
	{"a port that starts again is known anew", a_port_that_starts_again_is_known_anew},
};

int main(void)
{
	return lj_test_run("capture_rss", tests, RTE_DIM(tests));
}
