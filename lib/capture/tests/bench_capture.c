/*
 * The cost of receiving a packet from a file: rx and free, with the file in the page cache. ns per
 * packet for frames of 64 to 1500 bytes, pcap and pcapng, one file and two legs.
 */
#include "lj_bench.h"
#include "lj_capture.h"

#define PACKETS 500000
#define ROUNDS	4

static char dir[] = "/tmp/lj-bench-capture-XXXXXX";

static void put32(FILE *f, uint32_t value)
{
	fwrite(&value, sizeof(value), 1, f);
}

static void write_pcap(FILE *f, const uint8_t *frame, uint32_t bytes)
{
	const uint32_t header[] = {0xa1b2c3d4, 4u << 16 | 2, 0, 0, 65535, 1};

	fwrite(header, sizeof(header), 1, f);
	for (uint32_t i = 0; i < PACKETS; i++) {
		put32(f, i / 1000);
		put32(f, i % 1000);
		put32(f, bytes);
		put32(f, bytes);
		fwrite(frame, bytes, 1, f);
	}
}

static void write_pcapng(FILE *f, const uint8_t *frame, uint32_t bytes)
{
	const uint32_t head[] = {0x0a0d0d0a, 28, 0x1a2b3c4d, 1, 0xffffffff, 0xffffffff,
				 28,	     1,	 20,	     1, 0,	    20};
	uint32_t length = 32 + RTE_ALIGN_CEIL(bytes, 4u);

	fwrite(head, sizeof(head), 1, f);
	for (uint32_t i = 0; i < PACKETS; i++) {
		const uint32_t header[] = {6, length, 0, 0, i, bytes, bytes};

		fwrite(header, sizeof(header), 1, f);
		fwrite(frame, length - 32, 1, f);
		put32(f, length);
	}
}

/* ns per packet in the best round, since disturbances only add time. */
static double measure(const char *const *paths, uint16_t n_paths)
{
	const struct lj_file_config config = {paths, n_paths, n_paths > 1};
	double best = 0;

	for (int round = 0; round < ROUNDS; round++) {
		struct lj_source *s = lj_source_open_file(&config, NULL);
		uint64_t began = rte_rdtsc(), n = 0;
		struct lj_burst burst;
		double ns;

		if (s == NULL)
			exit(EXIT_FAILURE);
		while (lj_source_rx(s, 0, &burst) > 0) {
			n += burst.count;
			lj_burst_free(&burst);
		}
		ns = (double)(rte_rdtsc() - began) * 1e9 / (double)rte_get_tsc_hz() / (double)n;
		best = round == 0 ? ns : RTE_MIN(best, ns);
		lj_source_close(s);
	}
	return best;
}

static double bench(bool pcapng, uint32_t bytes, uint16_t legs)
{
	static const uint8_t frame[2048];
	char path[128];
	const char *paths[2] = {path, path};
	double ns;
	FILE *f;

	snprintf(path, sizeof(path), "%s/capture", dir);
	f = fopen(path, "wb");
	if (f == NULL)
		exit(EXIT_FAILURE);
	if (pcapng)
		write_pcapng(f, frame, bytes);
	else
		write_pcap(f, frame, bytes);
	fclose(f);
	ns = measure(paths, legs);
	unlink(path);
	return ns;
}

int main(int argc, char **argv)
{
	static const uint32_t sizes[] = {64, 200, 1500};
	struct lj_bench b;

	lj_bench_open(&b, "bench_capture", argc, argv, NULL, 0);
	if (mkdtemp(dir) == NULL) {
		perror(dir);
		return EXIT_FAILURE;
	}
	lj_bench_eal(b.name, 64);
	for (int pcapng = 0; pcapng < 2; pcapng++)
		for (uint32_t i = 0; i < RTE_DIM(sizes); i++)
			for (uint16_t legs = 1; legs <= 2; legs++) {
				const char *format = pcapng ? "pcapng" : "pcap";
				double ns = bench(pcapng, sizes[i], legs);

				fprintf(b.text, "%-6s %4u B, %u leg%s: %6.1f ns, %5.1f Mpps\n",
					format, sizes[i], legs, legs == 1 ? " " : "s", ns,
					1000 / ns);
				lj_bench_row(&b,
					     "\"format\": \"%s\", \"bytes\": %u, \"legs\": %u, "
					     "\"ns_per_packet\": %.2f",
					     format, sizes[i], legs, ns);
			}
	rmdir(dir);
	return lj_bench_close(&b);
}
