#include "writer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lj_clock.h"
#include "lj_log.h"

#define COMPLAIN_EVERY_NS 60000000000ULL
#define FOLLOW_EVERY_NS	  1000000000ULL
#define SOCKET_PREFIX	  "unix:"

static bool reach(const struct writer *w)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};

	snprintf(to.sun_path, sizeof(to.sun_path), "%s", w->target + strlen(SOCKET_PREFIX));
	return connect(w->fd, (struct sockaddr *)&to, sizeof(to)) == 0;
}

static int open_socket(struct writer *w, const char *path, bool waits, struct lj_error *err)
{
	if (path[0] == '\0')
		return lj_error_set(err, EINVAL, w->target, "names no socket (unix:PATH)");
	if (strlen(path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
		return lj_error_set(err, ENAMETOOLONG, w->target, "the socket's path is too long");
	w->datagram = true;
	w->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | (waits ? 0 : SOCK_NONBLOCK), 0);
	if (w->fd < 0 || !reach(w))
		return lj_error_set(err, errno, w->target, "cannot be reached: %s",
				    strerror(errno));
	return 0;
}

/* Whether what a crash left there ends within a line. */
static bool ends_within_line(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char last = '\n';

	if (fd < 0)
		return false;
	if (lseek(fd, -1, SEEK_END) >= 0 && read(fd, &last, 1) != 1)
		last = '\n';
	close(fd);
	return last != '\n';
}

/* At a line's beginning. The descriptor, or -1 with errno. */
static int open_named(const char *path, int flags, struct stat *st)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_APPEND | flags, 0640);

	if (fd < 0)
		return -1;
	if (fstat(fd, st) == 0 && !(S_ISREG(st->st_mode) && st->st_size > 0 &&
				    ends_within_line(path) && write(fd, "\n", 1) != 1))
		return fd;
	close(fd);
	return -1;
}

/* The reader of a pipe is waited for, whatever whoever started this has made of its descriptor. */
static bool may_go_on(int fd)
{
	struct pollfd to = {.fd = fd, .events = POLLOUT};

	if (errno == EAGAIN)
		poll(&to, 1, -1);
	return errno == EAGAIN || errno == EINTR;
}

/* False with errno. */
static bool write_all(int fd, const char *text, size_t length)
{
	while (length > 0) {
		ssize_t n = write(fd, text, length);

		if (n < 0 && !may_go_on(fd))
			return false;
		text += RTE_MAX(n, 0);
		length -= (size_t)RTE_MAX(n, 0);
	}
	return true;
}

static int open_file(struct writer *w, bool append, struct lj_error *err)
{
	struct stat st = {0};

	if (strcmp(w->target, "-") == 0) {
		w->fd = dup(STDOUT_FILENO);
	} else {
		w->fd = open_named(w->target, append ? 0 : O_TRUNC, &st);
		w->regular = S_ISREG(st.st_mode);
	}
	if (w->fd < 0)
		return lj_error_set(err, errno, w->target, "cannot be written: %s",
				    strerror(errno));
	return 0;
}

int writer_open(struct writer *w, const char *target, bool append, bool waits,
		struct lj_sink_counts *counts, struct lj_error *err)
{
	memset(w, 0, sizeof(*w));
	snprintf(w->target, sizeof(w->target), "%s", target);
	w->fd = -1;
	w->counts = counts;
	w->buffer = malloc(WRITER_BUFFER_BYTES);
	if (w->buffer == NULL)
		return lj_error_set(err, ENOMEM, target, "not enough memory");
	if (strncmp(target, SOCKET_PREFIX, strlen(SOCKET_PREFIX)) == 0)
		return open_socket(w, target + strlen(SOCKET_PREFIX), waits, err);
	return open_file(w, append, err);
}

static bool may_complain(struct writer *w)
{
	uint64_t now = rte_rdtsc();

	if (w->complained_tsc != 0 && lj_cycles_to_ns(now - w->complained_tsc) < COMPLAIN_EVERY_NS)
		return false;
	w->complained_tsc = now;
	return true;
}

static void complain(struct writer *w)
{
	if (may_complain(w))
		lj_log(WARNING, "%s: cannot be written: %s; lines are lost and counted\n",
		       w->target, strerror(w->last_errno));
}

char *writer_reserve(struct writer *w, size_t size)
{
	if (w->used + size > WRITER_BUFFER_BYTES)
		writer_flush(w);
	return w->buffer + w->used;
}

