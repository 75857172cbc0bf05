/*
 * ns per flow (its begin, its end and the look that a verdict takes) beside the least that any
 * table would cost: finding the same four things in rte_hash, twice, and nothing counted. Random
 * hosts, the worst case; samples of both alternate and the ratio is the median of neighbours'
 * ratios.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_hash.h>

#include "lj_host.h"

#define FLOWS_A_SAMPLE 4096
#define AHEAD	       4 /* facts that are asked for before they are observed */
#define SAMPLES_MAX    1024
#define START_NS       1600000000000000000ULL
#define GAP_NS	       100000 /* 10,000 flows a second */

static struct lj_counters counters;
static struct lj_host_context context;

struct traffic {
	uint32_t hosts;
	uint64_t state, time_ns;
};

static uint64_t roll(struct traffic *t)
{
	t->state ^= t->state << 13;
	t->state ^= t->state >> 7;
	t->state ^= t->state << 17;
	return t->state;
}

static uint64_t host_hash(uint64_t host)
{
	return (host + 1) * 0x9e3779b97f4a7c15;
}

/* Every host has eight services that it uses: four responders, two ports. */
static void make_fact(struct traffic *t, struct lj_host_fact *f)
{
	uint64_t r = roll(t);

	t->time_ns += GAP_NS;
	*f = (struct lj_host_fact){.time_ns = t->time_ns,
				   .flow_id = r,
				   .initiator = host_hash((uint32_t)(r % t->hosts) + (1u << 20)),
				   .responder =
					   ((r >> 32) % (t->hosts / 8) + 1) * 0xd6e8feb86659fd93,
				   .port = (uint16_t)(r >> 28 & 15),
				   .protocol = 6,
				   .size = (uint32_t)(r >> 56),
				   .outcome = (uint8_t)(r >> 60 & 3)};
}

static double stage_sample(struct lj_host *h, struct lj_host_fact *facts)
{
	uint64_t begin = rte_rdtsc();

	for (int event = LJ_HOST_BEGIN; event <= LJ_HOST_END; event++)
		for (uint32_t i = 0; i < FLOWS_A_SAMPLE; i++) {
			if (i + AHEAD < FLOWS_A_SAMPLE)
				lj_host_prefetch(h, &facts[i + AHEAD]);
			if (i + 2 * AHEAD < FLOWS_A_SAMPLE)
				lj_host_prefetch_places(h, &facts[i + 2 * AHEAD]);
			facts[i].event = (uint8_t)event;
			lj_host_observe(h, &facts[i]);
			if (event == LJ_HOST_END)
				lj_host_look(h, &facts[i], &context);
		}
	return (double)(rte_rdtsc() - begin) * 1e9 / (double)rte_get_tsc_hz() / FLOWS_A_SAMPLE;
}

static double hash_sample(struct rte_hash *table, const struct lj_host_fact *facts)
{
	uint64_t begin = rte_rdtsc();

	for (int event = 0; event < 2; event++)
		for (uint32_t i = 0; i < FLOWS_A_SAMPLE; i++) {
			uint64_t service = facts[i].responder ^ facts[i].port;
			uint64_t keys[4] = {facts[i].initiator, facts[i].responder, service,
					    service * 31 ^ facts[i].initiator};

			for (int k = 0; k < 4; k++)
				if (rte_hash_lookup(table, &keys[k]) < 0)
					rte_hash_add_key(table, &keys[k]);
		}
	return (double)(rte_rdtsc() - begin) * 1e9 / (double)rte_get_tsc_hz() / FLOWS_A_SAMPLE;
}

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values, int n)
{
	qsort(values, (size_t)n, sizeof(*values), compare_doubles);
	return values[n / 2];
}

static void measure(uint32_t hosts, double seconds, FILE *json, const char *separator)
{
	static double own[SAMPLES_MAX], hash[SAMPLES_MAX], ratio[SAMPLES_MAX];
	static struct lj_host_fact facts[FLOWS_A_SAMPLE];
	struct lj_host_config config = {.hosts = 65536, .socket_id = SOCKET_ID_ANY};
	struct rte_hash_parameters parameters = {.name = "bench_host",
						 .entries = 1 << 20,
						 .key_len = sizeof(uint64_t),
						 .socket_id = SOCKET_ID_ANY};
	struct traffic t = {hosts, 88172645463325252ULL, START_NS};
	struct lj_host *h = lj_host_create(&config, &counters);
	struct rte_hash *table = rte_hash_create(&parameters);
	uint64_t end = rte_rdtsc() + (uint64_t)(seconds * (double)rte_get_tsc_hz());
	int n = 0;

	if (h == NULL || table == NULL) {
		fprintf(stderr, "bench_host: not enough memory\n");
		exit(EXIT_FAILURE);
	}
	while (n < SAMPLES_MAX && (n < 3 || rte_rdtsc() < end)) {
		for (uint32_t i = 0; i < FLOWS_A_SAMPLE; i++)
			make_fact(&t, &facts[i]);
		own[n] = stage_sample(h, facts);
		hash[n] = hash_sample(table, facts);
		ratio[n] = own[n] / hash[n];
		n++;
	}
	fprintf(stderr, "%9u %9.0f %11.0f %7.2f\n", hosts, median(own, n), median(hash, n),
		median(ratio, n));
	if (json != NULL)
		fprintf(json,
			"%s\n {\"hosts\": %u, \"flow_ns\": %.1f, \"rte_hash_ns\": %.1f, "
			"\"ratio\": %.3f, \"memory_bytes\": %llu}",
			separator, hosts, median(own, n), median(hash, n), median(ratio, n),
			(unsigned long long)lj_host_memory(&config));
	lj_host_destroy(h);
	rte_hash_free(table);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"json", required_argument, NULL, 'j'},
						{"seconds", required_argument, NULL, 's'},
						{NULL, 0, NULL, 0}};
	char *eal[] = {(char *)"bench_host",
		       (char *)"--no-pci",
		       (char *)"--no-telemetry",
		       (char *)"--lcores=0",
		       (char *)"--file-prefix=lj-bench-host",
		       (char *)"--log-level=*:error",
		       (char *)"--no-huge",
		       (char *)"--no-shconf",
		       (char *)"-m256"};
	FILE *json = NULL;
	double seconds = 1;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'j')
			json = strcmp(optarg, "-") == 0 ? stdout : fopen(optarg, "w");
		else if (option == 's')
			seconds = atof(optarg);
		if (option == '?' || (option == 'j' && json == NULL)) {
			fprintf(stderr, "usage: bench_host [--json PATH|-] [--seconds S]\n");
			return EXIT_FAILURE;
		}
	}
	if (rte_eal_init(RTE_DIM(eal), eal) < 0) {
		fprintf(stderr, "bench_host: the EAL does not start\n");
		return EXIT_FAILURE;
	}
	fprintf(stderr, "%9s %9s %11s %7s\n", "hosts", "flow ns", "rte_hash ns", "ratio");
	if (json != NULL)
		fprintf(json, "{\"bench\": \"host\", \"results\": [");
	measure(1000, seconds, json, "");
	measure(50000, seconds, json, ",");
	if (json != NULL)
		fprintf(json, "\n]}\n");
	if (json != NULL && fclose(json) != 0)
		return EXIT_FAILURE;
	rte_eal_cleanup();
	return EXIT_SUCCESS;
}
