/*
 * Private: a file of an array of rows as NumPy keeps it (numpy.lib.format, version 1.0).
 *
 * Each row has its place in the file, so that what was written in part is written over by the next
 * try; the header tells how many are whole, as of the latest npy_flush(). A file that was moved or
 * removed keeps all rows until then, and is begun anew under its name; so is one that was emptied.
 */
#ifndef NPY_FILE_H
#define NPY_FILE_H

#include "complaint.h"
#include "lj_base.h"

struct npy_file {
	char target[512];
	int fd;
	char *head; /* as it is with no row */
	size_t head_bytes, count_at, row_bytes;
	uint64_t rows, counted; /* in the file; as its header says */
	uint64_t looked_tsc;	/* when it was last looked whether the file is still there */
	int last_errno;		/* of the latest failure; 0: none ever */
	struct complaint complaint;
};

/* `descr`: the columns, as in Python's list of (name, type). What was in the file is gone. 0, or
 * -errno and `err`; npy_close() in either case. */
int npy_open(struct npy_file *f, const char *target, const char *descr, size_t row_bytes,
	     struct lj_error *err);
/* How many of the rows are in the file now; the rest is lost, and said in the log. */
uint32_t npy_write(struct npy_file *f, const char *rows, uint32_t n);
/* 0 or -errno. */
int npy_flush(struct npy_file *f);
void npy_close(struct npy_file *f);

#endif