static ssize_t send_datagram(const struct writer *w, size_t length)
{
	ssize_t sent;

	do
		sent = send(w->fd, w->buffer, length, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent;
}

/* A line is a datagram: the receiver sees whole lines or none. */
static void send_line(struct writer *w, size_t length)
{
	ssize_t sent = send_datagram(w, length - 1);

	/* Its reader has gone; one that listens there now is another socket. */
	if (sent < 0 && (errno == ECONNREFUSED || errno == ENOTCONN) && reach(w))
		sent = send_datagram(w, length - 1);
	if (sent == (ssize_t)(length - 1)) {
		w->counts->written++;
		w->counts->bytes += length;
		return;
	}
	w->last_errno = errno;
	w->counts->lost++;
	complain(w);
}

void writer_commit(struct writer *w, size_t length)
{
	if (w->datagram) {
		send_line(w, length);
		return;
	}
	w->used += length;
	w->lines++;
}

static uint32_t count_lines(const char *text, size_t n)
{
	uint32_t lines = 0;

	for (const char *end = text + n; (text = memchr(text, '\n', (size_t)(end - text))); text++)
		lines++;
	return lines;
}

/* What was written counts as far as its last whole line; the rest of the buffer is lost. */
static int give_up(struct writer *w, size_t written)
{
	const char *last = memrchr(w->buffer, '\n', written);
	size_t whole = last != NULL ? (size_t)(last - w->buffer) + 1 : 0;
	uint32_t lines = count_lines(w->buffer, whole);
	struct stat st;

	w->last_errno = errno;
	w->counts->written += lines;
	w->counts->lost += w->lines - lines;
	w->counts->bytes += whole;
	if (w->regular && written > whole && fstat(w->fd, &st) == 0) {
		w->whole = st.st_size - (off_t)(written - whole);
		w->cut = true;
	}
	w->used = w->lines = 0;
	complain(w);
	return -w->last_errno;
}

/* Takes a half line away, unless the file was emptied meanwhile. 0 or -1. */
static int cut_back(struct writer *w)
{
	struct stat st;

	if (!w->cut)
		return 0;
	if (fstat(w->fd, &st) != 0 || (st.st_size > w->whole && ftruncate(w->fd, w->whole) != 0))
		return -1;
	w->cut = false;
	return 0;
}

/* Whether the name is that of the file that is open. */
static bool is_there(const struct writer *w)
{
	struct stat opened, named;

	return fstat(w->fd, &opened) != 0 ||
	       (stat(w->target, &named) == 0 && opened.st_dev == named.st_dev &&
		opened.st_ino == named.st_ino);
}

/* The file under its name; -1 with errno. What is no file may not be waited for. */
static int open_anew(const struct writer *w)
{
	struct stat st;
	int fd = open_named(w->target, O_NONBLOCK, &st);

	if (fd < 0)
		return -1;
	if (!S_ISREG(st.st_mode))
		errno = EEXIST;
	else if (st.st_size > 0 || w->head == NULL || write_all(fd, w->head, strlen(w->head)))
		return fd;
	close(fd);
	return -1;
}

/* A file that was moved or removed is begun anew; a half line does not stay behind in the old. */
static void follow(struct writer *w)
{
	uint64_t now = rte_rdtsc();
	int fd;

	if (!w->regular || lj_cycles_to_ns(now - w->followed_tsc) < FOLLOW_EVERY_NS)
		return;
	w->followed_tsc = now;
	if (is_there(w) || cut_back(w) != 0)
		return;
	fd = open_anew(w);
	if (fd < 0) {
		if (may_complain(w))
			lj_log(WARNING,
			       "%s: was moved away, and is not begun anew: %s; lines go on into "
			       "the old one\n",
			       w->target, strerror(errno));
		return;
	}
	close(w->fd);
	w->fd = fd;
}

int writer_flush(struct writer *w)
{
	size_t written = 0;

	if (w->used == 0)
		return 0;
	follow(w);
	if (cut_back(w) != 0)
		return give_up(w, 0);
	while (written < w->used) {
		ssize_t n = write(w->fd, w->buffer + written, w->used - written);

		if (n < 0 && may_go_on(w->fd))
			continue;
		if (n < 0)
			return give_up(w, written);
		written += (size_t)n;
	}
	w->counts->written += w->lines;
	w->counts->bytes += w->used;
	w->used = w->lines = 0;
	return 0;
}

int writer_begin(struct writer *w, const char *head, size_t length, struct lj_error *err)
{
	w->head = strndup(head, length);
	if (w->head == NULL)
		return lj_error_set(err, ENOMEM, w->target, "not enough memory");
	if (!write_all(w->fd, head, length))
		return lj_error_set(err, errno, w->target, "cannot be written: %s",
				    strerror(errno));
	return 0;
}

int writer_error(const struct writer *w, struct lj_error *err)
{
	if (w->last_errno == 0)
		return 0;
	return lj_error_set(err, w->last_errno, w->target, "%llu line%s lost: %s",
			    (unsigned long long)w->counts->lost, w->counts->lost == 1 ? "" : "s",
			    strerror(w->last_errno));
}

void writer_close(struct writer *w)
{
	cut_back(w); /* no half line stays behind */
	if (w->fd >= 0)
		close(w->fd);
	w->fd = -1;
	free(w->buffer);
	free(w->head);
	w->buffer = w->head = NULL;
}
