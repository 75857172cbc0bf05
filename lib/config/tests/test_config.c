#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lj_config.h"
#include "lj_test.h"

static struct lj_config c;
static struct lj_error err;

static const char *eal(const char *prefix)
{
	static char found[4096];
	int argc;
	char **argv = lj_config_eal_args(&c, &argc, &err);

	found[0] = '\0';
	for (int i = 0; argv != NULL && i < argc; i++)
		if (strncmp(argv[i], prefix, strlen(prefix)) == 0)
			snprintf(found, sizeof(found), "%s", argv[i]);
	lj_config_eal_free(argv);
	return found;
}

static void every_default_is_permitted(void)
{
	lj_config_init(&c);
	CU_ASSERT_EQUAL(c.flow.idle_timeout_ns, 120000000000);
	CU_ASSERT_EQUAL(c.batch.size, 64);
	CU_ASSERT_EQUAL(c.idle.mode, LJ_IDLE_ADAPTIVE);
	CU_ASSERT_STRING_EQUAL(c.features.set, "linejudge");
	CU_ASSERT_FALSE(lj_config_given(&c, "batch.size"));
	lj_config_free(&c);
}

static void a_key_is_set_within_its_range_and_said_to_be_given(void)
{
	lj_config_init(&c);
	CU_ASSERT_EQUAL(lj_config_set(&c, "flow.idle_timeout_s=0.5", &err), 0);
	CU_ASSERT_EQUAL(c.flow.idle_timeout_ns, 500000000);
	CU_ASSERT(lj_config_given(&c, "flow.idle_timeout_s"));
	CU_ASSERT_EQUAL(lj_config_set(&c, "flow.classify_after_ms=0.5", &err), 0);
	CU_ASSERT_EQUAL(c.flow.classify_after_ns, 500000);
	CU_ASSERT_EQUAL(lj_config_set(&c, "models=a,b", &err), 0);
	CU_ASSERT_EQUAL(c.models.n, 2);
	CU_ASSERT_STRING_EQUAL(c.models.item[1], "b");
	CU_ASSERT_NOT_EQUAL(lj_config_set(&c, "batch.size=1025", &err), 0);
	CU_ASSERT_STRING_EQUAL(err.where, "batch.size");
	CU_ASSERT_STRING_EQUAL(err.what, "1025 is not in 1..1024");
	CU_ASSERT_NOT_EQUAL(lj_config_set(&c, "batch.size=nan", &err), 0);
	/* With that many pages of 4 KiB DPDK miscounts and crashes. */
	CU_ASSERT_NOT_EQUAL(lj_config_set(&c, "eal.memory_mb=1048576", &err), 0);
	CU_ASSERT_EQUAL(c.batch.size, 64);
	lj_config_free(&c);
}

static int set_text(size_t length)
{
	char set[LJ_CONFIG_TEXT + 16] = "eve.target=";

	memset(set + strlen(set), 'x', length);
	return lj_config_set(&c, set, &err);
}

static int set_ports(uint32_t n)
{
	char set[1024] = "capture.ports=[";

	for (uint32_t i = 0; i < n; i++)
		snprintf(set + strlen(set), sizeof(set) - strlen(set), "%s{\"name\":\"p%u\"}",
			 i > 0 ? "," : "", i);
	strcat(set, "]");
	return lj_config_set(&c, set, &err);
}

static void there_is_room_for_as_much_as_is_said_and_no_more(void)
{
	lj_config_init(&c);
	CU_ASSERT_EQUAL(set_text(LJ_CONFIG_TEXT - 1), 0);
	CU_ASSERT_NOT_EQUAL(set_text(LJ_CONFIG_TEXT), 0);
	CU_ASSERT_EQUAL(set_ports(LJ_CONFIG_PORTS), 0);
	CU_ASSERT_EQUAL(c.capture.n_ports, LJ_CONFIG_PORTS);
	CU_ASSERT_NOT_EQUAL(set_ports(LJ_CONFIG_PORTS + 1), 0);
	CU_ASSERT_STRING_EQUAL(err.where, "capture.ports");
	lj_config_free(&c);
}

