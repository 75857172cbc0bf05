/*
 * Common code of all benchmarks: arguments, output of results, medians. Results are a JSON array of
 * flat objects, one per measured case, so that a table selects columns of it (tools/bench).
 */
#ifndef LJ_BENCH_H
#define LJ_BENCH_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <rte_eal.h>

struct lj_bench {
	const char *name; /* "bench_queue" */
	const char *path; /* path of the JSON; NULL: none */
	FILE *json;
	FILE *text; /* for the user: stdout, unless the JSON goes there */
	int rows;
};

/* A numeric argument: --NAME NUMBER. */
struct lj_bench_number {
	const char *name;
	double *value; /* the default; replaced by the argument, which must be above 0 */
};

static inline void lj_bench_usage(const struct lj_bench *b, const struct lj_bench_number *numbers,
				  size_t n)
{
	fprintf(stderr, "usage: %s [--json PATH|-]", b->name);
	for (size_t i = 0; i < n; i++)
		fprintf(stderr, " [--%s NUMBER]", numbers[i].name);
	fprintf(stderr, "\n");
	exit(2);
}

/* Exits with a usage line if an argument is unknown, or with an error if the JSON cannot be
 * written. */
static inline void lj_bench_open(struct lj_bench *b, const char *name, int argc, char **argv,
				 const struct lj_bench_number *numbers, size_t n)
{
	*b = (struct lj_bench){.name = name, .text = stdout};
	for (int i = 1; i < argc; i += 2) {
		size_t k = 0;

		if (i + 1 == argc || strncmp(argv[i], "--", 2) != 0)
			lj_bench_usage(b, numbers, n);
		if (strcmp(argv[i], "--json") == 0) {
			b->path = argv[i + 1];
			continue;
		}
		while (k < n && strcmp(argv[i] + 2, numbers[k].name) != 0)
			k++;
		if (k == n || atof(argv[i + 1]) <= 0)
			lj_bench_usage(b, numbers, n);
		*numbers[k].value = atof(argv[i + 1]);
	}
	if (b->path == NULL)
		return;
	if (strcmp(b->path, "-") == 0) {
		b->json = stdout;
		b->text = stderr;
	} else {
		b->json = fopen(b->path, "w");
	}
	if (b->json == NULL) {
		perror(b->path);
		exit(EXIT_FAILURE);
	}
	fputs("[", b->json);
}

/* Writes one case's result; the format gives the contents of its object. */
__attribute__((format(printf, 2, 3))) static inline void lj_bench_row(struct lj_bench *b,
								      const char *format, ...)
{
	va_list args;

	if (b->json == NULL)
		return;
	fputs(b->rows++ == 0 ? "\n {" : ",\n {", b->json);
	va_start(args, format);
	vfprintf(b->json, format, args);
	va_end(args);
	fputs("}", b->json);
}

/* Returns the exit code of main(). */
static inline int lj_bench_close(struct lj_bench *b)
{
	if (b->json == NULL)
		return EXIT_SUCCESS;
	fputs("\n]\n", b->json);
	if (fclose(b->json) == 0)
		return EXIT_SUCCESS;
	perror(b->path);
	return EXIT_FAILURE;
}

/* The EAL on one lcore, without hugepages, devices or root. */
static inline void lj_bench_eal(const char *name, unsigned int memory_mb)
{
	char prefix[64], memory[16];
	char *argv[] = {(char *)"bench",
			(char *)"--no-huge",
			(char *)"--no-pci",
			(char *)"--no-shconf",
			(char *)"--no-telemetry",
			(char *)"--lcores=0",
			(char *)"--log-level=*:error",
			prefix,
			memory};

	snprintf(prefix, sizeof(prefix), "--file-prefix=lj-%s-%d", name, getpid());
	snprintf(memory, sizeof(memory), "-m%u", memory_mb);
	if (rte_eal_init((int)(sizeof(argv) / sizeof(argv[0])), argv) < 0) {
		fprintf(stderr, "%s: the EAL does not start\n", name);
		exit(EXIT_FAILURE);
	}
	/* Its runtime folder is empty and no longer used. */
	rmdir(rte_eal_get_runtime_dir());
}

static inline int lj_bench_by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The median; sorts the values. */
static inline double lj_bench_median(double *values, size_t n)
{
	qsort(values, n, sizeof(values[0]), lj_bench_by_value);
	return values[n / 2];
}

static inline uint64_t lj_bench_read_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static inline uint64_t lj_bench_clock_ns(void)
{
	return lj_bench_read_ns(CLOCK_MONOTONIC);
}

/* CPU time of this thread, so that other load does not count. */
static inline uint64_t lj_bench_cpu_ns(void)
{
	return lj_bench_read_ns(CLOCK_THREAD_CPUTIME_ID);
}

static inline double lj_bench_ns_since(uint64_t began_ns)
{
	return (double)(lj_bench_clock_ns() - began_ns);
}

#endif
