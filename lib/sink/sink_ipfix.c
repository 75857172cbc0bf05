#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "complaint.h"
#include "ipfix.h"
#include "lj_log.h"
#include "sink_lines.h"

#define PORT_DEFAULT "4739" /* assigned by IANA */
#define REFUSED_MAX  64	    /* upper bound of messages in flight */

struct ipfix_sink {
	struct lj_sink head;
	struct ipfix *ipfix;
	int fd;
	struct sockaddr_storage to;
	socklen_t to_bytes;
	int unreached; /* errno of the failed connect(); 0: connected */
	bool missed;   /* a message may have been lost since the templates were sent */
	bool waits, alerts_only;
	char collector[256];
	int last_errno; /* of the latest lost message; 0: none so far */
	struct complaint complaint;
};

static void complain(struct ipfix_sink *s, const char *what)
{
	if (complaint_is_due(&s->complaint))
		lj_log(WARNING, "%s: %s\n", s->collector, what);
}

static void lose(struct ipfix_sink *s, uint32_t records, int why)
{
	char what[128];

	s->head.counts.lost += records;
	s->last_errno = why;
	snprintf(what, sizeof(what), "cannot be sent to: %s; records are lost and counted",
		 strerror(why));
	complain(s, what);
}

static bool connect_to(struct ipfix_sink *s)
{
	const struct sockaddr nobody = {.sa_family = AF_UNSPEC};

	/* Disconnect first, or the socket would keep the local address of its first connection. */
	connect(s->fd, &nobody, sizeof(nobody));
	s->unreached =
		connect(s->fd, (const struct sockaddr *)&s->to, s->to_bytes) == 0 ? 0 : errno;
	return s->unreached == 0;
}

/* Only a message of templates reconnects: records must not reach a collector before their
 * templates. */
static int try_to_send(struct ipfix_sink *s, const uint8_t *message, size_t bytes, bool records)
{
	int flags = MSG_NOSIGNAL | (s->waits ? 0 : MSG_DONTWAIT);
	ssize_t sent;

	if (s->unreached != 0 && (records || !connect_to(s)))
		return -s->unreached;
	do
		sent = send(s->fd, message, bytes, flags);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : 0;
}

/* A socket error reports an earlier message, which was lost; the current one was not sent. */
static void complain_of_earlier(struct ipfix_sink *s, int why)
{
	char what[128];

	snprintf(what, sizeof(what), "%s; records are being lost uncounted",
		 why == ECONNREFUSED ? "no collector listens there" : strerror(why));
	complain(s, what);
}

static int send_message(struct ipfix_sink *s, const uint8_t *message, size_t bytes, bool records)
{
	int ret = try_to_send(s, message, bytes, records), again;

	if (ret == 0)
		return 0;
	s->missed = true;
	if (ret == -EAGAIN || ret == -ENOBUFS)
		return ret;
	again = try_to_send(s, message, bytes, records);
	/* Each message in flight may have returned an ICMP error. */
	for (int i = 0; again == -ECONNREFUSED && i < REFUSED_MAX; i++)
		again = try_to_send(s, message, bytes, records);
	if (again == 0)
		complain_of_earlier(s, -ret);
	else
		s->unreached = -again; /* the route or local address may have changed */
	return again;
}

static int send_records(struct ipfix_sink *s)
{
	const uint8_t *message;
	uint32_t records;
	size_t bytes = ipfix_take(s->ipfix, &message, &records);
	int ret;

	if (bytes == 0)
		return 0;
	ret = send_message(s, message, bytes, records > 0);
	/* A collector that has come back lacks the templates, too: send them before further
	 * records. */
	if (s->missed && records > 0) {
		ipfix_forget(s->ipfix);
		s->missed = false;
	}
	if (ret != 0) {
		lose(s, records, -ret);
		return ret;
	}
	s->head.counts.written += records;
	s->head.counts.bytes += bytes;
	return 0;
}

static void write_record(struct ipfix_sink *s, const struct lj_verdict *v)
{
	uint64_t now_tsc = rte_rdtsc();
	int ret = ipfix_add(s->ipfix, v, now_tsc);

	for (int i = 0; ret == -ENOSPC && i < IPFIX_TAKES; i++) {
		send_records(s);
		ret = ipfix_add(s->ipfix, v, now_tsc);
	}
	if (ret != 0)
		lose(s, 1, -ret);
}

/* Early verdicts are suppressed, since their flows go on: a collector would count packets twice. */
static void write_verdicts(struct lj_sink *sink, const struct lj_verdict *const *verdicts,
			   uint32_t n)
{
	struct ipfix_sink *s = (struct ipfix_sink *)sink;

	for (uint32_t i = 0; i < n; i++) {
		sink->counts.offered++;
		if (is_early(verdicts[i]) || (s->alerts_only && !verdicts[i]->alert))
			sink->counts.suppressed++;
		else
			write_record(s, verdicts[i]);
	}
}

static int flush(struct lj_sink *sink)
{
	return send_records((struct ipfix_sink *)sink);
}

static int error(const struct lj_sink *sink, struct lj_error *err)
{
	const struct ipfix_sink *s = (const struct ipfix_sink *)sink;

	if (s->last_errno == 0)
		return 0;
	return lj_error_set(err, s->last_errno, s->collector, "%llu record%s lost: %s",
			    (unsigned long long)sink->counts.lost,
			    sink->counts.lost == 1 ? "" : "s", strerror(s->last_errno));
}

