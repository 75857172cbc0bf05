/* Private: opens and reopens files, pipes and sockets. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lj_log.h"
#include "writer.h"

#define SOCKET_PREFIX "unix:"

bool target_reach(const struct writer *w)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};

	snprintf(to.sun_path, sizeof(to.sun_path), "%s", w->target + strlen(SOCKET_PREFIX));
	return connect(w->fd, (struct sockaddr *)&to, sizeof(to)) == 0;
}

static int open_socket(struct writer *w, const char *path, bool waits, struct lj_error *err)
{
	if (path[0] == '\0')
		return lj_error_set(err, EINVAL, w->target, "has no socket path (unix:PATH)");
	if (strlen(path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
		return lj_error_set(err, ENAMETOOLONG, w->target, "the socket's path is too long");
	w->datagram = true;
	w->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | (waits ? 0 : SOCK_NONBLOCK), 0);
	if (w->fd < 0 || !target_reach(w))
		return lj_error_set(err, errno, w->target, "cannot be reached: %s",
				    strerror(errno));
	return 0;
}

/* Whether the file ends with an incomplete line, for example after a crash. */
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

/* Waits until a pipe has a reader, and logs a message if it has to. */
static int open_path(const char *path, int flags)
{
	struct stat st;
	int fd;

	if (stat(path, &st) != 0 || !S_ISFIFO(st.st_mode))
		return open(path, flags, 0640);
	fd = open(path, flags | O_NONBLOCK, 0640);
	if (fd >= 0) {
		fcntl(fd, F_SETFL, 0);
		return fd;
	}
	if (errno != ENXIO)
		return -1;
	lj_log(WARNING, "%s: waiting for a reader of the pipe\n", path);
	return open(path, flags, 0640);
}

/* Opens the file; if it ends with an incomplete line, ends that line. The fd, or -1 with errno. */
static int open_at_line(const char *path, int flags, struct stat *st)
{
	int fd = open_path(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_APPEND | flags);

	if (fd < 0)
		return -1;
	if (fstat(fd, st) == 0 && !(S_ISREG(st->st_mode) && st->st_size > 0 &&
				    ends_within_line(path) && write(fd, "\n", 1) != 1))
		return fd;
	close(fd);
	return -1;
}

static int open_file(struct writer *w, bool append, bool waits, struct lj_error *err)
{
	bool standard = strcmp(w->target, "-") == 0;
	struct stat st = {0};

	w->fd = standard ? dup(STDOUT_FILENO) : open_at_line(w->target, append ? 0 : O_TRUNC, &st);
	if (w->fd < 0 || (standard && fstat(w->fd, &st) != 0))
		return lj_error_set(err, errno, w->target, "cannot be written: %s",
				    strerror(errno));
	w->regular = S_ISREG(st.st_mode) && !standard;
	w->pipe = S_ISFIFO(st.st_mode) && !waits;
	return 0;
}

int target_open(struct writer *w, bool append, bool waits, struct lj_error *err)
{
	if (strncmp(w->target, SOCKET_PREFIX, strlen(SOCKET_PREFIX)) == 0)
		return open_socket(w, w->target + strlen(SOCKET_PREFIX), waits, err);
	return open_file(w, append, waits, err);
}

int target_open_anew(const struct writer *w)
{
	struct stat st;
	int fd;

	if (stat(w->target, &st) == 0 && !S_ISREG(st.st_mode)) {
		errno = EEXIST;
		return -1;
	}
	fd = open_at_line(w->target, O_NONBLOCK, &st);
	if (fd < 0)
		return -1;
	if (st.st_size > 0 || w->head == NULL || target_write(fd, w->head, strlen(w->head)))
		return fd;
	close(fd);
	return -1;
}

bool target_may_go_on(int fd)
{
	struct pollfd to = {.fd = fd, .events = POLLOUT};

	/* The fd may be non-blocking if it was inherited. */
	if (errno == EAGAIN)
		poll(&to, 1, -1);
	return errno == EAGAIN || errno == EINTR;
}

bool target_write(int fd, const char *text, size_t length)
{
	while (length > 0) {
		ssize_t n = write(fd, text, length);

		if (n < 0 && !target_may_go_on(fd))
			return false;
		text += RTE_MAX(n, 0);
		length -= (size_t)RTE_MAX(n, 0);
	}
	return true;
}
