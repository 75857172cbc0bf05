#include "lj_memory.h"

#include <fcntl.h>
#include <glob.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* A process that uses one of DPDK's hugepage files holds a lock on it. */
static bool is_stale(const char *path, uint64_t *bytes)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat file;
	bool stale;

	if (fd < 0)
		return false;
	stale = flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &file) == 0;
	if (stale)
		*bytes += (uint64_t)file.st_size;
	close(fd);
	return stale;
}

static void count(const char *root, struct lj_stale_files *stale)
{
	char pattern[512];
	glob_t found;

	snprintf(pattern, sizeof(pattern), "%s%s/*map_*", root, stale->mount);
	if (glob(pattern, 0, NULL, &found) == 0)
		for (size_t i = 0; i < found.gl_pathc; i++)
			stale->files += is_stale(found.gl_pathv[i], &stale->bytes);
	globfree(&found);
}

uint32_t lj_memory_stale_files(const char *root, struct lj_stale_files *stale, uint32_t max)
{
	char path[512], line[1024], type[64];
	uint32_t n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/proc/mounts", root);
	f = fopen(path, "r");
	while (f != NULL && n < max && fgets(line, sizeof(line), f) != NULL) {
		stale[n] = (struct lj_stale_files){0};
		if (sscanf(line, "%*s %255s %63s", stale[n].mount, type) != 2 ||
		    strcmp(type, "hugetlbfs") != 0)
			continue;
		count(root, &stale[n++]);
	}
	if (f != NULL)
		fclose(f);
	return n;
}
