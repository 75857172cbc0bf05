#include "npy_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rte_common.h>

#include "lj_log.h"
#include "moved.h"
#include "text.h"

#define MAGIC	       "\x93NUMPY\x01\x00"
#define MAGIC_BYTES    8
#define HEAD_BYTES_MAX 65536 /* limited by the 16-bit length field */
#define HEAD_ALIGN     64
#define COUNT_BYTES    26 /* of "18446744073709551615,)}", with padding */

static void fail(struct npy_file *f, int why)
{
	f->last_errno = why;
	if (complaint_is_due(&f->complaint))
		lj_log(WARNING, "%s: cannot be written: %s; rows are lost and counted\n", f->target,
		       strerror(why));
}

/* Returns the bytes written; if fewer than n, errno says why. */
static size_t write_at(int fd, const char *bytes, size_t n, uint64_t offset)
{
	size_t written = 0;

	while (written < n) {
		ssize_t now = pwrite(fd, bytes + written, n - written, (off_t)(offset + written));

		if (now < 0 && errno != EINTR)
			break;
		written += now > 0 ? (size_t)now : 0;
	}
	return written;
}

static uint64_t end_of_rows(const struct npy_file *f)
{
	return f->head_bytes + f->rows * f->row_bytes;
}

/* Creates or truncates the file and writes its head. 0, or -1 with errno and the old fd
 * unchanged. */
static int begin(struct npy_file *f)
{
	int fd = open(f->target, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NONBLOCK, 0640);
	struct stat st;

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) == 0 && !S_ISREG(st.st_mode)) {
		errno = ESPIPE;
	} else if (write_at(fd, f->head, f->head_bytes, 0) == f->head_bytes) {
		if (f->fd >= 0)
			close(f->fd);
		f->fd = fd;
		f->rows = f->counted = 0;
		return 0;
	}
	close(fd);
	return -1;
}

static bool is_emptied(const struct npy_file *f)
{
	struct stat opened;

	return fstat(f->fd, &opened) == 0 && (uint64_t)opened.st_size < end_of_rows(f);
}

/* Starts over if the file was truncated (logrotate's copytruncate): rows and their count are
 * useless without the head. 0 or -1. */
static int begin_if_emptied(struct npy_file *f)
{
	if (!is_emptied(f) || begin(f) == 0)
		return 0;
	fail(f, errno);
	return -1;
}

uint32_t npy_write(struct npy_file *f, const char *rows, uint32_t n)
{
	size_t bytes = n * f->row_bytes, written;

	if (begin_if_emptied(f) != 0)
		return 0;
	written = write_at(f->fd, rows, bytes, end_of_rows(f));
	if (written < bytes)
		fail(f, errno);
	f->rows += written / f->row_bytes;
	return (uint32_t)(written / f->row_bytes);
}

static int write_count(struct npy_file *f)
{
	char text[COUNT_BYTES + 1];
	int n = snprintf(text, sizeof(text), "%llu,)}", (unsigned long long)f->rows);

	memset(text + n, ' ', sizeof(text) - (size_t)n);
	if (write_at(f->fd, text, COUNT_BYTES, f->count_at) < COUNT_BYTES)
		return -1;
	f->counted = f->rows;
	return 0;
}

/* Creates a new file under the name if this one has been moved or removed. */
static void follow(struct npy_file *f)
{
	if (file_has_moved(f->fd, f->target, &f->looked_tsc) && begin(f) != 0 &&
	    complaint_is_due(&f->complaint))
		lj_log(WARNING,
		       "%s: was moved or removed, and cannot be created again: %s; rows are "
		       "still written to the old file\n",
		       f->target, strerror(errno));
}

int npy_flush(struct npy_file *f)
{
	if (begin_if_emptied(f) != 0)
		return -f->last_errno;
	if (f->counted == f->rows)
		return 0;
	if (write_count(f) != 0) {
		fail(f, errno);
		return -f->last_errno;
	}
	follow(f);
	return 0;
}

/* 0, or -1 if it would be too long. */
static int make_head(struct npy_file *f, const char *descr)
{
	struct text t = {f->head, 0, HEAD_BYTES_MAX};
	uint16_t length;

	text_put(&t, MAGIC "\0\0", MAGIC_BYTES + sizeof(length));
	text_string(&t, "{'descr':[");
	text_string(&t, descr);
	text_string(&t, "],'fortran_order':False,'shape':(");
	f->count_at = t.used;
	f->head_bytes = RTE_ALIGN_CEIL(t.used + COUNT_BYTES + 1, (size_t)HEAD_ALIGN);
	if (f->head_bytes > HEAD_BYTES_MAX - HEAD_ALIGN)
		return -1;
	memset(f->head + t.used, ' ', f->head_bytes - t.used);
	text_string(&t, "0,)}");
	f->head[f->head_bytes - 1] = '\n';
	length = (uint16_t)(f->head_bytes - MAGIC_BYTES - sizeof(length));
	memcpy(f->head + MAGIC_BYTES, &length, sizeof(length));
	return 0;
}

int npy_open(struct npy_file *f, const char *target, const char *descr, size_t row_bytes,
	     struct lj_error *err)
{
	memset(f, 0, sizeof(*f));
	f->fd = -1;
	f->row_bytes = row_bytes;
	snprintf(f->target, sizeof(f->target), "%s", target);
	f->head = malloc(HEAD_BYTES_MAX);
	if (f->head == NULL)
		return lj_error_set(err, ENOMEM, target, "not enough memory");
	if (make_head(f, descr) != 0)
		return lj_error_set(err, E2BIG, target, "too many columns for a .npy file");
	if (begin(f) == 0)
		return 0;
	if (errno == ESPIPE || errno == ENXIO)
		return lj_error_set(err, errno, target,
				    "is not a regular file, as .npy needs: the number of rows, "
				    "known at the end, is written at its beginning");
	return lj_error_set(err, errno, target, "cannot be written: %s", strerror(errno));
}

void npy_close(struct npy_file *f)
{
	/* Removes an incomplete row. */
	if (f->fd >= 0 && !is_emptied(f) && ftruncate(f->fd, (off_t)end_of_rows(f)) != 0)
		fail(f, errno);
	if (f->fd >= 0)
		close(f->fd);
	free(f->head);
}
