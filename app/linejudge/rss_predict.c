/*
 * linejudge rss-predict: reads a capture and predicts how a NIC's RSS would distribute it. The key
 * is the symmetric one unless --key gives another.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>

#include "command.h"
#include "lj_driver.h"
#include "runtime.h"
#include "spread.h"

struct prediction {
	const char **pcap;
	uint16_t n_pcaps;
	const char *driver, *key;
	uint32_t queues;
	enum lj_rss_mode mode;
	bool json;
	struct lj_rss rss;
	struct spread spread;
};

static void usage(void)
{
	printf("usage: linejudge rss-predict --pcap FILE [...] --queues N [OPTION...]\n\n"
	       "  --pcap FILE       a capture (pcap, pcapng); repeat for further parts\n"
	       "  --queues N        receive queues, 1 to %d\n"
	       "  --mode MODE       fields that are hashed: 5tuple (default) or ip\n"
	       "  --driver NAME     determines RETA size and key length: i40e (default), ice ...\n"
	       "  --key HEX         another key than the symmetric 6D5A...\n"
	       "  --json            print JSON\n\n"
	       "Packets that are not parsed (not IP, later fragments) count for queue 0.\n",
	       LJ_SOURCE_QUEUES);
}

static int parse_options(struct prediction *p, int argc, char **argv, struct lj_error *err)
{
	static const struct option longs[] = {
		{"pcap", required_argument, NULL, 'p'}, {"queues", required_argument, NULL, 'q'},
		{"mode", required_argument, NULL, 'm'}, {"driver", required_argument, NULL, 'd'},
		{"key", required_argument, NULL, 'k'},	{"json", no_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'},	{NULL, 0, NULL, 0}};
	unsigned long queues;
	char *end;
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, ":", longs, NULL)) != -1) {
		switch (option) {
		case 'p':
			p->pcap[p->n_pcaps++] = optarg;
			break;
		case 'q':
			queues = strtoul(optarg, &end, 10);
			p->queues =
				*end == '\0' && queues <= LJ_SOURCE_QUEUES ? (uint32_t)queues : 0;
			break;
		case 'm':
			if (strcmp(optarg, "ip") != 0 && strcmp(optarg, "5tuple") != 0)
				return lj_error_set(err, EINVAL, optarg,
						    "is neither ip nor 5tuple");
			p->mode = strcmp(optarg, "ip") == 0 ? LJ_RSS_IP : LJ_RSS_5TUPLE;
			break;
		case 'd':
			p->driver = optarg;
			break;
		case 'k':
			p->key = optarg;
			break;
		case 'j':
			p->json = true;
			break;
		case 'h':
			usage();
			return 1;
		default:
			return lj_error_set(err, EINVAL, argv[optind - 1],
					    option == ':' ? "needs an argument (see --help)"
							  : "no such option (see --help)");
		}
	}
	if (optind < argc)
		return lj_error_set(err, EINVAL, argv[optind], "is not an option (see --help)");
	if (p->n_pcaps == 0)
		return lj_error_set(err, EINVAL, "--pcap", "no capture is given");
	if (p->queues < 1 || p->queues > LJ_SOURCE_QUEUES)
		return lj_error_set(err, ERANGE, "--queues", "is not in 1..%d", LJ_SOURCE_QUEUES);
	return 0;
}

static int parse_key(struct prediction *p, struct lj_error *err)
{
	uint8_t key[LJ_RSS_KEY_MAX];
	size_t digits = strlen(p->key);

	if (digits % 2 != 0 || digits < 2 * 16 || digits > 2 * sizeof(key))
		return lj_error_set(err, EINVAL, "--key", "is not 16 to %zu bytes in hexadecimal",
				    sizeof(key));
	for (size_t i = 0; i < digits / 2; i++) {
		unsigned int byte;
		char pair[3] = {p->key[2 * i], p->key[2 * i + 1], '\0'};

		if (strspn(pair, "0123456789abcdefABCDEF") != 2 || sscanf(pair, "%x", &byte) != 1)
			return lj_error_set(err, EINVAL, "--key", "\"%s\" is not hexadecimal",
					    pair);
		key[i] = (uint8_t)byte;
	}
	lj_rss_set_key(&p->rss, key, (uint8_t)(digits / 2));
	return 0;
}

static int set_up_rss(struct prediction *p, struct lj_error *err)
{
	struct lj_driver driver;
	int ret = lj_driver_load(&driver, p->driver, err);

	if (ret != 0)
		return ret;
	/* An unknown driver is an error: the generic one would predict another NIC's
	 * distribution. */
	if (strcmp(driver.name, "generic") == 0 && strcmp(p->driver, "generic") != 0)
		ret = lj_error_set(err, ENOENT, "--driver",
				   "there is no %s.json in drivers-config; use generic for other "
				   "drivers",
				   p->driver);
	else if (driver.has_rss)
		lj_rss_init(&p->rss, p->mode, (uint16_t)p->queues, driver.key_bytes,
			    driver.reta_entries);
	else
		ret = lj_error_set(err, ENOTSUP, "--driver", "%s has no RSS with a key", p->driver);
	if (ret == 0 && driver.queues_max > 0 && p->queues > driver.queues_max)
		ret = lj_error_set(err, ERANGE, "--queues", "%s has at most %u", driver.name,
				   driver.queues_max);
	p->rss.sctp = driver.mode[p->mode].functions & RTE_ETH_RSS_NONFRAG_IPV4_SCTP
			      ? LJ_RSS_SCTP_PORTS
		      : driver.sctp_unhashed ? LJ_RSS_SCTP_UNHASHED
					     : LJ_RSS_SCTP_ADDRESSES;
	lj_driver_free(&driver);
	return ret == 0 && p->key != NULL ? parse_key(p, err) : ret;
}

