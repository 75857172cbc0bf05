/*
 * What a packet costs from mbuf to record on one core: parse, hash, table, all counters of the
 * default features, and expiry. Beside it the same parser and the same counters over
 * rte_hash_lookup_with_hash_bulk with prefetch of all lines it touches. Frames lie in memory, far
 * more than the caches hold at many flows; mbufs are filled, not allocated. The two take turns, and
 * the ratio is the median of the ratios of neighbours, so that a busy machine slows both.
 *
 * synflood, scan and small begin a flow with every, every second or every fourth packet, at a full
 * table: each newcomer costs an eviction, there by a queue of the oldest.
 */
#include <inttypes.h>
#include <sys/mman.h>

#include <rte_cycles.h>
#include <rte_hash.h>
#include <rte_prefetch.h>

#include "bench_frames.h"
#include "flow_table.h"
#include "lj_bench.h"

#define BURSTS_A_SAMPLE 512
#define SAMPLES_MAX	4096
#define START_NS	1000000000000ULL
#define KEEP_DEFAULT	(LJ_KEEP_TCP | LJ_KEEP_PAYLOAD | LJ_KEEP_ACTIVITY | LJ_KEEP_SPLT)

struct path {
	struct lj_parser parser;
	struct lj_counters counters;
	struct lj_flow_config config;
	struct rte_mbuf mbuf[LJ_BURST_MAX];
	uint64_t time_ns, seq;
	uint32_t at, pass;	   /* next frame; passes over them */
	struct lj_flow_table *own; /* NULL: over rte_hash */
	struct rte_hash *hash;
	struct lj_flow *records;
	size_t record_bytes;
	uint32_t oldest, live; /* of the queue of record numbers, in order of arrival */
	uint32_t *arrival;
};

/* --- the same beginning --- */

/* By halves, when there is a table to ask for the records of the first while the second is parsed.
 */
static uint16_t parse(struct path *p, const struct lj_burst *burst, struct lj_packet *packets)
{
	uint16_t half = p->own != NULL ? LJ_BURST_MAX / 2 : 0, n = 0;

	if (half == 0)
		return lj_packet_parse_burst(&p->parser, burst, packets);
	for (uint16_t from = 0; from < burst->count; from += half) {
		uint16_t got =
			lj_packet_parse_part(&p->parser, burst, from, from + half, packets + n);

		lj_flow_ask(p->own, packets + n, got);
		n += got;
	}
	return n;
}

static uint16_t receive_and_parse(struct path *p, const struct frames *f, struct lj_packet *packets)
{
	static struct lj_burst burst;
	const uint32_t first = p->at, pass = p->pass;
	uint16_t n;

	burst.count = LJ_BURST_MAX;
	for (uint16_t i = 0; i < LJ_BURST_MAX; i++) {
		struct rte_mbuf *m = &p->mbuf[i];

		m->buf_addr = f->slot + (size_t)(first + i) * FRAME_SLOT;
		m->data_len = f->bytes[first + i];
		m->pkt_len = m->data_len;
		burst.mbuf[i] = m;
		burst.time_ns[i] = p->time_ns += f->gap_ns;
		burst.wire_bytes[i] = m->data_len;
	}
	p->at += LJ_BURST_MAX;
	if (p->at == f->n) {
		p->at = 0;
		p->pass++;
	}
	/* All are accepted: packet i is frame i of the burst. */
	n = parse(p, &burst, packets);
	for (uint16_t i = 0; i < n; i++) {
		packets[i].seq = ++p->seq;
		packets[i].tcp_seq += f->stride[first + i] * pass;
	}
	return n;
}

/* --- our own table --- */

static void own_burst(struct path *p, const struct lj_packet *packets, uint16_t n)
{
	struct lj_flow *due[LJ_BURST_MAX + 2];
	uint16_t done = 0, n_due;

	while (done < n) {
		done += lj_flow_update(p->own, packets + done, n - done, due, &n_due);
		lj_flow_settle(p->own, due, n_due);
	}
	n_due = lj_flow_advance(p->own, p->time_ns, 0, due, LJ_BURST_MAX);
	lj_flow_settle(p->own, due, n_due);
}

/* --- over rte_hash --- */

