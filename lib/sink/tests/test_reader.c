/* Readers of lines: sockets and pipes whose reader is slow, or comes and goes. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lj_clock.h"
#include "lj_sink.h"
#include "lj_test.h"
#include "sink_fixture.h"

static char dir[] = "/tmp/lj-test-reader-XXXXXX";

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
	/* The reader disconnects and comes back between two lines: none is lost. */
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
		shutdown(reader, SHUT_RD); /* otherwise the reader would wait for them */
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

/* stdout may be non-blocking if it was inherited so. */
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

/* Reads what the pipe holds; returns whether it consists of whole lines. */
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

/* A non-blocking pipe with a reader. */
static struct lj_sink *open_pipe(char path[64], int *reader)
{
	struct lj_sink *s;

	snprintf(path, 64, "%s/pipe", dir);
	CU_ASSERT_EQUAL_FATAL(mkfifo(path, 0600), 0);
	*reader = open(path, O_RDONLY | O_NONBLOCK);
	s = open_eve(path, LJ_EVE_FLOWS_ALL);
	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	return s;
}

static void live_a_pipe_that_is_full_waits_for_nobody(void)
{
	char path[64];
	struct lj_sink *s;
	uint32_t lines = 0;
	int reader;

	s = open_pipe(path, &reader);
	/* Pipe and buffer hold them, so a short pause of the reader loses nothing. */
	write_some(s, 200);
	while (lj_sink_flush(s) != 0) {
		CU_ASSERT(drain(reader, &lines));
	}
	CU_ASSERT(drain(reader, &lines));
	CU_ASSERT_EQUAL(lines, 200);
	CU_ASSERT_EQUAL(s->counts.written, 200);
	/* Beyond that, whole lines are lost. */
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
	/* A reader that goes away loses the rest. */
	signal(SIGPIPE, SIG_IGN);
	write_some(s, MANY);
	close(reader);
	CU_ASSERT_EQUAL(lj_sink_close(s, NULL), -EPIPE);
	unlink(path);
}

/* The unread rest is still in the pipe, and may end with an incomplete line. */
static void another_reader_of_a_pipe_finds_a_lines_beginning(void)
{
	static char text[1 << 20];
	size_t used = 0;
	ssize_t got;
	char path[64], *last;
	struct lj_sink *s;
	int reader;

	s = open_pipe(path, &reader);
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
	/* After a reader that has read everything there is no empty line. */
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

int main(void)
{
	static const struct lj_test tests[] = {
		{"a reader that comes back is written to again",
		 a_reader_that_comes_back_is_written_to_again},
		{"a replay waits for a slow reader", a_replay_waits_for_a_slow_reader},
		{"a pipe that does not block is waited for",
		 a_pipe_that_does_not_block_is_waited_for},
		{"live, a pipe that is full waits for nobody",
		 live_a_pipe_that_is_full_waits_for_nobody},
		{"another reader of a pipe finds a line's beginning",
		 another_reader_of_a_pipe_finds_a_lines_beginning},
	};

	/* Without the EAL the TSC rate is unknown: count a cycle as 1 ns. */
	lj_clock.mult = 1ULL << 32;
	if (mkdtemp(dir) == NULL)
		return EXIT_FAILURE;
	return lj_test_run("reader", tests, RTE_DIM(tests));
}