static int start_eal(struct lj_error *err)
{
	char prefix[64];
	char *argv[] = {(char *)"linejudge",
			(char *)"--no-huge",
			(char *)"-m64",
			(char *)"--no-pci",
			(char *)"--no-shconf",
			(char *)"--no-telemetry",
			(char *)"--log-level=error",
			prefix};

	snprintf(prefix, sizeof(prefix), "--file-prefix=linejudge-predict-%d", (int)getpid());
	runtime_remove_at_exit();
	if (rte_eal_init(RTE_DIM(argv), argv) >= 0)
		return 0;
	return lj_error_set(err, rte_errno, "EAL", "DPDK does not start: %s",
			    rte_strerror(rte_errno));
}

static int read_capture(struct prediction *p, struct lj_source *source, struct lj_error *err)
{
	static struct lj_packet packets[LJ_BURST_MAX];
	static struct lj_counters counters;
	struct lj_parser parser;
	struct lj_burst burst;

	/* Do not decapsulate: NICs hash the outer headers. */
	lj_parser_init(&parser, &counters, false, true);
	while (lj_source_rx(source, 0, &burst) > 0 ||
	       lj_source_state(source) == LJ_SOURCE_RUNNING) {
		uint16_t n = lj_packet_parse_burst(&parser, &burst, packets);
		uint16_t refused = burst.count - n;
		uint64_t bytes = 0;

		for (uint16_t i = 0; i < burst.count; i++)
			bytes += burst.wire_bytes[i];
		lj_burst_free(&burst);
		for (uint16_t i = 0; i < n; i++) {
			bytes -= packets[i].wire_bytes;
			if (spread_packet(&p->spread, &packets[i]) != 0)
				return lj_error_set(err, ENOMEM, "flows", "not enough memory");
		}
		spread_unparsed(&p->spread, refused, bytes);
	}
	if (lj_source_state(source) != LJ_SOURCE_FAILED)
		return 0;
	*err = *lj_source_error(source);
	return -EIO;
}

/* Imbalance: maximum over mean of the queues' packets. */
static double imbalance(const uint64_t *counts, uint32_t n)
{
	uint64_t sum = 0, max = 0;

	for (uint32_t q = 0; q < n; q++) {
		sum += counts[q];
		max = RTE_MAX(max, counts[q]);
	}
	return sum > 0 ? (double)max * n / (double)sum : 1;
}

