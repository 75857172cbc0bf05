/* Where lines go: files that are full, cut or emptied, sockets whose reader comes and goes. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lj_clock.h"
#include "lj_sink.h"
#include "lj_test.h"

/* The writer looks once a second where its file is. */
#define A_LOOK_LATER_US 1100000

static char dir[] = "/tmp/lj-test-writer-XXXXXX";

static struct lj_sink *open_eve(const char *path, enum lj_eve_flows flows)
{
	struct lj_eve_config config = {.target = path, .flows = flows};

	return lj_sink_open_eve(&config, NULL);
}

static void write_some(struct lj_sink *s, uint32_t n)
{
	static const struct lj_verdict v = {.flow.key.version = 4};
	const struct lj_verdict *one = &v;

	for (uint32_t i = 0; i < n; i++)
		lj_sink_write(s, &one, 1);
}

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
	const struct rlimit small = {100000, 100000};
	struct lj_sink_counts counts;
	struct lj_error err;
	struct lj_sink *s;
	struct rlimit before;
	char path[128];
	bool whole;

	snprintf(path, sizeof(path), "%s/full.json", dir);
	s = open_eve(path, LJ_EVE_FLOWS_ALL);
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &before);
	setrlimit(RLIMIT_FSIZE, &(struct rlimit){small.rlim_cur, before.rlim_max});
	write_some(s, 1000);
	CU_ASSERT_NOT_EQUAL(lj_sink_flush(s), 0);
	setrlimit(RLIMIT_FSIZE, &before);
	/* There is room again: it goes on at a line's beginning. */
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

/* As logrotate's copytruncate does it, beside a disk that is full now and then. */
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
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &before);
	setrlimit(RLIMIT_FSIZE, &(struct rlimit){(rlim_t)st.st_size + 10, before.rlim_max});
	write_some(s, 1);
	CU_ASSERT_NOT_EQUAL(lj_sink_flush(s), 0);
	setrlimit(RLIMIT_FSIZE, &before);
	/* Half a line was written, and goes. */
	write_some(s, 1);
	CU_ASSERT_EQUAL(lj_sink_flush(s), 0);
	CU_ASSERT_EQUAL(lines_of(path, &whole), 4);
	CU_ASSERT(whole);
	CU_ASSERT_EQUAL(stat(path, &st), 0);
	CU_ASSERT_EQUAL((uint64_t)st.st_size * 104, s->counts.bytes * 4);
	lj_sink_close(s, NULL);
}

/* As logrotate's create and nocreate do it. */
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
	/* It is not looked for at once: what comes before is in the old one. */
	write_some(s, 2);
	CU_ASSERT_EQUAL(lj_sink_flush(s), 0);
	CU_ASSERT_EQUAL(lines_of(old, &whole), 7);
	CU_ASSERT_NOT_EQUAL(access(path, F_OK), 0);
	/* There it cannot be begun: it goes on where it was. */
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

/* Also when the disk was full just then. */
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
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &before);
	setrlimit(RLIMIT_FSIZE, &(struct rlimit){10, before.rlim_max});
	lj_sink_write(s, &one, 1);
	CU_ASSERT_NOT_EQUAL(lj_sink_flush(s), 0);
	setrlimit(RLIMIT_FSIZE, &before);
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
	fputs("{\"cut\":tr", f); /* power was lost */
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

