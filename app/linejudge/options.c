#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>

#include "command.h"
#include "lj_feature.h"
#include "lj_log.h"
#include "lj_stats.h"
#include "place.h"

/* An option that sets a configuration key, or, if key is NULL, has code of its own. */
struct option_row {
	const char *name, *argument, *key, *help;
	bool list; /* each use adds an item */
};

static const struct option_row rows[] = {
	{"pcap", "FILE", "capture.files",
	 "replay a capture (pcap, pcapng; - for stdin); repeat for further parts", true},
	{"tap", NULL, "capture.tap", "the files are the two legs of one optical tap", false},
	{"iface", "NAME", "capture.ports",
	 "tap an interface that the host keeps using, by XDP; repeat for more", true},
	{"config", "FILE", NULL, "run live with this configuration file", false},
	{"model", "DIR", "models", "a model bundle; repeat for more; \"none\" for no model", true},
	{"workers", "N", "lcores.workers", "worker lcores", false},
	{"infer", "N", "lcores.infer", "inference lcores", false},
	{"eve", "PATH", "eve.target", "write EVE JSON lines: a file, - for stdout, unix:PATH",
	 false},
	{"ipfix", "HOST:PORT", "ipfix.collector", "send IPFIX records to a collector, by UDP",
	 false},
	{"features", "TABLE", "features.csv",
	 "write the feature table: CSV, - for stdout, or FILE.npy", false},
	{"summary", "FORM", "summary", "text, json or none", false},
	{"set", "KEY=VALUE", NULL, "set any key of the configuration; repeat for more", false},
	{"calibrate", NULL, NULL,
	 "set a model's threshold from a site's own traffic (see --calibrate --help)", false},
	{"interactive", NULL, NULL, "interactive prompt, as in testpmd (-i)", false},
	{"dry-run", NULL, NULL, "print EAL arguments, lcores and memory, and exit", false},
	{"dump-config", NULL, NULL, "print the configuration in force, and exit", false},
	{"help-features", NULL, NULL, "print the reference of all features, and exit", false},
	{"help-config", NULL, NULL, "print the reference of all keys, and exit", false},
	{"help-counters", NULL, NULL, "print the reference of all counters, and exit", false},
	{"help", NULL, NULL, "print this help, and exit", false},
	{"version", NULL, NULL, "print the version, and exit", false},
};

static void print_help(void)
{
	printf("usage: linejudge --pcap FILE [...] | --iface NAME [...] | --config FILE [...] "
	       "[-- EAL-ARGUMENT...]\n"
	       "       linejudge model check|bench DIR\n\n");
	for (size_t i = 0; i < RTE_DIM(rows); i++) {
		char option[64];

		snprintf(option, sizeof(option), "--%s%s%s", rows[i].name,
			 rows[i].argument != NULL ? " " : "",
			 rows[i].argument != NULL ? rows[i].argument : "");
		printf("  %-20s %s\n", option, rows[i].help);
	}
	programs_help();
}

static void add_default_model(struct lj_config *c)
{
	char path[PATH_MAX], set[PATH_MAX + 16];

	if (place_of_model(path)) {
		snprintf(set, sizeof(set), "models=%s", path);
		lj_config_set(c, set, NULL);
		return;
	}
	lj_log(WARNING, "models: none is given, and the default model is not found: flows are not "
			"classified\n");
}

/* Adds an item to a list; the first item given on the command line replaces those of a file. */
static int add_item(struct lj_strings *list, bool *begun, const char *text, struct lj_error *err)
{
	char **item;

	if (!*begun) {
		for (uint32_t i = 0; i < list->n; i++)
			free(list->item[i]);
		list->n = 0;
		*begun = true;
	}
	item = realloc(list->item, (list->n + 1) * sizeof(*item));
	if (item != NULL)
		list->item = item;
	if (item == NULL || (item[list->n] = strdup(text)) == NULL)
		return lj_error_set(err, ENOMEM, text, "not enough memory");
	list->n++;
	return 0;
}

static int set_key(struct lj_config *c, const char *key, const char *value, struct lj_error *err)
{
	char assignment[PATH_MAX + 64];

	snprintf(assignment, sizeof(assignment), "%s=%s", key, value != NULL ? value : "true");
	return lj_config_set(c, assignment, err);
}

/* Adds a tap on an interface. Defaults suit a workstation: no hugepages, a DPDK runtime folder of
 * its own, and on a machine with few CPUs, where lcores share them with other work, deeper rings (4
 * MB per CPU). */
static int add_interface(struct lj_config *c, bool *begun, const char *name, struct lj_error *err)
{
	struct lj_config_port *port;
	int ret = 0;

	if (!*begun)
		c->capture.n_ports = 0;
	*begun = true;
	if (c->capture.n_ports == LJ_CONFIG_PORTS)
		return lj_error_set(err, E2BIG, name, "is too many: %d ports are supported",
				    LJ_CONFIG_PORTS);
	port = &c->capture.port[c->capture.n_ports++];
	lj_config_port_init(port);
	snprintf(port->name, sizeof(port->name), "xdp:%s", name);
	if (get_nprocs_conf() <= 16)
		port->descriptors = 16384;
	if (!lj_config_given(c, "eal.huge"))
		ret = set_key(c, "eal.huge", "off", err);
	if (ret == 0 && !lj_config_given(c, "eal.file_prefix")) {
		char prefix[64];

		snprintf(prefix, sizeof(prefix), "linejudge-%.*s", (int)strcspn(name, ","), name);
		ret = set_key(c, "eal.file_prefix", prefix, err);
	}
	return ret;
}

