#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lj_clock.h"
#include "lj_sink.h"
#include "lj_test.h"

#define HEADER_BYTES	 16
#define UDP_RECORD_BYTES 73 /* IPv4, without an opinion */

/* --- a collector that only examines headers --- */

static int collector = -1;
static char where[32];

static void listen_anew(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(at);
	int room = 1 << 22;

	if (collector >= 0)
		close(collector);
	collector = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	setsockopt(collector, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	bind(collector, (struct sockaddr *)&at, size);
	getsockname(collector, (struct sockaddr *)&at, &size);
	snprintf(where, sizeof(where), "127.0.0.1:%u", ntohs(at.sin_port));
}

struct message {
	uint8_t bytes[2048];
	size_t length;
};

static bool next_message(struct message *m)
{
	ssize_t n = recv(collector, m->bytes, sizeof(m->bytes), 0);

	m->length = n > 0 ? (size_t)n : 0;
	return n > 0;
}

static uint32_t number_at(const struct message *m, size_t at, size_t bytes)
{
	uint32_t value = 0;

	for (size_t i = 0; i < bytes; i++)
		value = value << 8 | m->bytes[at + i];
	return value;
}

static bool has_templates(const struct message *m)
{
	return number_at(m, HEADER_BYTES, 2) < 256;
}

/* --- flows --- */

static struct lj_verdict sample(uint8_t proto, uint64_t flow_id)
{
	struct lj_verdict v;

	memset(&v, 0, sizeof(v));
	v.flow.key.version = 4;
	v.flow.key.proto = proto;
	v.flow.key.addr[0][15] = 1;
	v.flow.key.addr[1][15] = 2;
	v.flow.flow_id = flow_id;
	v.flow.first_ns = v.flow.last_ns = 1491603877000001999;
	v.flow.due = LJ_DUE_IDLE;
	v.flow.side[0].packets = 1;
	v.flow.side[0].length_sum = 60;
	return v;
}

static void write_one(struct lj_sink *s, const struct lj_verdict *v)
{
	lj_sink_write(s, &v, 1);
}

static struct lj_sink *open_telling(enum lj_eve_flows flows, uint64_t templates_every_ns)
{
	const struct lj_ipfix_config config = {.collector = where,
					       .domain = 7,
					       .enterprise = 32473,
					       .templates_every_ns = templates_every_ns,
					       .flows = flows,
					       .waits = true};
	struct lj_error err = {0};
	struct lj_sink *s = lj_sink_open_ipfix(&config, &err);

	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	return s;
}

static struct lj_sink *open_sink(enum lj_eve_flows flows)
{
	return open_telling(flows, UINT64_MAX);
}

static void messages_are_whole_and_records_in_order(void)
{
	struct lj_sink *s;
	struct message m;
	uint32_t records = 0, messages = 0, templates = 0;

	listen_anew();
	s = open_sink(LJ_EVE_FLOWS_ALL);
	for (uint64_t i = 0; i < 100; i++) {
		struct lj_verdict v = sample(IPPROTO_UDP, i);

		write_one(s, &v);
	}
	CU_ASSERT_EQUAL(lj_sink_flush(s), 0);
	CU_ASSERT_EQUAL(lj_sink_flush(s), 0);
	while (next_message(&m)) {
		CU_ASSERT_EQUAL(number_at(&m, 0, 2), 10);
		CU_ASSERT_EQUAL(number_at(&m, 2, 2), m.length);
		CU_ASSERT(m.length <= 1400);
		CU_ASSERT_EQUAL(number_at(&m, 8, 4), records);
		CU_ASSERT_EQUAL(number_at(&m, 12, 4), 7);
		/* Each message has one set: templates, or records of one length. */
		CU_ASSERT_EQUAL(number_at(&m, HEADER_BYTES + 2, 2), m.length - HEADER_BYTES);
		if (has_templates(&m))
			templates++;
		else
			records += (uint32_t)((m.length - HEADER_BYTES - 4) / UDP_RECORD_BYTES);
		messages++;
	}
	CU_ASSERT_EQUAL(templates, 1);
	CU_ASSERT_EQUAL(records, 100);
	CU_ASSERT(messages < 10);
	CU_ASSERT_EQUAL(s->counts.offered, 100);
	CU_ASSERT_EQUAL(s->counts.written, 100);
	CU_ASSERT_EQUAL(lj_sink_close(s, NULL), 0);
}

static void each_kind_of_flow_has_its_template_once(void)
{
	static const uint8_t protos[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP, IPPROTO_GRE,
					 IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP};
	uint32_t told[8] = {0}, n = 0;
	struct lj_sink *s;
	struct message m;

	listen_anew();
	s = open_sink(LJ_EVE_FLOWS_ALL);
	for (size_t i = 0; i < RTE_DIM(protos); i++) {
		struct lj_verdict v = sample(protos[i], i);

		write_one(s, &v);
	}
	CU_ASSERT_EQUAL(lj_sink_close(s, NULL), 0);
	while (next_message(&m))
		if (has_templates(&m) && n < RTE_DIM(told))
			told[n++] = number_at(&m, HEADER_BYTES + 4, 2);
	/* One template each: TCP, other protocols with ports, ICMP, others. */
	CU_ASSERT_EQUAL(n, 4);
	for (uint32_t i = 0; i < n; i++)
		for (uint32_t k = i + 1; k < n; k++)
			CU_ASSERT_NOT_EQUAL(told[i], told[k]);
}

/* If sending takes as long as templates_every_ns, templates are due again each time; that must not
 * loop forever. */
static void a_machine_that_is_slow_writes_all(void)
{
	struct lj_sink *s;
	struct message m;
	uint32_t templates = 0;

	listen_anew();
	s = open_telling(LJ_EVE_FLOWS_ALL, 1);
	for (uint64_t i = 0; i < 10; i++) {
		struct lj_verdict v = sample(IPPROTO_UDP, i);

		write_one(s, &v);
	}
	CU_ASSERT_EQUAL(lj_sink_close(s, NULL), 0);
	while (next_message(&m))
		templates += has_templates(&m);
	CU_ASSERT_EQUAL(templates, 10);
}

static void what_is_left_out_is_suppressed(void)
{
	struct lj_verdict early = sample(IPPROTO_TCP, 1), quiet = sample(IPPROTO_TCP, 2),
			  alarm = sample(IPPROTO_TCP, 3);
	struct lj_sink *s;

	listen_anew();
	early.flow.due = LJ_DUE_EARLY_PACKETS;
	early.alert = alarm.alert = 1;
	s = open_sink(LJ_EVE_FLOWS_ALERTS);
	write_one(s, &early);
	write_one(s, &quiet);
	write_one(s, &alarm);
	lj_sink_flush(s);
	CU_ASSERT_EQUAL(s->counts.offered, 3);
	CU_ASSERT_EQUAL(s->counts.suppressed, 2);
	CU_ASSERT_EQUAL(s->counts.written, 1);
	CU_ASSERT_EQUAL(lj_sink_close(s, NULL), 0);
}

/* On loopback a missing listener is reported at once; the record is sent again, not lost. */
static void nobody_listens(void)
{
	struct lj_error err = {0};
	struct lj_sink *s;

	listen_anew();
	s = open_sink(LJ_EVE_FLOWS_ALL);
	close(collector);
	collector = -1;
	for (uint64_t i = 0; i < 40; i++) {
		struct lj_verdict v = sample(IPPROTO_UDP, i);

		write_one(s, &v);
		lj_sink_flush(s);
	}
	CU_ASSERT_EQUAL(s->counts.written + s->counts.lost, 40);
	CU_ASSERT_EQUAL(s->counts.lost, 0);
	CU_ASSERT_EQUAL(lj_sink_error(s, &err), 0);
	lj_sink_close(s, NULL);
}

static int refusals;

/* Replaces libc's send() to simulate ICMP errors that arrive later. */
ssize_t send(int fd, const void *bytes, size_t n, int flags)
{
	if (refusals > 0) {
		refusals--;
		errno = ECONNREFUSED;
		return -1;
	}
	return sendto(fd, bytes, n, flags, NULL, 0);
}

/* Each message in flight when the collector stops may cause an ICMP error at a different time. */
static void several_refusals_lose_nothing(void)
{
	struct lj_verdict v = sample(IPPROTO_UDP, 1);
	uint32_t messages = 0;
	struct lj_sink *s;
	struct message m;

	listen_anew();
	s = open_sink(LJ_EVE_FLOWS_ALL);
	refusals = 3;
	write_one(s, &v);
	CU_ASSERT_EQUAL(lj_sink_flush(s), 0);
	refusals = 5;
	write_one(s, &v);
	CU_ASSERT_EQUAL(lj_sink_close(s, NULL), 0);
	while (next_message(&m))
		messages += !has_templates(&m);
	CU_ASSERT_EQUAL(messages, 2);
}

/* The templates are sent before its first records, without waiting for templates_every_ns. */
static void a_collector_that_comes_back_can_read_on(void)
{
	struct sockaddr_in at;
	socklen_t size = sizeof(at);
	uint32_t messages = 0, templates = 0;
	struct lj_sink *s;
	struct message m;

	listen_anew();
	getsockname(collector, (struct sockaddr *)&at, &size);
	s = open_sink(LJ_EVE_FLOWS_ALL);
	for (uint64_t i = 0; i < 40; i++) {
		struct lj_verdict v = sample(IPPROTO_UDP, i);

		write_one(s, &v);
		lj_sink_flush(s);
		if (i == 9) {
			close(collector);
		} else if (i == 19) {
			collector = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
			CU_ASSERT_EQUAL(bind(collector, (struct sockaddr *)&at, size), 0);
		}
	}
	lj_sink_close(s, NULL);
	while (next_message(&m)) {
		templates += has_templates(&m);
		CU_ASSERT(templates > 0);
		messages++;
	}
	CU_ASSERT_EQUAL(messages - templates, 20);
	CU_ASSERT(templates <= 2);
}

static void what_the_kernel_refuses_is_lost(void)
{
	const struct lj_ipfix_config config = {
		.collector = "127.0.0.1:9", .enterprise = 32473, .templates_every_ns = UINT64_MAX};
	struct lj_error err = {0};
	struct lj_verdict v = sample(IPPROTO_UDP, 1);
	struct lj_sink *s = lj_sink_open_ipfix(&config, &err);

	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	for (int fd = 3; fd < 1024; fd++)
		shutdown(fd, SHUT_WR); /* shuts down the sink's socket, so that sends fail */
	write_one(s, &v);
	CU_ASSERT_NOT_EQUAL(lj_sink_flush(s), 0);
	CU_ASSERT_EQUAL(s->counts.lost, 1);
	CU_ASSERT_EQUAL(s->counts.written, 0);
	CU_ASSERT_NOT_EQUAL(lj_sink_close(s, &err), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(err.what, "1 record lost"));
}

static void the_enterprise_of_reverse_elements_is_nobodys(void)
{
	const struct lj_ipfix_config config = {
		.collector = "127.0.0.1:9", .enterprise = 29305, .templates_every_ns = 1};
	struct lj_error err = {0};

	CU_ASSERT_PTR_NULL(lj_sink_open_ipfix(&config, &err));
	CU_ASSERT_STRING_EQUAL(err.where, "ipfix.enterprise");
}

int main(void)
{
	static const struct lj_test tests[] = {
		{"messages are whole and records in order",
		 messages_are_whole_and_records_in_order},
		{"each kind of flow has its template once",
		 each_kind_of_flow_has_its_template_once},
		{"a machine that is slow writes all", a_machine_that_is_slow_writes_all},
		{"what is left out is suppressed", what_is_left_out_is_suppressed},
		{"nobody listens", nobody_listens},
		{"several refusals lose nothing", several_refusals_lose_nothing},
		{"a collector that comes back can read on",
		 a_collector_that_comes_back_can_read_on},
		{"what the kernel refuses is lost", what_the_kernel_refuses_is_lost},
		{"the enterprise of reverse elements is nobody's",
		 the_enterprise_of_reverse_elements_is_nobodys},
	};

	/* Without the EAL the TSC rate is unknown: count a cycle as 1 ns. */
	lj_clock.mult = 1ULL << 32;
	return lj_test_run("ipfix", tests, RTE_DIM(tests));
}