static int listen_at(const char *path)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
	CU_ASSERT_EQUAL_FATAL(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

static void a_reader_that_comes_back_is_written_to_again(void)
{
	char path[64], target[80], line[4096];
	struct lj_sink *s;
	int reader;

	snprintf(path, sizeof(path), "%s/reader", dir);
	snprintf(target, sizeof(target), "unix:%s", path);
	reader = listen_at(path);
	s = open_eve(target, LJ_EVE_FLOWS_ALL);
	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	write_some(s, 1);
	CU_ASSERT_EQUAL(s->counts.written, 1);
	close(reader);
	unlink(path);
	write_some(s, 2);
	CU_ASSERT_EQUAL(s->counts.lost, 2);
	reader = listen_at(path);
	write_some(s, 3);
	CU_ASSERT_EQUAL(s->counts.lost, 2);
	CU_ASSERT_EQUAL(s->counts.written, 4);
	CU_ASSERT(recv(reader, line, sizeof(line), 0) > 0);
	CU_ASSERT_EQUAL(line[0], '{');
	/* Gone and back between two lines: none is lost. */
	close(reader);
	unlink(path);
	reader = listen_at(path);
	write_some(s, 1);
	CU_ASSERT_EQUAL(s->counts.written, 5);
	CU_ASSERT_NOT_EQUAL(lj_sink_close(s, NULL), 0);
	close(reader);
	unlink(path);
}

#define MANY 2000 /* more lines than a socket's queue holds */

static void *read_slowly(void *fd)
{
	char line[4096];
	uintptr_t n = 0;

	while (n < MANY && recv(*(int *)fd, line, sizeof(line), 0) > 0)
		if (n++ % 64 == 0)
			usleep(1000);
	return (void *)n;
}

static void a_replay_waits_for_a_slow_reader(void)
{
	char path[64], target[80];
	struct lj_eve_config config = {.target = target, .waits = true};
	pthread_t thread;
	struct lj_sink *s;
	void *n = NULL;
	int reader;

	snprintf(path, sizeof(path), "%s/slow", dir);
	snprintf(target, sizeof(target), "unix:%s", path);
	reader = listen_at(path);
	CU_ASSERT_EQUAL(fcntl(reader, F_SETFL, 0), 0);
	s = lj_sink_open_eve(&config, NULL);
	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, read_slowly, &reader), 0);
	write_some(s, MANY);
	CU_ASSERT_EQUAL(s->counts.written, MANY);
	CU_ASSERT_EQUAL(s->counts.lost, 0);
	if (s->counts.lost > 0)
		shutdown(reader, SHUT_RD); /* it would wait for them */
	pthread_join(thread, &n);
	CU_ASSERT_EQUAL((uintptr_t)n, MANY);
	CU_ASSERT_EQUAL(lj_sink_close(s, NULL), 0);
	close(reader);
}

static void *read_pipe_slowly(void *fd)
{
	char text[4096];
	uintptr_t n = 0;
	ssize_t got;

	while ((got = read(*(int *)fd, text, sizeof(text))) > 0) {
		for (ssize_t i = 0; i < got; i++)
			n += text[i] == '\n';
		usleep(100);
	}
	return (void *)n;
}

/* As stdout may be when what started linejudge made it so for itself. */
static void a_pipe_that_does_not_block_is_waited_for(void)
{
	struct lj_eve_config config = {.target = "-", .waits = true};
	int ends[2], own = dup(STDOUT_FILENO);
	pthread_t thread;
	struct lj_sink *s;
	void *n = NULL;

	CU_ASSERT_EQUAL_FATAL(pipe2(ends, O_NONBLOCK), 0);
	CU_ASSERT_EQUAL(fcntl(ends[0], F_SETFL, 0), 0);
	fflush(stdout);
	dup2(ends[1], STDOUT_FILENO);
	s = lj_sink_open_eve(&config, NULL);
	dup2(own, STDOUT_FILENO);
	close(own);
	close(ends[1]);
	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, read_pipe_slowly, &ends[0]), 0);
	write_some(s, MANY);
	CU_ASSERT_EQUAL(lj_sink_close(s, NULL), 0);
	pthread_join(thread, &n);
	CU_ASSERT_EQUAL((uintptr_t)n, MANY);
	close(ends[0]);
}

/* Takes what the pipe holds; whether it begins and ends with a line. */
static bool drain(int reader, uint32_t *lines)
{
	static char text[1 << 20];
	static char last = '\n';
	ssize_t n = read(reader, text, sizeof(text));
	bool whole = n <= 0 || (text[0] == '{') == (last == '\n');

	for (ssize_t i = 0; i < n; i++) {
		whole = whole && (text[i] != '\n' || i + 1 == n || text[i + 1] == '{');
		*lines += text[i] == '\n';
	}
	if (n > 0)
		last = text[n - 1];
	return whole;
}