static void prefetch_record(const struct lj_flow *f, const struct lj_packet *p)
{
	int side = p->side;

	rte_prefetch0(f);
	rte_prefetch0(&f->gap_sumsq);
	rte_prefetch0(&f->side[side]);
	rte_prefetch0(&f->side[side].first_ns);
	if (p->key.proto == 6)
		rte_prefetch0(&f->tcp[side]);
}

static struct lj_flow *begin_record(struct path *p, const struct lj_packet *packet)
{
	uint32_t capacity = p->config.capacity;
	int32_t at;

	if (p->live == capacity) {
		const struct lj_flow *out = &p->records[p->arrival[p->oldest]];

		rte_hash_del_key_with_hash(p->hash, &out->key, (hash_sig_t)out->hash);
		p->oldest = p->oldest + 1 == capacity ? 0 : p->oldest + 1;
		p->live--;
	}
	at = rte_hash_add_key_with_hash(p->hash, &packet->key, (hash_sig_t)packet->hash);
	if (at < 0)
		abort();
	p->arrival[(p->oldest + p->live++) % capacity] = (uint32_t)at;
	memset(&p->records[at], 0, sizeof(p->records[at]));
	p->records[at].key = packet->key;
	p->records[at].hash = packet->hash;
	p->records[at].first_ns = p->records[at].last_ns = packet->time_ns;
	return &p->records[at];
}

static void hash_burst(struct path *p, const struct lj_packet *packets, uint16_t n)
{
	const void *keys[LJ_BURST_MAX];
	hash_sig_t hashes[LJ_BURST_MAX];
	int32_t at[LJ_BURST_MAX];

	for (uint16_t i = 0; i < n; i++) {
		keys[i] = &packets[i].key;
		hashes[i] = (hash_sig_t)packets[i].hash;
	}
	rte_hash_lookup_with_hash_bulk(p->hash, keys, hashes, n, at);
	for (uint16_t i = 0; i < n; i++)
		if (at[i] >= 0)
			prefetch_record(&p->records[at[i]], &packets[i]);
	for (uint16_t i = 0; i < n; i++) {
		const struct lj_packet *packet = &packets[i];
		struct lj_flow *f;

		/* The burst may have begun the flow, or evicted it, meanwhile. */
		if (at[i] < 0 || memcmp(&p->records[at[i]].key, &packet->key, sizeof(packet->key)))
			at[i] = rte_hash_lookup_with_hash(p->hash, keys[i], hashes[i]);
		f = at[i] >= 0 ? &p->records[at[i]] : begin_record(p, packet);
		if (packet->time_ns > f->last_ns + p->config.idle_timeout_ns ||
		    packet->time_ns > f->first_ns + p->config.active_timeout_ns)
			abort();
		account_packet(head_of(f), f, packet, packet->side, p->config.keep);
		lj_count(&p->counters, LJ_C_flow_hit, 1);
	}
}

/* --- measuring --- */

