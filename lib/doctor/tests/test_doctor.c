/* Tests that need no file tree; dts-tests/TestSuite_doctor.py and TestSuite_doctor_ports.py have
 * those that do. */
#include <string.h>

#include "lj_doctor.h"
#include "lj_test.h"

static struct lj_doctor d;
static struct lj_config c;
static struct lj_driver i40e;

static enum lj_severity firmware(const char *have, const char *dpdk)
{
	lj_doctor_init(&d, &c, "/nonexistent");
	lj_doctor_firmware(&d, "port", &i40e, have, dpdk);
	return lj_doctor_worst(&d);
}

static void firmware_is_held_against_the_matrix(void)
{
	CU_ASSERT_EQUAL(firmware("9.01 0x8000cec1 1.3179.0", "22.11.11"), LJ_FINE);
	CU_ASSERT_EQUAL(firmware("9.20 0x8000d95e 22.0.9", "22.11.11"), LJ_FINE);
	CU_ASSERT_EQUAL(firmware("8.30 0x8000a4ae 1.2926.0", "22.11.11"), LJ_WARNING);
	CU_ASSERT_PTR_NOT_NULL(strstr(d.finding[0].remedy, "nvmupdate"));
	CU_ASSERT_EQUAL(firmware("", "22.11.11"), LJ_NOTE);
	CU_ASSERT_EQUAL(firmware("8.30", "99.11"), LJ_FINE);
	CU_ASSERT_EQUAL(d.n_findings, 0);
}

static void an_empty_machine_is_examined_without_a_fall(void)
{
	struct lj_error err = {0};

	CU_ASSERT_EQUAL(
		lj_config_set(&c,
			      "capture.ports=[{\"name\":\"0000:3b:00.0\"},{\"name\":\"3b:00.1\"}"
			      ",{\"name\":\"net_null0\"}]",
			      &err),
		0);
	CU_ASSERT_EQUAL(lj_config_set(&c, "lcores.worker_cpus=2-5", &err), 0);
	lj_doctor_init(&d, &c, "/nonexistent");
	lj_doctor_examine(&d);
	CU_ASSERT_EQUAL(lj_doctor_worst(&d), LJ_FATAL);
	for (uint32_t i = 0; i < d.n_findings; i++)
		CU_ASSERT(d.finding[i].severity < LJ_WARNING || d.finding[i].remedy[0] != '\0');
}

int main(void)
{
	static const struct lj_test tests[] = {
		{"firmware is held against the matrix", firmware_is_held_against_the_matrix},
		{"an empty machine is examined without a fall",
		 an_empty_machine_is_examined_without_a_fall},
	};
	struct lj_error err = {0};
	char path[512];
	int ret;

	snprintf(path, sizeof(path), "%s/drivers-config", getenv("LJ_SOURCE_ROOT"));
	setenv("LINEJUDGE_DRIVERS", path, 1);
	lj_config_init(&c);
	if (lj_driver_load(&i40e, "net_i40e", &err) != 0)
		return EXIT_FAILURE;
	ret = lj_test_run("doctor", tests, RTE_DIM(tests));
	lj_driver_free(&i40e);
	lj_config_free(&c);
	return ret;
}
