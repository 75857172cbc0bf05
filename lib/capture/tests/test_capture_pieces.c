/* Several files: consecutive parts, and legs in parallel; and inputs that are not regular files. */
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file_replay.h"

static void damage_in_one_piece_does_not_lose_the_next(void)
{
	struct lj_source_stats stats;
	struct lj_error err = {0};
	const char *paths[3];

	for (uint32_t i = 0; i < 3; i++) {
		begin_pcap(&file, 1);
		put_pcap(&file, i, 60, 60, (uint8_t)i);
		if (i < 2)
			put32(&file, 1);
		paths[i] = save(i == 0 ? "p0" : (i == 1 ? "p1" : "p2"));
	}
	CU_ASSERT_EQUAL(replay(paths, 3, false, &err, &stats), LJ_SOURCE_FAILED);
	CU_ASSERT_EQUAL(seen.n, 3);
	CU_ASSERT_EQUAL(seen.first[2], 2);
	CU_ASSERT_EQUAL(stats.ierrors, 2);
	CU_ASSERT_STRING_EQUAL(err.where, paths[0]);
	CU_ASSERT_STRING_EQUAL(err.what, "byte offset 100: the file is truncated");
	paths[1] = path_of("nowhere");
	CU_ASSERT_PTR_NULL(open_files(paths, 3, false, &err));
	CU_ASSERT_STRING_EQUAL(err.where, paths[1]);
}

static void many_pieces_need_few_descriptors(void)
{
	static char path[300][128];
	static const char *paths[300];
	struct rlimit old, few;

	for (uint32_t i = 0; i < RTE_DIM(paths); i++) {
		snprintf(path[i], sizeof(path[i]), "%s/piece-%u", dir, i);
		begin_pcap(&file, 1);
		put_pcap(&file, i, 60, 60, (uint8_t)i);
		save_bytes(&file, file.n, path[i]);
		paths[i] = path[i];
	}
	CU_ASSERT_EQUAL(getrlimit(RLIMIT_NOFILE, &old), 0);
	few = old;
	few.rlim_cur = 64;
	CU_ASSERT_EQUAL(setrlimit(RLIMIT_NOFILE, &few), 0);
	CU_ASSERT_EQUAL(replay(paths, RTE_DIM(paths), false, NULL, NULL), LJ_SOURCE_ENDED);
	CU_ASSERT_EQUAL(setrlimit(RLIMIT_NOFILE, &old), 0);
	CU_ASSERT_EQUAL(seen.n, RTE_DIM(paths));
	for (uint32_t i = 0; i < seen.n; i++)
		CU_ASSERT_EQUAL(seen.first[i], (uint8_t)i);
}

static void on_a_tie_the_lower_leg_comes_first(void)
{
	static const uint64_t us[3][5] = {
		{10, 20, 30, 40, 50},
		{10, 10, 30, 25, 50}, /* not in order */
		{5, 30, 50, 50, 90},
	};
	static const uint8_t legs[15] = {2, 0, 1, 1, 0, 0, 1, 1, 2, 0, 0, 1, 2, 2, 2};
	static const char *const names[] = {"leg0", "leg1", "leg2"};
	const char *paths[3];

	for (uint32_t l = 0; l < 3; l++) {
		begin_pcap(&file, 1);
		for (uint32_t i = 0; i < 5; i++)
			put_pcap(&file, us[l][i], 60, 60, (uint8_t)i);
		paths[l] = save(names[l]);
	}
	CU_ASSERT_EQUAL(replay(paths, 3, true, NULL, NULL), LJ_SOURCE_ENDED);
	CU_ASSERT_EQUAL_FATAL(seen.n, 15);
	for (uint32_t i = 0; i < 15; i++)
		CU_ASSERT_EQUAL(seen.leg[i], legs[i]);
}

