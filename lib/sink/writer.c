#include "writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lj_clock.h"
#include "lj_log.h"

#define COMPLAIN_EVERY_NS 60000000000ULL

static int open_socket(struct writer *w, const char *path, struct lj_error *err)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};

	if (path[0] == '\0')
		return lj_error_set(err, EINVAL, w->target, "names no socket (unix:PATH)");
	if (strlen(path) >= sizeof(to.sun_path))
		return lj_error_set(err, ENAMETOOLONG, w->target, "the socket's path is too long");
	strcpy(to.sun_path, path);
	w->datagram = true;
	w->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (w->fd < 0 || connect(w->fd, (struct sockaddr *)&to, sizeof(to)) != 0)
		return lj_error_set(err, errno, w->target, "cannot be reached: %s",
				    strerror(errno));
	return 0;
}

static int open_file(struct writer *w, bool append, struct lj_error *err)
{
	struct stat st;

	w->fd = strcmp(w->target, "-") == 0
			? dup(STDOUT_FILENO)
			: open(w->target,
			       O_WRONLY | O_CREAT | O_CLOEXEC | (append ? O_APPEND : O_TRUNC),
			       0640);
	if (w->fd < 0 || fstat(w->fd, &st) != 0)
		return lj_error_set(err, errno, w->target, "cannot be written: %s",
				    strerror(errno));
	w->regular = S_ISREG(st.st_mode) && strcmp(w->target, "-") != 0;
	w->whole = w->regular ? st.st_size : 0;
	return 0;
}

int writer_open(struct writer *w, const char *target, bool append, struct lj_sink_counts *counts,
		struct lj_error *err)
{
	memset(w, 0, sizeof(*w));
	snprintf(w->target, sizeof(w->target), "%s", target);
	w->fd = -1;
	w->counts = counts;
	w->buffer = malloc(WRITER_BUFFER_BYTES);
	if (w->buffer == NULL)
		return lj_error_set(err, ENOMEM, target, "not enough memory");
	if (strncmp(target, "unix:", 5) == 0)
		return open_socket(w, target + 5, err);
	return open_file(w, append, err);
}

static void complain(struct writer *w)
{
	uint64_t now = rte_rdtsc();

	if (w->complained_tsc != 0 && lj_cycles_to_ns(now - w->complained_tsc) < COMPLAIN_EVERY_NS)
		return;
	w->complained_tsc = now;
	lj_log(WARNING, "%s: cannot be written: %s; lines are lost and counted\n", w->target,
	       strerror(w->last_errno));
}

char *writer_reserve(struct writer *w, size_t size)
{
	if (w->used + size > WRITER_BUFFER_BYTES)
		writer_flush(w);
	return w->buffer + w->used;
}

/* A line is a datagram: the receiver sees whole lines or none. */
static void send_line(struct writer *w, size_t length)
{
	ssize_t sent = send(w->fd, w->buffer, length - 1, MSG_NOSIGNAL);

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

	w->last_errno = errno;
	w->counts->written += lines;
	w->counts->lost += w->lines - lines;
	w->counts->bytes += whole;
	w->whole += (off_t)whole;
	w->cut = w->regular && written > whole;
	w->used = w->lines = 0;
	complain(w);
	return -w->last_errno;
}

int writer_flush(struct writer *w)
{
	size_t written = 0;

	if (w->used == 0)
		return 0;
	if (w->cut) {
		if (ftruncate(w->fd, w->whole) != 0 || lseek(w->fd, w->whole, SEEK_SET) < 0)
			return give_up(w, 0);
		w->cut = false;
	}
	while (written < w->used) {
		ssize_t n = write(w->fd, w->buffer + written, w->used - written);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return give_up(w, written);
		written += (size_t)n;
	}
	w->counts->written += w->lines;
	w->counts->bytes += w->used;
	w->whole += (off_t)w->used;
	w->used = w->lines = 0;
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
	/* No half line stays behind. */
	if (w->cut && ftruncate(w->fd, w->whole) == 0)
		w->cut = false;
	if (w->fd >= 0)
		close(w->fd);
	w->fd = -1;
	free(w->buffer);
	w->buffer = NULL;
}
