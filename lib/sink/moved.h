/* Private: detects that an open file has been renamed or removed (logrotate). */
#ifndef MOVED_H
#define MOVED_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "lj_clock.h"

#define LOOK_EVERY_NS 1000000000ULL

/* Checks at most once a second, else returns false; *looked_tsc is the time of the latest check. */
static inline bool file_has_moved(int fd, const char *path, uint64_t *looked_tsc)
{
	uint64_t now = rte_rdtsc();
	struct stat opened, named;

	if (lj_cycles_to_ns(now - *looked_tsc) < LOOK_EVERY_NS)
		return false;
	*looked_tsc = now;
	return fstat(fd, &opened) == 0 &&
	       (stat(path, &named) != 0 || opened.st_dev != named.st_dev ||
		opened.st_ino != named.st_ino);
}

#endif
