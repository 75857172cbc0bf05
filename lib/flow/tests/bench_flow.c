/*
 * ns per packet of lj_flow_update() beside the same accounting over rte_hash, uniform random flows
 * (the worst case). Packets are made in the cache, outside of the measured time, as a parser would
 * leave them; both are given the hash of the key. Samples of the tables alternate, and the ratio is
 * the median of the ratios of neighbours, so that a busy machine slows both. Flows have had their
 * first packets, whose lengths and gaps are kept. Without hugepages both run on 4 KiB pages, so
 * that they differ in nothing but the table; "own pages" is the table on the pages it asks for.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/mman.h>
#include <sys/prctl.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_hash.h>
#include <rte_prefetch.h>

#include "flow_table.h"

#define BURSTS_A_SAMPLE 512
#define SAMPLES_MAX	4096
#define START_NS	1000000000000ULL
#define GAP_NS		100 /* between packets */

static const uint64_t seed[4] = {1, 2, 3, 4};

struct traffic {
	uint32_t flows;
	uint64_t state; /* of the generator */
	uint64_t time_ns;
	uint64_t seq;
};

static void make_packet(struct traffic *t, uint32_t flow, struct lj_packet *p)
{
	t->time_ns += GAP_NS;
	*p = (struct lj_packet){.time_ns = t->time_ns,
				.seq = ++t->seq,
				.wire_bytes = 154,
				.l3_bytes = 140,
				.payload_bytes = 100,
				.l4_header_bytes = 20,
				.tcp_window = 1000,
				.tcp_flags = LJ_TCP_ACK,
				.tcp_seq = (uint32_t)t->seq * 100,
				.ttl = 64,
				.side = (uint8_t)(t->state >> 63)};
	p->key = (struct lj_flow_key){
		.port = {(uint16_t)(1024 + flow % 50000), 443}, .proto = 6, .version = 4};
	p->key.addr[0][10] = p->key.addr[0][11] = p->key.addr[1][10] = p->key.addr[1][11] = 0xff;
	memcpy(&p->key.addr[0][12], &flow, 4);
	p->key.addr[1][12] = 10;
	p->hash = lj_flow_key_hash(&p->key, seed);
}

static void random_burst(struct traffic *t, struct lj_packet *packets)
{
	for (int i = 0; i < LJ_BURST_MAX; i++) {
		t->state = t->state * 6364136223846793005ULL + 1442695040888963407ULL;
		make_packet(t, (uint32_t)(((t->state >> 32) * t->flows) >> 32), &packets[i]);
	}
}

/* --- the two tables --- */

struct table {
	struct traffic traffic;
	struct lj_flow_table *own;
	struct lj_counters counters;
	struct rte_hash *hash; /* NULL: own */
	struct lj_flow *records;
	size_t record_bytes;
	struct lj_flow_config config;
};

static void own_burst(struct table *t, const struct lj_packet *packets)
{
	struct lj_flow *due[LJ_BURST_MAX + 2];
	uint16_t n_due;

	lj_flow_update(t->own, packets, LJ_BURST_MAX, due, &n_due);
	lj_flow_settle(t->own, due, n_due);
}

static void begin(struct table *t, const struct lj_packet *p, int32_t at)
{
	struct lj_flow *f = &t->records[at];

	f->key = p->key;
	f->first_ns = f->last_ns = p->time_ns;
	f->state = LJ_FLOW_OPEN;
	f->initiator = p->side;
}

static void prefetch_record(const struct lj_flow *f)
{
	rte_prefetch0(f);
	rte_prefetch0(&f->side[0]);
	rte_prefetch0(&f->side[1]);
	rte_prefetch0(&f->gap_sumsq);
}

