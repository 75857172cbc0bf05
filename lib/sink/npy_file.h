/*
 * Private: writes an array of rows in NumPy's .npy format (numpy.lib.format, version 1.0).
 *
 * Each row has a fixed offset in the file, so a partly written row is overwritten by the next
 * attempt; the header has the number of complete rows as of the latest npy_flush(). If the file is
 * renamed or removed, it keeps the rows so far and a new one is created under the name; a truncated
 * file is started again from its header.
 */
#ifndef NPY_FILE_H
#define NPY_FILE_H

#include "complaint.h"
#include "lj_base.h"

struct npy_file {
	char target[512];
	int fd;
	char *head; /* the file's header with a row count of 0; owned */
	size_t head_bytes, count_at, row_bytes;
	uint64_t rows, counted; /* rows in the file; row count in its header */
	uint64_t looked_tsc;	/* when file_has_moved() last checked the file */
	int last_errno;		/* of the latest failure; 0: none so far */
	struct complaint complaint;
};

/* Truncates the file. `descr`: the columns, a Python list of (name, type). 0, or -errno and `err`;
 * call npy_close() in either case. */
int npy_open(struct npy_file *f, const char *target, const char *descr, size_t row_bytes,
	     struct lj_error *err);
/* Returns how many of the `n` rows were written; the rest is lost, and the log says so. */
uint32_t npy_write(struct npy_file *f, const char *rows, uint32_t n);
/* 0 or -errno. */
int npy_flush(struct npy_file *f);
void npy_close(struct npy_file *f);

#endif
