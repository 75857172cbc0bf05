/*
 * What every CUnit program of the tree shares: a table of cases, and an EAL without privileges.
 */
#ifndef LJ_TEST_H
#define LJ_TEST_H

#include <stdlib.h>

#include <CUnit/Basic.h>
#include <rte_common.h>
#include <rte_eal.h>
#include <rte_memory.h>

struct lj_test {
	const char *name; /* a sentence */
	void (*run)(void);
};

/* Runs the cases; the value main() returns. */
static inline int lj_test_run(const char *suite, const struct lj_test *tests, size_t n)
{
	unsigned int failed = 1;
	CU_pSuite s;

	if (CU_initialize_registry() != CUE_SUCCESS)
		return EXIT_FAILURE;
	s = CU_add_suite(suite, NULL, NULL);
	for (size_t i = 0; s != NULL && i < n; i++)
		if (CU_add_test(s, tests[i].name, tests[i].run) == NULL)
			return EXIT_FAILURE;
	CU_basic_set_mode(CU_BRM_VERBOSE);
	if (s != NULL && CU_basic_run_tests() == CUE_SUCCESS)
		failed = CU_get_number_of_failures() + (CU_get_number_of_tests_run() != n);
	CU_cleanup_registry();
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* The EAL on one lcore, without hugepages, devices or root; `vdev` (may be NULL) is one more
 * argument. */
static inline void lj_test_eal(const char *prefix, const char *vdev)
{
	char file_prefix[64], vdev_arg[256];
	char *argv[] = {(char *)"test",	       (char *)"--no-huge",
			(char *)"-m64",	       (char *)"--no-pci",
			(char *)"--no-shconf", (char *)"--no-telemetry",
			(char *)"--lcores=0",  (char *)"--log-level=*:warning",
			file_prefix,	       vdev_arg};

	snprintf(file_prefix, sizeof(file_prefix), "--file-prefix=lj-test-%s", prefix);
	snprintf(vdev_arg, sizeof(vdev_arg), "--vdev=%s", vdev != NULL ? vdev : "");
	if (rte_eal_init(vdev != NULL ? 10 : 9, argv) < 0) {
		fprintf(stderr, "the EAL does not start\n");
		exit(EXIT_FAILURE);
	}
}

#endif
