#include "writer.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lj_log.h"
#include "moved.h"

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
	return target_open(w, append, waits, err);
}

static void complain(struct writer *w)
{
	if (complaint_is_due(&w->complaint))
		lj_log(WARNING, "%s: cannot be written: %s; lines are lost and counted\n",
		       w->target, strerror(w->last_errno));
}

/* Pipe and buffer are full: drops the buffered lines, but keeps the rest of a line already
 * begun. */
static void drop_lines(struct writer *w)
{
	const char *end = w->begun ? memchr(w->buffer, '\n', w->used) : NULL;

	w->used = end != NULL ? (size_t)(end - w->buffer) + 1 : 0;
	w->counts->lost += w->lines - (w->used > 0);
	w->lines = w->used > 0;
	w->last_errno = EAGAIN;
	complain(w);
}

char *writer_reserve(struct writer *w, size_t size)
{
	if (w->used + size > WRITER_BUFFER_BYTES)
		writer_flush(w);
	if (w->used + size > WRITER_BUFFER_BYTES)
		drop_lines(w);
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

/* One line per datagram, so that the receiver sees whole lines only. */
static void send_line(struct writer *w, size_t length)
{
	ssize_t sent = send_datagram(w, length - 1);

	/* The reader has gone; a new one may listen under the same path. */
	if (sent < 0 && (errno == ECONNREFUSED || errno == ENOTCONN) && target_reach(w))
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

/* Whether the pipe still holds part of a line whose reader has gone. */
static bool leaves_half_line(const struct writer *w, size_t written)
{
	int unread = 0;

	if (!w->pipe || !(written > 0 ? w->buffer[written - 1] != '\n' : w->begun))
		return false;
	return ioctl(w->fd, FIONREAD, &unread) == 0 && unread > 0;
}

/* Counts lines as written up to the last whole one; the rest of the buffer is lost. */
static int give_up(struct writer *w, size_t written)
{
	const char *last = memrchr(w->buffer, '\n', written);
	size_t whole = last != NULL ? (size_t)(last - w->buffer) + 1 : 0;
	uint32_t lines = count_lines(w->buffer, whole);
	struct stat st;

	w->last_errno = errno;
	w->severed = w->severed || leaves_half_line(w, written);
	w->counts->written += lines;
	w->counts->lost += w->lines - lines;
	w->counts->bytes += whole;
	if (w->regular && written > whole && fstat(w->fd, &st) == 0) {
		w->whole = st.st_size - (off_t)(written - whole);
		w->cut = true;
	}
	w->used = w->lines = 0;
	w->begun = false;
	complain(w);
	return -w->last_errno;
}

/* Truncates the file to its last whole line, unless it was emptied meanwhile. 0 or -1. */
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

/* Writes the head line again if the file was emptied meanwhile. 0 or -1. */
static int begin_again(struct writer *w)
{
	struct stat st;

	if (!w->regular || w->head == NULL || fstat(w->fd, &st) != 0 || st.st_size > 0 ||
	    target_write(w->fd, w->head, strlen(w->head)))
		return 0;
	w->whole = 0;
	w->cut = true;
	return -1;
}

/* If the file was moved or removed, creates a new one; the old one is cut to whole lines first. */
static void follow(struct writer *w)
{
	int fd;

	if (!w->regular || !file_has_moved(w->fd, w->target, &w->looked_tsc) || cut_back(w) != 0)
		return;
	fd = target_open_anew(w);
	if (fd >= 0) {
		close(w->fd);
		w->fd = fd;
	} else if (complaint_is_due(&w->complaint)) {
		lj_log(WARNING,
		       "%s: was moved or removed, and cannot be created again: %s; lines are "
		       "still written to the old file\n",
		       w->target, strerror(errno));
	}
}

/* Removes the written part from the buffer. */
static int keep_rest(struct writer *w, size_t written)
{
	uint32_t lines = count_lines(w->buffer, written);

	if (written > 0)
		w->begun = w->buffer[written - 1] != '\n';
	w->counts->written += lines;
	w->counts->bytes += written;
	w->lines -= lines;
	w->used -= written;
	memmove(w->buffer, w->buffer + written, w->used);
	return w->used > 0 ? -EAGAIN : 0;
}

/* Writes as much as the pipe takes without blocking: if poll() reports it writable, at least
 * PIPE_BUF bytes. */
static int flush_pipe(struct writer *w)
{
	struct pollfd room = {.fd = w->fd, .events = POLLOUT};
	size_t written = 0;

	while (written < w->used && poll(&room, 1, 0) > 0) {
		size_t length = RTE_MIN(w->used - written, (size_t)PIPE_BUF);
		ssize_t n = w->severed ? write(w->fd, "\n", 1)
				       : write(w->fd, w->buffer + written, length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0)
			return give_up(w, written);
		written += w->severed ? 0 : (size_t)n;
		w->severed = false;
	}
	return keep_rest(w, written);
}

int writer_flush(struct writer *w)
{
	size_t written = 0;

	if (w->used == 0)
		return 0;
	if (w->pipe)
		return flush_pipe(w);
	follow(w);
	if (cut_back(w) != 0 || begin_again(w) != 0)
		return give_up(w, 0);
	while (written < w->used) {
		ssize_t n = write(w->fd, w->buffer + written, w->used - written);

		if (n < 0 && target_may_go_on(w->fd))
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
	if (!target_write(w->fd, head, length))
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
	cut_back(w); /* removes an incomplete line */
	if (w->fd >= 0)
		close(w->fd);
	w->fd = -1;
	free(w->buffer);
	free(w->head);
	w->buffer = w->head = NULL;
}
