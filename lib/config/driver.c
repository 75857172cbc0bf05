#include "lj_driver.h"

#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <rte_ethdev.h>

#include "config_table.h"

static const struct function {
	const char *name;
	uint64_t bits;
} functions[] = {
	{"ipv4", RTE_ETH_RSS_IPV4},
	{"ipv4-frag", RTE_ETH_RSS_FRAG_IPV4},
	{"ipv4-tcp", RTE_ETH_RSS_NONFRAG_IPV4_TCP},
	{"ipv4-udp", RTE_ETH_RSS_NONFRAG_IPV4_UDP},
	{"ipv4-sctp", RTE_ETH_RSS_NONFRAG_IPV4_SCTP},
	{"ipv4-other", RTE_ETH_RSS_NONFRAG_IPV4_OTHER},
	{"ipv6", RTE_ETH_RSS_IPV6 | RTE_ETH_RSS_IPV6_EX},
	{"ipv6-frag", RTE_ETH_RSS_FRAG_IPV6},
	{"ipv6-tcp", RTE_ETH_RSS_NONFRAG_IPV6_TCP | RTE_ETH_RSS_IPV6_TCP_EX},
	{"ipv6-udp", RTE_ETH_RSS_NONFRAG_IPV6_UDP | RTE_ETH_RSS_IPV6_UDP_EX},
	{"ipv6-sctp", RTE_ETH_RSS_NONFRAG_IPV6_SCTP},
	{"ipv6-other", RTE_ETH_RSS_NONFRAG_IPV6_OTHER},
};

static const char *const mode_name[] = {[LJ_RSS_5TUPLE] = "5tuple", [LJ_RSS_IP] = "ip"};
static const char *const by_name[] = {[LJ_RSS_BY_KEY] = "key", [LJ_RSS_BY_FLOW] = "rte_flow"};

static int take_folder(char *out, size_t size, const char *folder, struct lj_error *err)
{
	if ((size_t)snprintf(out, size, "%s", folder) < size)
		return 0;
	return lj_error_set(err, ENAMETOOLONG, "drivers-config",
			    "its path has more than %zu characters: %s", size - 1, folder);
}

