#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lj_log.h"
#include "lj_service.h"
#include "lj_test.h"

/* --- what a confined process can still do; in child processes, since confinement is irreversible
 * --- */

#define SETUP_FAILED 99

struct attempt {
	int (*call)(void);
	bool kernel_ports, filter;
	bool on_thread; /* a thread that existed before, like an lcore */
};

static pthread_barrier_t confined;
static const struct attempt *attempted;

static void *waiting_thread(void *result)
{
	pthread_barrier_wait(&confined);
	*(int *)result = attempted->call();
	return NULL;
}

static int confine_and_try(const struct attempt *a)
{
	struct lj_confinement c = {.filter = a->filter, .kernel_ports = a->kernel_ports};
	struct lj_identity nobody;
	pthread_t thread;
	int result = SETUP_FAILED;

	c.identity = &nobody;
	attempted = a;
	pthread_barrier_init(&confined, NULL, 2);
	if (lj_service_identity("nobody", "", &nobody, NULL) != 0 || !nobody.change ||
	    pthread_create(&thread, NULL, waiting_thread, &result) != 0 ||
	    lj_service_confine(&c, NULL) != 0)
		return SETUP_FAILED;
	if (!a->on_thread)
		return a->call();
	pthread_barrier_wait(&confined);
	pthread_join(thread, NULL);
	return result;
}

