/*
 * The cost of a Toeplitz hash: by table and by GFNI, compared with rte_softrss_be() in the same
 * process. `bench_toeplitz [--json PATH|-]`.
 */
#include <rte_thash.h>

#include "lj_bench.h"
#include "lj_rss.h"

#define TUPLES	4096
#define REPEATS 7
#define KEY	52

struct tuple {
	uint32_t word[10];
};

struct bench {
	struct tuple tuple[TUPLES];
	struct lj_toeplitz table, gfni;
	uint32_t baseline_key[KEY / 4];
	uint32_t sum; /* of the hashes, so that hashing is not optimized away */
};

enum way { BASELINE, TABLE, GFNI, WAYS };

static double run(struct bench *b, enum way way, uint32_t words)
{
	const struct lj_toeplitz *t = way == GFNI ? &b->gfni : &b->table;
	uint64_t began_ns = lj_bench_clock_ns();

	for (uint32_t i = 0; i < TUPLES; i++) {
		/* The baseline takes words in host order; they are random anyway. */
		if (way == BASELINE)
			b->sum += rte_softrss_be(b->tuple[i].word, words,
						 (const uint8_t *)b->baseline_key);
		else
			b->sum += lj_toeplitz_hash(t, b->tuple[i].word, words * 4);
	}
	return lj_bench_ns_since(began_ns);
}

/* ns per hash, median of the repetitions. */
static double measure(struct bench *b, enum way way, uint32_t words)
{
	double ns[REPEATS];

	run(b, way, words);
	for (int i = 0; i < REPEATS; i++)
		ns[i] = run(b, way, words) / TUPLES;
	return lj_bench_median(ns, REPEATS);
}

static void set_up(struct bench *b)
{
	uint8_t key[KEY];

	lj_rss_symmetric_key(key, KEY);
	lj_toeplitz_init(&b->table, key, KEY, LJ_TOEPLITZ_TABLE);
	lj_toeplitz_init(&b->gfni, key, KEY, LJ_TOEPLITZ_GFNI);
	rte_convert_rss_key((const uint32_t *)key, b->baseline_key, KEY);
	srandom(1);
	for (uint32_t i = 0; i < TUPLES; i++)
		for (uint32_t w = 0; w < RTE_DIM(b->tuple[i].word); w++)
			b->tuple[i].word[w] = (uint32_t)random();
}

static void report(struct lj_bench *out, const struct bench *b, uint32_t bytes,
		   const double ns[WAYS])
{
	fprintf(out->text,
		"%2u B: rte_softrss_be %6.1f ns, table %5.1f ns (%.1fx), %s %5.1f ns (%.1fx)\n",
		bytes, ns[BASELINE], ns[TABLE], ns[BASELINE] / ns[TABLE],
		b->gfni.gfni ? "GFNI" : "no GFNI here, table", ns[GFNI], ns[BASELINE] / ns[GFNI]);
	lj_bench_row(out,
		     "\"bytes\": %u, \"rte_softrss_be_ns\": %.2f, \"table_ns\": %.2f, "
		     "\"table_ratio\": %.2f, \"gfni\": %s, \"gfni_ns\": %.2f, \"gfni_ratio\": %.2f",
		     bytes, ns[BASELINE], ns[TABLE], ns[BASELINE] / ns[TABLE],
		     b->gfni.gfni ? "true" : "false", ns[GFNI], ns[BASELINE] / ns[GFNI]);
}

int main(int argc, char **argv)
{
	static const uint32_t words[] = {2, 3, 8, 9};
	static struct bench b;
	struct lj_bench out;

	lj_bench_open(&out, "bench_toeplitz", argc, argv, NULL, 0);
	set_up(&b);
	for (size_t i = 0; i < RTE_DIM(words); i++) {
		double ns[WAYS];

		for (enum way way = BASELINE; way < WAYS; way++)
			ns[way] = measure(&b, way, words[i]);
		report(&out, &b, words[i] * 4, ns);
	}
	return lj_bench_close(&out);
}