static json_t *report(const struct prediction *p)
{
	const struct spread *s = &p->spread;
	uint64_t packets[LJ_SOURCE_QUEUES], bytes[LJ_SOURCE_QUEUES], flows[LJ_SOURCE_QUEUES];
	json_t *queues = json_array();

	for (uint32_t q = 0; q < p->queues; q++) {
		packets[q] = s->queue[q].packets;
		bytes[q] = s->queue[q].bytes;
		flows[q] = s->queue[q].flows;
		json_array_append_new(queues, json_pack("{s:i, s:I, s:I, s:I}", "queue", (int)q,
							"packets", (json_int_t)packets[q], "bytes",
							(json_int_t)bytes[q], "flows",
							(json_int_t)flows[q]));
	}
	return json_pack("{s:s, s:s, s:i, s:o, s:{s:f, s:f, s:f}, s:I, s:I, s:I, s:I}", "driver",
			 p->driver, "mode", p->mode == LJ_RSS_IP ? "ip" : "5tuple", "reta_entries",
			 (int)p->rss.reta_entries, "queues", queues, "imbalance", "packets",
			 imbalance(packets, p->queues), "bytes", imbalance(bytes, p->queues),
			 "flows", imbalance(flows, p->queues), "flows", (json_int_t)s->flows,
			 "flows_parted", (json_int_t)s->parted, "flows_fragmented",
			 (json_int_t)s->fragmented, "unhashed_packets", (json_int_t)s->unhashed);
}

static void print_text(const struct prediction *p, const json_t *root)
{
	const json_t *uneven = json_object_get(root, "imbalance");
	const struct spread *s = &p->spread;

	printf("%s, mode %s, RETA of %u\n\nqueue %14s %16s %12s\n", p->driver,
	       p->mode == LJ_RSS_IP ? "ip" : "5tuple", p->rss.reta_entries, "packets", "bytes",
	       "flows");
	for (uint32_t q = 0; q < p->queues; q++)
		printf("%5u %14" PRIu64 " %16" PRIu64 " %12" PRIu64 "\n", q, s->queue[q].packets,
		       s->queue[q].bytes, s->queue[q].flows);
	printf("max/mean %11.3f %16.3f %12.3f\n\n",
	       json_real_value(json_object_get(uneven, "packets")),
	       json_real_value(json_object_get(uneven, "bytes")),
	       json_real_value(json_object_get(uneven, "flows")));
	printf("flows whose directions go to different queues: %" PRIu64 " of %" PRIu64 "\n",
	       s->parted, s->flows);
	printf("flows whose fragments go to another queue: %" PRIu64 "\n", s->fragmented);
	printf("packets without a hash, on queue 0: %" PRIu64 "\n", s->unhashed);
}

static int predict(struct prediction *p, struct lj_error *err)
{
	const struct lj_file_config files = {p->pcap, p->n_pcaps, false};
	struct lj_source *source = lj_source_open_file(&files, err);
	json_t *root;
	int ret;

	if (source == NULL)
		return -EINVAL;
	ret = spread_init(&p->spread, &p->rss);
	if (ret == 0)
		ret = read_capture(p, source, err);
	else
		lj_error_set(err, ENOMEM, "flows", "not enough memory");
	lj_source_close(source);
	if (ret != 0)
		return ret;
	root = report(p);
	if (p->json) {
		json_dumpf(root, stdout, JSON_INDENT(2));
		printf("\n");
	} else {
		print_text(p, root);
	}
	json_decref(root);
	return 0;
}

int rss_predict_main(int argc, char **argv)
{
	static struct prediction p = {.driver = "i40e"};
	struct lj_error err = {0};
	int ret;

	p.pcap = calloc((size_t)argc, sizeof(*p.pcap));
	if (p.pcap == NULL)
		return EXIT_FAILURE;
	ret = parse_options(&p, argc, argv, &err);
	if (ret == 0)
		ret = set_up_rss(&p, &err);
	if (ret == 0)
		ret = start_eal(&err);
	if (ret == 0) {
		ret = predict(&p, &err);
		rte_eal_cleanup();
	}
	spread_free(&p.spread);
	free(p.pcap);
	return ret >= 0 ? EXIT_SUCCESS : program_fail("rss-predict", &err);
}
