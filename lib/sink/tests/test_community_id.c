#include <netinet/in.h>
#include <string.h>

#include "lj_test.h"
#include "sink_fixture.h"

static void community_ids_are_those_of_the_specification(void)
{
	/* github.com/corelight/community-id-spec, baseline: seed 0 */
	static const struct {
		uint32_t src, dst;
		uint16_t src_port, dst_port;
		uint8_t proto, type, code;
		const char *id;
	} wanted[] = {
		{0x80e86e78, 0x4223facc, 34855, 80, 6, 0, 0, "1:LQU9qZlK+B5F3KDmev6m5PMibrg="},
		{0x4223facc, 0x80e86e78, 80, 34855, 6, 0, 0, "1:LQU9qZlK+B5F3KDmev6m5PMibrg="},
		{0xc0a80134, 0x08080808, 54585, 53, 17, 0, 0, "1:d/FP5EW3wiY1vCndhwleRRKHowQ="},
		{0xc0a80059, 0xc0a80001, 0, 0, 1, 8, 0, "1:X0snYXpgwiv9TZtqg64sgzUn6Dk="},
		/* A host that talks to itself; expected values from Python's hashlib. */
		{0x0a000001, 0x0a000001, 2000, 1000, 6, 0, 0, "1:nxwYq30oipX1dGVDLt7tz75Hofc="},
		{0x0a000001, 0x0a000001, 1000, 2000, 6, 0, 0, "1:nxwYq30oipX1dGVDLt7tz75Hofc="},
	};

	for (size_t i = 0; i < RTE_DIM(wanted); i++) {
		struct lj_flow f;
		char id[32];

		memset(&f, 0, sizeof(f));
		set_ipv4(f.key.addr[0], wanted[i].src);
		set_ipv4(f.key.addr[1], wanted[i].dst);
		f.key.port[0] = wanted[i].src_port;
		f.key.port[1] = wanted[i].dst_port;
		f.key.proto = wanted[i].proto;
		f.key.version = 4;
		f.icmp_type = wanted[i].type;
		f.icmp_code = wanted[i].code;
		lj_community_id(&f, id);
		CU_ASSERT_STRING_EQUAL(id, wanted[i].id);
	}
}

static void id_of(uint8_t proto, const uint8_t type[2], bool back, char *id)
{
	struct lj_flow f;

	memset(&f, 0, sizeof(f));
	set_ipv4(f.key.addr[back], 0x0a000001);
	set_ipv4(f.key.addr[!back], 0x0a000002);
	f.key.proto = proto;
	f.key.version = proto == IPPROTO_ICMP ? 4 : 6;
	f.icmp_type = type[back];
	lj_community_id(&f, id);
}

static void an_answer_has_the_community_id_of_what_it_answers(void)
{
	static const struct {
		uint8_t proto, type[2];
		bool answers;
	} pairs[] = {{1, {8, 0}, true},	     {1, {13, 14}, true},    {1, {15, 16}, true},
		     {1, {10, 9}, true},     {1, {17, 18}, true},    {58, {128, 129}, true},
		     {58, {133, 134}, true}, {58, {135, 136}, true}, {58, {130, 131}, true},
		     {58, {144, 145}, true}, {58, {139, 140}, true}, {1, {3, 3}, false}};

	for (size_t i = 0; i < RTE_DIM(pairs); i++) {
		char there[32], back[32];

		id_of(pairs[i].proto, pairs[i].type, false, there);
		id_of(pairs[i].proto, pairs[i].type, true, back);
		CU_ASSERT_EQUAL(strcmp(there, back) == 0, pairs[i].answers);
	}
}

int main(void)
{
	static const struct lj_test tests[] = {
		{"community IDs are those of the specification",
		 community_ids_are_those_of_the_specification},
		{"an answer has the community ID of what it answers",
		 an_answer_has_the_community_id_of_what_it_answers},
	};

	return lj_test_run("community ID", tests, RTE_DIM(tests));
}
