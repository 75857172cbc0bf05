/*
 * What a NIC's receive-side scaling does, in software: which queue a packet goes to.
 *
 * The Toeplitz hash of the addresses, and of the ports in mode 5tuple, picks an entry of the
 * redirection table (RETA), and that names the queue. Used to check at start that both directions
 * of a flow meet, to check samples while running, and to predict how a capture would spread.
 *
 * Thread: init on one; the rest is read-only, from any, but for the RETA, whose entries may be
 * replaced one by one while others read them.
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
	LJ_TOEPLITZ_BEST, /* what this processor does best */
	LJ_TOEPLITZ_TABLE,
	LJ_TOEPLITZ_GFNI, /* where the processor has none: the table */
};

/* Both ways' tables of one key. */
struct lj_toeplitz {
	/* What each half of each byte adds to the hash. */
	uint32_t nibble[2 * LJ_RSS_TUPLE_MAX][16];
	/* [k]: the 8x8 bits of the key that take byte i of the tuple to byte k - i of the hash. */
	uint64_t matrix[RTE_ALIGN_CEIL(LJ_RSS_TUPLE_MAX + 3, 4)];
	bool gfni;
};

/* The key's bytes beyond `bytes` count as 0, as in the hardware. */
void lj_toeplitz_init(struct lj_toeplitz *t, const uint8_t *key, uint8_t bytes,
		      enum lj_toeplitz_way way);

/* The hash of the first `n` bytes, at most LJ_RSS_TUPLE_MAX, of a tuple in network order. As
 * rte_softrss(), and as Microsoft's "Verifying the RSS hash calculation". */
uint32_t lj_toeplitz_hash(const struct lj_toeplitz *t, const void *tuple, uint32_t n);

enum lj_rss_mode {
	LJ_RSS_5TUPLE, /* addresses, and ports of TCP and UDP: spreads best */
	LJ_RSS_IP,     /* addresses only: fragments stay with their flow */
};

/* What a NIC makes of SCTP, in mode 5tuple. */
enum lj_rss_sctp {
	LJ_RSS_SCTP_ADDRESSES, /* as any protocol without ports */
	LJ_RSS_SCTP_PORTS,
	LJ_RSS_SCTP_UNHASHED, /* queue 0, in mode ip, too: a packet type not asked for (i40e) */
};

/* How one port spreads. */
struct lj_rss {
	enum lj_rss_mode mode;
	uint8_t key[LJ_RSS_KEY_MAX];
	uint8_t key_bytes;
	enum lj_rss_sctp sctp;
	uint16_t queues;
	uint16_t reta_entries;	     /* a power of two, at most LJ_RETA_MAX */
	uint16_t reta[LJ_RETA_MAX];  /* main: wo; all: ro, by the functions below */
	struct lj_toeplitz toeplitz; /* of `key` */
};

/* The 16-bit pattern 6D5A over and over, which makes Toeplitz symmetric (Woo and Park, 2012). */
void lj_rss_symmetric_key(uint8_t *key, uint8_t bytes);

/* Entry i of the RETA is queue i mod `queues`, as drivers lay it out. */
void lj_rss_init(struct lj_rss *rss, enum lj_rss_mode mode, uint16_t queues, uint8_t key_bytes,
		 uint16_t reta_entries);
/* Takes another key, as read back from a port. */
void lj_rss_set_key(struct lj_rss *rss, const uint8_t *key, uint8_t bytes);

/* Which entry of the RETA a hash picks. */
static inline uint16_t lj_rss_bucket(const struct lj_rss *rss, uint32_t hash)
{
	return (uint16_t)(hash & (rss->reta_entries - 1u));
}

/* The queue that an entry names. */
static inline uint16_t lj_rss_entry(const struct lj_rss *rss, uint16_t bucket)
{
	return __atomic_load_n(&rss->reta[bucket], __ATOMIC_RELAXED);
}

static inline uint16_t lj_rss_queue(const struct lj_rss *rss, uint32_t hash)
{
	return lj_rss_entry(rss, lj_rss_bucket(rss, hash));
}

/*
 * Pushes synthetic tuples, IPv4 and IPv6 with and without ports, through hash and RETA of `there`,
 * and their reverses through those of `back`, which may be the same: how many of LJ_RSS_TEST_PAIRS
 * pairs part. The same tuples every time.
 */
#define LJ_RSS_TEST_PAIRS 4096
uint32_t lj_rss_self_test(const struct lj_rss *there, const struct lj_rss *back);

/* Fullest queue over the mean: what is this even is left alone, since a move parts flows. */
#define LJ_RSS_EVEN 1.05

struct lj_rss_balance {
	uint16_t moved;	      /* entries that name another queue than before */
	double before, after; /* imbalance of `load`: the fullest queue over the mean; 1 is even */
};

/*
 * A better RETA for the load seen: `load[i]` is entry i's, in any unit, and reta[i] (room for
 * reta_entries) the queue that it is to have. Few entries move: one at a time from the fullest
 * queue to the emptiest, until it is even or no move helps. One entry that is more than a queue's
 * share cannot be helped.
 */
void lj_rss_balance(const struct lj_rss *rss, const uint64_t *load, uint16_t *reta,
		    struct lj_rss_balance *result);

#endif
