#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rte_ethdev.h>

#include "lj_driver.h"
#include "lj_test.h"

static char dir[] = "/tmp/lj-test-driver-XXXXXX";
static struct lj_driver d;
static struct lj_error err;

static void use_tree(void)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/drivers-config", getenv("LJ_SOURCE_ROOT"));
	setenv("LINEJUDGE_DRIVERS", path, 1);
}

/* A folder with one file, generic.json. */
static int load_text(const char *text)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "%s/generic.json", dir);
	f = fopen(path, "w");
	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	fputs(text, f);
	fclose(f);
	setenv("LINEJUDGE_DRIVERS", dir, 1);
	memset(&err, 0, sizeof(err));
	return lj_driver_load(&d, "net_none", &err);
}

static void the_x710_is_as_its_data_sheet(void)
{
	use_tree();
	CU_ASSERT_EQUAL_FATAL(lj_driver_load(&d, "net_i40e", &err), 0);
	CU_ASSERT_STRING_EQUAL(d.name, "i40e");
	CU_ASSERT_EQUAL(d.key_bytes, 52);
	CU_ASSERT_EQUAL(d.reta_entries, 512);
	CU_ASSERT_EQUAL(d.queues_max, 64);
	CU_ASSERT_EQUAL(d.descriptors_min, 64);
	CU_ASSERT_EQUAL(d.descriptors_max, 4096);
	CU_ASSERT_EQUAL(d.descriptors_multiple, 32);
	CU_ASSERT(d.sctp_unhashed && d.lldp_agent && d.scatter && d.quirks.n > 0);
	CU_ASSERT_EQUAL(d.mode[LJ_RSS_5TUPLE].by, LJ_RSS_BY_KEY);
	CU_ASSERT_EQUAL(d.mode[LJ_RSS_IP].by, LJ_RSS_BY_FLOW);
	/* Its SCTP hash includes the verification tag, which differs between the directions. */
	for (int mode = 0; mode < 2; mode++)
		CU_ASSERT_EQUAL(d.mode[mode].functions & (RTE_ETH_RSS_NONFRAG_IPV4_SCTP |
							  RTE_ETH_RSS_NONFRAG_IPV6_SCTP),
				0);
	CU_ASSERT_STRING_EQUAL(lj_driver_firmware(&d, "22.11.11"), "9.01");
	CU_ASSERT_PTR_NULL(lj_driver_firmware(&d, "22.1"));
	CU_ASSERT_PTR_NULL(lj_driver_firmware(&d, "23.03"));
	lj_driver_free(&d);
}

static void every_file_of_the_tree_is_read(void)
{
	struct dirent *entry;
	DIR *folder;
	int n = 0;

	use_tree();
	folder = opendir(getenv("LINEJUDGE_DRIVERS"));
	CU_ASSERT_PTR_NOT_NULL_FATAL(folder);
	while ((entry = readdir(folder)) != NULL) {
		char name[64];
		char *dot = strrchr(entry->d_name, '.');

		if (dot == NULL || strcmp(dot, ".json") != 0)
			continue;
		snprintf(name, sizeof(name), "%.*s", (int)(dot - entry->d_name), entry->d_name);
		CU_ASSERT_EQUAL(lj_driver_load(&d, name, &err), 0);
		CU_ASSERT_STRING_EQUAL(d.name, name);
		CU_ASSERT(d.description[0] != '\0');
		CU_ASSERT_EQUAL(d.has_rss, d.mode[0].functions != 0);
		lj_driver_free(&d);
		n++;
	}
	closedir(folder);
	CU_ASSERT(n >= 12);
}

static void dpdks_names_lead_to_our_files(void)
{
	use_tree();
	CU_ASSERT_EQUAL(lj_driver_load(&d, "mlx5_pci", &err), 0);
	CU_ASSERT_STRING_EQUAL(d.name, "mlx5");
	lj_driver_free(&d);
	CU_ASSERT_EQUAL(lj_driver_load(&d, "net_af_xdp", &err), 0);
	CU_ASSERT_STRING_EQUAL(d.name, "af_xdp");
	lj_driver_free(&d);
	CU_ASSERT_EQUAL(lj_driver_load(&d, "net_bnxt", &err), 0);
	CU_ASSERT_STRING_EQUAL(d.name, "generic");
	lj_driver_free(&d);
}

/* A device that accesses memory by DMA, or another process behind the driver, must have it
 * mapped. */
