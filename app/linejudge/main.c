/*
 * linejudge: classifies the packets of a capture.
 *
 * main reads the configuration, initializes the EAL and opens the pipeline. After that it only
 * monitors: the roles run on their lcores until the capture ends or is interrupted.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>

#include "command.h"
#include "dry_run.h"
#include "examine.h"
#include "lj_clock.h"
#include "lj_control.h"
#include "lj_pipeline.h"
#include "lj_service.h"
#include "options.h"
#include "runtime.h"
#include "watch.h"

/* A further signal after this many seconds kills; timeout(1) sends two at once. */
#define IMPATIENT_S 2

static volatile sig_atomic_t interrupted;
static volatile time_t interrupted_at;
static volatile sig_atomic_t reload;

/* The first signal requests a graceful stop. That may block forever, for instance on a pipe that is
 * not read, so a later signal kills. */
static void on_signal(int number)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (!interrupted) {
		interrupted_at = now.tv_sec;
		interrupted = number;
	} else if (now.tv_sec - interrupted_at >= IMPATIENT_S) {
		signal(number, SIG_DFL);
		raise(number);
	}
}

static void on_reload(int number)
{
	(void)number;
	reload = 1;
}

static void catch_signals(void)
{
	const struct sigaction reloads = {.sa_handler = on_reload, .sa_flags = SA_RESTART};
	struct sigaction action = {.sa_handler = on_signal}, given;

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	/* The terminal was closed. Stays ignored under nohup. */
	if (sigaction(SIGHUP, NULL, &given) == 0 && given.sa_handler != SIG_IGN)
		sigaction(SIGHUP, &action, NULL);
	sigaction(SIGUSR2, &reloads, NULL);
	signal(SIGPIPE, SIG_IGN);
}

/* Flushes the output, and reports write errors; 0 or -errno. */
static int printed(FILE *out, struct lj_error *err)
{
	if (fflush(out) == 0 && !ferror(out))
		return 0;
	return lj_error_set(err, EIO, out == stdout ? "stdout" : "stderr",
			    "cannot be written: the output is incomplete");
}

static int dump_config(const struct lj_config *c, struct lj_error *err)
{
	char *text = lj_config_dump(c, err);

	if (text == NULL)
		return -EILSEQ;
	puts(text);
	free(text);
	return printed(stdout, err);
}

static int fail(const struct lj_error *err)
{
	if (err->where[0] != '\0')
		fprintf(stderr, "linejudge: %s: %s\n", err->where, err->what);
	else
		fprintf(stderr, "linejudge: %s\n", err->what);
	return EXIT_FAILURE;
}

static bool asks_for_help(char **argv)
{
	for (; *argv != NULL; argv++)
		if (strcmp(*argv, "-h") == 0 || strcmp(*argv, "--help") == 0 ||
		    strcmp(*argv, "--log-level=help") == 0)
			return true;
	return false;
}

/* The EAL prints its usage, a hundred lines, on stdout when it refuses an argument. That is muted,
 * since stdout is for verdicts and the summary; the error itself goes to stderr. */
static int init_eal(int argc, char **argv)
{
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	int out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0);
	bool mute = null >= 0 && out >= 0 && !asks_for_help(argv);
	int ret;

	fflush(stdout);
	if (mute)
		dup2(null, STDOUT_FILENO);
	ret = rte_eal_init(argc, argv);
	fflush(stdout);
	if (mute)
		dup2(out, STDOUT_FILENO);
	if (null >= 0)
		close(null);
	if (out >= 0)
		close(out);
	return ret;
}

static int start_eal(const struct lj_config *c, char ***args, struct lj_error *err)
{
	int argc, ret;
	char **argv = lj_config_eal_args(c, &argc, err);
	char **given;

	*args = argv;
	if (argv == NULL || lj_config_check_cpus(c, err) != 0)
		return -EINVAL;
	if (!lj_config_replay(c) && runtime_check_free(argv, err) != 0)
		return -EADDRINUSE;
	/* Pass a copy, because rte_eal_init() keeps and permutes argv. */
	given = malloc((size_t)(argc + 1) * sizeof(*given));
	if (given == NULL)
		return lj_error_set(err, ENOMEM, "EAL", "not enough memory");
	memcpy(given, argv, (size_t)(argc + 1) * sizeof(*given));
	runtime_remove_at_exit();
	ret = init_eal(argc, given);
	free(given);
	if (ret < 0)
		return lj_error_set(err, rte_errno, "EAL",
				    "DPDK does not start: %s (arguments: see --dry-run)",
				    rte_strerror(rte_errno));
	if (rte_log_get_global_level() == RTE_LOG_ERR)
		rte_log_set_global_level(RTE_LOG_WARNING);
	lj_clock_init();
	return 0;
}

/*
 * Drops privileges once everything is open and running. The EAL created the telemetry socket, so
 * its owner and mode are set here.
 */
