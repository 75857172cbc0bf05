/* Files that are full, truncated, emptied or moved. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lj_clock.h"
#include "lj_sink.h"
#include "lj_test.h"
#include "sink_fixture.h"

/* The writer checks its file once a second. */
#define A_LOOK_LATER_US 1100000

static char dir[] = "/tmp/lj-test-writer-XXXXXX";

static uint32_t lines_of(const char *path, bool *whole)
{
	FILE *f = fopen(path, "rb");
	uint32_t lines = 0;
	int c, last = '\n';

	while ((c = fgetc(f)) != EOF) {
		lines += c == '\n';
		last = c;
	}
	fclose(f);
	*whole = last == '\n';
	return lines;
}

static void a_full_disk_leaves_whole_lines_and_a_count(void)
{
	struct lj_sink_counts counts;
	struct lj_error err;
	struct lj_sink *s;
	struct rlimit before;
	char path[128];
	bool whole;

	snprintf(path, sizeof(path), "%s/full.json", dir);
	s = open_eve(path, LJ_EVE_FLOWS_ALL);
	before = fill_disk(100000);
	write_some(s, 1000);
	CU_ASSERT_NOT_EQUAL(lj_sink_flush(s), 0);
	free_disk(before);
	/* There is space again: writing continues on a new line. */
	write_some(s, 10);
	CU_ASSERT_EQUAL(lj_sink_flush(s), 0);
	counts = s->counts;
	CU_ASSERT_EQUAL(counts.offered, 1010);
	CU_ASSERT_EQUAL(counts.offered, counts.written + counts.lost);
	CU_ASSERT(counts.lost > 0 && counts.written > 10);
	CU_ASSERT_NOT_EQUAL(lj_sink_close(s, &err), 0);
	CU_ASSERT_STRING_EQUAL(err.where, path);
	CU_ASSERT_EQUAL(lines_of(path, &whole), counts.written);
	CU_ASSERT(whole);
}

/* As with logrotate's copytruncate, on a disk that is full now and then. */
static void a_file_that_is_emptied_meanwhile_begins_anew(void)
{
	struct lj_sink *s;
	struct rlimit before;
	char path[128];
	struct stat st;
	bool whole;

	snprintf(path, sizeof(path), "%s/rotated.json", dir);
	s = open_eve(path, LJ_EVE_FLOWS_ALL);
	write_some(s, 100);
	CU_ASSERT_EQUAL(lj_sink_flush(s), 0);
	CU_ASSERT_EQUAL(truncate(path, 0), 0);
	write_some(s, 3);
	CU_ASSERT_EQUAL(lj_sink_flush(s), 0);
	CU_ASSERT_EQUAL(stat(path, &st), 0);
	CU_ASSERT_EQUAL((uint64_t)st.st_size * 103, s->counts.bytes * 3);
	before = fill_disk((rlim_t)st.st_size + 10);
	write_some(s, 1);
	CU_ASSERT_NOT_EQUAL(lj_sink_flush(s), 0);
	free_disk(before);
	/* An incomplete line was written, and is removed. */
	write_some(s, 1);
	CU_ASSERT_EQUAL(lj_sink_flush(s), 0);
	CU_ASSERT_EQUAL(lines_of(path, &whole), 4);
	CU_ASSERT(whole);
	CU_ASSERT_EQUAL(stat(path, &st), 0);
	CU_ASSERT_EQUAL((uint64_t)st.st_size * 104, s->counts.bytes * 4);
	lj_sink_close(s, NULL);
}

/* As with logrotate's create and nocreate. */
static void a_file_that_is_moved_is_begun_anew(void)
{
	struct lj_sink *s;
	char path[128], old[136];
	bool whole;

	snprintf(path, sizeof(path), "%s/moved.json", dir);
	snprintf(old, sizeof(old), "%s.1", path);
	s = open_eve(path, LJ_EVE_FLOWS_ALL);
	write_some(s, 5);
	CU_ASSERT_EQUAL(lj_sink_flush(s), 0);
	CU_ASSERT_EQUAL(rename(path, old), 0);
	/* The file is checked only once a second: what comes before goes to the old one. */
	write_some(s, 2);
	CU_ASSERT_EQUAL(lj_sink_flush(s), 0);
	CU_ASSERT_EQUAL(lines_of(old, &whole), 7);
	CU_ASSERT_NOT_EQUAL(access(path, F_OK), 0);
	/* A folder has the name now, so writing continues in the old file. */
	CU_ASSERT_EQUAL(mkdir(path, 0755), 0);
	usleep(A_LOOK_LATER_US);
	write_some(s, 1);
	CU_ASSERT_EQUAL(lj_sink_flush(s), 0);
	CU_ASSERT_EQUAL(lines_of(old, &whole), 8);
	CU_ASSERT_EQUAL(rmdir(path), 0);
	usleep(A_LOOK_LATER_US);
	write_some(s, 3);
	CU_ASSERT_EQUAL(lj_sink_flush(s), 0);
	CU_ASSERT_EQUAL(lines_of(old, &whole), 8);
	CU_ASSERT_EQUAL(lines_of(path, &whole), 3);
	CU_ASSERT_EQUAL(s->counts.written, 11);
	CU_ASSERT_EQUAL(lj_sink_close(s, NULL), 0);
}

