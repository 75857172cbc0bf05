#include "doctor.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>
#include <rte_version.h>

#include "lj_model.h"

const char *const lj_severity_name[] = {
	[LJ_FINE] = "fine",
	[LJ_NOTE] = "note",
	[LJ_WARNING] = "warning",
	[LJ_FATAL] = "fatal",
};

/* Replaces a UTF-8 sequence that was truncated at the end of a field by question marks, since JSON
 * requires valid UTF-8. */
static void mend_text(char *text)
{
	unsigned char *at = (unsigned char *)text;

	while (*at != '\0') {
		int more = *at < 0x80 ? 0 : *at < 0xc0 ? -1 : *at < 0xe0 ? 1 : *at < 0xf0 ? 2 : 3;
		int have = 0;

		while (have < more && (at[1 + have] & 0xc0) == 0x80)
			have++;
		if (have == more)
			at += 1 + more;
		else
			*at++ = '?';
	}
}

void finding(struct lj_doctor *d, enum lj_severity severity, const char *check, const char *subject,
	     const char *fmt, ...)
{
	char text[sizeof(d->finding[0].what) + sizeof(d->finding[0].remedy)];
	struct lj_finding *f;
	size_t length;
	va_list ap;

	if (d->n_findings == LJ_FINDINGS_MAX)
		return;
	f = &d->finding[d->n_findings++];
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	length = strcspn(text, "\n");
	f->severity = severity;
	snprintf(f->check, sizeof(f->check), "%s", check);
	snprintf(f->subject, sizeof(f->subject), "%s", subject);
	snprintf(f->what, sizeof(f->what), "%.*s", (int)length, text);
	snprintf(f->remedy, sizeof(f->remedy), "%s", text[length] == '\n' ? text + length + 1 : "");
	mend_text(f->subject);
	mend_text(f->what);
	mend_text(f->remedy);
}

/* Formats a path below the root. */
static void path_of(const struct lj_doctor *d, char *out, size_t size, const char *fmt, va_list ap)
{
	int n = snprintf(out, size, "%s", d->root);

	if (n >= 0 && (size_t)n < size)
		vsnprintf(out + n, size - (size_t)n, fmt, ap);
}

static bool read_file(const char *path, char *out, size_t size)
{
	FILE *f = fopen(path, "r");
	bool read;

	out[0] = '\0';
	if (f == NULL)
		return false;
	read = fgets(out, (int)size, f) != NULL;
	fclose(f);
	out[strcspn(out, "\n")] = '\0';
	return read;
}

bool read_text(const struct lj_doctor *d, char *out, size_t size, const char *fmt, ...)
{
	char path[512];
	va_list ap;

	va_start(ap, fmt);
	path_of(d, path, sizeof(path), fmt, ap);
	va_end(ap);
	return read_file(path, out, size);
}

long read_number(const struct lj_doctor *d, long otherwise, const char *fmt, ...)
{
	char path[512], text[64], *end;
	va_list ap;
	long value;

	va_start(ap, fmt);
	path_of(d, path, sizeof(path), fmt, ap);
	va_end(ap);
	if (!read_file(path, text, sizeof(text)))
		return otherwise;
	value = strtol(text, &end, 10);
	return end != text ? value : otherwise;
}

void read_link_name(const struct lj_doctor *d, char *out, size_t size, const char *fmt, ...)
{
	char path[512], target[512];
	ssize_t length;
	va_list ap;

	va_start(ap, fmt);
	path_of(d, path, sizeof(path), fmt, ap);
	va_end(ap);
	length = readlink(path, target, sizeof(target) - 1);
	target[length > 0 ? length : 0] = '\0';
	snprintf(out, size, "%s", strrchr(target, '/') != NULL ? strrchr(target, '/') + 1 : target);
}

bool exists(const struct lj_doctor *d, const char *fmt, ...)
{
	char path[512];
	va_list ap;

	va_start(ap, fmt);
	path_of(d, path, sizeof(path), fmt, ap);
	va_end(ap);
	return access(path, F_OK) == 0;
}

uint32_t parse_cpu_list(const char *list, bool cpus[DOCTOR_CPUS])
{
	uint32_t n = 0;

	memset(cpus, 0, DOCTOR_CPUS * sizeof(cpus[0]));
	while (isdigit((unsigned char)*list)) {
		char *end;
		unsigned long first = strtoul(list, &end, 10), last = first;

		if (*end == '-')
			last = strtoul(end + 1, &end, 10);
		for (; first <= last && first < DOCTOR_CPUS; first++) {
			n += !cpus[first];
			cpus[first] = true;
		}
		list = *end == ',' ? end + 1 : end;
	}
	return n;
}

uint32_t cpu_node(const struct lj_doctor *d, uint32_t cpu)
{
	for (uint32_t node = 0; node < DOCTOR_NODES; node++)
		if (exists(d, "/sys/devices/system/node/node%u/cpu%u", node, cpu))
			return node;
	return 0;
}

uint32_t pci_node(const struct lj_doctor *d, const char *address)
{
	long node = read_number(d, -1, "/sys/bus/pci/devices/%s/numa_node", address);

	return node < 0 || node >= DOCTOR_NODES ? 0 : (uint32_t)node;
}