static void hash_burst(struct table *t, const struct lj_packet *packets)
{
	const void *keys[LJ_BURST_MAX];
	hash_sig_t hashes[LJ_BURST_MAX];
	int32_t at[LJ_BURST_MAX];

	for (int i = 0; i < LJ_BURST_MAX; i++) {
		keys[i] = &packets[i].key;
		hashes[i] = (hash_sig_t)packets[i].hash;
	}
	rte_hash_lookup_with_hash_bulk(t->hash, keys, hashes, LJ_BURST_MAX, at);
	for (int i = 0; i < LJ_BURST_MAX; i++)
		if (at[i] >= 0)
			prefetch_record(&t->records[at[i]]);
	for (int i = 0; i < LJ_BURST_MAX; i++) {
		const struct lj_packet *p = &packets[i];
		struct lj_flow *f;

		if (at[i] < 0) {
			at[i] = rte_hash_add_key_with_hash(t->hash, keys[i], hashes[i]);
			if (at[i] < 0)
				abort();
			begin(t, p, at[i]);
		}
		f = &t->records[at[i]];
		if (p->time_ns > f->last_ns + t->config.idle_timeout_ns ||
		    p->time_ns > f->first_ns + t->config.active_timeout_ns)
			abort();
		account_packet(f, p, p->side ^ f->initiator, t->config.keep);
		lj_count(&t->counters, LJ_C_flow_hit, 1);
	}
}

static bool open_table(struct table *t, uint32_t flows, uint32_t keep, bool own)
{
	uint32_t capacity = flows + flows / 4 + 1024;
	struct rte_hash_parameters parameters = {.name = "bench",
						 .entries = capacity,
						 .key_len = sizeof(struct lj_flow_key),
						 .socket_id = SOCKET_ID_ANY};

	t->config = (struct lj_flow_config){.capacity = capacity,
					    .keep = keep,
					    .idle_timeout_ns = UINT64_C(1) << 60,
					    .active_timeout_ns = UINT64_C(1) << 60,
					    .socket_id = SOCKET_ID_ANY};
	if (own) {
		t->own = lj_flow_create("bench", &t->config, &t->counters);
		return t->own != NULL;
	}
	t->hash = rte_hash_create(&parameters);
	t->record_bytes = (capacity + 1) * sizeof(*t->records);
	t->records = mmap(NULL, t->record_bytes, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	madvise(t->records, t->record_bytes, MADV_HUGEPAGE);
	return t->hash != NULL && t->records != MAP_FAILED;
}

static void close_table(struct table *t)
{
	lj_flow_destroy(t->own);
	rte_hash_free(t->hash);
	if (t->records != NULL)
		munmap(t->records, t->record_bytes);
}

/* --- measuring --- */

static int by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static uint64_t run_burst(struct table *t, const struct lj_packet *packets)
{
	uint64_t begun = rte_rdtsc_precise();

	if (t->hash != NULL)
		hash_burst(t, packets);
	else
		own_burst(t, packets);
	return rte_rdtsc_precise() - begun;
}

/* A table in which every flow has had LJ_SPLT_MAX packets, and some more at random. */
static void open_warm(struct table *t, uint32_t flows, uint32_t keep, bool own)
{
	static struct lj_packet packets[LJ_BURST_MAX];

	memset(t, 0, sizeof(*t));
	t->traffic = (struct traffic){flows, 88172645463325252ULL, START_NS, 0};
	if (!open_table(t, flows, keep, own)) {
		fprintf(stderr, "bench_flow: no memory for %u flows\n", flows);
		exit(EXIT_FAILURE);
	}
	for (uint32_t flow = 0; flow < flows; flow += LJ_BURST_MAX / LJ_SPLT_MAX) {
		for (uint32_t i = 0; i < LJ_BURST_MAX; i++)
			make_packet(&t->traffic, (flow + i / LJ_SPLT_MAX) % flows, &packets[i]);
		run_burst(t, packets);
	}
	for (uint32_t i = 0; i < flows; i += LJ_BURST_MAX / 4) {
		random_burst(&t->traffic, packets);
		run_burst(t, packets);
	}
}

/* ns per packet of one sample. */
static double take_sample(struct table *t)
{
	static struct lj_packet packets[LJ_BURST_MAX];
	uint64_t cycles = 0;

	for (int i = 0; i < BURSTS_A_SAMPLE; i++) {
		random_burst(&t->traffic, packets);
		cycles += run_burst(t, packets);
	}
	return (double)cycles * 1e9 / (double)rte_get_tsc_hz() / (BURSTS_A_SAMPLE * LJ_BURST_MAX);
}

static double median(double *values, int n)
{
	qsort(values, (size_t)n, sizeof(values[0]), by_value);
	return values[n / 2];
}

struct result {
	double own, hash, own_pages; /* ns per packet */
	double ratio;		     /* hash / own */
};

static struct result measure(uint32_t flows, uint32_t keep, double seconds)
{
	static double own[SAMPLES_MAX], hash[SAMPLES_MAX], pages[SAMPLES_MAX], ratio[SAMPLES_MAX];
	struct table own_table, hash_table, pages_table;
	uint64_t end;
	int n = 0;

	prctl(PR_SET_THP_DISABLE, !rte_eal_has_hugepages(), 0, 0, 0);
	open_warm(&own_table, flows, keep, true);
	open_warm(&hash_table, flows, keep, false);
	prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0);
	open_warm(&pages_table, flows, keep, true);
	end = rte_rdtsc() + (uint64_t)(seconds * (double)rte_get_tsc_hz());
	while (n < SAMPLES_MAX && (n == 0 || rte_rdtsc() < end)) {
		own[n] = take_sample(&own_table);
		hash[n] = take_sample(&hash_table);
		pages[n] = take_sample(&pages_table);
		ratio[n] = hash[n] / own[n];
		n++;
	}
	close_table(&own_table);
	close_table(&hash_table);
	close_table(&pages_table);
	return (struct result){median(own, n), median(hash, n), median(pages, n), median(ratio, n)};
}