static int confine(const struct lj_config *c, const struct lj_identity *identity,
		   struct lj_error *err)
{
	const struct lj_confinement confinement = {
		.identity = identity,
		.filter = c->service.seccomp == LJ_SECCOMP_ON ||
			  (c->service.seccomp == LJ_SECCOMP_AUTO && c->service.user[0] != '\0'),
		.kernel_ports = lj_config_kernel_ports(c),
		.failover = c->capture.failover != LJ_FAILOVER_REPORT && !lj_config_replay(c),
	};
	mode_t mode = (mode_t)strtoul(c->telemetry.mode, NULL, 8);
	char path[PATH_MAX];
	int ret = 0;

	snprintf(path, sizeof(path), "%s/" RUNTIME_SOCKET, rte_eal_get_runtime_dir());
	if (access(path, F_OK) == 0 && !lj_config_replay(c)) {
		ret = runtime_check_own(err);
		if (ret == 0)
			ret = lj_service_share(path, identity, c->telemetry.group, mode, err);
	}
	return ret == 0 ? lj_service_confine(&confinement, err) : ret;
}

/* Prints the summary; returns the run's result, 0 or -errno. */
static int conclude(const struct lj_config *c, struct lj_pipeline *p, struct lj_error *err)
{
	int ret = lj_pipeline_result(p, err);
	FILE *out = stdout;

	/* Keep the summary apart from verdicts or features on stdout. */
	if (strcmp(c->eve.target, "-") == 0 || strcmp(c->features.csv, "-") == 0)
		out = stderr;
	if (!lj_summary_print(p, (enum lj_summary)c->summary, out) && ret == 0)
		ret = lj_error_set(err, EPROTO, "ledger",
				   "does not balance: packets or flows were lost uncounted");
	if (ret == 0)
		ret = printed(out, err);
	if (ret == 0 && interrupted && lj_config_replay(c))
		ret = lj_error_set(err, EINTR, "replay",
				   "interrupted by signal %d; the packets read so far are "
				   "classified",
				   (int)interrupted);
	return ret;
}

static int run(const struct options *o, const struct lj_identity *identity, struct lj_pipeline *p,
	       struct lj_error *err)
{
	struct lj_control *control = lj_control_create(p, &o->config, err);
	struct lj_shell *shell = NULL;
	int ret = -EINVAL;

	if (control == NULL)
		return ret;
	if (o->interactive) {
		shell = lj_shell_create(control, err);
		if (shell == NULL)
			goto out;
	}
	examine_firmware(p, &o->config);
	ret = lj_pipeline_start(p, err);
	if (ret != 0)
		goto out;
	ret = confine(&o->config, identity, err);
	if (ret == 0)
		lj_service_ready();
	else
		lj_pipeline_end(p);
	watch(p, &o->config, control, ret == 0 ? shell : NULL, &interrupted, &reload);
	lj_pipeline_join(p);
	if (ret == 0)
		ret = conclude(&o->config, p, err);
out:
	lj_shell_destroy(shell);
	lj_control_destroy(control);
	return ret;
}

int main(int argc, char **argv)
{
	struct lj_error err = {0}, close_err = {0};
	struct lj_identity identity;
	struct lj_pipeline *p;
	char **eal_args = NULL; /* used by the EAL until rte_eal_cleanup() */
	struct options o;
	int ret;

	if (calibrate_asked(argv))
		return calibrate_main(argc, argv);
	if (argc > 1 && argv[1][0] != '-') {
		const struct program *program = program_find(argv[1]);

		if (program != NULL)
			return program->run(argc - 1, argv + 1);
	}
	ret = options_parse(&o, argc, argv, &err);
	if (ret != 0) {
		options_free(&o);
		return ret > 0 ? EXIT_SUCCESS : fail(&err);
	}
	if (o.dump_config) {
		ret = dump_config(&o.config, &err);
		options_free(&o);
		return ret == 0 ? EXIT_SUCCESS : fail(&err);
	}
	if (o.dry_run) {
		ret = dry_run(&o.config, &err);
		if (ret == 0)
			ret = printed(stdout, &err);
		options_free(&o);
		return ret == 0 ? EXIT_SUCCESS : fail(&err);
	}
	catch_signals();
	lj_service_log();
	ret = lj_service_identity(o.config.service.user, o.config.service.group, &identity, &err);
	if (ret == 0)
		ret = examine(&o.config, &err);
	if (ret == 0)
		ret = start_eal(&o.config, &eal_args, &err);
	if (ret != 0) {
		lj_config_eal_free(eal_args);
		options_free(&o);
		return fail(&err);
	}
	p = lj_pipeline_create(&o.config, &err);
	ret = p != NULL ? run(&o, &identity, p, &err) : -EINVAL;
	if (ret != 0)
		fail(&err);
	if (lj_pipeline_destroy(p, &close_err) != 0 && ret == 0)
		ret = fail(&close_err);
	rte_eal_cleanup();
	lj_config_eal_free(eal_args);
	options_free(&o);
	return ret == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