/* Finds the folder of the driver files: LINEJUDGE_DRIVERS, or a folder relative to the binary. */
static int find_folder(char *out, size_t size, struct lj_error *err)
{
	static const char *const places[] = {"../../drivers-config",
					     "../share/linejudge/drivers-config"};
	const char *given = getenv("LINEJUDGE_DRIVERS");
	char exe[PATH_MAX], path[2 * PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	if (given != NULL)
		return take_folder(out, size, given, err);
	exe[length > 0 ? length : 0] = '\0';
	if (strrchr(exe, '/') != NULL)
		*strrchr(exe, '/') = '\0';
	for (size_t i = 0; i < RTE_DIM(places); i++) {
		char real[PATH_MAX];

		snprintf(path, sizeof(path), "%s/%s", exe, places[i]);
		if (realpath(path, real) != NULL)
			return take_folder(out, size, real, err);
	}
	return lj_error_set(err, ENOENT, "drivers-config",
			    "is neither at %s/%s nor at %s/%s; LINEJUDGE_DRIVERS can name it", exe,
			    places[0], exe, places[1]);
}

/* Shortens "net_i40e" and "i40e" to "i40e", "mlx5_pci" to "mlx5". */
static void short_name(const char *pmd, char *out, size_t size)
{
	size_t length;

	snprintf(out, size, "%s", strncmp(pmd, "net_", 4) == 0 ? pmd + 4 : pmd);
	length = strlen(out);
	if (length > 4 && strcmp(out + length - 4, "_pci") == 0)
		out[length - 4] = '\0';
}

static int index_of(const char *text, const char *const *names, int n)
{
	for (int i = 0; text != NULL && i < n; i++)
		if (strcmp(text, names[i]) == 0)
			return i;
	return -1;
}

static int read_functions(struct lj_driver *d, int mode, const json_t *list, struct lj_error *err)
{
	const json_t *item;
	size_t i;

	json_array_foreach (list, i, item) {
		const char *name = json_string_value(item);
		size_t f = 0;

		while (f < RTE_DIM(functions) &&
		       (name == NULL || strcmp(functions[f].name, name) != 0))
			f++;
		if (f == RTE_DIM(functions))
			return lj_error_set(err, EINVAL, d->path,
					    "rss.%s.functions: there is no \"%s\"", mode_name[mode],
					    name != NULL ? name : "?");
		d->mode[mode].functions |= functions[f].bits;
	}
	return 0;
}

static int read_rss(struct lj_driver *d, const json_t *rss, struct lj_error *err)
{
	json_int_t key = json_integer_value(json_object_get(rss, "key_bytes"));
	json_int_t reta = json_integer_value(json_object_get(rss, "reta_entries"));
	int ret = 0;

	if (rss == NULL)
		return 0;
	d->has_rss = true;
	if (key < 40 || key > LJ_RSS_KEY_MAX)
		return lj_error_set(err, ERANGE, d->path, "rss.key_bytes is not in 40..%d",
				    LJ_RSS_KEY_MAX);
	if (reta < 1 || reta > LJ_RETA_MAX || (reta & (reta - 1)) != 0)
		return lj_error_set(err, ERANGE, d->path,
				    "rss.reta_entries is not a power of two up to %d", LJ_RETA_MAX);
	d->sctp_unhashed = json_is_true(json_object_get(rss, "sctp_unhashed"));
	d->key_bytes = (uint8_t)key;
	d->reta_entries = (uint16_t)reta;
	for (int mode = 0; mode < 2 && ret == 0; mode++) {
		const json_t *object = json_object_get(rss, mode_name[mode]);
		int by = index_of(json_string_value(json_object_get(object, "by")), by_name, 2);

		if (by < 0)
			return lj_error_set(err, EINVAL, d->path,
					    "rss.%s.by is not one of key, rte_flow",
					    mode_name[mode]);
		d->mode[mode].by = (enum lj_rss_by)by;
		ret = read_functions(d, mode, json_object_get(object, "functions"), err);
	}
	return ret;
}

static uint32_t number(const json_t *object, const char *key)
{
	return (uint32_t)json_integer_value(json_object_get(object, key));
}

static void copy(char *out, size_t size, const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	snprintf(out, size, "%s", text != NULL ? text : "");
}

static int read_lists(struct lj_driver *d, const json_t *root, struct lj_error *err)
{
	const json_t *item;
	size_t i;

	json_array_foreach (json_object_get(root, "quirks"), i, item)
		if (json_is_string(item) &&
		    config_strings_add(&d->quirks, json_string_value(item)) != 0)
			return lj_error_set(err, ENOMEM, d->path, "not enough memory");
	json_array_foreach (json_object_get(root, "offloads"), i, item)
		if (json_is_string(item) && strcmp(json_string_value(item), "scatter") == 0)
			d->scatter = true;
		else
			return lj_error_set(err, EINVAL, d->path, "offloads: item %zu is not known",
					    i);
	json_array_foreach (json_object_get(root, "firmware"), i, item) {
		if (d->n_firmwares == LJ_DRIVER_FIRMWARES)
			return lj_error_set(err, ERANGE, d->path, "firmware: more than %d rows",
					    LJ_DRIVER_FIRMWARES);
		copy(d->firmware[i].dpdk, sizeof(d->firmware[i].dpdk), item, "dpdk");
		copy(d->firmware[i].firmware, sizeof(d->firmware[i].firmware), item, "firmware");
		copy(d->firmware[i].kernel_driver, sizeof(d->firmware[i].kernel_driver), item,
		     "kernel_driver");
		d->n_firmwares++;
	}
	return 0;
}

/* Whether packet buffers must be in the EAL's memory, or may be in any. */
static int read_buffers(struct lj_driver *d, const json_t *buffers, struct lj_error *err)
{
	static const char *const owner[] = {"eal", "any"};
	int o = buffers != NULL ? index_of(json_string_value(buffers), owner, 2) : 0;

	if (o < 0)
		return lj_error_set(err, EINVAL, d->path, "buffers is not one of eal, any");
	d->any_memory = o == 1;
	return 0;
}

static int read_driver(struct lj_driver *d, const json_t *root, struct lj_error *err)
{
	const json_t *descriptors = json_object_get(root, "descriptors");
	int ret;

	if (!json_is_string(json_object_get(root, "driver")))
		return lj_error_set(err, EINVAL, d->path, "has no name in \"driver\"");
	copy(d->description, sizeof(d->description), root, "description");
	d->queues_max = number(root, "queues_max");
	d->descriptors_min = number(descriptors, "min");
	d->descriptors_max = number(descriptors, "max");
	d->descriptors_multiple = number(descriptors, "multiple");
	d->lldp_agent = json_is_true(json_object_get(root, "lldp_agent"));
	ret = read_rss(d, json_object_get(root, "rss"), err);
	if (ret == 0)
		ret = read_buffers(d, json_object_get(root, "buffers"), err);
	return ret != 0 ? ret : read_lists(d, root, err);
}

int lj_driver_load(struct lj_driver *d, const char *pmd, struct lj_error *err)
{
	char folder[sizeof(d->path) - 48];
	json_t *root;
	int ret;

	memset(d, 0, sizeof(*d));
	ret = find_folder(folder, sizeof(folder), err);
	if (ret != 0)
		return ret;
	short_name(pmd, d->name, sizeof(d->name));
	snprintf(d->path, sizeof(d->path), "%s/%s.json", folder, d->name);
	if (access(d->path, F_OK) != 0) {
		snprintf(d->name, sizeof(d->name), "generic");
		snprintf(d->path, sizeof(d->path), "%s/generic.json", folder);
	}
	root = config_read_json(d->path, err);
	if (root == NULL)
		return -EINVAL;
	ret = read_driver(d, root, err);
	json_decref(root);
	if (ret != 0)
		lj_driver_free(d);
	return ret;
}

static bool claims(const char *path, const char *id)
{
	json_t *root = json_load_file(path, 0, NULL);
	const json_t *item;
	bool found = false;
	size_t i;

	json_array_foreach (json_object_get(root, "pci_ids"), i, item)
		found = found ||
			(json_is_string(item) && strcasecmp(json_string_value(item), id) == 0);
	json_decref(root);
	return found;
}

int lj_driver_load_pci(struct lj_driver *d, const char *vendor, const char *device,
		       struct lj_error *err)
{
	char folder[sizeof(d->path) - 48], pattern[sizeof(d->path)], id[32];
	char name[sizeof(d->name)] = "generic";
	glob_t found;
	int ret;

	ret = find_folder(folder, sizeof(folder), err);
	if (ret != 0)
		return ret;
	snprintf(id, sizeof(id), "%s:%s", vendor, device);
	snprintf(pattern, sizeof(pattern), "%s/*.json", folder);
	if (glob(pattern, 0, NULL, &found) == 0) {
		for (size_t i = 0; i < found.gl_pathc; i++)
			if (claims(found.gl_pathv[i], id))
				snprintf(name, sizeof(name), "%.*s",
					 (int)strcspn(strrchr(found.gl_pathv[i], '/') + 1, "."),
					 strrchr(found.gl_pathv[i], '/') + 1);
		globfree(&found);
	}
	return lj_driver_load(d, name, err);
}

void lj_driver_free(struct lj_driver *d)
{
	config_strings_free(&d->quirks);
}

const char *lj_driver_firmware(const struct lj_driver *d, const char *dpdk)
{
	for (uint32_t i = 0; i < d->n_firmwares; i++) {
		size_t length = strlen(d->firmware[i].dpdk);

		if (strncmp(dpdk, d->firmware[i].dpdk, length) == 0 &&
		    (dpdk[length] == '\0' || dpdk[length] == '.'))
			return d->firmware[i].firmware;
	}
	return NULL;
}
