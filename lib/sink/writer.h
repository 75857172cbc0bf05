/*
 * Private: whole lines into a file, stdout or a unix datagram socket.
 *
 * Lines are buffered; a line is written whole or counted lost. After an error a regular file is cut
 * back to its last whole line, so what follows begins at a line's beginning. A file is written at
 * its end, wherever that is by now: it may be emptied meanwhile (logrotate's copytruncate), and
 * then has its head again. One that was moved or removed is begun anew under its name, a second
 * later at most; until then, and while that cannot be done, lines go on into the old one. A socket
 * whose reader has gone is reached anew, when there is one again. A pipe's reader is waited for if
 * the sink `waits`; else what a pipe does not take stays in the buffer, and is lost when that is
 * full, but for the rest of a line that has been begun.
 */
#ifndef WRITER_H
#define WRITER_H

#include <sys/types.h>

#include "complaint.h"
#include "lj_sink.h"

#define LINE_BYTES_MAX	    65536
#define WRITER_BUFFER_BYTES (1u << 18)

struct writer {
	char target[512];
	int fd;
	bool datagram, regular, cut;
	bool pipe;	     /* not to be waited for */
	bool begun;	     /* of the first line in the buffer a part is in the pipe already */
	bool severed;	     /* the pipe ends with a half line whose rest is lost */
	off_t whole;	     /* when `cut`: bytes of the file that are whole lines */
	char *head;	     /* what a new file begins with; NULL: nothing */
	uint64_t looked_tsc; /* when it was last looked whether the file is still there */
	char *buffer;
	size_t used;
	uint32_t lines; /* in the buffer */
	struct lj_sink_counts *counts;
	int last_errno; /* of the latest failure; 0 none ever */
	struct complaint complaint;
};

int writer_open(struct writer *w, const char *target, bool append, bool waits,
		struct lj_sink_counts *counts, struct lj_error *err);
/* A line that every new file begins with, this one, too. 0 or -errno. */
int writer_begin(struct writer *w, const char *head, size_t length, struct lj_error *err);
/* Room for one line of up to `size` <= LINE_BYTES_MAX; writer_commit() says how long it became. */
char *writer_reserve(struct writer *w, size_t size);
void writer_commit(struct writer *w, size_t length);
/* 0; -EAGAIN when a pipe has not taken all yet; or -errno. */
int writer_flush(struct writer *w);
int writer_error(const struct writer *w, struct lj_error *err);
void writer_close(struct writer *w);

/* --- what it writes to, of writer and writer_target alone --- */

int target_open(struct writer *w, bool append, bool waits, struct lj_error *err);
/* Connects to whoever listens at a socket's path now. */
bool target_reach(const struct writer *w);
/* A regular file under the name, with its head; -1 with errno. */
int target_open_anew(const struct writer *w);
/* After a write that errno says failed: waits until there is room, if that was all. */
bool target_may_go_on(int fd);
/* Waits for a pipe. False with errno. */
bool target_write(int fd, const char *text, size_t length);

#endif
