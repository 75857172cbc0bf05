#include "examine.h"

#include <errno.h>
#include <string.h>

#include <rte_version.h>

#include "lj_doctor.h"
#include "lj_driver.h"
#include "lj_log.h"

static void warn_of(const struct lj_doctor *d)
{
	for (uint32_t i = 0; i < d->n_findings; i++) {
		const struct lj_finding *f = &d->finding[i];

		if (f->severity >= LJ_WARNING)
			lj_log(WARNING, "doctor: %s: %s: %s: %s; %s\n",
			       lj_severity_name[f->severity], f->check, f->subject, f->what,
			       f->remedy);
	}
}

int examine(const struct lj_config *c, struct lj_error *err)
{
	static struct lj_doctor d;
	char **argv;
	int argc;

	if (lj_config_replay(c) || c->doctor == LJ_DOCTOR_OFF)
		return 0;
	/* Errors in the configuration are reported before findings about the machine. */
	argv = lj_config_eal_args(c, &argc, err);
	if (argv == NULL)
		return -EINVAL;
	lj_config_eal_free(argv);
	lj_doctor_init(&d, c, "");
	lj_doctor_examine(&d);
	for (uint32_t i = 0; i < d.n_findings && c->doctor == LJ_DOCTOR_REFUSE; i++)
		if (d.finding[i].severity == LJ_FATAL)
			return lj_error_set(
				err, ENODEV, d.finding[i].subject,
				"%s; %s (linejudge doctor lists all findings; --set doctor=warn "
				"starts anyway)",
				d.finding[i].what, d.finding[i].remedy);
	warn_of(&d);
	return 0;
}

void examine_firmware(const struct lj_pipeline *p, const struct lj_config *c)
{
	static struct lj_doctor d;

	if (lj_config_replay(c) || c->doctor == LJ_DOCTOR_OFF)
		return;
	lj_doctor_init(&d, c, "");
	for (uint32_t i = 0; i < lj_pipeline_sources(p); i++) {
		const struct lj_source *s = lj_pipeline_source(p, i);
		char pmd[64], firmware[64];
		struct lj_driver driver;

		if (lj_port_driver(s->name, pmd, sizeof(pmd), NULL) != 0 ||
		    lj_driver_load(&driver, pmd, NULL) != 0)
			continue;
		lj_port_firmware(s, firmware, sizeof(firmware));
		lj_doctor_firmware(&d, s->name, &driver, firmware, rte_version() + strlen("DPDK "));
		lj_driver_free(&driver);
	}
	warn_of(&d);
}
