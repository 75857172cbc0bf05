/*
 * ns per flow (its begin, its end and the look that a verdict takes), of what the default model
 * reads and of all there is, beside the least that any table would cost: finding the same four
 * things in rte_hash, twice, and nothing counted. Hosts take turns at random. Either each uses
 * eight services of its own, so that most conversations are known, or any uses any service, the
 * worst case, where most are new. Samples of both alternate and the ratio is the median of
 * neighbours' ratios.
 */
#include <rte_cycles.h>
#include <rte_hash.h>

#include "lj_bench.h"
#include "lj_host.h"

#define FLOWS_A_SAMPLE 4096
#define BURST	       64
#define SAMPLES_MAX    1024
#define START_NS       1600000000000000000ULL
#define GAP_NS	       100000 /* 10,000 flows a second */

static struct lj_counters counters;

/* Whose features are asked for. */
static const struct {
	const char *name;
	uint32_t wanted;
} readers[] = {
	{"default model",
	 LJ_HOST_PART_SRC_BEGUN | LJ_HOST_PART_SRC_ENDED | LJ_HOST_PART_SRC_OUTCOMES |
		 LJ_HOST_PART_SRC_BYTES | LJ_HOST_PART_SRC_IN_BEGUN | LJ_HOST_PART_DST_BEGUN |
		 LJ_HOST_PART_DST_ENDED | LJ_HOST_PART_DST_BYTES | LJ_HOST_PART_DST_OUT_BEGUN |
		 LJ_HOST_PART_SERVICE_BEGUN | LJ_HOST_PART_GAPS | LJ_HOST_PART_OPENING_HOSTS},
	{"all", LJ_HOST_PART_ALL},
};

struct traffic {
	uint32_t hosts;
	bool any; /* each host uses any service, not only eight */
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

/* A service is one of 16 ports of a responder; there are an eighth as many of these as of hosts. */
static void make_fact(struct traffic *t, struct lj_host_fact *f)
{
	uint64_t r = roll(t);
	uint32_t initiator = (uint32_t)(r % t->hosts) + (1u << 20);
	uint64_t service = t->any ? r >> 32 : host_hash(initiator + (r >> 32 & 7) * t->hosts) >> 16;

	t->time_ns += GAP_NS;
	*f = (struct lj_host_fact){.time_ns = t->time_ns,
				   .flow_id = r,
				   .initiator = host_hash(initiator),
				   .responder = ((service >> 4) % (t->hosts / 8) + 1) *
						0xd6e8feb86659fd93,
				   .port = (uint16_t)(service & 15),
				   .protocol = 6,
				   .size = (uint32_t)(r >> 56),
				   .outcome = (uint8_t)(r >> 60 & 3)};
}

/* Bursts as long as a batch of the pipeline. */
static double stage_sample(struct lj_host *h, struct lj_host_fact *facts)
{
	static struct lj_host_context contexts[BURST];
	struct lj_host_step steps[BURST];
	uint64_t begin = rte_rdtsc();

	for (int event = LJ_HOST_BEGIN; event <= LJ_HOST_END; event++)
		for (uint32_t i = 0; i < FLOWS_A_SAMPLE; i += BURST) {
			for (uint32_t k = 0; k < BURST; k++) {
				facts[i + k].event = (uint8_t)event;
				steps[k].fact = &facts[i + k];
				steps[k].context = event == LJ_HOST_END ? &contexts[k] : NULL;
			}
			lj_host_follow(h, steps, BURST);
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

static void measure(struct lj_bench *b, uint32_t hosts, bool any, size_t reader, double seconds)
{
	static double own[SAMPLES_MAX], hash[SAMPLES_MAX], ratio[SAMPLES_MAX];
	static struct lj_host_fact facts[FLOWS_A_SAMPLE];
	struct lj_host_config config = {
		.hosts = 65536, .wanted = readers[reader].wanted, .socket_id = SOCKET_ID_ANY};
	struct rte_hash_parameters parameters = {.name = "bench_host",
						 .entries = 1 << 20,
						 .key_len = sizeof(uint64_t),
						 .socket_id = SOCKET_ID_ANY};
	struct traffic t = {hosts, any, 88172645463325252ULL, START_NS};
	const char *services = any ? "any" : "eight per host";
	struct lj_host *h = lj_host_create(&config, &counters);
	struct rte_hash *table = rte_hash_create(&parameters);
	uint64_t end = rte_rdtsc() + (uint64_t)(seconds * (double)rte_get_tsc_hz());
	size_t n = 0;

	if (h == NULL || table == NULL) {
		fprintf(stderr, "bench_host: not enough memory\n");
		exit(EXIT_FAILURE);
	}
	while (n < SAMPLES_MAX && (n < 3 || rte_rdtsc() < end)) {
		for (uint32_t i = 0; i < FLOWS_A_SAMPLE; i++)
			make_fact(&t, &facts[i]);
		own[n] = stage_sample(h, facts);
		hash[n] = hash_sample(table, facts);
		ratio[n] = hash[n] / own[n];
		n++;
	}
	fprintf(b->text, "%9u  %-12s  %-13s %9.0f %11.0f %7.2f\n", hosts, services,
		readers[reader].name, lj_bench_median(own, n), lj_bench_median(hash, n),
		lj_bench_median(ratio, n));
	lj_bench_row(
		b,
		"\"hosts\": %u, \"services\": \"%s\", \"read\": \"%s\", \"flow_ns\": %.1f, \"rte_hash_ns\": %.1f, \"ratio\": %.3f, "
		"\"memory_bytes\": %llu",
		hosts, services, readers[reader].name, lj_bench_median(own, n),
		lj_bench_median(hash, n), lj_bench_median(ratio, n),
		(unsigned long long)lj_host_memory(&config));
	lj_host_destroy(h);
	rte_hash_free(table);
}

int main(int argc, char **argv)
{
	double seconds = 1;
	const struct lj_bench_number numbers[] = {{"seconds", &seconds}};
	struct lj_bench b;

	lj_bench_open(&b, "bench_host", argc, argv, numbers, RTE_DIM(numbers));
	lj_bench_eal(b.name, 256);
	fprintf(b.text, "%9s  %-12s  %-13s %9s %11s %7s\n", "hosts", "services", "read", "flow ns",
		"rte_hash ns", "ratio");
	for (size_t reader = 0; reader < RTE_DIM(readers); reader++)
		for (int any = 0; any < 2; any++) {
			measure(&b, 1000, any, reader, seconds);
			measure(&b, 50000, any, reader, seconds);
		}
	rte_eal_cleanup();
	return lj_bench_close(&b);
}
