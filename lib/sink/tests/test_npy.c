/* The feature table as a .npy file: its contents, and that its header is correct in all
 * situations. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lj_clock.h"
#include "lj_sink.h"
#include "lj_test.h"
#include "sink_fixture.h"

/* The file is checked once a second. */
#define A_LOOK_LATER_US 1100000
#define ROW_HEAD_BYTES	125
#define VALUES		2
#define ROW_BYTES	(ROW_HEAD_BYTES + VALUES * sizeof(float))

static char dir[] = "/tmp/lj-test-npy-XXXXXX";
static struct lj_feature_plan *plan;

struct file {
	char head[4096];
	size_t head_bytes, bytes;
	uint64_t rows; /* according to the header */
	char first[ROW_BYTES];
};

static bool read_file(const char *path, struct file *file)
{
	FILE *f = fopen(path, "rb");
	const char *shape;
	uint16_t length;
	bool good;

	memset(file, 0, sizeof(*file));
	good = fread(file->head, 10, 1, f) == 1 && memcmp(file->head, "\x93NUMPY\x01\0", 8) == 0;
	memcpy(&length, file->head + 8, sizeof(length));
	file->head_bytes = 10u + length;
	good = good && file->head_bytes < sizeof(file->head) &&
	       fread(file->head + 10, length, 1, f) == 1 &&
	       file->head[file->head_bytes - 1] == '\n';
	shape = good ? strstr(file->head + 10, "'shape':(") : NULL;
	if (shape != NULL)
		file->rows = strtoull(shape + strlen("'shape':("), NULL, 10);
	good = fread(file->first, ROW_BYTES, 1, f) == 1 && good;
	fseek(f, 0, SEEK_END);
	file->bytes = (size_t)ftell(f);
	fclose(f);
	return good;
}

static struct lj_sink *open_at(const char *path)
{
	struct lj_sink *s = lj_sink_open_npy(path, plan, false, NULL);

	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	return s;
}

static void write_rows(struct lj_sink *s, uint32_t n)
{
	static uint64_t room[1024];
	struct lj_verdict *v = (struct lj_verdict *)room;
	const struct lj_verdict *one = v;

	CU_ASSERT_FATAL(sizeof(room) >= lj_verdict_bytes(VALUES, 0));
	v->flow.flow_id = 77;
	v->flow.key.version = 4;
	v->flow.key.addr[0][12] = 10;
	v->flow.key.addr[1][15] = 9;
	v->flow.key.port[1] = 443;
	v->flow.due = LJ_DUE_IDLE;
	v->n_values = VALUES;
	v->values[0] = 1.0 / 3;
	v->values[1] = NAN;
	for (uint32_t i = 0; i < n; i++)
		lj_sink_write(s, &one, 1);
}

static bool is_whole(const struct file *file, uint64_t rows)
{
	return file->rows == rows && file->bytes == file->head_bytes + rows * ROW_BYTES;
}

static void a_row_has_its_place_for_everything(void)
{
	struct file file;
	char path[128];
	struct lj_sink *s;
	uint64_t id;
	uint16_t port;
	float values[VALUES];

	snprintf(path, sizeof(path), "%s/row.npy", dir);
	s = open_at(path);
	write_rows(s, 2);
	CU_ASSERT_EQUAL(lj_sink_flush(s), 0);
	CU_ASSERT_EQUAL(s->counts.written, 2);
	CU_ASSERT_EQUAL(s->counts.bytes, 2 * ROW_BYTES);
	CU_ASSERT_EQUAL(lj_sink_close(s, NULL), 0);
	CU_ASSERT(read_file(path, &file));
	CU_ASSERT_EQUAL(file.head_bytes % 64, 0);
	CU_ASSERT(is_whole(&file, 2));
	CU_ASSERT_PTR_NOT_NULL(strstr(
		file.head + 10,
		"('end_reason','|S16'),('length_mean','<f4'),('ack_us','<f4')],'fortran_order':"));
	memcpy(&id, file.first, sizeof(id));
	CU_ASSERT_EQUAL(id, 77);
	CU_ASSERT_STRING_EQUAL(file.first + 8, "10.0.0.0");
	CU_ASSERT_STRING_EQUAL(file.first + 50, "0.0.0.9");
	memcpy(&port, file.first + 90, sizeof(port));
	CU_ASSERT_EQUAL(port, 443);
	CU_ASSERT_STRING_EQUAL(file.first + 109, "idle");
	memcpy(values, file.first + ROW_HEAD_BYTES, sizeof(values));
	CU_ASSERT_EQUAL(values[0], (float)(1.0 / 3));
	CU_ASSERT(isnan(values[1]));
}

