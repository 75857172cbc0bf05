#include "runtime.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <rte_eal.h>

/* The PID of the process that listens on a socket; 0 if unknown, -1 if there is none. */
static pid_t listener(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct ucred peer = {.pid = -1};
	socklen_t bytes = sizeof(peer);
	int fd;

	if (strlen(path) >= sizeof(address.sun_path))
		return -1;
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes);
	else if (errno == EAGAIN)
		peer.pid = 0; /* the backlog is full, so somebody listens */
	close(fd);
	return peer.pid;
}

static int in_use(const char *path, pid_t pid, struct lj_error *err)
{
	char who[32] = "another process";

	if (pid > 0)
		snprintf(who, sizeof(who), "process %d", (int)pid);
	return lj_error_set(err, EADDRINUSE, "eal.file_prefix",
			    "%s uses this prefix and answers on %s: stop it, or set another prefix",
			    who, path);
}

/* The last --file-prefix counts, as in the EAL. */
static const char *prefix_of(char *const *args)
{
	const char *prefix = "rte";

	for (; *args != NULL; args++) {
		if (strncmp(*args, "--file-prefix=", 14) == 0)
			prefix = *args + 14;
		else if (strcmp(*args, "--file-prefix") == 0 && args[1] != NULL)
			prefix = args[1];
	}
	return prefix;
}

/* As in the EAL's eal_create_runtime_dir(). */
static const char *folder_of_all(void)
{
	const char *folder = getenv("RUNTIME_DIRECTORY");

	if (folder != NULL)
		return folder;
	if (getuid() == 0)
		return "/var/run";
	folder = getenv("XDG_RUNTIME_DIR");
	return folder != NULL ? folder : "/tmp";
}

int runtime_check_free(char *const *eal_args, struct lj_error *err)
{
	char path[PATH_MAX];
	pid_t pid;

	snprintf(path, sizeof(path), "%s/dpdk/%s/" RUNTIME_SOCKET, folder_of_all(),
		 prefix_of(eal_args));
	pid = listener(path);
	return pid < 0 ? 0 : in_use(path, pid, err);
}

int runtime_check_own(struct lj_error *err)
{
	char path[PATH_MAX];
	pid_t pid;

	snprintf(path, sizeof(path), "%s/" RUNTIME_SOCKET, rte_eal_get_runtime_dir());
	pid = listener(path);
	return pid <= 0 || pid == getpid() ? 0 : in_use(path, pid, err);
}

static void remove_folder(void)
{
	const char *folder = rte_eal_get_runtime_dir();

	if (folder[0] != '\0')
		rmdir(folder);
}

/* Exit handlers run in reverse order, so the EAL's, which removes its socket, runs before this
 * one. */
void runtime_remove_at_exit(void)
{
	atexit(remove_folder);
}
