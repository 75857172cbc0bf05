/*
 * Common code of all CUnit programs: a table of cases, and an unprivileged EAL.
 */
#ifndef LJ_TEST_H
#define LJ_TEST_H

#include <stdint.h>
#include <stdlib.h>

#include <CUnit/Basic.h>
#include <rte_common.h>
#include <rte_eal.h>
#include <rte_memory.h>

struct lj_test {
	const char *name; /* a sentence */
	void (*run)(void);
};

/* Runs the cases; returns the exit code of main(). */
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

/* A pseudo-random number in 0 .. n - 1, the same sequence in every run (Marsaglia's xorshift). */
static inline uint32_t lj_test_below(uint32_t n)
{
	static uint32_t state = 2463534242u;

	state ^= state << 13;
	state ^= state >> 17;
	state ^= state << 5;
	return (uint32_t)(((uint64_t)state * n) >> 32);
}

#define LJ_TEST_VDEVS 16

/* Initializes the EAL on one lcore, without hugepages, physical devices or root. `vdevs`
 * ("net_null0", probed in this order) ends with NULL, and may be NULL. */
static inline void lj_test_eal(const char *prefix, const char *const *vdevs)
{
	char file_prefix[64], vdev[LJ_TEST_VDEVS][512];
	char *argv[9 + LJ_TEST_VDEVS] = {
		(char *)"test",	      (char *)"--no-huge",	     (char *)"-m256",
		(char *)"--no-pci",   (char *)"--no-shconf",	     (char *)"--no-telemetry",
		(char *)"--lcores=0", (char *)"--log-level=*:error", file_prefix};
	int argc = 9;

	snprintf(file_prefix, sizeof(file_prefix), "--file-prefix=lj-test-%s", prefix);
	for (int i = 0; vdevs != NULL && vdevs[i] != NULL && i < LJ_TEST_VDEVS; i++) {
		snprintf(vdev[i], sizeof(vdev[i]), "--vdev=%s", vdevs[i]);
		argv[argc++] = vdev[i];
	}
	if (rte_eal_init(argc, argv) < 0) {
		fprintf(stderr, "the EAL does not start\n");
		exit(EXIT_FAILURE);
	}
}

#endif
