#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lj_memory.h"
#include "lj_test.h"

#define GROUP	 "/sys/fs/cgroup/system.slice/linejudge.service"
#define GROUP_V1 "/sys/fs/cgroup/memory/docker/abc"

static char root[] = "/tmp/lj-test-available-XXXXXX";
static char limit[128];

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
	RTE_SET_USED(status);
	RTE_SET_USED(type);
	return ftw->level > 0 ? remove(path) : 0;
}

/* Removes all files: a machine without any of it. */
static void clear(void)
{
	nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void put(const char *name, const char *text)
{
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s%s", root, name);
	for (char *at = path + sizeof(root); (at = strchr(at, '/')) != NULL; at++) {
		*at = '\0';
		mkdir(path, 0700);
		*at = '/';
	}
	f = fopen(path, "w");
	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	fputs(text, f);
	fclose(f);
}

static uint64_t available(void)
{
	return lj_memory_available(root, limit, sizeof(limit));
}

static void a_machine_that_tells_nothing_has_no_limit(void)
{
	clear();
	CU_ASSERT_EQUAL(available(), UINT64_MAX);
	CU_ASSERT_STRING_EQUAL(limit, "");
	put("/proc/self/cgroup", "0::/system.slice/linejudge.service\n");
	put(GROUP "/memory.max", "max\n");
	put(GROUP "/memory.current", "1000\n");
	CU_ASSERT_EQUAL(available(), UINT64_MAX);
}

static void the_machines_own_is_the_limit_of_a_group_without_one(void)
{
	clear();
	put("/proc/meminfo", "MemTotal:  64 kB\nMemFree:  8 kB\nMemAvailable:     48 kB\n");
	CU_ASSERT_EQUAL(available(), 48 << 10);
	put("/proc/self/cgroup", "0::/system.slice/linejudge.service\n");
	put(GROUP "/memory.max", "max\n");
	CU_ASSERT_EQUAL(available(), 48 << 10);
	CU_ASSERT_STRING_EQUAL(limit, "");
	/* A limit above the existing memory has no effect. */
	put(GROUP "/memory.max", "1000000\n");
	CU_ASSERT_EQUAL(available(), 48 << 10);
	CU_ASSERT_STRING_EQUAL(limit, "");
}

static void a_group_leaves_what_is_not_used_of_it(void)
{
	clear();
	put("/proc/meminfo", "MemAvailable:  48 kB\n");
	put("/proc/self/cgroup", "0::/system.slice/linejudge.service\n");
	put(GROUP "/memory.max", "10000\n");
	CU_ASSERT_EQUAL(available(), 10000);
	CU_ASSERT_STRING_EQUAL(limit, GROUP "/memory.max");
	put(GROUP "/memory.current", "7000\n");
	CU_ASSERT_EQUAL(available(), 3000);
	/* The page cache is reclaimed before the OOM killer acts. */
	put(GROUP "/memory.stat",
	    "anon 5000\nfile 2000\ninactive_anon 77\nactive_file 500\ninactive_file 1000\n");
	CU_ASSERT_EQUAL(available(), 4500);
	put(GROUP "/memory.stat", "active_file 5000\ninactive_file 5000\n");
	CU_ASSERT_EQUAL(available(), 10000);
	put(GROUP "/memory.stat", "");
	put(GROUP "/memory.current", "10001\n");
	CU_ASSERT_EQUAL(available(), 0);
}

static void what_a_group_is_in_limits_it_too(void)
{
	clear();
	put("/proc/self/cgroup", "1:name=systemd:/x\n0::/system.slice/linejudge.service\n");
	put(GROUP "/memory.max", "10000\n");
	put("/sys/fs/cgroup/system.slice/memory.max", "5000\n");
	put("/sys/fs/cgroup/system.slice/memory.current", "1000\n");
	CU_ASSERT_EQUAL(available(), 4000);
	CU_ASSERT_STRING_EQUAL(limit, "/sys/fs/cgroup/system.slice/memory.max");
	/* A container only sees the mount point, which is its own group. */
	clear();
	put("/proc/self/cgroup", "0::/\n");
	put("/sys/fs/cgroup/memory.max", "3000\n");
	CU_ASSERT_EQUAL(available(), 3000);
	put("/proc/self/cgroup", "0::/../else/where\n");
	CU_ASSERT_EQUAL(available(), 3000);
	CU_ASSERT_STRING_EQUAL(limit, "/sys/fs/cgroup/memory.max");
}

static void groups_of_the_first_version_limit_as_well(void)
{
	clear();
	put("/proc/self/cgroup", "8:pids:/\n4:memory:/docker/abc\n0::/\n");
	put(GROUP_V1 "/memory.limit_in_bytes", "9223372036854771712\n"); /* no limit */
	put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "6000\n");
	put("/sys/fs/cgroup/memory/memory.usage_in_bytes", "2000\n");
	put("/sys/fs/cgroup/memory/memory.stat",
	    "inactive_file 1\nactive_file 1\ntotal_inactive_file 600\ntotal_active_file 400\n");
	CU_ASSERT_EQUAL(available(), 5000);
	CU_ASSERT_STRING_EQUAL(limit, "/sys/fs/cgroup/memory/memory.limit_in_bytes");
}