static void a_dump_is_read_back_whole(void)
{
	char path[] = "/tmp/lj-test-config-XXXXXX";
	int fd = mkstemp(path);
	char *first, *second;

	lj_config_init(&c);
	lj_config_set(&c, "capture.ports=[{\"name\":\"net_null0\",\"queues\":1,\"leg\":1}]", &err);
	lj_config_set(&c, "idle.mode=poll", &err);
	lj_config_set(&c, "flow.active_timeout_s=604799.0000005", &err);
	first = lj_config_dump(&c, &err);
	lj_config_free(&c);
	CU_ASSERT(write(fd, first, strlen(first)) > 0);
	close(fd);
	lj_config_init(&c);
	CU_ASSERT_EQUAL(lj_config_load(&c, path, &err), 0);
	second = lj_config_dump(&c, &err);
	CU_ASSERT_STRING_EQUAL(first, second);
	CU_ASSERT_EQUAL(c.capture.port[0].leg, 1);
	CU_ASSERT_EQUAL(c.flow.active_timeout_ns, 604799000000500);
	free(first);
	free(second);
	lj_config_free(&c);
	unlink(path);
}

/* A file name may be any bytes; JSON text is UTF-8. */
static void a_dump_leaves_nothing_out(void)
{
	static const char *const bad[][2] = {
		{"eve.target=x\xff", "eve.target"},
		{"capture.files=", "capture.files[1]"},
		{"capture.ports=[{\"name\":\"a\"},{\"name\":\"b\"}]", "capture.ports[1].failover"},
	};
	static char *files[2] = {(char *)(uintptr_t) "a", (char *)(uintptr_t) "b\xff"};

	for (size_t i = 0; i < RTE_DIM(bad); i++) {
		lj_config_init(&c);
		CU_ASSERT_EQUAL(lj_config_set(&c, bad[i][0], &err), 0);
		if (i == 1)
			c.capture.files = (struct lj_strings){2, files};
		if (i == 2)
			strcpy(c.capture.port[1].failover, "\xff");
		CU_ASSERT_PTR_NULL(lj_config_dump(&c, &err));
		CU_ASSERT_STRING_EQUAL(err.where, bad[i][1]);
		CU_ASSERT_PTR_NOT_NULL(strstr(err.what, "not UTF-8 text"));
		if (i == 1)
			c.capture.files = (struct lj_strings){0};
		lj_config_free(&c);
	}
}

static void the_eals_arguments_follow_from_the_ports(void)
{
	lj_config_init(&c);
	lj_config_set(&c, "capture.ports=[{\"name\":\"0000:3b:00.0\"},{\"name\":\"0000:3b:00.1\"}]",
		      &err);
	lj_config_set(&c, "lcores.workers=2", &err);
	lj_config_set(&c, "lcores.worker_cpus=4,6", &err);
	lj_config_set(&c, "lcores.infer_cpus=8-9", &err);
	lj_config_set(&c, "lcores.main_cpus=0", &err);
	lj_config_set(&c, "lcores.sink_cpus=1", &err);
	CU_ASSERT_EQUAL(lj_config_check(&c, &err), 0);
	CU_ASSERT_FALSE(lj_config_spreads(&c));
	CU_ASSERT_STRING_EQUAL(eal("--lcores="), "--lcores=0@0,1@4,2@6,3@(8-9),4@1");
	CU_ASSERT_STRING_EQUAL(eal("--allow="), "--allow=0000:3b:00.1");
	CU_ASSERT_STRING_EQUAL(eal("--no-pci"), "");
	lj_config_set(&c, "capture.ports=[{\"name\":\"net_null0\"}]", &err);
	CU_ASSERT(lj_config_spreads(&c));
	CU_ASSERT_STRING_EQUAL(eal("--no-pci"), "--no-pci");
	CU_ASSERT_STRING_EQUAL(eal("--vdev="), "--vdev=net_null0");
	/* Taps of kernel interfaces are not devices of the EAL. */
	lj_config_set(&c, "capture.ports=[{\"name\":\"xdp:lo\"},{\"name\":\"auto:lo\"}]", &err);
	CU_ASSERT_STRING_EQUAL(eal("--no-pci"), "--no-pci");
	CU_ASSERT_STRING_EQUAL(eal("--vdev="), "");
	CU_ASSERT_EQUAL(lj_config_port_queues(&c, 0), 1);
	lj_config_free(&c);
}