static bool open_path(struct path *p, uint32_t flows, uint32_t keep, bool own)
{
	const void *index;
	uint64_t mask;

	memset(p, 0, sizeof(*p));
	p->config = (struct lj_flow_config){.capacity = RTE_MAX(flows + flows / 8, 1024u),
					    .keep = keep,
					    .idle_timeout_ns = 120 * UINT64_C(1000000000),
					    .active_timeout_ns = 1800 * UINT64_C(1000000000),
					    .tcp_linger_ns = UINT64_C(1000000000),
					    .socket_id = SOCKET_ID_ANY};
	p->time_ns = START_NS;
	for (int i = 0; i < LJ_BURST_MAX; i++)
		p->mbuf[i].nb_segs = 1;
	lj_parser_init(&p->parser, &p->counters, false, false);
	if (own) {
		p->own = lj_flow_create("bench", &p->config, &p->counters);
		if (p->own == NULL)
			return false;
		index = lj_flow_index(p->own, &mask);
		lj_parser_feed(&p->parser, index, mask);
		return true;
	}
	p->hash = rte_hash_create(
		&(struct rte_hash_parameters){.name = "bench",
					      .entries = p->config.capacity + 64,
					      .key_len = sizeof(struct lj_flow_key),
					      .extra_flag = RTE_HASH_EXTRA_FLAGS_EXT_TABLE,
					      .socket_id = SOCKET_ID_ANY});
	p->record_bytes = ((size_t)p->config.capacity + 66) * sizeof(*p->records);
	p->records = mmap(NULL, p->record_bytes, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	p->arrival = calloc(p->config.capacity, sizeof(*p->arrival));
	if (p->hash == NULL || p->records == MAP_FAILED || p->arrival == NULL)
		return false;
	/* As the table asks for its own. */
	madvise(p->records, p->record_bytes, MADV_HUGEPAGE);
	return true;
}

static void close_path(struct path *p)
{
	lj_flow_destroy(p->own);
	rte_hash_free(p->hash);
	if (p->records != NULL)
		munmap(p->records, p->record_bytes);
	free(p->arrival);
}

static void run_bursts(struct path *p, const struct frames *f, uint32_t bursts)
{
	static struct lj_packet packets[LJ_BURST_MAX];

	for (uint32_t i = 0; i < bursts; i++) {
		uint16_t n = receive_and_parse(p, f, packets);

		if (p->own != NULL)
			own_burst(p, packets, n);
		else
			hash_burst(p, packets, n);
	}
}

/* Every flow gets its first packets, one flow after the other, then some at random. */
static void warm_up(struct path *p, const struct frames *f, enum traffic_kind kind, uint32_t flows)
{
	static uint8_t slot[LJ_BURST_MAX][FRAME_SLOT], bytes[LJ_BURST_MAX];
	static uint32_t stride[LJ_BURST_MAX];
	const struct frames few = {&slot[0][0], bytes, stride, LJ_BURST_MAX, GAP_NS};

	for (uint32_t flow = 0; kind <= TRAFFIC_ZIPF && flow < flows;
	     flow += LJ_BURST_MAX / LJ_SPLT_MAX) {
		for (uint32_t i = 0; i < LJ_BURST_MAX; i++)
			/* Sequence numbers that end where the frames' begin, at 0. */
			bytes[i] =
				put_frame(slot[i], (flow + i / LJ_SPLT_MAX) % flows, i & 1, 0x18,
					  (i % LJ_SPLT_MAX / 2 - LJ_SPLT_MAX / 2) * FRAME_PAYLOAD);
		run_bursts(p, &few, 1);
	}
	p->at = p->pass = 0;
	run_bursts(p, f, f->n / LJ_BURST_MAX);
}

/* ns per packet of one sample. */
static double take_sample(struct path *p, const struct frames *f)
{
	uint64_t began_ns = lj_bench_cpu_ns();

	run_bursts(p, f, BURSTS_A_SAMPLE);
	return (double)(lj_bench_cpu_ns() - began_ns) / (BURSTS_A_SAMPLE * LJ_BURST_MAX);
}

struct result {
	double own, hash, ratio;
	double begun, evicted; /* flows per packet, of our own table */
	uint64_t refused;      /* packets, likewise */
};

/* Whole bursts. Where each flow is to be new, so many that the first are gone when the frames begin
 * again: the table evicts the latest of the oldest tick, so a flow may stay for two ticks and more.
 */
static uint32_t frames_of(enum traffic_kind kind, uint32_t flows)
{
	uint32_t ticks = (uint32_t)(4 * LJ_FLOW_TICK_NS / GAP_NS), n;

	if (kind <= TRAFFIC_ZIPF)
		n = RTE_MAX(flows * 2, 1u << 16);
	else
		n = RTE_MAX(flows * (kind == TRAFFIC_SMALL ? 2 * SMALL_PACKETS : 4), ticks);
	return RTE_ALIGN_CEIL(n, LJ_BURST_MAX);
}

static bool measure(enum traffic_kind kind, uint32_t flows, uint32_t keep, double seconds,
		    struct result *r)
{
	static double own[SAMPLES_MAX], hash[SAMPLES_MAX], ratio[SAMPLES_MAX];
	static struct path paths[2];
	const struct lj_counters *c = &paths[0].counters;
	uint32_t n_frames = frames_of(kind, flows);
	uint64_t created, evicted;
	struct frames frames = {0};
	uint64_t end;
	int n = 0;
	bool good = make_frames(&frames, kind, flows, n_frames) &&
		    open_path(&paths[0], flows, keep, true) &&
		    open_path(&paths[1], flows, keep, false);

	if (good) {
		warm_up(&paths[0], &frames, kind, flows);
		warm_up(&paths[1], &frames, kind, flows);
		created = lj_counter_read(c, LJ_C_flow_created);
		evicted = lj_counter_read(c, LJ_C_flow_ended_evicted);
		end = rte_rdtsc() + (uint64_t)(seconds * (double)rte_get_tsc_hz());
		while (n < SAMPLES_MAX && (n == 0 || rte_rdtsc() < end)) {
			own[n] = take_sample(&paths[0], &frames);
			hash[n] = take_sample(&paths[1], &frames);
			ratio[n] = hash[n] / own[n];
			n++;
		}
		created = lj_counter_read(c, LJ_C_flow_created) - created;
		evicted = lj_counter_read(c, LJ_C_flow_ended_evicted) - evicted;
		*r = (struct result){lj_bench_median(own, (size_t)n),
				     lj_bench_median(hash, (size_t)n),
				     lj_bench_median(ratio, (size_t)n),
				     (double)created / n / (BURSTS_A_SAMPLE * LJ_BURST_MAX),
				     (double)evicted / n / (BURSTS_A_SAMPLE * LJ_BURST_MAX),
				     lj_counter_read(c, LJ_C_flow_refused)};
	}
	close_path(&paths[0]);
	close_path(&paths[1]);
	free_frames(&frames);
	return good;
}

static double available_gb(void)
{
	FILE *f = fopen("/proc/meminfo", "r");
	unsigned long long kb = 0;
	char line[128];

	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "MemAvailable: %llu", &kb) == 1)
			break;
	if (f != NULL)
		fclose(f);
	return (double)kb / 1e6;
}