static void hugepage_files_that_nobody_locks_are_stale(void)
{
	struct lj_stale_files stale[2];
	char path[512];
	int fd;

	clear();
	CU_ASSERT_EQUAL(lj_memory_stale_files(root, stale, 2), 0);
	put("/proc/mounts", "proc /proc proc rw 0 0\n"
			    "none /huge/2M hugetlbfs rw,pagesize=2M 0 0\n"
			    "none /huge/1G hugetlbfs rw,pagesize=1024M 0 0\n"
			    "none /huge/more hugetlbfs rw 0 0\n");
	put("/huge/2M/linejudgemap_0", "12");
	put("/huge/2M/rtemap_7", "3456");
	put("/huge/2M/other", "7890");
	put("/huge/1G/linejudgemap_0", "in use");
	snprintf(path, sizeof(path), "%s/huge/1G/linejudgemap_0", root);
	fd = open(path, O_RDONLY);
	CU_ASSERT_EQUAL(flock(fd, LOCK_SH), 0);
	CU_ASSERT_EQUAL(lj_memory_stale_files(root, stale, 2), 2);
	CU_ASSERT_STRING_EQUAL(stale[0].mount, "/huge/2M");
	CU_ASSERT_EQUAL(stale[0].files, 2);
	CU_ASSERT_EQUAL(stale[0].bytes, 6);
	CU_ASSERT_STRING_EQUAL(stale[1].mount, "/huge/1G");
	CU_ASSERT_EQUAL(stale[1].files, 0);
	close(fd);
	CU_ASSERT_EQUAL(lj_memory_stale_files(root, stale, 2), 2);
	CU_ASSERT_EQUAL(stale[1].bytes, 6);
}

static const struct lj_test tests[] = {
	{"a machine that tells nothing has no limit", a_machine_that_tells_nothing_has_no_limit},
	{"the machine's own is the limit of a group without one",
	 the_machines_own_is_the_limit_of_a_group_without_one},
	{"a group leaves what is not used of it", a_group_leaves_what_is_not_used_of_it},
	{"what a group is in limits it, too", what_a_group_is_in_limits_it_too},
	{"groups of the first version limit as well", groups_of_the_first_version_limit_as_well},
	{"hugepage files that nobody locks are stale", hugepage_files_that_nobody_locks_are_stale},
};

int main(void)
{
	int ret;

	if (mkdtemp(root) == NULL)
		return EXIT_FAILURE;
	ret = lj_test_run("available", tests, RTE_DIM(tests));
	clear();
	rmdir(root);
	return ret;
}
