#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rte_log.h>

#include "lj_service.h"

/* Prefixes the severity as described in sd-daemon(3). */
static ssize_t write_line(void *cookie, const char *text, size_t size)
{
	(void)cookie;
	fprintf(stderr, "<%d>%.*s", rte_log_cur_msg_loglevel() - 1, (int)size, text);
	return (ssize_t)size;
}

/* As described in systemd.exec(5), $JOURNAL_STREAM. */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	uintmax_t device, inode;
	struct stat file;

	return stream != NULL && sscanf(stream, "%ju:%ju", &device, &inode) == 2 &&
	       fstat(STDERR_FILENO, &file) == 0 && file.st_dev == device && file.st_ino == inode;
}

void lj_service_log(void)
{
	const cookie_io_functions_t functions = {.write = write_line};
	FILE *journal = stderr_is_journal() ? fopencookie(NULL, "w", functions) : NULL;

	if (journal != NULL)
		rte_openlog_stream(journal);
}