static void live_a_pipe_that_is_full_waits_for_nobody(void)
{
	char path[64];
	struct lj_sink *s;
	uint32_t lines = 0;
	int reader;

	snprintf(path, sizeof(path), "%s/pipe", dir);
	CU_ASSERT_EQUAL_FATAL(mkfifo(path, 0600), 0);
	reader = open(path, O_RDONLY | O_NONBLOCK);
	s = open_eve(path, LJ_EVE_FLOWS_ALL);
	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	/* As much as pipe and buffer hold waits; a short pause of the reader costs nothing. */
	write_some(s, 200);
	while (lj_sink_flush(s) != 0) {
		CU_ASSERT(drain(reader, &lines));
	}
	CU_ASSERT(drain(reader, &lines));
	CU_ASSERT_EQUAL(lines, 200);
	CU_ASSERT_EQUAL(s->counts.written, 200);
	/* Beyond that, lines are lost: whole ones. */
	alarm(20);
	write_some(s, MANY * 4);
	CU_ASSERT_EQUAL(lj_sink_flush(s), -EAGAIN);
	alarm(0);
	CU_ASSERT(s->counts.lost > 0);
	CU_ASSERT(s->counts.offered > s->counts.written + s->counts.lost);
	do {
		CU_ASSERT(drain(reader, &lines));
	} while (lj_sink_flush(s) != 0);
	CU_ASSERT(drain(reader, &lines));
	CU_ASSERT_EQUAL(s->counts.offered, s->counts.written + s->counts.lost);
	CU_ASSERT_EQUAL(lines, s->counts.written);
	/* One that goes takes the rest with it. */
	signal(SIGPIPE, SIG_IGN);
	write_some(s, MANY);
	close(reader);
	CU_ASSERT_EQUAL(lj_sink_close(s, NULL), -EPIPE);
	unlink(path);
}

/* What it left unread is still in the pipe, and may end within a line. */
static void another_reader_of_a_pipe_finds_a_lines_beginning(void)
{
	static char text[1 << 20];
	size_t used = 0;
	ssize_t got;
	char path[64], *last;
	struct lj_sink *s;
	int reader;

	snprintf(path, sizeof(path), "%s/pipe", dir);
	CU_ASSERT_EQUAL_FATAL(mkfifo(path, 0600), 0);
	reader = open(path, O_RDONLY | O_NONBLOCK);
	s = open_eve(path, LJ_EVE_FLOWS_ALL);
	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	signal(SIGPIPE, SIG_IGN);
	write_some(s, 200);
	CU_ASSERT_EQUAL(lj_sink_flush(s), -EAGAIN);
	close(reader);
	CU_ASSERT_EQUAL(lj_sink_flush(s), -EPIPE);
	reader = open(path, O_RDONLY | O_NONBLOCK);
	write_some(s, 1);
	do {
		got = read(reader, text + used, sizeof(text) - 1 - used);
		used += (size_t)RTE_MAX(got, 0);
	} while (lj_sink_flush(s) == -EAGAIN);
	got = read(reader, text + used, sizeof(text) - 1 - used);
	used += (size_t)RTE_MAX(got, 0);
	text[used] = '\0';
	CU_ASSERT_EQUAL(s->counts.offered, s->counts.written + s->counts.lost);
	last = text;
	for (char *next; (next = strstr(last + 1, "{\"timestamp\"")) != NULL;)
		last = next;
	CU_ASSERT(last > text && last[-1] == '\n');
	/* One that has read all finds no empty line. */
	close(reader);
	write_some(s, 1);
	CU_ASSERT_EQUAL(lj_sink_flush(s), -EPIPE);
	reader = open(path, O_RDONLY | O_NONBLOCK);
	write_some(s, 1);
	CU_ASSERT_EQUAL(lj_sink_flush(s), 0);
	CU_ASSERT(read(reader, text, sizeof(text)) > 0);
	CU_ASSERT_EQUAL(text[0], '{');
	lj_sink_close(s, NULL);
	close(reader);
	unlink(path);
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
		{"a reader that comes back is written to again",
		 a_reader_that_comes_back_is_written_to_again},
		{"a replay waits for a slow reader", a_replay_waits_for_a_slow_reader},
		{"a pipe that does not block is waited for",
		 a_pipe_that_does_not_block_is_waited_for},
		{"live, a pipe that is full waits for nobody",
		 live_a_pipe_that_is_full_waits_for_nobody},
		{"another reader of a pipe finds a line's beginning",
		 another_reader_of_a_pipe_finds_a_lines_beginning},
		{"a target that cannot be written is named",
		 a_target_that_cannot_be_written_is_named},
	};

	/* Without the EAL nobody knows how fast it is: a cycle shall be a nanosecond. */
	lj_clock.mult = 1ULL << 32;
	if (mkdtemp(dir) == NULL)
		return EXIT_FAILURE;
	return lj_test_run("writer", tests, RTE_DIM(tests));
}