static void a_table_that_is_moved_has_its_header_again(void)
{
	static const struct lj_verdict v = {.flow.key.version = 4};
	const struct lj_verdict *one = &v;
	const char *const features[] = {"duration_us"};
	struct lj_feature_plan *plan = lj_feature_plan_create(features, 1, NULL);
	char path[128], old[136], head[2][32];
	const char *const names[] = {old, path};
	struct lj_sink *s;

	CU_ASSERT_PTR_NOT_NULL_FATAL(plan);
	snprintf(path, sizeof(path), "%s/moved.csv", dir);
	snprintf(old, sizeof(old), "%s.1", path);
	s = lj_sink_open_csv(path, plan, false, false, NULL);
	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	CU_ASSERT_EQUAL(rename(path, old), 0);
	lj_sink_write(s, &one, 1);
	CU_ASSERT_EQUAL(lj_sink_close(s, NULL), 0);
	for (int i = 0; i < 2; i++) {
		FILE *f = fopen(names[i], "r");

		CU_ASSERT_PTR_NOT_NULL_FATAL(f);
		CU_ASSERT_PTR_NOT_NULL(fgets(head[i], sizeof(head[i]), f));
		fclose(f);
	}
	CU_ASSERT_STRING_EQUAL(head[0], head[1]);
	lj_feature_plan_destroy(plan);
}

/* Also if the disk was full at that time. */
static void a_table_that_is_emptied_has_its_header_again(void)
{
	static const struct lj_verdict v = {.flow.key.version = 4};
	const struct lj_verdict *one = &v;
	const char *const features[] = {"duration_us"};
	struct lj_feature_plan *plan = lj_feature_plan_create(features, 1, NULL);
	char path[128], head[128];
	struct rlimit before;
	struct lj_sink *s;
	bool whole;
	FILE *f;

	CU_ASSERT_PTR_NOT_NULL_FATAL(plan);
	snprintf(path, sizeof(path), "%s/emptied.csv", dir);
	s = lj_sink_open_csv(path, plan, false, false, NULL);
	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	lj_sink_write(s, &one, 1);
	CU_ASSERT_EQUAL(lj_sink_flush(s), 0);
	CU_ASSERT_EQUAL(truncate(path, 0), 0);
	before = fill_disk(10);
	lj_sink_write(s, &one, 1);
	CU_ASSERT_NOT_EQUAL(lj_sink_flush(s), 0);
	free_disk(before);
	lj_sink_write(s, &one, 1);
	CU_ASSERT_EQUAL(lj_sink_flush(s), 0);
	CU_ASSERT_EQUAL(s->counts.lost, 1);
	lj_sink_close(s, NULL);
	CU_ASSERT_EQUAL(lines_of(path, &whole), 2);
	CU_ASSERT(whole);
	f = fopen(path, "r");
	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	CU_ASSERT_PTR_NOT_NULL(fgets(head, sizeof(head), f));
	fclose(f);
	CU_ASSERT_EQUAL(strncmp(head, "flow_id,", strlen("flow_id,")), 0);
	lj_feature_plan_destroy(plan);
}

static void what_is_appended_begins_a_line(void)
{
	struct lj_eve_config config = {.append = true};
	char path[128], line[64];
	struct lj_sink *s;
	bool whole;
	FILE *f;

	snprintf(path, sizeof(path), "%s/appended.json", dir);
	config.target = path;
	f = fopen(path, "w");
	fputs("{\"cut\":tr", f); /* as after a power failure */
	fclose(f);
	for (int i = 0; i < 2; i++) {
		s = lj_sink_open_eve(&config, NULL);
		CU_ASSERT_PTR_NOT_NULL_FATAL(s);
		write_some(s, 1);
		CU_ASSERT_EQUAL(lj_sink_close(s, NULL), 0);
	}
	CU_ASSERT_EQUAL(lines_of(path, &whole), 3);
	CU_ASSERT(whole);
	f = fopen(path, "r");
	CU_ASSERT_PTR_NOT_NULL(fgets(line, sizeof(line), f));
	fclose(f);
	CU_ASSERT_STRING_EQUAL(line, "{\"cut\":tr\n");
}

static void a_target_that_cannot_be_written_is_named(void)
{
	struct lj_eve_config config = {.target = "/nonexistent/eve.json"};
	struct lj_error err;

	CU_ASSERT_PTR_NULL(lj_sink_open_eve(&config, &err));
	CU_ASSERT_STRING_EQUAL(err.where, "/nonexistent/eve.json");
}

int main(void)
{
	static const struct lj_test tests[] = {
		{"a full disk leaves whole lines and a count",
		 a_full_disk_leaves_whole_lines_and_a_count},
		{"a file that is emptied meanwhile begins anew",
		 a_file_that_is_emptied_meanwhile_begins_anew},
		{"a file that is moved is begun anew", a_file_that_is_moved_is_begun_anew},
		{"a table that is moved has its header again",
		 a_table_that_is_moved_has_its_header_again},
		{"a table that is emptied has its header again",
		 a_table_that_is_emptied_has_its_header_again},
		{"what is appended begins a line", what_is_appended_begins_a_line},
		{"a target that cannot be written is named",
		 a_target_that_cannot_be_written_is_named},
	};

	/* Without the EAL the TSC rate is unknown: count a cycle as 1 ns. */
	lj_clock.mult = 1ULL << 32;
	if (mkdtemp(dir) == NULL)
		return EXIT_FAILURE;
	return lj_test_run("writer", tests, RTE_DIM(tests));
}