static double needed_gb(enum traffic_kind kind, uint32_t flows)
{
	return (double)flows * 1.125 * (320 + 1024 + 1024 + 100) / 1e9 +
	       (double)frames_of(kind, flows) * FRAME_SLOT / 1e9;
}

static void bench(struct lj_bench *b, double seconds, uint32_t most_flows)
{
	static const uint32_t flows[] = {1000, 100000, 1000000, 4000000};

	fprintf(b->text, "%9s %9s %10s %14s %6s %6s %8s %8s\n", "traffic", "flows", "ns/packet",
		"rte_hash bulk", "ratio", "begun", "evicted", "refused");
	for (int kind = 0; kind < TRAFFIC_KINDS; kind++)
		for (size_t i = 0; i < RTE_DIM(flows) && flows[i] <= most_flows; i++) {
			struct result r;

			if (kind != TRAFFIC_UNIFORM && flows[i] != 100000 && flows[i] != 1000000)
				continue;
			if (needed_gb((enum traffic_kind)kind, flows[i]) > 0.8 * available_gb() ||
			    !measure((enum traffic_kind)kind, flows[i], KEEP_DEFAULT, seconds,
				     &r)) {
				fprintf(stderr, "%9s %9u   left out: needs %.1f GB of memory\n",
					traffic_names[kind], flows[i],
					needed_gb((enum traffic_kind)kind, flows[i]));
				continue;
			}
			fprintf(b->text, "%9s %9u %10.1f %14.1f %6.2f %6.3f %8.3f %8" PRIu64 "\n",
				traffic_names[kind], flows[i], r.own, r.hash, r.ratio, r.begun,
				r.evicted, r.refused);
			fflush(b->text);
			lj_bench_row(b,
				     "\"flows\": %u, \"traffic\": \"%s\", \"ns_per_packet\": %.2f, "
				     "\"rte_hash_bulk_ns_per_packet\": %.2f, \"ratio\": %.3f, "
				     "\"begun_per_packet\": %.4f, \"evicted_per_packet\": %.4f, "
				     "\"refused_packets\": %" PRIu64,
				     flows[i], traffic_names[kind], r.own, r.hash, r.ratio, r.begun,
				     r.evicted, r.refused);
		}
}

int main(int argc, char **argv)
{
	double seconds = 2, most_flows = 4000000;
	const struct lj_bench_number numbers[] = {{"seconds", &seconds}, {"flows", &most_flows}};
	struct lj_bench b;

	lj_bench_open(&b, "bench_datapath", argc, argv, numbers, RTE_DIM(numbers));
	lj_bench_eal(b.name, 1024);
	bench(&b, seconds, (uint32_t)most_flows);
	rte_eal_cleanup();
	return lj_bench_close(&b);
}
