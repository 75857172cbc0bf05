#include "ipfix.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <fixbuf/public.h>

#include "lj_clock.h"
#include "sink_lines.h"

/* The optional fields of a record. Each combination of bits has a template, FIRST_TEMPLATE +
 * bits. */
enum {
	HAS_IPV4 = 1 << 0, /* exactly one of HAS_IPV4 and HAS_IPV6 is set */
	HAS_IPV6 = 1 << 1,
	HAS_PORTS = 1 << 2,
	HAS_TCP = 1 << 3,
	HAS_ICMP = 1 << 4,
	HAS_OPINION = 1 << 5,
	TEMPLATES = 1 << 6,
};
#define FIRST_TEMPLATE	  256
#define INTERNAL_TEMPLATE (FIRST_TEMPLATE + TEMPLATES)
#define ABOUT_TEMPLATE	  (INTERNAL_TEMPLATE + 1)

/* biflowDirection: the source is the initiator (RFC 5103). */
#define DIRECTION_INITIATOR 1

/* A record with all fields, as given to libfixbuf: the internal template, `layout`. */
struct record {
	uint64_t start_ms, end_ms, flow_id;
	uint64_t octets[2], packets[2];
	uint8_t source6[16], destination6[16];
	uint32_t source4, destination4;
	uint16_t source_port, destination_port;
	uint16_t tcp_flags[2];
	uint16_t icmp4, icmp6;
	uint16_t vlan;
	uint8_t proto, end_reason;
	float score, threshold;
	uint8_t direction, alert;
	uint8_t padding[6];
	fbVarfield_t class, family, model;
};
_Static_assert(offsetof(struct record, padding) == 122 && offsetof(struct record, class) == 128 &&
		       sizeof(struct record) == 128 + 3 * sizeof(fbVarfield_t),
	       "no gaps but the one that the layout names");

static fbInfoElementSpec_t layout[] = {
	{(char *)"flowStartMilliseconds", 8, 0},
	{(char *)"flowEndMilliseconds", 8, 0},
	{(char *)"flowId", 8, 0},
	{(char *)"octetDeltaCount", 8, 0},
	{(char *)"reverseOctetDeltaCount", 8, 0},
	{(char *)"packetDeltaCount", 8, 0},
	{(char *)"reversePacketDeltaCount", 8, 0},
	{(char *)"sourceIPv6Address", 16, HAS_IPV6},
	{(char *)"destinationIPv6Address", 16, HAS_IPV6},
	{(char *)"sourceIPv4Address", 4, HAS_IPV4},
	{(char *)"destinationIPv4Address", 4, HAS_IPV4},
	{(char *)"sourceTransportPort", 2, HAS_PORTS},
	{(char *)"destinationTransportPort", 2, HAS_PORTS},
	{(char *)"tcpControlBits", 2, HAS_TCP},
	{(char *)"reverseTcpControlBits", 2, HAS_TCP},
	{(char *)"icmpTypeCodeIPv4", 2, HAS_ICMP | HAS_IPV4},
	{(char *)"icmpTypeCodeIPv6", 2, HAS_ICMP | HAS_IPV6},
	{(char *)"vlanId", 2, 0},
	{(char *)"protocolIdentifier", 1, 0},
	{(char *)"flowEndReason", 1, 0},
	{(char *)"linejudgeScore", 4, HAS_OPINION},
	{(char *)"linejudgeThreshold", 4, HAS_OPINION},
	{(char *)"biflowDirection", 1, 0},
	{(char *)"linejudgeAlert", 1, HAS_OPINION},
	{(char *)"paddingOctets", 6, TEMPLATES},
	{(char *)"linejudgeClass", FB_IE_VARLEN, HAS_OPINION},
	{(char *)"linejudgeFamily", FB_IE_VARLEN, HAS_OPINION},
	{(char *)"linejudgeModel", FB_IE_VARLEN, HAS_OPINION},
	FB_IESPEC_NULL,
};

