#include "lj_config.h"
#include "lj_verdict.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config_table.h"
#include "lj_batch.h"
#include "lj_capture.h"
#include "lj_feature.h"
#include "lj_sink.h"

#define LINKS_MAX 40 /* maximum number of links followed, the kernel's limit */

const struct key config_keys[] = {
#define LJ_KEY(path, type, member, min, max, standard, choices, help)                              \
	{path, type, offsetof(struct lj_config, member), min, max, standard, choices, help},
#include "config.def"
#undef LJ_KEY
};
const size_t config_n_keys = RTE_DIM(config_keys);
_Static_assert(RTE_DIM(config_keys) <= LJ_CONFIG_KEYS, "raise LJ_CONFIG_KEYS");
_Static_assert(LJ_CONFIG_SHED == LJ_SHED_CLASSES, "a key shed.CLASS for each");

const struct key config_port_keys[] = {
#define LJ_KEY(path, type, member, min, max, standard, choices, help)                              \
	{path, type, offsetof(struct lj_config_port, member), min, max, standard, choices, help},
#include "config_port.def"
#undef LJ_KEY
};
const size_t config_n_port_keys = RTE_DIM(config_port_keys);

static void set_defaults(void *base, const struct key *keys, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (keys[i].type != STRINGS && keys[i].type != PORTS)
			config_set_text(base, &keys[i], keys[i].standard, keys[i].path, NULL);
}

void lj_config_init(struct lj_config *c)
{
	memset(c, 0, sizeof(*c));
	set_defaults(c, config_keys, config_n_keys);
}

void lj_config_port_init(struct lj_config_port *port)
{
	memset(port, 0, sizeof(*port));
	set_defaults(port, config_port_keys, config_n_port_keys);
}

void config_strings_free(struct lj_strings *s)
{
	for (uint32_t i = 0; i < s->n; i++)
		free(s->item[i]);
	free(s->item);
	memset(s, 0, sizeof(*s));
}

int config_strings_add(struct lj_strings *s, const char *text)
{
	char **item = realloc(s->item, (s->n + 1) * sizeof(*item));

	if (item == NULL)
		return -ENOMEM;
	s->item = item;
	item[s->n] = strdup(text);
	if (item[s->n] == NULL)
		return -ENOMEM;
	s->n++;
	return 0;
}

void lj_config_free(struct lj_config *c)
{
	if (c == NULL)
		return;
	config_strings_free(&c->capture.files);
	config_strings_free(&c->models);
	config_strings_free(&c->eal.args);
}

bool lj_config_given(const struct lj_config *c, const char *key)
{
	for (size_t i = 0; i < config_n_keys; i++)
		if (strcmp(config_keys[i].path, key) == 0)
			return c->set[i];
	return false;
}

bool config_of_model(const struct key *key)
{
	static const char *const paths[] = {
		"flow.idle_timeout_s", "flow.active_timeout_s", "flow.tcp_linger_s",
		"flow.classify_at",    "model.engine",		"model.mode",
	};

	for (size_t i = 0; i < RTE_DIM(paths); i++)
		if (strcmp(paths[i], key->path) == 0)
			return true;
	return false;
}

bool lj_config_kernel_ports(const struct lj_config *c)
{
	for (uint32_t i = 0; i < c->capture.n_ports; i++) {
		const char *name = c->capture.port[i].name;

		/* net_tap creates its interface; net_af_packet, net_af_xdp and net_pcap take
		 * iface=. */
		if (strstr(name, "iface=") != NULL || strncmp(name, "net_tap", 7) == 0 ||
		    lj_port_is_kernels(name))
			return true;
	}
	return false;
}

static int check_mode(const struct lj_config *c, struct lj_error *err)
{
	char *end;
	unsigned long mode = strtoul(c->telemetry.mode, &end, 8);

	if (c->telemetry.mode[0] != '\0' && *end == '\0' && mode <= 0777)
		return 0;
	return lj_error_set(err, EINVAL, "telemetry.mode",
			    "\"%s\" is not an octal mode such as 0660", c->telemetry.mode);
}

static int check_ports(const struct lj_config *c, struct lj_error *err)
{
	char where[64];

	for (uint32_t i = 0; i < c->capture.n_ports; i++) {
		uint32_t queues = lj_config_port_queues(c, i);

		snprintf(where, sizeof(where), "capture.ports[%u].queues", i);
		if (queues != 1 && queues != c->lcores.workers)
			return lj_error_set(err, EINVAL, where,
					    "%u is neither 1 nor lcores.workers (%u): queue q "
					    "goes to worker q",
					    queues, c->lcores.workers);
		if (queues != lj_config_port_queues(c, 0))
			return lj_error_set(err, EINVAL, where,
					    "%u, but capture.ports[0] has %u: all ports need the "
					    "same number",
					    queues, lj_config_port_queues(c, 0));
		snprintf(where, sizeof(where), "capture.ports[%u].name", i);
		for (uint32_t j = 0; j < i; j++)
			if (strcmp(c->capture.port[j].name, c->capture.port[i].name) == 0)
				return lj_error_set(err, EINVAL, where, "%s is named twice",
						    c->capture.port[i].name);
	}
	return 0;
}