/* The errno of the call, 0 if it succeeded, or 1000 + the signal that killed the child. */
static int outcome(struct attempt a)
{
	int status;
	pid_t child = fork();

	if (child == 0)
		_exit(confine_and_try(&a));
	waitpid(child, &status, 0);
	return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int result_of(long ret)
{
	return ret < 0 ? errno : 0;
}

static int call_execve(void)
{
	char *argv[] = {(char *)"true", NULL};

	return result_of(execve("/bin/true", argv, NULL));
}

static int call_fork(void)
{
	pid_t child = fork();

	if (child == 0)
		_exit(0);
	return result_of(child);
}

static int call_ptrace(void)
{
	return result_of(ptrace(PTRACE_ATTACH, getppid(), NULL, NULL));
}

static int call_mount(void)
{
	return result_of(mount("none", "/mnt", "tmpfs", 0, NULL));
}

static int call_setuid(void)
{
	return result_of(syscall(SYS_setuid, 0));
}

static int call_listen(void)
{
	return result_of(syscall(SYS_listen, 0, 1));
}

static int call_tcp(void)
{
	return result_of(socket(AF_INET, SOCK_STREAM, 0));
}

static int call_datagram(void)
{
	return result_of(socket(AF_INET, SOCK_DGRAM, 0));
}

static int call_packet_socket(void)
{
	return result_of(socket(AF_PACKET, SOCK_RAW, 0));
}

static int call_bpf(void)
{
	return result_of(syscall(SYS_bpf, 0, NULL, 0));
}

static int call_shadow(void)
{
	return result_of(open("/etc/shadow", O_RDONLY));
}

static void *nothing(void *arg)
{
	return arg;
}

static int call_thread(void)
{
	pthread_t thread;
	int ret = pthread_create(&thread, NULL, nothing, NULL);

	return ret != 0 ? ret : pthread_join(thread, NULL);
}

static int call_unix_socket(void)
{
	return result_of(socket(AF_UNIX, SOCK_DGRAM, 0));
}

static void what_only_an_intruder_calls_ends_the_process(void)
{
	static int (*const calls[])(void) = {call_execve, call_ptrace, call_mount, call_setuid};

	for (size_t i = 0; i < RTE_DIM(calls); i++)
		for (int on_thread = 0; on_thread < 2; on_thread++) {
			struct attempt a = {calls[i], .filter = true, .on_thread = on_thread};

			CU_ASSERT_EQUAL(outcome(a), 1000 + SIGSYS);
		}
}

static void what_the_steady_state_does_not_need_is_refused(void)
{
	static int (*const calls[])(void) = {call_fork,	    call_listen,	call_tcp,
					     call_datagram, call_packet_socket, call_bpf};

	for (size_t i = 0; i < RTE_DIM(calls); i++)
		for (int on_thread = 0; on_thread < 2; on_thread++) {
			struct attempt a = {calls[i], .filter = true, .on_thread = on_thread};

			CU_ASSERT_EQUAL(outcome(a), EPERM);
		}
}

static void threads_and_local_sockets_stay(void)
{
	CU_ASSERT_EQUAL(outcome((struct attempt){call_thread, .filter = true}), 0);
	CU_ASSERT_EQUAL(outcome((struct attempt){call_unix_socket, .filter = true}), 0);
}

static void drivers_of_kernel_interfaces_keep_what_they_need(void)
{
	struct attempt a = {call_packet_socket, .filter = true, .kernel_ports = true};

	CU_ASSERT_EQUAL(outcome(a), 0);
	a.call = call_datagram;
	CU_ASSERT_EQUAL(outcome(a), 0);
	a.call = call_tcp;
	CU_ASSERT_EQUAL(outcome(a), EPERM);
	/* Only the main thread keeps capabilities. */
	a.call = call_packet_socket;
	a.on_thread = true;
	CU_ASSERT_EQUAL(outcome(a), EPERM);
}

static void without_the_filter_the_user_alone_forbids(void)
{
	CU_ASSERT_EQUAL(outcome((struct attempt){call_shadow}), EACCES);
	CU_ASSERT_EQUAL(outcome((struct attempt){call_packet_socket, .on_thread = true}), EPERM);
	CU_ASSERT_EQUAL(outcome((struct attempt){call_setuid}), EPERM);
	CU_ASSERT_EQUAL(outcome((struct attempt){call_tcp}), 0);
}

static char *line_of_status(const char *key, char *out, size_t size)
{
	FILE *f = fopen("/proc/thread-self/status", "r");

	while (fgets(out, (int)size, f) != NULL)
		if (strncmp(out, key, strlen(key)) == 0)
			break;
	fclose(f);
	out[strcspn(out, "\n")] = '\0';
	return out;
}

static int status_is_bare(void)
{
	char line[256];

	if (strcmp(line_of_status("CapEff:", line, sizeof(line)), "CapEff:\t0000000000000000") ||
	    strcmp(line_of_status("CapPrm:", line, sizeof(line)), "CapPrm:\t0000000000000000"))
		return 1;
	if (strcmp(line_of_status("NoNewPrivs:", line, sizeof(line)), "NoNewPrivs:\t1"))
		return 2;
	if (strcmp(line_of_status("Seccomp:", line, sizeof(line)), "Seccomp:\t2"))
		return 3;
	return getuid() != 0 && getgid() != 0 && getgroups(0, NULL) == 0 ? 0 : 4;
}

static void every_thread_is_bare_afterwards(void)
{
	CU_ASSERT_EQUAL(outcome((struct attempt){status_is_bare, .filter = true}), 0);
	CU_ASSERT_EQUAL(
		outcome((struct attempt){status_is_bare, .filter = true, .on_thread = true}), 0);
}

/* --- identity --- */

static void a_user_that_is_not_there_is_named(void)
{
	struct lj_identity identity;
	struct lj_error err = {0};

	CU_ASSERT_EQUAL(lj_service_identity("lj-no-such", "", &identity, &err), -ENOENT);
	CU_ASSERT_STRING_EQUAL(err.where, "service.user");
	CU_ASSERT_EQUAL(lj_service_identity("nobody", "lj-no-such", &identity, &err), -ENOENT);
	CU_ASSERT_STRING_EQUAL(err.where, "service.group");
	CU_ASSERT_EQUAL(lj_service_identity("", "daemon", &identity, &err), -EINVAL);
	CU_ASSERT_EQUAL(lj_service_identity("", "", &identity, &err), 0);
	CU_ASSERT_FALSE(identity.change);
}

static int become_another(void)
{
	struct lj_identity identity;

	if (lj_service_identity("nobody", "", &identity, NULL) != 0 || identity.change)
		return 1; /* the current user is no change */
	return lj_service_identity("root", "", &identity, NULL) == -EPERM ? 0 : 2;
}

static void only_root_becomes_another_user(void)
{
	CU_ASSERT_EQUAL(outcome((struct attempt){become_another}), 0);
}

static void a_shared_socket_has_the_group_and_mode_asked(void)
{
	char folder[] = "/tmp/lj-test-XXXXXX", path[64];
	struct lj_identity nobody;
	struct lj_error err = {0};
	struct stat st;

	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/socket", folder);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	CU_ASSERT_EQUAL(lj_service_identity("nobody", "", &nobody, NULL), 0);
	CU_ASSERT_EQUAL(lj_service_share(path, &nobody, "daemon", 0660, &err), 0);
	CU_ASSERT_EQUAL(stat(path, &st), 0);
	CU_ASSERT_EQUAL(st.st_uid, nobody.uid);
	CU_ASSERT_NOT_EQUAL(st.st_gid, nobody.gid);
	CU_ASSERT_EQUAL(st.st_mode & 07777, 0660);
	CU_ASSERT_EQUAL(stat(folder, &st), 0);
	CU_ASSERT_EQUAL(st.st_mode & 07777, 0750);
	CU_ASSERT_EQUAL(lj_service_share(path, &nobody, "lj-no-such", 0660, &err), -ENOENT);
	CU_ASSERT_STRING_EQUAL(err.where, "telemetry.group");
	unlink(path);
	rmdir(folder);
}

/* --- the service manager --- */

static void the_service_manager_hears_each_word(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	char heard[256];
	ssize_t n;

	snprintf(address.sun_path, sizeof(address.sun_path), "/tmp/lj-notify-%d", (int)getpid());
	CU_ASSERT_EQUAL_FATAL(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	setenv("NOTIFY_SOCKET", address.sun_path, 1);
	setenv("WATCHDOG_USEC", "3000000", 1);
	CU_ASSERT_EQUAL(lj_service_watchdog_ns(), 3000000000ULL);
	lj_service_ready();
	lj_service_status("%d flows", 7);
	lj_service_ping();
	lj_service_stopping();
	for (const char *const *word =
		     (const char *const[]){"READY=1", "STATUS=7 flows", "WATCHDOG=1",
					   "STOPPING=1\nSTATUS=draining", NULL};
	     *word != NULL; word++) {
		n = recv(fd, heard, sizeof(heard) - 1, MSG_DONTWAIT);
		heard[n > 0 ? n : 0] = '\0';
		CU_ASSERT_STRING_EQUAL(heard, *word);
	}
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	CU_ASSERT_EQUAL(lj_service_watchdog_ns(), 0);
	lj_service_ready();
	unlink(address.sun_path);
	close(fd);
}

/* A warning as written to stderr, with $JOURNAL_STREAM naming this file or another. */
static void log_to(FILE *file, unsigned int inode_beside, char *text, size_t size)
{
	int before = dup(STDERR_FILENO);
	struct stat status;
	char stream[64];

	fstat(fileno(file), &status);
	snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)status.st_dev,
		 (uintmax_t)status.st_ino + inode_beside);
	setenv("JOURNAL_STREAM", stream, 1);
	dup2(fileno(file), STDERR_FILENO);
	lj_service_log();
	lj_log(WARNING, "a port is gone\n");
	lj_log(ERR, "and %d more\n", 2);
	fflush(stderr);
	dup2(before, STDERR_FILENO);
	close(before);
	unsetenv("JOURNAL_STREAM");
	rte_openlog_stream(NULL);
	rewind(file);
	text[fread(text, 1, size - 1, file)] = '\0';
}

