#include "fcgi/audit.h"

#include <arpa/inet.h>
#include <string.h>

#include "fcgi/args.h"
#include "fcgi/bound.h"
#include "fcgi/call.h"
#include "fcgi/route.h"
#include "fcgi/unit.h"
#include "fcgi/worker.h"
#include "lib/digest.h"

#define ANSWER_MAX 65536

static struct mr_bound bound; /* of this worker */

struct mr_str mr_audit_entity_type(struct mr_arena *a, const char *tag)
{
	struct mr_str s = mr_arena_str(a, mr_str(tag));
	char *p = (char *)(uintptr_t)s.p; /* our own copy */

	for (size_t i = 0; i < s.len; i++) {
		if (p[i] == '-')
			p[i] = '_';
	}
	if (s.len > 1 && p[s.len - 1] == 's')
		s.len--;
	return s;
}

struct mr_str mr_audit_address_key(struct mr_arena *a, struct mr_str address)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr in6;

	if (address.len == 0 || address.len >= sizeof(text))
		return MR_STR("");
	memcpy(text, address.p, address.len);
	text[address.len] = '\0';
	if (inet_pton(AF_INET6, text, &in6) != 1 || IN6_IS_ADDR_V4MAPPED(&in6))
		return address;
	return mr_arena_str(a, (struct mr_str){ (const char *)in6.s6_addr, 8 });
}

/* Runs STMT beside the request: its answer and its Idempotency-Key are not touched. */
static int aside(struct mr_request *r, unsigned stmt, const struct mr_pair *extra)
{
	struct mr_str key = r->call->idempotency_key, type = r->out_content_type;
	struct mr_buf body = r->out_body, headers = r->out_headers;
	unsigned status = r->status;
	const PGresult *result;
	int rc;

	r->call->idempotency_key = MR_STR_NONE;
	mr_buf_init(&r->out_body, ANSWER_MAX);
	mr_buf_init(&r->out_headers, ANSWER_MAX);
	rc = mr_unit_run(r, stmt, extra, &result);
	mr_buf_done(&r->out_body);
	mr_buf_done(&r->out_headers);
	r->out_body = body;
	r->out_headers = headers;
	r->out_content_type = type;
	r->status = status;
	r->call->idempotency_key = key;
	return rc;
}

/* The id in the path, when there is one. */
static struct mr_str entity_id(const struct mr_request *r)
{
	const struct mr_route_vars *vars = r->call->vars;
	struct mr_str id;

	if (vars == NULL || vars->len == 0 || vars->vars[0].kind != MR_VAR_ID ||
	    mr_id_parse(r->path_vars[0], vars->vars[0].id_prefix, &id) < 0)
		return MR_STR_NONE;
	return id;
}

static struct mr_str attempt(const struct mr_request *r)
{
	return mr_arena_printf(r->arena, "%s %.*s", mr_method_name(r->method), MR_STR_ARG(r->path));
}

/* The digest of what was sent as a key, so that one that has ended is known by its tenant. */
static struct mr_str digest_of_key(struct mr_request *r)
{
	struct mr_str text = mr_request_header(r, "X-API-Key");
	unsigned char sum[MR_SHA256_LEN];
	char hex[MR_SHA256_HEX];

	if (text.p == NULL) {
		struct mr_str rest = mr_request_header(r, "Authorization");
		struct mr_str scheme = rest.p != NULL ? mr_str_cut(&rest, ' ') : MR_STR_NONE;

		if (rest.p != NULL && mr_str_ieqz(scheme, "bearer"))
			text = mr_str_trim(rest);
	}
	if (text.p == NULL || mr_sha256(text, sum) < 0)
		return MR_STR_NONE;
	mr_hex(sum, sizeof(sum), hex);
	return mr_arena_printf(r->arena, "\\x%s", hex);
}

static void write_refusal(struct mr_request *r, uint32_t omitted)
{
	const struct mr_pair extra[] = {
		{ MR_STR("entity_type"), mr_audit_entity_type(r->arena, r->route->tag) },
		{ MR_STR("entity_id"), entity_id(r) },
		/* some routes have an argument of this name, which is a filter */
		{ MR_STR("correlation_id"), r->correlation_id },
		{ MR_STR("outcome"), r->status == 404 ? MR_STR("not_found") : MR_STR("refused") },
		{ MR_STR("attempt"), attempt(r) },
		{ MR_STR("answered"), mr_arena_printf(r->arena, "%u", r->status) },
		{ MR_STR("detail"),
		    r->faults.first != NULL ? r->faults.first->message : MR_STR_NONE },
		{ MR_STR("omitted"),
		    omitted > 0 ? mr_arena_printf(r->arena, "%u", omitted) : MR_STR_NONE },
		{ MR_STR("key_hash"), r->principal == NULL ? digest_of_key(r) : MR_STR_NONE },
		{ MR_STR_NONE, MR_STR_NONE },
	};
	int ignored =
	    aside(r, r->principal != NULL ? MR_SQL_AUDIT_REFUSED : MR_SQL_AUDIT_STRANGER, extra);

	(void)ignored; /* the refusal stands, written down or not */
}

static bool is_refusal(const struct mr_request *r)
{
	if (r->status == 404)
		return r->principal != NULL && r->call->vars->len > 0;
	return r->status == 401 || r->status == 403;
}

static void refused(struct mr_request *r)
{
	int64_t most = r->worker->settings->audit_refused_per_minute;
	struct mr_str who = r->principal != NULL
	                        ? mr_arena_printf(r->arena, "p%lld", (long long)r->principal->id)
	                        : mr_audit_address_key(r->arena, r->remote_addr);
	uint32_t omitted = 0;

	if (mr_bound_take(&bound, who, r->now_us, (uint32_t)most, &omitted))
		write_refusal(r, omitted);
}

static void read_by(struct mr_request *r)
{
	const struct mr_pair extra[] = {
		{ MR_STR("entity_type"), mr_audit_entity_type(r->arena, r->route->tag) },
		{ MR_STR("entity_id"), entity_id(r) },
		/* some routes have an argument of this name, which is a filter */
		{ MR_STR("correlation_id"), r->correlation_id },
		{ MR_STR("attempt"), attempt(r) },
		{ MR_STR_NONE, MR_STR_NONE },
	};

	if (aside(r, MR_SQL_AUDIT_READ, extra) < 0)
		mr_response_problem(r, MR_ERR_DATABASE_UNAVAILABLE, "%s", "");
}

void mr_audit_answered(struct mr_request *r)
{
	if (r->route == NULL || r->call->vars == NULL)
		return;
	if (is_refusal(r))
		refused(r);
	else if (r->worker->settings->audit_reads && r->principal != NULL && r->status < 400 &&
	         (r->method == MR_GET || r->method == MR_HEAD) && r->route->rate != MR_RATE_EXEMPT)
		read_by(r);
}