static void a_pci_address_is_completed_to_dpdks_form(void)
{
	lj_config_init(&c);
	CU_ASSERT_EQUAL(
		lj_config_set(&c,
			      "capture.ports=[{\"name\":\"3B:00.0,a=1\",\"failover\":\"3b:00.1\"},"
			      "{\"name\":\"auto:3b:0.2\"},{\"name\":\"10000:3b:00.0\"},"
			      "{\"name\":\"net_pcap0,rx_pcap=3b:00.0\"}]",
			      &err),
		0);
	CU_ASSERT_STRING_EQUAL(c.capture.port[0].name, "0000:3b:00.0,a=1");
	CU_ASSERT_STRING_EQUAL(c.capture.port[0].failover, "0000:3b:00.1");
	CU_ASSERT_STRING_EQUAL(c.capture.port[1].name, "auto:0000:3b:00.2");
	CU_ASSERT_STRING_EQUAL(c.capture.port[2].name, "10000:3b:00.0");
	CU_ASSERT_STRING_EQUAL(c.capture.port[3].name, "net_pcap0,rx_pcap=3b:00.0");
	lj_config_set(&c, "capture.ports=[{\"name\":\"3b:00.0\"},{\"name\":\"0000:3b:00.0\"}]",
		      &err);
	CU_ASSERT_NOT_EQUAL(lj_config_check(&c, &err), 0);
	CU_ASSERT_STRING_EQUAL(err.what, "0000:3b:00.0 is named twice");
	lj_config_free(&c);
}

static void what_one_key_cannot_know_is_checked(void)
{
	lj_config_init(&c);
	CU_ASSERT_NOT_EQUAL(lj_config_check(&c, &err), 0);
	lj_config_set(&c, "capture.ports=[{\"name\":\"a\",\"queues\":3}]", &err);
	CU_ASSERT_NOT_EQUAL(lj_config_check(&c, &err), 0);
	CU_ASSERT_STRING_EQUAL(err.where, "capture.ports[0].queues");
	lj_config_set(&c, "capture.ports=[{\"name\":\"a\"},{\"name\":\"a\"}]", &err);
	CU_ASSERT_NOT_EQUAL(lj_config_check(&c, &err), 0);
	lj_config_set(&c, "capture.ports=[{\"name\":\"a\"}]", &err);
	lj_config_set(&c, "capture.files=x.pcap", &err);
	CU_ASSERT_NOT_EQUAL(lj_config_check(&c, &err), 0);
	lj_config_free(&c);
}

/* Whether lj_config_check() refuses the configuration, with this `where`. */
static bool refused(const char *where)
{
	memset(&err, 0, sizeof(err));
	return lj_config_check(&c, &err) != 0 && strcmp(err.where, where) == 0;
}

static void two_sinks_cannot_share_a_file(void)
{
	char dir[] = "/tmp/lj-test-config-XXXXXX", set[128], path[64], link_path[64], second[64];

	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
	lj_config_init(&c);
	lj_config_set(&c, "capture.files=x.pcap", &err);
	snprintf(set, sizeof(set), "eve.target=%s/out", dir);
	lj_config_set(&c, set, &err);
	snprintf(set, sizeof(set), "features.csv=%s/../%s/./out", dir, strrchr(dir, '/') + 1);
	lj_config_set(&c, set, &err);
	CU_ASSERT(refused("features.csv"));
	snprintf(path, sizeof(path), "%s/out", dir);
	snprintf(link_path, sizeof(link_path), "%s/link", dir);
	fclose(fopen(path, "w"));
	CU_ASSERT_EQUAL(symlink(path, link_path), 0);
	snprintf(set, sizeof(set), "features.csv=%s", link_path);
	lj_config_set(&c, set, &err);
	CU_ASSERT(refused("features.csv"));
	/* Also through a symbolic link to a file that does not exist yet. */
	unlink(path);
	CU_ASSERT(refused("features.csv"));
	snprintf(second, sizeof(second), "%s/second", dir);
	CU_ASSERT_EQUAL(symlink("link", second), 0);
	snprintf(set, sizeof(set), "eve.target=%s", second);
	lj_config_set(&c, set, &err);
	CU_ASSERT(refused("features.csv"));
	snprintf(set, sizeof(set), "features.csv=%s/other", dir);
	lj_config_set(&c, set, &err);
	CU_ASSERT_EQUAL(lj_config_check(&c, &err), 0);
	unlink(second);
	unlink(link_path);
	rmdir(dir);
	lj_config_free(&c);
}