static void bench(FILE *json, double seconds)
{
	static const uint32_t flows[] = {1000, 100000, 1000000};
	static const struct {
		const char *name;
		uint32_t keep;
	} parts[] = {{"0", 0}, {"model", LJ_KEEP_ALL & ~LJ_KEEP_BULK}, {"all", LJ_KEEP_ALL}};
	const char *separator = "";

	fprintf(stderr, "%9s %6s %9s %11s %7s %10s\n", "flows", "keep", "own ns", "rte_hash ns",
		"ratio", "own pages");
	for (size_t k = 0; k < RTE_DIM(parts); k++)
		for (size_t i = 0; i < RTE_DIM(flows); i++) {
			struct result r = measure(flows[i], parts[k].keep, seconds);

			fprintf(stderr, "%9u %6s %9.1f %11.1f %7.2f %10.1f\n", flows[i],
				parts[k].name, r.own, r.hash, r.ratio, r.own_pages);
			if (json != NULL)
				fprintf(json,
					"%s\n {\"flows\": %u, \"keep\": \"%s\", \"own_ns\": %.2f, "
					"\"rte_hash_ns\": %.2f, \"ratio\": %.3f, "
					"\"own_pages_ns\": %.2f}",
					separator, flows[i], parts[k].name, r.own, r.hash, r.ratio,
					r.own_pages);
			separator = ",";
		}
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"json", required_argument, NULL, 'j'},
						{"seconds", required_argument, NULL, 's'},
						{"huge", no_argument, NULL, 'h'},
						{NULL, 0, NULL, 0}};
	char *eal[] = {(char *)"bench_flow",
		       (char *)"--no-pci",
		       (char *)"--no-telemetry",
		       (char *)"--lcores=0",
		       (char *)"--file-prefix=lj-bench-flow",
		       (char *)"--log-level=*:error",
		       (char *)"--no-huge",
		       (char *)"--no-shconf",
		       (char *)"-m512"};
	FILE *json = NULL;
	double seconds = 1;
	int n_eal = 9, option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'j')
			json = strcmp(optarg, "-") == 0 ? stdout : fopen(optarg, "w");
		else if (option == 's')
			seconds = atof(optarg);
		else if (option == 'h')
			n_eal = 6;
		if (option == '?' || (option == 'j' && json == NULL)) {
			fprintf(stderr,
				"usage: bench_flow [--json PATH|-] [--seconds S] [--huge]\n");
			return EXIT_FAILURE;
		}
	}
	if (rte_eal_init(n_eal, eal) < 0) {
		fprintf(stderr, "bench_flow: the EAL does not start\n");
		return EXIT_FAILURE;
	}
	if (json != NULL)
		fprintf(json, "{\"bench\": \"flow\", \"results\": [");
	bench(json, seconds);
	if (json != NULL)
		fprintf(json, "\n]}\n");
	if (json != NULL && fclose(json) != 0)
		return EXIT_FAILURE;
	rte_eal_cleanup();
	return EXIT_SUCCESS;
}
