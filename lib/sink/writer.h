/*
 * Private: writes whole lines to a file, stdout, a pipe or a unix datagram socket.
 *
 * Lines are buffered; each is written whole or counted as lost. After an error a regular file is
 * truncated to its last whole line, so that what follows starts on a new line. Files are appended
 * to at their current end: if one is truncated meanwhile (logrotate's copytruncate), it gets its
 * head line again. If one is renamed or removed, a new one is created under the name within a
 * second; until that succeeds, lines go to the old one. A socket is reconnected when its reader is
 * back. If the sink `waits`, writes to a pipe block; else what a pipe does not take stays in the
 * buffer, and when that is full, is lost except for the rest of a line already begun.
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
	bool pipe;	     /* a pipe, written to without blocking */
	bool begun;	     /* part of the first line in the buffer is in the pipe already */
	bool severed;	     /* the pipe ends with part of a line whose rest is lost */
	off_t whole;	     /* when `cut`: bytes of the file that are whole lines */
	char *head;	     /* first line of a new file; NULL: none; owned */
	uint64_t looked_tsc; /* when file_has_moved() last checked the file */
	char *buffer;
	size_t used;
	uint32_t lines; /* in the buffer */
	struct lj_sink_counts *counts;
	int last_errno; /* of the latest failure; 0: none so far */
	struct complaint complaint;
};

int writer_open(struct writer *w, const char *target, bool append, bool waits,
		struct lj_sink_counts *counts, struct lj_error *err);
/* Sets the first line of every new file, and writes it to this one. 0 or -errno. */
int writer_begin(struct writer *w, const char *head, size_t length, struct lj_error *err);
/* Returns space for one line of up to `size` <= LINE_BYTES_MAX bytes; writer_commit() gives its
 * actual length. */
char *writer_reserve(struct writer *w, size_t size);
void writer_commit(struct writer *w, size_t length);
/* 0; -EAGAIN when a pipe has not taken all yet; or -errno. */
int writer_flush(struct writer *w);
int writer_error(const struct writer *w, struct lj_error *err);
void writer_close(struct writer *w);

/* --- the target; for writer.c and writer_target.c only --- */

int target_open(struct writer *w, bool append, bool waits, struct lj_error *err);
/* Connects (again) to the socket's path. */
bool target_reach(const struct writer *w);
/* Creates a new regular file under the name and writes its head. The fd, or -1 with errno. */
int target_open_anew(const struct writer *w);
/* After a failed write, with its errno: if the fd was only full, waits until it is writable. */
bool target_may_go_on(int fd);
/* Blocks while a pipe is full. False with errno. */
bool target_write(int fd, const char *text, size_t length);

#endif