static void only_drivers_that_copy_take_any_memory(void)
{
	static const struct {
		const char *pmd;
		bool any;
	} is[] = {{"net_pcap", true},  {"net_af_packet", true}, {"net_tap", true},
		  {"net_null", true},  {"net_ring", true},	{"net_af_xdp", false},
		  {"net_i40e", false}, {"net_virtio", false},	{"net_bnxt", false}};

	use_tree();
	for (size_t i = 0; i < RTE_DIM(is); i++) {
		CU_ASSERT_EQUAL(lj_driver_load(&d, is[i].pmd, &err), 0);
		CU_ASSERT_EQUAL(d.any_memory, is[i].any);
		lj_driver_free(&d);
	}
}

static void pci_ids_lead_to_files(void)
{
	use_tree();
	CU_ASSERT_EQUAL(lj_driver_load_pci(&d, "8086", "158B", &err), 0);
	CU_ASSERT_STRING_EQUAL(d.name, "i40e");
	lj_driver_free(&d);
	CU_ASSERT_EQUAL(lj_driver_load_pci(&d, "14e4", "16d7", &err), 0);
	CU_ASSERT_STRING_EQUAL(d.name, "generic");
	lj_driver_free(&d);
}

static void what_is_wrong_in_a_file_is_said(void)
{
	static const struct {
		const char *text, *says;
	} wrong[] = {
		{"{\"driver\": \"x\", \"rss\": {\"key_bytes\": 8}}", "rss.key_bytes"},
		{"{\"driver\": \"x\", \"rss\": {\"key_bytes\": 40, \"reta_entries\": 100}}",
		 "rss.reta_entries"},
		{"{\"driver\": \"x\", \"rss\": {\"key_bytes\": 40, \"reta_entries\": 128, "
		 "\"5tuple\": {\"by\": \"magic\"}}}",
		 "rss.5tuple.by"},
		{"{\"driver\": \"x\", \"rss\": {\"key_bytes\": 40, \"reta_entries\": 128, "
		 "\"5tuple\": {\"by\": \"key\", \"functions\": [\"ipv5\"]}}}",
		 "ipv5"},
		{"{\"driver\": \"x\", \"offloads\": [\"lro\"]}", "offloads"},
		{"{\"driver\": \"x\", \"buffers\": \"mine\"}", "buffers"},
		{"{\"driver\": \"x\", \"buffers\": 1}", "buffers"},
		{"{}", "has no name in"},
	};

	for (size_t i = 0; i < RTE_DIM(wrong); i++) {
		CU_ASSERT_NOT_EQUAL(load_text(wrong[i].text), 0);
		CU_ASSERT_PTR_NOT_NULL(strstr(err.what, wrong[i].says));
	}
	CU_ASSERT_NOT_EQUAL(load_text("{\n\"driver\": \n}"), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(err.where, "generic.json:3"));
	CU_ASSERT_EQUAL(load_text("{\"driver\": \"x\"}"), 0);
	CU_ASSERT_FALSE(d.has_rss || d.scatter || d.lldp_agent || d.any_memory);
	lj_driver_free(&d);
	setenv("LINEJUDGE_DRIVERS", "/nonexistent", 1);
	CU_ASSERT_NOT_EQUAL(lj_driver_load(&d, "net_i40e", &err), 0);
}

/* It must not be truncated, since that could be another folder. */
static void a_path_that_is_too_long_is_an_error(void)
{
	char path[1024] = "/";

	memset(path + 1, 'x', sizeof(path) - 2);
	path[sizeof(path) - 1] = '\0';
	setenv("LINEJUDGE_DRIVERS", path, 1);
	CU_ASSERT_EQUAL(lj_driver_load(&d, "net_i40e", &err), -ENAMETOOLONG);
	CU_ASSERT_EQUAL(lj_driver_load_pci(&d, "0x8086", "0x1572", &err), -ENAMETOOLONG);
	CU_ASSERT_PTR_NOT_NULL(strstr(err.what, "characters"));
}

int main(void)
{
	static const struct lj_test tests[] = {
		{"the X710 is as its data sheet", the_x710_is_as_its_data_sheet},
		{"every file of the tree is read", every_file_of_the_tree_is_read},
		{"DPDK's names lead to our files", dpdks_names_lead_to_our_files},
		{"only drivers that copy take any memory", only_drivers_that_copy_take_any_memory},
		{"PCI ids lead to files", pci_ids_lead_to_files},
		{"what is wrong in a file is said", what_is_wrong_in_a_file_is_said},
		{"a path that is too long is an error", a_path_that_is_too_long_is_an_error},
	};
	char path[64];
	int ret;

	if (mkdtemp(dir) == NULL)
		return EXIT_FAILURE;
	ret = lj_test_run("driver", tests, RTE_DIM(tests));
	snprintf(path, sizeof(path), "%s/generic.json", dir);
	unlink(path);
	rmdir(dir);
	return ret;
}
