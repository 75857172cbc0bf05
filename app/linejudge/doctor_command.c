/*
 * linejudge doctor: examines this machine for a configuration. Exit code 0 if there is nothing
 * worse than a note, 2 with warnings, 3 with fatal findings, 1 if the examination failed.
 */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "lj_doctor.h"

enum { EXIT_WARNING = 2, EXIT_FATAL = 3 };

static void usage(void)
{
	printf("usage: linejudge doctor [--config FILE] [--set KEY=VALUE] [--json] [--root DIR]\n\n"
	       "  --config FILE     the configuration to examine the machine for\n"
	       "  --set KEY=VALUE   as for linejudge; may be repeated\n"
	       "  --json            print JSON\n"
	       "  --root DIR        folder that contains /sys, /proc and /dev\n\n"
	       "exit code: 0 no warnings; 1 examination failed; 2 warnings; 3 fatal\n");
}

/* Called twice: with `file` it loads the configuration file only, then all other options override
 * it. */
static int parse_options(struct lj_config *c, bool file, int argc, char **argv, const char **root,
			 bool *json, struct lj_error *err)
{
	static const struct option longs[] = {
		{"config", required_argument, NULL, 'c'}, {"set", required_argument, NULL, 's'},
		{"json", no_argument, NULL, 'j'},	  {"root", required_argument, NULL, 'r'},
		{"help", no_argument, NULL, 'h'},	  {NULL, 0, NULL, 0}};
	int option, ret = 0;

	opterr = 0;
	optind = 1;
	while (ret == 0 && (option = getopt_long(argc, argv, ":", longs, NULL)) != -1) {
		switch (option) {
		case 'c':
			ret = file ? lj_config_load(c, optarg, err) : 0;
			break;
		case 's':
			ret = file ? 0 : lj_config_set(c, optarg, err);
			break;
		case 'j':
			*json = true;
			break;
		case 'r':
			*root = optarg;
			break;
		case 'h':
			usage();
			return 1;
		default:
			ret = lj_error_set(err, EINVAL, argv[optind - 1],
					   option == ':' ? "needs an argument (see --help)"
							 : "no such option (see --help)");
		}
	}
	if (ret == 0 && optind < argc)
		ret = lj_error_set(err, EINVAL, argv[optind], "is not an option (see --help)");
	return ret;
}

/* Checks the configuration and the root folder before the machine is examined. */
static int check(const struct lj_config *c, const char *root, struct lj_error *err)
{
	char **argv;
	int argc;

	if (root[0] != '\0' && access(root, X_OK) != 0)
		return lj_error_set(err, errno, root, "cannot be examined: %s", strerror(errno));
	argv = lj_config_eal_args(c, &argc, err);
	lj_config_eal_free(argv);
	return argv != NULL ? 0 : -EINVAL;
}

int doctor_main(int argc, char **argv)
{
	static struct lj_doctor doctor;
	struct lj_error err = {0};
	struct lj_config config;
	const char *root = "";
	bool json = false;
	int ret;

	lj_config_init(&config);
	ret = parse_options(&config, true, argc, argv, &root, &json, &err);
	if (ret == 0)
		ret = parse_options(&config, false, argc, argv, &root, &json, &err);
	if (ret == 0)
		ret = check(&config, root, &err);
	if (ret == 0) {
		lj_doctor_init(&doctor, &config, root);
		lj_doctor_examine(&doctor);
		lj_doctor_print(&doctor, json, stdout);
	}
	lj_config_free(&config);
	if (ret != 0)
		return ret > 0 ? EXIT_SUCCESS : program_fail("doctor", &err);
	switch (lj_doctor_worst(&doctor)) {
	case LJ_FATAL:
		return EXIT_FATAL;
	case LJ_WARNING:
		return EXIT_WARNING;
	default:
		return EXIT_SUCCESS;
	}
}