bool port_is_pci(const struct lj_config_port *port, char address[DOCTOR_ADDRESS])
{
	unsigned int domain = 0, bus, device, function;

	if (sscanf(port->name, "%x:%x:%x.%x", &domain, &bus, &device, &function) != 4) {
		domain = 0;
		if (sscanf(port->name, "%x:%x.%x", &bus, &device, &function) != 3)
			return false;
	}
	snprintf(address, DOCTOR_ADDRESS, "%04x:%02x:%02x.%x", domain, bus & 0xff, device & 0xff,
		 function & 0xf);
	return true;
}

/* Another version may not reproduce the golden rows of the models, which then do not open. */
static void examine_xgboost(struct lj_doctor *d)
{
	int built[3], running[3];

	lj_model_library(built, running);
	if (memcmp(built, running, sizeof(built)) == 0)
		finding(d, LJ_FINE, "versions", "XGBoost", "built against and running %d.%d.%d",
			running[0], running[1], running[2]);
	else
		finding(d, LJ_WARNING, "versions", "XGBoost",
			"built against %d.%d.%d, running %d.%d.%d\nrebuild linejudge: "
			"tools/build; then linejudge model check for each model",
			built[0], built[1], built[2], running[0], running[1], running[2]);
}

static void examine_versions(struct lj_doctor *d)
{
	char built[32];

	snprintf(built, sizeof(built), "DPDK %d.%02d.%d", RTE_VER_YEAR, RTE_VER_MONTH,
		 RTE_VER_MINOR);
	if (strncmp(rte_version(), built, strlen(built)) == 0)
		finding(d, LJ_FINE, "versions", "DPDK", "built against and running %s",
			rte_version());
	else
		finding(d, LJ_WARNING, "versions", "DPDK",
			"built against %s, running %s\nrebuild linejudge: tools/build", built,
			rte_version());
	examine_xgboost(d);
	if (strcmp(jansson_version_str(), JANSSON_VERSION) != 0)
		finding(d, LJ_NOTE, "versions", "jansson", "built against %s, running %s",
			JANSSON_VERSION, jansson_version_str());
}

void lj_doctor_firmware(struct lj_doctor *d, const char *port, const struct lj_driver *driver,
			const char *firmware, const char *dpdk)
{
	const char *wanted = lj_driver_firmware(driver, dpdk);
	char *end;
	double have = strtod(firmware, &end);

	if (wanted == NULL)
		return;
	if (end == firmware) {
		finding(d, LJ_NOTE, "firmware", port, "cannot be read; %s with DPDK %s needs %s",
			driver->name, dpdk, wanted);
		return;
	}
	if (have + 1e-9 >= strtod(wanted, NULL))
		finding(d, LJ_FINE, "firmware", port, "%s; %s with DPDK %s needs %s", firmware,
			driver->name, dpdk, wanted);
	else
		finding(d, LJ_WARNING, "firmware", port,
			"%s is older than %s, which %s with DPDK %s is tested with\nupdate the "
			"NIC's NVM with the vendor's tool (Intel: nvmupdate64e)",
			firmware, wanted, driver->name, dpdk);
}

void lj_doctor_init(struct lj_doctor *d, const struct lj_config *config, const char *root)
{
	d->config = config;
	d->root = root;
	d->n_findings = 0;
}

void lj_doctor_examine(struct lj_doctor *d)
{
	examine_versions(d);
	examine_hugepages(d);
	examine_memory(d);
	examine_stale_files(d);
	examine_ports(d);
	examine_cpus(d);
}

enum lj_severity lj_doctor_worst(const struct lj_doctor *d)
{
	enum lj_severity worst = LJ_FINE;

	for (uint32_t i = 0; i < d->n_findings; i++)
		worst = RTE_MAX(worst, d->finding[i].severity);
	return worst;
}

static void print_json(const struct lj_doctor *d, FILE *out)
{
	json_t *list = json_array(), *root;

	for (uint32_t i = 0; i < d->n_findings; i++) {
		const struct lj_finding *f = &d->finding[i];

		json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s, s:s}", "severity",
						      lj_severity_name[f->severity], "check",
						      f->check, "subject", f->subject, "what",
						      f->what, "remedy", f->remedy));
	}
	root = json_pack("{s:s, s:o}", "worst", lj_severity_name[lj_doctor_worst(d)], "findings",
			 list);
	json_dumpf(root, out, JSON_INDENT(2));
	fprintf(out, "\n");
	json_decref(root);
}

void lj_doctor_print(const struct lj_doctor *d, bool json, FILE *out)
{
	if (json) {
		print_json(d, out);
		return;
	}
	for (uint32_t i = 0; i < d->n_findings; i++) {
		const struct lj_finding *f = &d->finding[i];

		fprintf(out, "%-8s %-12s %s: %s\n", lj_severity_name[f->severity], f->check,
			f->subject, f->what);
		if (f->remedy[0] != '\0')
			fprintf(out, "%-8s %-12s -> %s\n", "", "", f->remedy);
	}
}