static void legs_of_different_length_and_format_are_merged(void)
{
	const char *paths[3];
	uint32_t from[3] = {0};

	for (uint32_t l = 0; l < 3; l++) {
		if (l == 1) {
			file.n = 0;
			put_section(&file, true);
			put_interface(&file, 1, 0);
			for (uint32_t i = 0; i < 900; i++)
				put_enhanced(&file, 0, i * 2 + 1, 900, (uint8_t)l);
		} else {
			begin_pcap(&file, 1);
			for (uint32_t i = 0; i < (l == 0 ? 900 : 0); i++)
				put_pcap(&file, i * 2, 1000, 1000, (uint8_t)l);
		}
		paths[l] = save(l == 0 ? "m0" : (l == 1 ? "m1" : "m2"));
	}
	CU_ASSERT_EQUAL(replay(paths, 3, true, NULL, NULL), LJ_SOURCE_ENDED);
	CU_ASSERT_EQUAL_FATAL(seen.n, 1800);
	for (uint32_t i = 0; i < seen.n; i++) {
		CU_ASSERT_EQUAL(seen.time_ns[i], i * 1000);
		CU_ASSERT_EQUAL(seen.first[i], seen.leg[i]);
		from[seen.leg[i]]++;
	}
	CU_ASSERT_EQUAL(from[0], 900);
	CU_ASSERT_EQUAL(from[1], 900);
}

static void a_damaged_leg_does_not_lose_the_other(void)
{
	struct lj_error err = {0};
	const char *paths[2];

	begin_pcap(&file, 1);
	put_pcap(&file, 1, 60, 60, 0);
	put32(&file, 9);
	paths[0] = save("d0");
	begin_pcap(&file, 1);
	for (uint32_t i = 0; i < 200; i++)
		put_pcap(&file, i, 60, 60, 1);
	paths[1] = save("d1");
	CU_ASSERT_EQUAL(replay(paths, 2, true, &err, NULL), LJ_SOURCE_FAILED);
	CU_ASSERT_EQUAL(seen.n, 201);
	CU_ASSERT_STRING_EQUAL(err.where, paths[0]);
}

/* A pipe that contains the first `n` bytes of `file`; returns the fd for writing more. */
static int open_pipe(const char *path, size_t n)
{
	int fd;

	CU_ASSERT_EQUAL(mkfifo(path, 0600), 0);
	fd = open(path, O_RDWR);
	CU_ASSERT(fd >= 0 && write(fd, file.at, n) == (ssize_t)n);
	return fd;
}

static void a_pipe_is_read_as_it_is_written(void)
{
	const char *path = path_of("pipe");
	struct lj_source *s;
	int fd, more;

	begin_pcap(&file, 1);
	put_pcap(&file, 1, 60, 60, 1);
	put_pcap(&file, 2, 60, 60, 2);
	fd = open_pipe(path, 24 + 76 + 10);
	s = open_files(&path, 1, false, NULL);
	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	seen.n = 0;
	CU_ASSERT_EQUAL(take(s), 1);
	CU_ASSERT_EQUAL(take(s), 0); /* no data, but not at its end */
	CU_ASSERT_EQUAL(take(s), 0);
	CU_ASSERT_EQUAL(lj_source_state(s), LJ_SOURCE_RUNNING);
	CU_ASSERT_EQUAL(write(fd, file.at + 110, file.n - 110), (ssize_t)(file.n - 110));
	CU_ASSERT_EQUAL(take(s), 1);
	CU_ASSERT_EQUAL(seen.first[1], 2);
	/* A writer that closes the pipe ends the file. */
	more = open(path, O_WRONLY);
	close(fd);
	close(more);
	while (lj_source_state(s) == LJ_SOURCE_RUNNING)
		CU_ASSERT_EQUAL(take(s), 0);
	CU_ASSERT_EQUAL(lj_source_state(s), LJ_SOURCE_ENDED);
	lj_source_close(s);
}

static void a_silent_leg_holds_back_the_other(void)
{
	const char *paths[2] = {path_of("silent"), NULL};
	struct lj_source *s;
	int fd;

	begin_pcap(&file, 1);
	fd = open_pipe(paths[0], file.n);
	put_pcap(&file, 7, 60, 60, 1);
	paths[1] = save("other");
	s = open_files(paths, 2, true, NULL);
	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	seen.n = 0;
	CU_ASSERT_EQUAL(take(s), 0);
	begin_pcap(&file, 1);
	put_pcap(&file, 3, 60, 60, 0);
	CU_ASSERT_EQUAL(write(fd, file.at + 24, 76), 76);
	CU_ASSERT_EQUAL(take(s), 1);
	CU_ASSERT_EQUAL(seen.leg[0], 0);
	close(fd);
	drain(s);
	CU_ASSERT_EQUAL(seen.n, 1);
	CU_ASSERT_EQUAL(seen.leg[0], 1);
	lj_source_close(s);
}