static void an_item_that_names_nothing_is_refused(void)
{
	lj_config_init(&c);
	lj_config_set(&c, "capture.files=x.pcap", &err);
	lj_config_set(&c, "models=a,,b", &err);
	CU_ASSERT(refused("models"));
	CU_ASSERT_STRING_EQUAL(err.what, "item 1 is empty");
	lj_config_set(&c, "models=", &err);
	CU_ASSERT_EQUAL(lj_config_check(&c, &err), 0);
	CU_ASSERT_NOT_EQUAL(lj_config_set(&c, "models=a,\xe9", &err), 0);
	CU_ASSERT_STRING_EQUAL(err.where, "models");
	CU_ASSERT_STRING_EQUAL(err.what, "item 1 is not UTF-8 text");
	/* Its owner and mode would be changed to those of the telemetry socket. */
	lj_config_set(&c, "eal.file_prefix=..", &err);
	CU_ASSERT(refused("eal.file_prefix"));
	lj_config_set(&c, "eal.file_prefix=.", &err);
	CU_ASSERT(refused("eal.file_prefix"));
	lj_config_set(&c, "eal.file_prefix=...", &err);
	CU_ASSERT_EQUAL(lj_config_check(&c, &err), 0);
	lj_config_free(&c);
}

/* Measured on a guest with one worker: 2 pages were too few, 3 enough, since each table of 1.4 GiB
 * starts in a page of its own. */
static void pages_of_1_gib_are_more_than_their_sum(void)
{
	static const struct {
		uint32_t workers, capacity, pages;
	} cases[] = {{1, 65536, 1}, {1, 1048576, 3}, {2, 1048576, 5}, {4, 1048576, 9}};
	struct lj_config_memory m;

	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		lj_config_init(&c);
		lj_config_set(&c, "capture.ports=[{\"name\":\"0000:3b:00.0\"}]", &err);
		c.lcores.workers = cases[i].workers;
		c.flow.capacity = cases[i].capacity;
		lj_config_memory(&c, &m);
		CU_ASSERT_EQUAL(m.hugepages_1g, cases[i].pages);
		lj_config_free(&c);
	}
}

static bool without_cpu0; /* simulates a cpuset without CPU 0, or CPU 0 offline */
static cpu_set_t affinity;

int sched_setaffinity(pid_t pid, size_t size, const cpu_set_t *set)
{
	(void)pid;
	(void)size;
	affinity = *set;
	if (!without_cpu0 || CPU_COUNT(set) > CPU_ISSET(0, set))
		return 0;
	errno = EINVAL;
	return -1;
}

static void an_lcore_needs_a_cpu_that_it_may_run_on(void)
{
	cpu_set_t before;

	sched_getaffinity(0, sizeof(before), &before);
	lj_config_init(&c);
	lj_config_set(&c, "lcores.infer_cpus=0", &err);
	CU_ASSERT_EQUAL(lj_config_check_cpus(&c, &err), 0);
	without_cpu0 = true;
	CU_ASSERT_EQUAL(lj_config_check_cpus(&c, &err), -EINVAL);
	CU_ASSERT_STRING_EQUAL(err.where, "lcores.infer_cpus");
	CU_ASSERT_PTR_NOT_NULL(strstr(err.what, "CPU 0 is offline, or not in the cpuset"));
	CU_ASSERT(CPU_EQUAL(&affinity, &before));
	/* Two lcores that are not pinned. */
	lj_config_set(&c, "lcores.infer=2", &err);
	CU_ASSERT_EQUAL(lj_config_check_cpus(&c, &err), -EINVAL);
	without_cpu0 = false;
	CU_ASSERT_EQUAL(lj_config_check_cpus(&c, &err), 0);
	lj_config_free(&c);
}

int main(void)
{
	static const struct lj_test tests[] = {
		{"every default is permitted", every_default_is_permitted},
		{"a key is set within its range, and said to be given",
		 a_key_is_set_within_its_range_and_said_to_be_given},
		{"there is room for as much as is said, and no more",
		 there_is_room_for_as_much_as_is_said_and_no_more},
		{"a dump is read back whole", a_dump_is_read_back_whole},
		{"a dump leaves nothing out", a_dump_leaves_nothing_out},
		{"a dump leaves nothing out", a_dump_leaves_nothing_out},
		{"the EAL's arguments follow from the ports",
		 the_eals_arguments_follow_from_the_ports},
		{"a PCI address is completed to DPDK's form",
		 a_pci_address_is_completed_to_dpdks_form},
		{"what one key cannot know is checked", what_one_key_cannot_know_is_checked},
		{"an lcore needs a CPU that it may run on",
		 an_lcore_needs_a_cpu_that_it_may_run_on},
		{"pages of 1 GiB are more than their sum", pages_of_1_gib_are_more_than_their_sum},
		{"two sinks cannot share a file", two_sinks_cannot_share_a_file},
		{"an item that names nothing is refused", an_item_that_names_nothing_is_refused},
	};

	return lj_test_run("config", tests, RTE_DIM(tests));
}
