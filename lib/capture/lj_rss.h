/*
 * Receive-side scaling of a NIC, computed in software: which queue a packet goes to.
 *
 * The Toeplitz hash of the addresses, and in mode 5tuple of the ports, selects an entry of the
 * redirection table (RETA), which holds the queue. Used to check at start that both directions of a
 * flow go to the same queue, to check samples while running, and to predict how the flows of a
 * capture would be distributed.
 *
 * Thread: init: one. Everything else only reads and may be called from any thread; the RETA's
 * entries may be replaced one at a time meanwhile.
 */
#ifndef LJ_RSS_H
#define LJ_RSS_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_common.h>

#define LJ_RSS_KEY_MAX	 64
#define LJ_RSS_TUPLE_MAX 36 /* IPv6: source, destination, source port, destination port */
#define LJ_RETA_MAX	 2048

enum lj_toeplitz_way {
	LJ_TOEPLITZ_BEST, /* the fastest on this processor */
	LJ_TOEPLITZ_TABLE,
	LJ_TOEPLITZ_GFNI, /* the table if the processor has no GFNI */
};

/* The precomputed tables of one key, for both implementations. */
struct lj_toeplitz {
	/* What each nibble of the tuple contributes to the hash. */
	uint32_t nibble[2 * LJ_RSS_TUPLE_MAX][16];
	/* [k]: the 8x8 bit matrix that maps byte i of the tuple to byte k - i of the hash. */
	uint64_t matrix[RTE_ALIGN_CEIL(LJ_RSS_TUPLE_MAX + 3, 4)];
	bool gfni;
};

/* The key is padded with zeros beyond `bytes`, as in hardware. */
void lj_toeplitz_init(struct lj_toeplitz *t, const uint8_t *key, uint8_t bytes,
		      enum lj_toeplitz_way way);

/* The hash of the first `n` bytes, at most LJ_RSS_TUPLE_MAX, of a tuple in network order. Same
 * result as rte_softrss() and as Microsoft's "Verifying the RSS hash calculation". */
uint32_t lj_toeplitz_hash(const struct lj_toeplitz *t, const void *tuple, uint32_t n);

enum lj_rss_mode {
	LJ_RSS_5TUPLE, /* addresses, and ports of TCP and UDP: the most even distribution */
	LJ_RSS_IP,     /* addresses only: fragments stay with their flow */
};

/* How a NIC hashes SCTP in mode 5tuple. */
enum lj_rss_sctp {
	LJ_RSS_SCTP_ADDRESSES, /* like any protocol without ports */
	LJ_RSS_SCTP_PORTS,
	LJ_RSS_SCTP_UNHASHED, /* queue 0, also in mode ip: a packet type not enabled (i40e) */
};

/* RSS of one port. */
struct lj_rss {
	enum lj_rss_mode mode;
	uint8_t key[LJ_RSS_KEY_MAX];
	uint8_t key_bytes;
	enum lj_rss_sctp sctp;
	uint16_t queues;
	uint16_t reta_entries;	     /* a power of two, at most LJ_RETA_MAX */
	uint16_t reta[LJ_RETA_MAX];  /* main: wo; all: ro, through lj_rss_entry() */
	struct lj_toeplitz toeplitz; /* of `key` */
};

/* The 16-bit pattern 6D5A repeated, which makes Toeplitz symmetric (Woo and Park, 2012). */
void lj_rss_symmetric_key(uint8_t *key, uint8_t bytes);

/* The symmetric key, and a RETA whose entry i is queue i mod `queues`, the drivers' default. */
void lj_rss_init(struct lj_rss *rss, enum lj_rss_mode mode, uint16_t queues, uint8_t key_bytes,
		 uint16_t reta_entries);
/* Replaces the key by one read back from a port. */
void lj_rss_set_key(struct lj_rss *rss, const uint8_t *key, uint8_t bytes);

/* The RETA entry that a hash selects. */
static inline uint16_t lj_rss_bucket(const struct lj_rss *rss, uint32_t hash)
{
	return (uint16_t)(hash & (rss->reta_entries - 1u));
}

/* The queue that an entry holds. */
static inline uint16_t lj_rss_entry(const struct lj_rss *rss, uint16_t bucket)
{
	return __atomic_load_n(&rss->reta[bucket], __ATOMIC_RELAXED);
}

static inline uint16_t lj_rss_queue(const struct lj_rss *rss, uint32_t hash)
{
	return lj_rss_entry(rss, lj_rss_bucket(rss, hash));
}

/*
 * Hashes LJ_RSS_TEST_PAIRS synthetic tuples, IPv4 and IPv6, with and without ports, by `there` and
 * their reverses by `back`, which may be the same. Returns how many pairs go to different queues.
 * The tuples are the same every time.
 */
#define LJ_RSS_TEST_PAIRS 4096
uint32_t lj_rss_self_test(const struct lj_rss *there, const struct lj_rss *back);

/* The imbalance below which nothing is moved, since each move splits flows. */
#define LJ_RSS_EVEN 1.05

struct lj_rss_balance {
	uint16_t moved;	      /* entries whose queue changes */
	double before, after; /* imbalance of `load`: the fullest queue over the mean; 1 is even */
};

/*
 * Computes a RETA that balances the observed load: `load[i]` is that of entry i, in any unit;
 * reta[i] (room for reta_entries) is set to its new queue. Few entries move: one at a time from the
 * fullest queue to the emptiest, until the load is even or no move helps. An entry that alone
 * exceeds a queue's share cannot be balanced.
 */
void lj_rss_balance(const struct lj_rss *rss, const uint64_t *load, uint16_t *reta,
		    struct lj_rss_balance *result);

#endif