static void the_journal_gets_severities_and_others_none(void)
{
	FILE *journal = tmpfile(), *other = tmpfile();
	char text[256];

	CU_ASSERT_PTR_NOT_NULL_FATAL(journal);
	CU_ASSERT_PTR_NOT_NULL_FATAL(other);
	log_to(other, 1, text, sizeof(text));
	CU_ASSERT_STRING_EQUAL(text, "linejudge: a port is gone\nlinejudge: and 2 more\n");
	log_to(journal, 0, text, sizeof(text));
	CU_ASSERT_STRING_EQUAL(text, "<4>linejudge: a port is gone\n<3>linejudge: and 2 more\n");
	fclose(journal);
	fclose(other);
}

int main(void)
{
	static const struct lj_test tests[] = {
		{"what only an intruder calls ends the process",
		 what_only_an_intruder_calls_ends_the_process},
		{"what the steady state does not need is refused",
		 what_the_steady_state_does_not_need_is_refused},
		{"threads and local sockets stay", threads_and_local_sockets_stay},
		{"drivers of kernel interfaces keep what they need",
		 drivers_of_kernel_interfaces_keep_what_they_need},
		{"without the filter the user alone forbids",
		 without_the_filter_the_user_alone_forbids},
		{"every thread is bare afterwards", every_thread_is_bare_afterwards},
		{"a user that is not there is named", a_user_that_is_not_there_is_named},
		{"only root becomes another user", only_root_becomes_another_user},
		{"a shared socket has the group and mode asked",
		 a_shared_socket_has_the_group_and_mode_asked},
		{"the service manager hears each word", the_service_manager_hears_each_word},
		{"the journal gets severities, and others none",
		 the_journal_gets_severities_and_others_none},
	};

	return lj_test_run("service", tests, RTE_DIM(tests));
}