/* State shared by the passes. */
struct given {
	bool begun[3]; /* whether the command line has added to the list: files, models, ports */
	bool by_set[RTE_DIM(rows)]; /* --set has set the option's key */
};

static void note_set(struct given *g, const char *assignment)
{
	for (size_t i = 0; i < RTE_DIM(rows); i++) {
		size_t length = rows[i].key != NULL ? strlen(rows[i].key) : 0;

		if (length > 0 && strncmp(assignment, rows[i].key, length) == 0 &&
		    assignment[length] == '=')
			g->by_set[i] = true;
	}
}

/* The pass in which an option is parsed: first --config, then --set, then all others. */
static int pass_of(const struct option_row *row)
{
	if (strcmp(row->name, "config") == 0)
		return 0;
	return strcmp(row->name, "set") == 0 ? 1 : 2;
}

static int apply(struct options *o, const struct option_row *row, const char *value,
		 struct given *given, struct lj_error *err)
{
	struct lj_config *c = &o->config;
	bool *begun = given->begun;

	if (strcmp(row->name, "config") == 0)
		return lj_config_load(c, value, err);
	if (strcmp(row->name, "set") == 0) {
		note_set(given, value);
		return lj_config_set(c, value, err);
	}
	if (given->by_set[row - rows])
		return lj_error_set(err, EINVAL, row->key, "is given both by --%s and by --set",
				    row->name);
	if (strcmp(row->name, "pcap") == 0)
		return add_item(&c->capture.files, &begun[0], value, err);
	if (strcmp(row->name, "model") == 0)
		return add_item(&c->models, &begun[1], value, err);
	if (strcmp(row->name, "iface") == 0)
		return add_interface(c, &begun[2], value, err);
	if (row->key != NULL)
		return set_key(c, row->key, value, err);
	o->dry_run |= strcmp(row->name, "dry-run") == 0;
	o->dump_config |= strcmp(row->name, "dump-config") == 0;
	o->interactive |= strcmp(row->name, "interactive") == 0;
	return 0;
}

/* Handles an option that prints and exits; returns 1 if it was one. */
static int print_only(const struct option_row *row)
{
	if (strcmp(row->name, "help") == 0)
		print_help();
	else if (strcmp(row->name, "version") == 0)
		printf("linejudge %s\n", LJ_VERSION);
	else if (strcmp(row->name, "help-features") == 0)
		lj_feature_document(stdout);
	else if (strcmp(row->name, "help-config") == 0)
		lj_config_manual(stdout);
	else if (strcmp(row->name, "help-counters") == 0)
		lj_stats_document(stdout);
	else
		return 0;
	return 1;
}

static int parse_pass(struct options *o, int pass, int argc, char **argv, struct given *given,
		      struct lj_error *err)
{
	struct option longs[RTE_DIM(rows) + 1] = {0};
	int index;

	for (size_t i = 0; i < RTE_DIM(rows); i++)
		longs[i] = (struct option){
			rows[i].name, rows[i].argument != NULL ? required_argument : no_argument,
			NULL, 1};
	opterr = 0;
	optind = 1;
	for (;;) {
		int found = getopt_long(argc, argv, ":ih", longs, &index);
		int ret;

		if (found == -1)
			break;
		if (found == 'i' || found == 'h') {
			if (found == 'h')
				print_help();
			o->interactive |= found == 'i';
			if (found == 'h')
				return 1;
			continue;
		}
		if (found != 1)
			return lj_error_set(err, EINVAL, argv[optind - 1],
					    found == ':' ? "needs an argument (see --help)"
							 : "no such option (see --help)");
		if (print_only(&rows[index]))
			return 1;
		if (pass_of(&rows[index]) != pass)
			continue;
		ret = apply(o, &rows[index], optarg, given, err);
		if (ret != 0)
			return ret;
	}
	return 0;
}

int options_parse(struct options *o, int argc, char **argv, struct lj_error *err)
{
	struct lj_config *c = &o->config;
	struct given given = {0};
	bool begun = true; /* arguments after -- are added to a file's eal.args */
	int own = 1, ret = 0;

	memset(o, 0, sizeof(*o));
	lj_config_init(c);
	while (own < argc && strcmp(argv[own], "--") != 0)
		own++;
	for (int pass = 0; pass < 3 && ret == 0; pass++)
		ret = parse_pass(o, pass, own, argv, &given, err);
	if (ret != 0)
		return ret;
	if (optind < own)
		return lj_error_set(err, EINVAL, argv[optind],
				    "is not an option (a capture is given by --pcap)");
	for (int i = own + 1; i < argc && ret == 0; i++)
		ret = add_item(&c->eal.args, &begun, argv[i], err);
	if (ret != 0)
		return ret;
	if (c->models.n == 1 && strcmp(c->models.item[0], "none") == 0)
		ret = lj_config_set(c, "models=", err);
	else if (c->models.n == 0 && !lj_config_given(c, "models"))
		add_default_model(c);
	return ret != 0 || o->dump_config ? ret : lj_config_check(c, err);
}

void options_free(struct options *o)
{
	lj_config_free(&o->config);
}