/* Elements of our own enterprise number, see docs/ipfix.md. */
static const struct {
	const char *name, *description;
	uint16_t length;
	uint8_t type;
} own_elements[] = {
	{"linejudgeAlert", "whether the score is at or over the threshold", 1, FB_BOOL},
	{"linejudgeScore", "probability that the flow is not benign", 4, FB_FLOAT_32},
	{"linejudgeThreshold", "threshold of the score for an alert", 4, FB_FLOAT_32},
	{"linejudgeClass", "the likeliest class", FB_IE_VARLEN, FB_STRING},
	{"linejudgeFamily", "family of attack of an alert; empty: not known", FB_IE_VARLEN,
	 FB_STRING},
	{"linejudgeModel", "name and version of the model that decided", FB_IE_VARLEN, FB_STRING},
};

struct ipfix {
	fbInfoModel_t *elements;
	fbSession_t *session; /* owned by the buffer once that exists */
	fbExporter_t *exporter;
	fBuf_t *buffer;
	uint64_t every_ns;
	uint64_t told_tsc[TEMPLATES], told_about_tsc; /* of the latest export; 0: none */
	uint32_t elements_told; /* how many of own_elements have been described */
	uint32_t records;
	bool begun; /* the message is not empty */
	uint8_t message[IPFIX_MESSAGE_BYTES];
};

/* --- set-up --- */

/* The session takes ownership of the template; on failure it is freed. */
static bool keep_template(struct ipfix *x, bool internal, uint16_t number, fbTemplate_t *template,
			  GError **why)
{
	if (fbSessionAddTemplate(x->session, internal, number, template, why) != 0)
		return true;
	fbTemplateFreeUnused(template);
	return false;
}

static bool add_template(struct ipfix *x, bool internal, uint16_t number, uint32_t bits,
			 GError **why)
{
	fbTemplate_t *template = fbTemplateAlloc(x->elements);

	if (fbTemplateAppendSpecArray(template, layout, bits, why))
		return keep_template(x, internal, number, template, why);
	fbTemplateFreeUnused(template);
	return false;
}

static bool add_about(struct ipfix *x, bool internal, GError **why)
{
	fbTemplate_t *template = fbInfoElementAllocTypeTemplate(x->elements, why);

	return template != NULL && keep_template(x, internal, ABOUT_TEMPLATE, template, why);
}

/* Whether a record can have this combination of fields. */
static bool is_possible(uint32_t bits)
{
	bool tcp = bits & HAS_TCP, icmp = bits & HAS_ICMP, ports = bits & HAS_PORTS;

	return !(bits & HAS_IPV4) != !(bits & HAS_IPV6) && (!tcp || ports) && !(icmp && ports);
}

static bool add_templates(struct ipfix *x, GError **why)
{
	if (!add_template(x, true, INTERNAL_TEMPLATE, UINT32_MAX, why) ||
	    !add_about(x, true, why) || !add_about(x, false, why))
		return false;
	for (uint32_t bits = 0; bits < TEMPLATES; bits++)
		if (is_possible(bits) &&
		    !add_template(x, false, (uint16_t)(FIRST_TEMPLATE + bits), bits, why))
			return false;
	return true;
}

static void add_own_elements(fbInfoModel_t *elements, uint32_t enterprise)
{
	for (size_t i = 0; i < RTE_DIM(own_elements); i++) {
		fbInfoElement_t element = FB_IE_INIT_FULL(
			own_elements[i].name, enterprise, (uint16_t)(i + 1), own_elements[i].length,
			FB_IE_F_ENDIAN, 0, 0, own_elements[i].type,
			(char *)(uintptr_t)own_elements[i].description);

		if (own_elements[i].type != FB_FLOAT_32)
			element.flags = 0;
		fbInfoModelAddElement(elements, &element);
	}
}

