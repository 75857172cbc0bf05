/*
 * Private: a long capture file mapped into memory, seen through a window that moves forward. This
 * avoids the copy that read(2) makes.
 *
 * What read(2) reports as the end of the file or as an error is a SIGBUS on mapped memory: the file
 * has become shorter, or its medium has failed. So each window is checked before it is used, and a
 * SIGBUS handler replaces the missing part of the mapping by zeros and marks the mapping as torn.
 * Within its last page a shorter file reads as zeros without a signal.
 *
 * Thread: the reader's; other threads may read the mapped bytes.
 */
#ifndef CAPTURE_FILE_MAP_H
#define CAPTURE_FILE_MAP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Longer than any record. */
#define MAP_WINDOW_BYTES (2u << 20)

struct file_map {
	_Atomic(uint8_t *) base; /* NULL: the slot is free */
	uint64_t bytes;		 /* the file's size when it was mapped */
	uint64_t released;	 /* bytes at the front whose pages are released */
	atomic_bool torn;	 /* some bytes are zeros instead of the file's */
};

/* Maps the file, of which the bytes before `from` have been read. NULL if it cannot be mapped, or
 * is not long enough to be worth it. */
struct file_map *file_map_open(int fd, uint64_t from);
void file_map_close(struct file_map *m);

enum map_window {
	MAP_WINDOW_READY,
	MAP_WINDOW_NONE,    /* the file ends in it, or read(2) will tell what is wrong */
	MAP_WINDOW_SHORTER, /* the file is shorter than when it was mapped */
};

/* Prepares the MAP_WINDOW_BYTES from `from` on and releases the pages before. */
enum map_window file_map_window(struct file_map *m, int fd, uint64_t from);

/* Whether bytes of the mapping are missing in the file. A system call. */
bool file_map_is_cut(const struct file_map *m, int fd);

#endif