static void an_empty_table_is_one_of_no_rows(void)
{
	char path[128];
	struct stat st;

	snprintf(path, sizeof(path), "%s/empty.npy", dir);
	CU_ASSERT_EQUAL(lj_sink_close(open_at(path), NULL), 0);
	CU_ASSERT_EQUAL(stat(path, &st), 0);
	CU_ASSERT(st.st_size > 0 && st.st_size % 64 == 0);
}

static void early_and_shed_flows_are_no_rows(void)
{
	struct lj_verdict v = {.flow.due = LJ_DUE_EARLY_AGE, .n_values = VALUES};
	const struct lj_verdict *one = &v;
	char path[128];
	struct lj_sink *s;

	snprintf(path, sizeof(path), "%s/early.npy", dir);
	s = open_at(path);
	lj_sink_write(s, &one, 1);
	v.flow.due = LJ_DUE_IDLE;
	v.shed = 1;
	lj_sink_write(s, &one, 1);
	CU_ASSERT_EQUAL(s->counts.offered, 2);
	CU_ASSERT_EQUAL(s->counts.suppressed, 2);
	CU_ASSERT_EQUAL(lj_sink_close(s, NULL), 0);
}

static void a_full_disk_leaves_whole_rows_and_a_count(void)
{
	struct lj_sink_counts counts;
	struct rlimit before;
	struct lj_error err;
	struct file file;
	char path[128];
	struct lj_sink *s;

	snprintf(path, sizeof(path), "%s/full.npy", dir);
	s = open_at(path);
	before = fill_disk(100000);
	write_rows(s, 1000);
	lj_sink_flush(s);
	CU_ASSERT(read_file(path, &file));
	CU_ASSERT(file.rows == s->counts.written && file.rows < 1000);
	free_disk(before);
	write_rows(s, 10);
	CU_ASSERT_EQUAL(lj_sink_flush(s), 0);
	counts = s->counts;
	CU_ASSERT_EQUAL(counts.offered, 1010);
	CU_ASSERT_EQUAL(counts.offered, counts.written + counts.lost);
	CU_ASSERT(counts.lost > 0 && counts.written > 10);
	CU_ASSERT_NOT_EQUAL(lj_sink_close(s, &err), 0);
	CU_ASSERT_STRING_EQUAL(err.where, path);
	CU_ASSERT(read_file(path, &file));
	CU_ASSERT(is_whole(&file, counts.written));
}

/* An incomplete row on a full disk is removed in the end. */
static void no_part_of_a_row_stays_behind(void)
{
	struct rlimit before;
	struct file file;
	char path[128];
	struct lj_sink *s;

	snprintf(path, sizeof(path), "%s/part.npy", dir);
	s = open_at(path);
	before = fill_disk(100000);
	write_rows(s, 1000);
	CU_ASSERT_NOT_EQUAL(lj_sink_close(s, NULL), 0);
	free_disk(before);
	CU_ASSERT(read_file(path, &file));
	CU_ASSERT(file.rows > 0 && is_whole(&file, file.rows));
}

