#include "lj_memory.h"

#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <rte_common.h>

/* Where each cgroup version keeps a group's memory limit and usage. */
struct hierarchy {
	const char *line;   /* what precedes the group's path in /proc/self/cgroup */
	const char *folder; /* where the hierarchy is mounted */
	const char *max, *current;
	const char *reclaimable[2]; /* lines of memory.stat: page cache, reclaimed first */
};

static const struct hierarchy hierarchies[] = {
	{"0::", "/sys/fs/cgroup", "memory.max", "memory.current", {"inactive_file", "active_file"}},
	{":memory:",
	 "/sys/fs/cgroup/memory",
	 "memory.limit_in_bytes",
	 "memory.usage_in_bytes",
	 {"total_inactive_file", "total_active_file"}},
};

/* Reads the number after `name` from a file of "name value" lines; `name` is "" for a file that
 * holds a single number. */
static bool read_value(const char *path, const char *name, uint64_t *value)
{
	FILE *f = fopen(path, "r");
	size_t length = strlen(name);
	char line[256];
	bool found = false;

	while (f != NULL && !found && fgets(line, sizeof(line), f) != NULL)
		found = strncmp(line, name, length) == 0 &&
			(length == 0 || strchr(": ", line[length]) != NULL) &&
			sscanf(line + length + (line[length] == ':'), "%" SCNu64, value) == 1;
	if (f != NULL)
		fclose(f);
	return found;
}

/* Bytes that one group has left; UINT64_MAX if it has no limit or does not exist. */
static uint64_t left_by(const struct hierarchy *h, const char *group)
{
	uint64_t max, used = 0, cache, let_go = 0;
	char path[PATH_MAX + 32]; /* the group's path and a file name */

	snprintf(path, sizeof(path), "%s/%s", group, h->max);
	if (!read_value(path, "", &max))
		return UINT64_MAX;
	snprintf(path, sizeof(path), "%s/%s", group, h->current);
	read_value(path, "", &used);
	snprintf(path, sizeof(path), "%s/memory.stat", group);
	for (size_t i = 0; i < RTE_DIM(h->reclaimable); i++)
		if (read_value(path, h->reclaimable[i], &cache))
			let_go += cache;
	used -= RTE_MIN(let_go, used);
	return max - RTE_MIN(used, max);
}

/* The minimum over the group and all its parents up to the mount point, which in a container is the
 * container's own group. */
static void least_of(const struct hierarchy *h, const char *root, char *group, uint64_t *least,
		     char *limit, size_t size)
{
	char path[PATH_MAX];

	for (;;) {
		uint64_t left;
		char *slash;

		snprintf(path, sizeof(path), "%s%s%s", root, h->folder, group);
		left = left_by(h, path);
		if (left < *least) {
			*least = left;
			snprintf(limit, size, "%s%s/%s", h->folder, group, h->max);
		}
		slash = strrchr(group, '/');
		if (slash == NULL)
			return;
		*slash = '\0';
	}
}

uint64_t lj_memory_available(const char *root, char *limit, size_t size)
{
	char path[PATH_MAX], line[PATH_MAX];
	uint64_t kib, least = UINT64_MAX;
	FILE *f;

	snprintf(limit, size, "%s", "");
	snprintf(path, sizeof(path), "%s/proc/meminfo", root);
	if (read_value(path, "MemAvailable", &kib))
		least = kib << 10;
	snprintf(path, sizeof(path), "%s/proc/self/cgroup", root);
	f = fopen(path, "r");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		for (size_t i = 0; i < RTE_DIM(hierarchies); i++) {
			char *at = strstr(line, hierarchies[i].line);

			if (at == NULL || (i == 0 && at != line))
				continue;
			at += strlen(hierarchies[i].line);
			least_of(&hierarchies[i], root, strcmp(at, "/") == 0 ? at + 1 : at, &least,
				 limit, size);
			break;
		}
	}
	if (f != NULL)
		fclose(f);
	return least;
}