int lj_ipfix_check_enterprise(uint32_t enterprise, struct lj_error *err)
{
	if (enterprise != FB_IE_PEN_REVERSE)
		return 0;
	return lj_error_set(err, EINVAL, "ipfix.enterprise",
			    "%u is reserved for the reverse elements of RFC 5103", enterprise);
}

struct ipfix *ipfix_create(uint32_t domain, uint32_t enterprise, uint64_t templates_every_ns,
			   struct lj_error *err)
{
	struct ipfix *x = NULL;
	GError *why = NULL;

	if (lj_ipfix_check_enterprise(enterprise, err) != 0)
		return NULL;
	x = calloc(1, sizeof(*x));
	if (x == NULL) {
		lj_error_set(err, ENOMEM, "ipfix", "not enough memory");
		return NULL;
	}
	x->every_ns = templates_every_ns;
	x->elements = fbInfoModelAlloc();
	add_own_elements(x->elements, enterprise);
	x->session = fbSessionAlloc(x->elements);
	fbSessionSetDomain(x->session, domain);
	if (!add_templates(x, &why)) {
		lj_error_set(err, EINVAL, "ipfix", "libfixbuf: %s", why->message);
		g_clear_error(&why);
		ipfix_destroy(x);
		return NULL;
	}
	x->exporter = fbExporterAllocBuffer(x->message, sizeof(x->message));
	x->buffer = fBufAllocForExport(x->session, x->exporter);
	fBufSetAutomaticMode(x->buffer, FALSE);
	return x;
}

void ipfix_destroy(struct ipfix *x)
{
	if (x == NULL)
		return;
	if (x->buffer != NULL)
		fBufFree(x->buffer); /* frees the session and the exporter, too */
	else if (x->session != NULL)
		fbSessionFree(x->session);
	if (x->elements != NULL)
		fbInfoModelFree(x->elements);
	free(x);
}

/* --- records --- */

static fbVarfield_t text_of(const char *text)
{
	return (fbVarfield_t){.buf = (uint8_t *)(uintptr_t)text, .len = strlen(text)};
}

static uint32_t fill_flow(struct record *r, const struct lj_flow *f)
{
	const uint8_t *source = f->key.addr[f->initiator],
		      *destination = f->key.addr[!f->initiator];
	uint8_t proto = f->key.proto;
	uint32_t bits = f->key.version == 4 ? HAS_IPV4 : HAS_IPV6;

	*r = (struct record){
		.start_ms = f->first_ns / 1000000,
		.end_ms = f->last_ns / 1000000,
		.flow_id = f->flow_id,
		.vlan = f->vlan,
		.proto = proto,
		.end_reason = lj_due_ipfix(f->due),
		.direction = DIRECTION_INITIATOR,
	};
	for (int side = 0; side < 2; side++) {
		r->octets[side] = f->side[side].length_sum;
		r->packets[side] = f->side[side].packets;
		r->tcp_flags[side] = f->tcp[side].flags_all;
	}
	memcpy(r->source6, source, sizeof(r->source6));
	memcpy(r->destination6, destination, sizeof(r->destination6));
	memcpy(&r->source4, source + 12, sizeof(r->source4));
	memcpy(&r->destination4, destination + 12, sizeof(r->destination4));
	r->source4 = ntohl(r->source4);
	r->destination4 = ntohl(r->destination4);
	if (proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_SCTP) {
		bits |= HAS_PORTS | (proto == IPPROTO_TCP ? HAS_TCP : 0);
		r->source_port = f->key.port[f->initiator];
		r->destination_port = f->key.port[!f->initiator];
	} else if (proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6) {
		bits |= HAS_ICMP;
		r->icmp4 = r->icmp6 = (uint16_t)(f->icmp_type << 8 | f->icmp_code);
	}
	return bits;
}

