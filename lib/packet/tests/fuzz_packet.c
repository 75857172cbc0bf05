/* libFuzzer: any frame is accepted or counted under one reason, and nothing beyond it is read. */
#include <stdlib.h>
#include <string.h>

#include "lj_packet.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	uint16_t length = (uint16_t)RTE_MIN(n, (size_t)UINT16_MAX);
	uint8_t *frame = malloc(length + (length == 0));
	struct rte_mbuf mbuf = {
		.buf_addr = frame, .data_len = length, .pkt_len = length, .nb_segs = 1};
	struct lj_burst burst = {.count = 1, .mbuf = {&mbuf}, .wire_bytes = {length}};
	struct lj_counters counters = {0};
	struct lj_parser parser;
	struct lj_packet packet;
	uint64_t counted = 0;

	memcpy(frame, bytes, length);
	lj_parser_init(&parser, &counters, false, false);
	counted = lj_packet_parse_burst(&parser, &burst, &packet);
	if (counted == 1 && packet.payload_bytes > packet.l3_bytes)
		abort();
	for (int i = LJ_C_parse_ignored_ethertype; i <= LJ_C_parse_malformed_l4_header; i++)
		counted += counters.value[i];
	if (counted != 1)
		abort();
	free(frame);
	return 0;
}
