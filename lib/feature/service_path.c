#include <netinet/in.h>

#include "feature_table.h"

/* By port; the numbers are nDPI's (ndpi_protocol_ids.h), which NF-*-v2 has in L7_PROTO. */
static const struct {
	uint16_t port, l7;
} services[] = {
	{20, 175},   {21, 1},	   {22, 92},	{23, 77},    {25, 3},	  {53, 5},     {67, 18},
	{68, 18},    {69, 96},	   {80, 7},	{88, 111},   {110, 2},	  {111, 127},  {123, 9},
	{135, 127},  {137, 10},	   {138, 10},	{139, 10},   {143, 4},	  {161, 14},   {162, 14},
	{177, 15},   {179, 13},	   {389, 112},	{443, 91},   {445, 41},	  {465, 29},   {502, 44},
	{514, 17},   {546, 103},   {547, 103},	{554, 50},   {587, 3},	  {631, 6},    {636, 112},
	{853, 196},  {873, 166},   {993, 51},	{995, 23},   {1080, 172}, {1194, 159}, {1433, 114},
	{1521, 167}, {1812, 146},  {1813, 146}, {1883, 222}, {1900, 12},  {1935, 174}, {2049, 11},
	{2055, 128}, {3306, 20},   {3389, 88},	{3478, 78},  {3702, 153}, {5060, 100}, {5222, 67},
	{5353, 8},   {5355, 154},  {5432, 19},	{5672, 192}, {5683, 27},  {5900, 89},  {6343, 129},
	{6379, 182}, {6667, 65},   {8080, 7},	{8443, 91},  {8883, 222}, {11211, 40}, {20000, 244},
	{27017, 60}, {51820, 206},
};

static uint16_t by_port(uint16_t port)
{
	for (size_t i = 0; i < RTE_DIM(services); i++)
		if (services[i].port == port)
			return services[i].l7;
	return 0;
}

uint16_t feature_service(const struct lj_flow *f)
{
	const uint16_t quic = 188;
	uint16_t l7;

	switch (f->key.proto) {
	case IPPROTO_ICMP:
		return 81;
	case IPPROTO_IGMP:
		return 82;
	case IPPROTO_GRE:
		return 80;
	case IPPROTO_ICMPV6:
		return 102;
	case IPPROTO_TCP:
	case IPPROTO_UDP:
		break;
	default:
		return 0;
	}
	if (f->key.proto == IPPROTO_UDP && (f->key.port[0] == 443 || f->key.port[1] == 443))
		return quic;
	l7 = by_port(f->key.port[!f->initiator]);
	return l7 != 0 ? l7 : by_port(f->key.port[f->initiator]);
}