/* `model` must stay valid until the record has been added. */
static uint32_t fill_opinion(struct record *r, const struct lj_verdict *v, char *model, size_t size)
{
	const struct lj_opinion *o = lj_verdict_decisive(v);
	const struct lj_model_info *info;

	if (o == NULL)
		return 0;
	info = lj_model_info(v->models->model[v->model]);
	snprintf(model, size, "%s %s", info->name, info->version);
	r->score = o->score;
	r->threshold = info->threshold;
	r->alert = v->alert ? 1 : 2; /* RFC 7011: true and false */
	r->class = text_of(lj_verdict_class(v));
	r->family = text_of(
		o->family > 0 ? lj_model_family(v->models->model[v->model])->class_name[o->family]
			      : "");
	r->model = text_of(model);
	return HAS_OPINION;
}

/* --- messages --- */

/* Frees the error. -ENOSPC if the message is full, otherwise -EINVAL. */
static int failed(GError *why)
{
	bool full = g_error_matches(why, FB_ERROR_DOMAIN, FB_ERROR_EOM);

	g_clear_error(&why);
	return full ? -ENOSPC : -EINVAL;
}

static int tell_template(struct ipfix *x, uint16_t number, uint64_t *told_tsc, uint64_t now_tsc)
{
	GError *why = NULL;

	/* The TSC may be slightly behind: `now_tsc` may come from another lcore. */
	if (*told_tsc != 0 &&
	    (now_tsc <= *told_tsc || lj_cycles_to_ns(now_tsc - *told_tsc) < x->every_ns))
		return 0;
	if (!fbSessionExportTemplate(x->session, number, &why))
		return failed(why);
	x->begun = true;
	*told_tsc = now_tsc;
	return 0;
}

/* Describes our own elements (RFC 5610), before the first template that uses them. */
static int tell_elements(struct ipfix *x, uint64_t now_tsc)
{
	uint64_t told_tsc = x->told_about_tsc;
	int ret = tell_template(x, ABOUT_TEMPLATE, &x->told_about_tsc, now_tsc);

	if (x->told_about_tsc != told_tsc)
		x->elements_told = 0;
	while (ret == 0 && x->elements_told < RTE_DIM(own_elements)) {
		const fbInfoElement_t *element = fbInfoModelGetElementByName(
			x->elements, own_elements[x->elements_told].name);
		GError *why = NULL;

		if (!fbInfoElementWriteOptionsRecord(x->buffer, element, ABOUT_TEMPLATE,
						     ABOUT_TEMPLATE, &why))
			return failed(why);
		x->begun = true;
		x->elements_told++;
	}
	return ret;
}

int ipfix_add(struct ipfix *x, const struct lj_verdict *v, uint64_t now_tsc)
{
	char model[2 * sizeof(((struct lj_model_info *)NULL)->name)];
	struct record r;
	uint32_t bits = fill_flow(&r, &v->flow) | fill_opinion(&r, v, model, sizeof(model));
	uint16_t number = (uint16_t)(FIRST_TEMPLATE + bits);
	GError *why = NULL;
	int ret = bits & HAS_OPINION ? tell_elements(x, now_tsc) : 0;

	if (ret == 0)
		ret = tell_template(x, number, &x->told_tsc[bits], now_tsc);
	if (ret != 0)
		return ret;
	if (!fBufSetInternalTemplate(x->buffer, INTERNAL_TEMPLATE, &why) ||
	    !fBufSetExportTemplate(x->buffer, number, &why) ||
	    !fBufAppend(x->buffer, (uint8_t *)&r, sizeof(r), &why))
		return failed(why);
	x->begun = true;
	x->records++;
	return 0;
}

void ipfix_forget(struct ipfix *x)
{
	memset(x->told_tsc, 0, sizeof(x->told_tsc));
	x->told_about_tsc = 0;
}

size_t ipfix_take(struct ipfix *x, const uint8_t **message, uint32_t *records)
{
	GError *why = NULL;

	*message = x->message;
	*records = x->records;
	x->records = 0;
	if (!x->begun)
		return 0;
	x->begun = false;
	if (fBufEmit(x->buffer, &why))
		return fbExporterGetMsgLen(x->exporter);
	g_clear_error(&why);
	return 0;
}