/* Writes to `out` the path at which opening `path` would create a file: follows links, even if the
 * target does not exist yet. */
static void follow_links(const char *path, char out[PATH_MAX])
{
	char target[PATH_MAX], folder[PATH_MAX];
	ssize_t length;

	snprintf(out, PATH_MAX, "%s", path);
	for (int i = 0; i < LINKS_MAX; i++) {
		const char *base = strrchr(out, '/');

		length = readlink(out, target, sizeof(target) - 1);
		if (length < 0)
			return;
		target[length] = '\0';
		snprintf(folder, sizeof(folder), "%.*s",
			 target[0] == '/' || base == NULL ? 0 : (int)(base + 1 - out), out);
		if (snprintf(out, PATH_MAX, "%s%s", folder, target) >= PATH_MAX)
			return;
	}
}

/* Whether two paths name the same file, which need not exist yet. */
static bool same_file(const char *a, const char *b)
{
	char end_a[PATH_MAX], end_b[PATH_MAX], folder_a[PATH_MAX], folder_b[PATH_MAX];
	const char *base_a, *base_b;
	struct stat x, y;

	if (stat(a, &x) == 0 && stat(b, &y) == 0)
		return S_ISREG(x.st_mode) && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
	follow_links(a, end_a);
	follow_links(b, end_b);
	base_a = strrchr(end_a, '/') != NULL ? strrchr(end_a, '/') + 1 : end_a;
	base_b = strrchr(end_b, '/') != NULL ? strrchr(end_b, '/') + 1 : end_b;
	snprintf(folder_a, sizeof(folder_a), "%.*s.", (int)(base_a - end_a), end_a);
	snprintf(folder_b, sizeof(folder_b), "%.*s.", (int)(base_b - end_b), end_b);
	return strcmp(base_a, base_b) == 0 && stat(folder_a, &x) == 0 && stat(folder_b, &y) == 0 &&
	       x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* A sink truncates its file, so the file must not belong to another sink or be a capture. */
static int check_targets(const struct lj_config *c, struct lj_error *err)
{
	const struct {
		const char *where, *target;
	} sinks[] = {{"eve.target", c->eve.target}, {"features.csv", c->features.csv}};
	struct stat to, from;
	bool both = c->eve.target[0] != '\0' && c->features.csv[0] != '\0';

	if (both && (strcmp(c->eve.target, c->features.csv) == 0
			     ? strcmp(c->eve.target, "/dev/null") != 0
			     : same_file(c->eve.target, c->features.csv)))
		return lj_error_set(err, EINVAL, "features.csv",
				    "\"%s\" is also eve.target: each needs a file of its own",
				    c->features.csv);
	for (size_t i = 0; i < RTE_DIM(sinks); i++) {
		if (stat(sinks[i].target, &to) != 0 || !S_ISREG(to.st_mode))
			continue;
		for (uint32_t k = 0; k < c->capture.files.n; k++)
			if (stat(c->capture.files.item[k], &from) == 0 &&
			    from.st_dev == to.st_dev && from.st_ino == to.st_ino)
				return lj_error_set(err, EINVAL, sinks[i].where,
						    "\"%s\" is a capture to replay: it would be "
						    "overwritten",
						    sinks[i].target);
	}
	return 0;
}

/* The metrics file is written to a temporary file in the same folder, then renamed: the folder must
 * exist. */
static int check_metrics(const struct lj_config *c, struct lj_error *err)
{
	const char *file = c->metrics.file, *name = strrchr(file, '/');
	char folder[LJ_CONFIG_TEXT + 2];
	struct stat st;

	if (file[0] == '\0')
		return 0;
	name = name != NULL ? name + 1 : file;
	snprintf(folder, sizeof(folder), "%.*s.", (int)(name - file), file);
	if (stat(folder, &st) != 0)
		return lj_error_set(err, errno, "metrics.file", "\"%.*s\": %s", (int)(name - file),
				    file, strerror(errno));
	if (stat(file, &st) == 0 && !S_ISREG(st.st_mode))
		return lj_error_set(err, EINVAL, "metrics.file", "\"%s\" is not a regular file",
				    file);
	if (same_file(file, c->eve.target) || same_file(file, c->features.csv))
		return lj_error_set(err, EINVAL, "metrics.file",
				    "\"%s\" is also written by a sink: each needs a file of its "
				    "own",
				    file);
	return 0;
}

/* Checks the length of lists, since the command line adds their items one at a time. */
static int check_lists(const struct lj_config *c, struct lj_error *err)
{
	for (size_t i = 0; i < config_n_keys; i++) {
		const struct key *key = &config_keys[i];
		const struct lj_strings *list = RTE_PTR_ADD(c, key->offset);

		if (key->type == STRINGS && list->n > key->max)
			return lj_error_set(err, ERANGE, key->path,
					    "has %u items; %.0f are the most", list->n, key->max);
		for (uint32_t k = 0; key->type == STRINGS && k < list->n; k++)
			if (list->item[k][0] == '\0')
				return lj_error_set(err, EINVAL, key->path, "item %u is empty", k);
	}
	return 0;
}

static int check_features(const struct lj_config *c, struct lj_error *err)
{
	struct lj_feature_plan *plan = lj_feature_plan_set(c->features.set, err);

	lj_feature_plan_destroy(plan);
	return plan != NULL ? 0 : -EINVAL;
}

int lj_config_check(const struct lj_config *c, struct lj_error *err)
{
	uint32_t roles = lj_config_roles(c, lj_config_spreads(c));

	if (c->capture.files.n == 0 && c->capture.n_ports == 0)
		return lj_error_set(err, EINVAL, "capture.ports",
				    "no input: set capture.ports, or capture.files (--pcap)");
	if (c->capture.files.n > 0 && c->capture.n_ports > 0)
		return lj_error_set(err, EINVAL, "capture.files",
				    "files and ports cannot be combined in one run");
	if (c->capture.tap && (c->capture.files.n < 2 || c->capture.files.n > 8))
		return lj_error_set(err, EINVAL, "capture.tap",
				    "a tap has 2 to 8 legs, each a file of its own; there are %u "
				    "files",
				    c->capture.files.n);
	if (c->flow.active_timeout_ns < c->flow.tcp_linger_ns)
		return lj_error_set(err, EINVAL, "flow.tcp_linger_s",
				    "is longer than flow.active_timeout_s");
	if (roles > 126)
		return lj_error_set(err, EINVAL, "lcores.workers",
				    "%u roles are more than the 126 lcores of this DPDK", roles);
	if (strchr(c->eal.file_prefix, '/') != NULL || strcmp(c->eal.file_prefix, ".") == 0 ||
	    strcmp(c->eal.file_prefix, "..") == 0)
		return lj_error_set(err, EINVAL, "eal.file_prefix",
				    "\"%s\" is not a valid name of a folder", c->eal.file_prefix);
	if (c->verdict.rule == LJ_RULE_VOTE && c->models.n > 0 && c->verdict.quorum > c->models.n)
		return lj_error_set(err, EINVAL, "verdict.quorum",
				    "%u votes of %u models are required: no flow would ever alert",
				    c->verdict.quorum, c->models.n);
	if (c->ipfix.collector[0] != '\0' &&
	    (lj_ipfix_check_collector(c->ipfix.collector, err) != 0 ||
	     lj_ipfix_check_enterprise(c->ipfix.enterprise, err) != 0))
		return -EINVAL;
	if (check_lists(c, err) != 0 || check_mode(c, err) != 0 || check_targets(c, err) != 0 ||
	    check_metrics(c, err) != 0 || check_features(c, err) != 0)
		return -EINVAL;
	return check_ports(c, err);
}

uint32_t lj_config_port_queues(const struct lj_config *c, uint32_t i)
{
	const struct lj_config_port *port = &c->capture.port[i];

	if (port->queues > 0)
		return port->queues;
	return lj_port_is_pci(port->name) ? c->lcores.workers : 1;
}

bool lj_config_spreads(const struct lj_config *c)
{
	return c->lcores.workers > 1 &&
	       (c->capture.n_ports == 0 || lj_config_port_queues(c, 0) == 1);
}

uint32_t lj_config_roles(const struct lj_config *c, bool spreader)
{
	return spreader + c->lcores.workers + c->lcores.infer + 1;
}

uint32_t lj_config_role_lcores(const struct lj_config *c)
{
	uint32_t roles = lj_config_roles(c, lj_config_spreads(c));

	return c->lcores.count > 0 ? RTE_MIN(c->lcores.count, roles) : roles;
}

uint32_t lj_config_role_lcore(const struct lj_config *c, uint32_t role)
{
	return 1 + role % lj_config_role_lcores(c);
}