static void a_dash_is_standard_input(void)
{
	const char *dash = "-";
	int input = dup(STDIN_FILENO), fd;

	begin_pcap(&file, 1);
	put_pcap(&file, 1, 60, 60, 0xdd);
	fd = open(save("stdin"), O_RDONLY);
	CU_ASSERT_EQUAL(dup2(fd, STDIN_FILENO), STDIN_FILENO);
	CU_ASSERT_EQUAL(replay_one(dash, NULL), LJ_SOURCE_ENDED);
	CU_ASSERT_EQUAL(seen.n, 1);
	CU_ASSERT_EQUAL(seen.first[0], 0xdd);
	close(fd);
	if (input >= 0)
		dup2(input, STDIN_FILENO);
	close(input);
}

static void a_pipe_cannot_be_a_later_piece(void)
{
	const char *paths[2] = {NULL, path_of("later")};
	struct lj_error err = {0};
	int fd;

	begin_pcap(&file, 1);
	paths[0] = save("first");
	fd = open_pipe(paths[1], 24);
	CU_ASSERT_PTR_NULL(open_files(paths, 2, false, &err));
	CU_ASSERT_STRING_EQUAL(err.where, paths[1]);
	close(fd);
}

/* Not even if it is a file: checking its header moves the read position. */
static void standard_input_cannot_be_a_later_piece(void)
{
	const char *paths[2] = {NULL, "-"};
	struct lj_error err = {0};
	int input = dup(STDIN_FILENO), fd;

	begin_pcap(&file, 1);
	put_pcap(&file, 1, 60, 60, 1);
	paths[0] = save("first");
	fd = open(paths[0], O_RDONLY);
	CU_ASSERT_EQUAL(dup2(fd, STDIN_FILENO), STDIN_FILENO);
	CU_ASSERT_PTR_NULL(open_files(paths, 2, false, &err));
	CU_ASSERT_STRING_EQUAL(err.where, "-");
	CU_ASSERT_PTR_NOT_NULL(strstr(err.what, "as the first file"));
	close(fd);
	if (input >= 0)
		dup2(input, STDIN_FILENO);
	close(input);
}

static void two_sources_can_be_open_at_once(void)
{
	struct lj_source *s[2];
	const char *path;
	char text[128];

	begin_pcap(&file, 1);
	put_pcap(&file, 1, 60, 60, 1);
	path = save("twice");
	s[0] = open_files(&path, 1, false, NULL);
	s[1] = open_files(&path, 1, false, NULL);
	CU_ASSERT_PTR_NOT_NULL_FATAL(s[0]);
	CU_ASSERT_PTR_NOT_NULL_FATAL(s[1]);
	seen.n = 0;
	CU_ASSERT_EQUAL(take(s[0]) + take(s[1]), 2);
	lj_source_describe(s[0], text, sizeof(text));
	CU_ASSERT_STRING_EQUAL(text, "1 file");
	CU_ASSERT(s[0]->replay && s[0]->own_time && !s[0]->spreads && s[0]->queues == 1);
	lj_source_close(s[0]);
	lj_source_close(s[1]);
}

int main(void)
{
	static const struct lj_test tests[] = {
		{"damage in one piece does not lose the next",
		 damage_in_one_piece_does_not_lose_the_next},
		{"many pieces need few descriptors", many_pieces_need_few_descriptors},
		{"on a tie the lower leg comes first", on_a_tie_the_lower_leg_comes_first},
		{"legs of different length and format are merged",
		 legs_of_different_length_and_format_are_merged},
		{"a damaged leg does not lose the other", a_damaged_leg_does_not_lose_the_other},
		{"a pipe is read as it is written", a_pipe_is_read_as_it_is_written},
		{"a silent leg holds back the other", a_silent_leg_holds_back_the_other},
		{"a dash is standard input", a_dash_is_standard_input},
		{"a pipe cannot be a later piece", a_pipe_cannot_be_a_later_piece},
		{"standard input cannot be a later piece", standard_input_cannot_be_a_later_piece},
		{"two sources can be open at once", two_sources_can_be_open_at_once},
	};

	return run_with_files("capture_pieces", tests, RTE_DIM(tests));
}