static void a_file_that_is_emptied_meanwhile_begins_anew(void)
{
	struct file file;
	char path[128];
	struct lj_sink *s;

	snprintf(path, sizeof(path), "%s/emptied.npy", dir);
	s = open_at(path);
	write_rows(s, 5);
	CU_ASSERT_EQUAL(lj_sink_flush(s), 0);
	CU_ASSERT_EQUAL(truncate(path, 0), 0);
	write_rows(s, 3);
	CU_ASSERT_EQUAL(lj_sink_flush(s), 0);
	CU_ASSERT(read_file(path, &file));
	CU_ASSERT(is_whole(&file, 3));
	/* Also if nothing more is written and rows are not counted yet. */
	while (s->counts.written == 8)
		write_rows(s, 1);
	CU_ASSERT_EQUAL(truncate(path, 0), 0);
	CU_ASSERT_EQUAL(lj_sink_close(s, NULL), 0);
	read_file(path, &file);
	CU_ASSERT(file.head_bytes > 10 && is_whole(&file, 0));
}

static void a_file_that_is_moved_is_begun_anew(void)
{
	char path[128], old[136];
	struct file file;
	struct lj_sink *s;

	snprintf(path, sizeof(path), "%s/moved.npy", dir);
	snprintf(old, sizeof(old), "%s.1", path);
	s = open_at(path);
	write_rows(s, 5);
	CU_ASSERT_EQUAL(lj_sink_flush(s), 0);
	CU_ASSERT_EQUAL(rename(path, old), 0);
	/* A folder has the name now, so writing continues in the old file. */
	CU_ASSERT_EQUAL(mkdir(path, 0755), 0);
	usleep(A_LOOK_LATER_US);
	write_rows(s, 1);
	CU_ASSERT_EQUAL(lj_sink_flush(s), 0);
	CU_ASSERT_EQUAL(rmdir(path), 0);
	usleep(A_LOOK_LATER_US);
	write_rows(s, 1);
	CU_ASSERT_EQUAL(lj_sink_flush(s), 0);
	CU_ASSERT(read_file(old, &file));
	CU_ASSERT(is_whole(&file, 7));
	write_rows(s, 2);
	CU_ASSERT_EQUAL(lj_sink_close(s, NULL), 0);
	CU_ASSERT(read_file(path, &file));
	CU_ASSERT(is_whole(&file, 2));
}

static void what_cannot_be_written_back_to_is_refused(void)
{
	struct lj_error err;
	char path[128];

	snprintf(path, sizeof(path), "%s/pipe.npy", dir);
	CU_ASSERT_EQUAL(mkfifo(path, 0600), 0);
	CU_ASSERT_PTR_NULL(lj_sink_open_npy(path, plan, false, &err));
	CU_ASSERT_STRING_EQUAL(err.where, path);
	CU_ASSERT_PTR_NOT_NULL(strstr(err.what, "regular file"));
	CU_ASSERT_PTR_NULL(lj_sink_open_npy("/dev/null", plan, false, &err));
	CU_ASSERT_PTR_NOT_NULL(strstr(err.what, "regular file"));
	CU_ASSERT_PTR_NULL(lj_sink_open_npy("/nonexistent/x.npy", plan, false, &err));
	CU_ASSERT_PTR_NOT_NULL(strstr(err.what, "No such file"));
}

int main(void)
{
	static const char *const names[VALUES] = {"length_mean", "ack_us"};
	static const struct lj_test tests[] = {
		{"a row has its place for everything", a_row_has_its_place_for_everything},
		{"an empty table is one of no rows", an_empty_table_is_one_of_no_rows},
		{"early and shed flows are no rows", early_and_shed_flows_are_no_rows},
		{"a full disk leaves whole rows and a count",
		 a_full_disk_leaves_whole_rows_and_a_count},
		{"no part of a row stays behind", no_part_of_a_row_stays_behind},
		{"a file that is emptied meanwhile begins anew",
		 a_file_that_is_emptied_meanwhile_begins_anew},
		{"a file that is moved is begun anew", a_file_that_is_moved_is_begun_anew},
		{"what cannot be written back to is refused",
		 what_cannot_be_written_back_to_is_refused},
	};

	/* Without the EAL the TSC rate is unknown: count a cycle as 1 ns. */
	lj_clock.mult = 1ULL << 32;
	plan = lj_feature_plan_create(names, VALUES, NULL);
	if (plan == NULL || mkdtemp(dir) == NULL)
		return EXIT_FAILURE;
	return lj_test_run("npy", tests, RTE_DIM(tests));
}