static void close_sink(struct lj_sink *sink)
{
	struct ipfix_sink *s = (struct ipfix_sink *)sink;

	ipfix_destroy(s->ipfix);
	if (s->fd >= 0)
		close(s->fd);
	free(s);
}

static const struct lj_sink_ops ops = {"ipfix", write_verdicts, flush, error, close_sink};

/* "HOST", "HOST:PORT", "ADDRESS6", "[ADDRESS6]" or "[ADDRESS6]:PORT". */
static int split(const char *collector, char *host, size_t size, const char **port,
		 struct lj_error *err)
{
	const char *begin = collector, *end = strchr(collector, ':'), *after;
	struct in6_addr address;
	unsigned long number;
	char *rest;

	if (collector[0] == '[') {
		begin = collector + 1;
		end = strchr(begin, ']');
		after = end != NULL ? end + 1 : "?";
	} else {
		if (end == NULL || strchr(end + 1, ':') != NULL)
			end = collector + strlen(collector);
		after = end;
	}
	*port = *after == ':' ? after + 1 : PORT_DEFAULT;
	number = strtoul(*port, &rest, 10);
	if (end == NULL || end == begin || (*after != '\0' && *after != ':') || !isdigit(**port) ||
	    *rest != '\0' || number == 0 || number > UINT16_MAX)
		return lj_error_set(err, EINVAL, "ipfix.collector",
				    "\"%s\" is not HOST:PORT (IPv6: [ADDRESS]:PORT)", collector);
	snprintf(host, size, "%.*s", (int)(end - begin), begin);
	if (inet_pton(AF_INET6, host, &address) == 1 && IN6_IS_ADDR_LINKLOCAL(&address))
		return lj_error_set(err, EINVAL, "ipfix.collector",
				    "\"%s\" is link-local: name its interface, [%s%%eth0]",
				    collector, host);
	return 0;
}

int lj_ipfix_check_collector(const char *collector, struct lj_error *err)
{
	char host[256];
	const char *port;

	return split(collector, host, sizeof(host), &port, err);
}

/* Lets routers fragment messages that exceed the path MTU; with DF set they would be dropped,
 * possibly without an ICMP error. */
static void permit_fragments(int fd, int family)
{
	const int ipv4 = IP_PMTUDISC_DONT, ipv6 = IPV6_PMTUDISC_DONT;

	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &ipv6, sizeof(ipv6));
	else
		setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &ipv4, sizeof(ipv4));
}

/* Uses this address unless an earlier one had a route. Without any route the last one is kept: the
 * network of a booting host may come up later. */
static void take_address(struct ipfix_sink *s, const struct addrinfo *at)
{
	int fd = socket(at->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return;
	if (s->fd >= 0)
		close(s->fd);
	s->fd = fd;
	permit_fragments(fd, at->ai_family);
	memcpy(&s->to, at->ai_addr, at->ai_addrlen);
	s->to_bytes = at->ai_addrlen;
	if (!connect_to(s))
		lj_log(WARNING, "%s: %s; sending will be retried\n", s->collector,
		       strerror(s->unreached));
}

static int reach(struct ipfix_sink *s, const char *collector, struct lj_error *err)
{
	const struct addrinfo wanted = {.ai_socktype = SOCK_DGRAM, .ai_flags = AI_NUMERICSERV};
	struct addrinfo *found = NULL;
	char host[256];
	const char *port;
	int ret = split(collector, host, sizeof(host), &port, err);

	if (ret != 0)
		return ret;
	ret = getaddrinfo(host, port, &wanted, &found);
	if (ret != 0)
		return lj_error_set(err, EHOSTUNREACH, "ipfix.collector", "\"%s\": %s", collector,
				    ret == EAI_SYSTEM ? strerror(errno) : gai_strerror(ret));
	for (const struct addrinfo *at = found; at != NULL && (s->fd < 0 || s->unreached != 0);
	     at = at->ai_next)
		take_address(s, at);
	freeaddrinfo(found);
	if (s->fd < 0)
		return lj_error_set(err, errno, "ipfix.collector", "\"%s\": %s", collector,
				    strerror(errno));
	return 0;
}

struct lj_sink *lj_sink_open_ipfix(const struct lj_ipfix_config *config, struct lj_error *err)
{
	struct ipfix_sink *s = calloc(1, sizeof(*s));

	if (s == NULL) {
		lj_error_set(err, ENOMEM, config->collector, "not enough memory");
		return NULL;
	}
	s->head.ops = &ops;
	s->fd = -1;
	s->waits = config->waits;
	s->alerts_only = config->flows == LJ_EVE_FLOWS_ALERTS;
	snprintf(s->collector, sizeof(s->collector), "%s", config->collector);
	snprintf(s->head.name, sizeof(s->head.name), "ipfix %s", config->collector);
	s->ipfix =
		ipfix_create(config->domain, config->enterprise, config->templates_every_ns, err);
	if (s->ipfix != NULL && reach(s, config->collector, err) == 0)
		return &s->head;
	close_sink(&s->head);
	return NULL;
}
