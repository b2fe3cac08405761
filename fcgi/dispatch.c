#include "fcgi/dispatch.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "fcgi/access.h"
#include "fcgi/args.h"
#include "fcgi/audit.h"
#include "fcgi/bind.h"
#include "fcgi/conditional.h"
#include "fcgi/correlation.h"
#include "fcgi/envelope.h"
#include "fcgi/etag.h"
#include "fcgi/idempotency.h"
#include "fcgi/limit.h"
#include "fcgi/listener.h"
#include "fcgi/problem.h"
#include "fcgi/route.h"
#include "fcgi/unit.h"
#include "fcgi/worker.h"
#include "lib/log.h"

#define TABLES_MAX (32u * 1024u * 1024u)

static struct mr_tables tables;

const struct mr_tables *mr_tables(void)
{
	return &tables;
}

/* ---- once per process ---- */

static int make_plans(struct mr_error *err)
{
	const struct mr_bind_plan **plans =
	    mr_arena_array(tables.arena, mr_routes_len, sizeof(struct mr_bind_plan *));

	if (plans == NULL)
		return mr_error_set(err, MR_E_NOMEM, MR_ERR_INTERNAL, "no memory for routes");
	for (unsigned i = 0; i < mr_routes_len; i++) {
		const struct mr_route *route = &mr_routes[i];

		if (route->id != i)
			return mr_error_set(err, MR_E_INVALID, MR_ERR_INTERNAL,
			    "%s: the row stands in another's place", route->path);
		if (route->sql == MR_SQL_NONE && route->handler == NULL)
			return mr_error_set(err, MR_E_INVALID, MR_ERR_INTERNAL,
			    "%s: nothing carries it out", route->path);
		plans[i] = mr_bind_plan(tables.arena, tables.schemas, route,
		    mr_router_vars(tables.router, route), &mr_stmts[route->sql]);
		if (plans[i] == NULL)
			return mr_error_set(
			    err, MR_E_NOMEM, MR_ERR_INTERNAL, "no memory for routes");
	}
	tables.plans = plans;
	return 0;
}

int mr_dispatch_init(struct mr_error *err)
{
	int rc;

	if (tables.arena != NULL)
		return 0;
	tables.arena = mr_arena_create(TABLES_MAX);
	if (tables.arena == NULL)
		return mr_error_set(err, MR_E_NOMEM, MR_ERR_INTERNAL, "no memory for routes");
	rc = mr_router_create(tables.arena, mr_routes, mr_routes_len, &tables.router, err);
	if (rc == 0)
		rc = mr_schemas_create(
		    tables.arena, mr_schema_texts, MR_SCHEMA_COUNT, &tables.schemas, err);
	if (rc == 0)
		rc = make_plans(err);
	if (rc < 0)
		mr_dispatch_done();
	return rc;
}

void mr_dispatch_done(void)
{
	tables = (struct mr_tables){ .arena = mr_arena_free(tables.arena) };
}

/* ---- the policy, top to bottom: each returns false once the answer is decided ---- */

static bool refuse(struct mr_request *r, enum mr_error_id id)
{
	mr_response_problem(r, id, "%s", "");
	return false;
}

static bool find_route(struct mr_request *r)
{
	struct mr_match match;
	char allow[MR_ALLOW_LEN];

	mr_router_match(tables.router, r->method, r->path, &match);
	if (match.allow == 0)
		return refuse(r, MR_ERR_ROUTE_NOT_FOUND);
	if (r->method == MR_OPTIONS) {
		r->status = 204;
		mr_response_header(
		    r, "Allow", (struct mr_str){ allow, mr_allow_text(match.allow, allow) });
		return false;
	}
	if (match.route == NULL) {
		(void)refuse(r, MR_ERR_METHOD_NOT_ALLOWED); /* the header comes after it */
		mr_response_header(
		    r, "Allow", (struct mr_str){ allow, mr_allow_text(match.allow, allow) });
		return false;
	}
	r->route = match.route;
	r->call->vars = match.vars;
	/* read when it is known who asks: for others a wrong id is none of their business */
	for (unsigned i = 0; i < match.vars->len; i++)
		r->path_vars[i] = match.values[i];
	return true;
}

static void unref_principal(void *p)
{
	mr_principal_unref(p);
}

static bool identify(struct mr_request *r)
{
	struct mr_credentials c = {
		.authorization = mr_request_header(r, "Authorization"),
		.api_key = mr_request_header(r, "X-API-Key"),
		.takes_anonymous = mr_listener_takes_anonymous(r),
	};
	struct mr_error err = { .id = MR_ERR_CREDENTIALS_INVALID };
	int rc;

	if (r->route->scope == MR_SCOPE_NONE)
		return true; /* public: what they bring is for the handler, if for anybody */
	if (mr_str_eqz(mr_request_param(r, "SSL_CLIENT_VERIFY"), "SUCCESS"))
		c.cert_pem = mr_request_param(r, "SSL_CLIENT_CERT");
	rc = mr_auth_identify(r->worker->auth, &c, r->arena, &r->principal, &err);
	if (rc == 0 && r->principal == NULL)
		return refuse(r, MR_ERR_AUTHENTICATION_REQUIRED);
	if (rc == MR_E_UNAVAILABLE)
		return refuse(r, MR_ERR_DATABASE_UNAVAILABLE);
	if (rc == MR_E_NOMEM || rc == MR_E_LIMIT)
		return refuse(r, MR_ERR_OVERLOADED);
	if (rc < 0) {
		mr_response_problem(r, err.id != MR_ERR_NONE ? err.id : MR_ERR_CREDENTIALS_INVALID,
		    "%s", err.detail);
		return false;
	}
	if (mr_arena_defer(r->arena, unref_principal, (void *)(uintptr_t)r->principal) < 0) {
		r->principal = NULL;
		return refuse(r, MR_ERR_OVERLOADED);
	}
	return true;
}

static const char *role_name(unsigned role)
{
	return role == MR_ROLE_VIEWER     ? "viewer"
	       : role == MR_ROLE_OPERATOR ? "operator"
	       : role == MR_ROLE_EDITOR   ? "editor"
	                                  : "admin";
}

static void fault_roles(struct mr_request *r, unsigned roles)
{
	struct mr_str all = MR_STR("");

	for (unsigned role = MR_ROLE_VIEWER; role <= MR_ROLE_ADMIN; role <<= 1) {
		struct mr_str more;

		if ((roles & role) == 0)
			continue;
		more = mr_arena_printf(r->arena, "%.*s%s%s", MR_STR_ARG(all),
		    all.len > 0 ? " or " : "", role_name(role));
		if (more.p != NULL)
			all = more;
	}
	mr_fault_add(&r->faults, MR_STR("role"), "forbidden", "must be %.*s", MR_STR_ARG(all));
}

/* Whether the caller made what the path names. False as well once the answer is decided. */
static bool owns(struct mr_request *r)
{
	const struct mr_route_vars *vars = r->call->vars;
	struct mr_pair extra[] = { { MR_STR_NONE, MR_STR_NONE }, { MR_STR_NONE, MR_STR_NONE } };
	const PGresult *result;

	if (vars->len == 0)
		return false;
	extra[0].name = vars->vars[0].name;
	extra[0].value = r->path_vars[0]; /* a name, or an id as it was written */
	if (vars->vars[0].kind == MR_VAR_ID &&
	    mr_id_parse(r->path_vars[0], vars->vars[0].id_prefix, &extra[0].value) < 0)
		return false;
	if (!mr_str_is_utf8(extra[0].value) ||
	    (extra[0].value.len > 0 && memchr(extra[0].value.p, 0, extra[0].value.len) != NULL))
		return false;
	return mr_unit_run(r, r->route->owner, extra, &result) == 0 && PQntuples(result) > 0 &&
	       mr_pg_bool(result, 0, "is_owner");
}

static bool authorise(struct mr_request *r)
{
	unsigned lacks = mr_access_lacks(r->route, r->principal);

	if (lacks == MR_ACCESS_ROLE && r->route->owner != MR_SQL_NONE) {
		if (owns(r))
			return true;
		if (r->status != 0)
			return false;
	}
	if (lacks == 0)
		return true;
	if ((lacks & MR_ACCESS_SCOPE) != 0)
		mr_fault_add(&r->faults, MR_STR("scope"), "forbidden", "must hold %s",
		    mr_scope_name(r->route->scope));
	if ((lacks & MR_ACCESS_ROLE) != 0)
		fault_roles(r, r->route->roles);
	if ((lacks & MR_ACCESS_PLATFORM) != 0)
		mr_fault_add(&r->faults, MR_STR("tenant"), "forbidden", "must be the platform's");
	return refuse(r, MR_ERR_FORBIDDEN);
}

bool mr_dispatch_allows(struct mr_request *r, unsigned roles)
{
	if ((r->principal->roles & roles) != 0)
		return true;
	fault_roles(r, roles);
	return refuse(r, MR_ERR_FORBIDDEN);
}

/* Path variables and query arguments; most faults wait for those of the body. */
static bool read_address(struct mr_request *r)
{
	const struct mr_stmt *stmt = &mr_stmts[r->route->sql];
	struct mr_call *call = r->call;
	struct mr_str values[MR_PATH_VARS_MAX];
	int rc;

	for (unsigned i = 0; i < MR_PATH_VARS_MAX; i++)
		values[i] = r->path_vars[i];
	if (mr_args_path(r, call->vars, values) < 0) {
		mr_unit_answer_missing(r); /* an id that nothing can have */
		return false;
	}
	call->is_list = mr_envelope_is_list(r->route->envelope);
	rc = mr_args_query(r, call->is_list ? stmt : NULL, &call->page);
	if (rc == 0 && r->faults.count == 0 && call->is_list) {
		unsigned asked = call->page.order;

		rc = mr_envelope_cursor(r);
		if (rc == MR_E_INVALID ||
		    (rc == 0 && (call->page.order >= stmt->orders_len ||
		                    (call->page.ordered && call->page.order != asked))))
			return refuse(r, MR_ERR_CURSOR_INVALID);
	}
	return rc == 0 || refuse(r, MR_ERR_OVERLOADED);
}

static bool is_json_type(struct mr_str type)
{
	struct mr_str name = mr_str_trim(mr_str_cut(&type, ';'));
	struct mr_str charset = mr_str_trim(type), key;

	if (name.len > 5 && mr_str_ieqz((struct mr_str){ name.p + name.len - 5, 5 }, "+json"))
		name = MR_STR("application/json");
	if (!mr_str_ieqz(name, "application/json"))
		return false;
	if (charset.len == 0)
		return true;
	key = mr_str_trim(mr_str_cut(&charset, '='));
	if (!mr_str_ieqz(key, "charset"))
		return true; /* other parameters don't change what the text is */
	charset = mr_str_trim(charset);
	return mr_str_ieqz(charset, "utf-8") || mr_str_ieqz(charset, "\"utf-8\"") ||
	       mr_str_ieqz(charset, "utf8") || mr_str_ieqz(charset, "us-ascii");
}

/* nginx has spooled the body to a file. 0, or MR_E_LIMIT, MR_E_NOMEM, MR_E_IO. */
static int read_spool(struct mr_request *r)
{
	size_t max = (size_t)r->worker->settings->max_body_bytes, len = 0;
	char *path = mr_arena_strz(r->arena, r->body_file), *p;
	int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1, rc = 0;
	off_t size = fd >= 0 ? lseek(fd, 0, SEEK_END) : -1;

	if (path == NULL)
		return MR_E_NOMEM;
	if (size < 0)
		rc = MR_E_IO;
	else if ((uint64_t)size > max)
		rc = MR_E_LIMIT;
	p = rc == 0 ? mr_arena_alloc(r->arena, (size_t)size + 1) : NULL;
	if (rc == 0 && p == NULL)
		rc = MR_E_NOMEM;
	while (rc == 0 && len < (size_t)size) {
		ssize_t n = pread(fd, p + len, (size_t)size - len, (off_t)len);

		if (n > 0)
			len += (size_t)n;
		else if (n == 0 || errno != EINTR)
			rc = MR_E_IO;
	}
	if (fd >= 0)
		(void)close(fd); /* only read from */
	if (rc == 0)
		r->body = (struct mr_str){ p, len };
	return rc;
}

static bool load_body(struct mr_request *r)
{
	int rc = r->body_file.p != NULL && r->body.p == NULL ? read_spool(r) : 0;

	if (rc == MR_E_LIMIT || r->body.len > (size_t)r->worker->settings->max_body_bytes)
		return refuse(r, MR_ERR_BODY_TOO_LARGE);
	if (rc == MR_E_IO)
		mr_log(MR_LOG_ERROR, "spooled body can't be read", MR_F_N("error", errno),
		    MR_F_S("correlation_id", r->correlation_id));
	return rc == 0 || refuse(r, rc == MR_E_NOMEM ? MR_ERR_OVERLOADED : MR_ERR_INTERNAL);
}

static bool parse_body(struct mr_request *r)
{
	struct mr_json_limits limits = mr_json_limits_default;
	size_t before = r->faults.count;
	int rc;

	limits.depth = (unsigned)r->worker->settings->max_json_depth;
	rc = mr_json_parse(r->arena, r->body, &limits, &r->faults, &r->body_json);
	if (rc == 0)
		return true;
	if (rc == MR_E_NOMEM) {
		mr_response_too_large(r, rc, ""); /* more values than a request may hold */
		return false;
	}
	if (rc == MR_E_LIMIT && r->faults.count == before)
		mr_fault_add(
		    &r->faults, MR_STR(""), "limit", "must hold fewer values, less deeply nested");
	return refuse(r, MR_ERR_JSON_INVALID);
}

static bool is_form_type(struct mr_str type)
{
	return mr_str_ieqz(
	    mr_str_trim(mr_str_cut(&type, ';')), "application/x-www-form-urlencoded");
}

/* What says nothing is taken for JSON, and so is what "curl -d" says by itself on a loopback
 * listener: the documents of the programs that call there show it so. */
static bool may_be_json(const struct mr_request *r)
{
	return r->content_type.len == 0 || is_json_type(r->content_type) ||
	       (r->is_loopback && is_form_type(r->content_type));
}

static bool read_body(struct mr_request *r)
{
	int rc;

	r->body_json = MR_NULL_VALUE;
	if (r->route->in_file || r->route->in == MR_SCHEMA_NONE)
		return true;
	if (!load_body(r))
		return false;
	if (r->body.len == 0 && r->route->in_optional) {
		r->body = MR_STR("{}");
	} else if (!may_be_json(r)) {
		return refuse(r, MR_ERR_MEDIA_TYPE_UNSUPPORTED);
	} else if (r->body.len == 0) {
		mr_fault_add(&r->faults, MR_STR(""), "required", "is required: a JSON object");
		return true;
	}
	if (!parse_body(r))
		return false;
	rc = mr_schema_check(tables.schemas, r->route->in, &r->body_json, r->arena, &r->faults);
	return rc == 0 || rc == MR_E_INVALID || refuse(r, MR_ERR_OVERLOADED);
}

static void read_conditions(struct mr_request *r)
{
	struct mr_str if_match = mr_request_header(r, "If-Match");
	int rc;

	mr_idempotency_begin(r);
	rc = mr_etag_if_match(if_match, &r->call->if_match);
	if (rc == MR_E_INVALID)
		mr_fault_add(&r->faults, MR_STR("If-Match"), "format",
		    "must be * or entity tags of one version, such as \"3.0123456789abcdef\"");
	else if (rc < 0)
		r->call->if_match = INT64_MAX; /* no version of ours: it can't match */
}

/* Whether the request goes on to its handler: it has no fault, or none but those of a body in which
 * the handler finds the rest of them. */
static bool may_go_on(struct mr_request *r)
{
	bool is_judged = r->route->finds_faults && r->call->address_faults == 0 &&
	                 r->body_json.kind == MR_VALUE_MAP;

	r->faults.settled = r->faults.last;
	return r->faults.count == 0 || is_judged || refuse(r, MR_ERR_VALIDATION_FAILED);
}

static bool run(struct mr_request *r)
{
	int rc = 0;

	if (r->route->handler != NULL)
		rc = r->route->handler(r);
	else if (!mr_conditional_unchanged(r))
		mr_dispatch_sql(r, r->route->sql, NULL);
	if (rc == 0 && r->status != 0)
		return true;
	if (rc == MR_E_NOMEM || rc == MR_E_LIMIT)
		return refuse(r, MR_ERR_OVERLOADED);
	mr_log(MR_LOG_ERROR, "handler failed", MR_F_Z("route", r->route->path), MR_F_N("error", rc),
	    MR_F_S("correlation_id", r->correlation_id));
	return refuse(r, MR_ERR_INTERNAL);
}

/* ---- after the answer is decided ---- */

static bool is_problem(const struct mr_request *r)
{
	return mr_str_eqz(r->out_content_type, "application/problem+json");
}

static void finish(struct mr_request *r)
{
	mr_conditional_tag(r);
	if (mr_buf_failed(&r->out_body) || mr_buf_failed(&r->out_headers))
		(void)refuse(r, MR_ERR_OVERLOADED);
	if (!is_problem(r))
		mr_response_header(r, "X-Request-ID", r->correlation_id);
	mr_request_tell_limit(r);
	if (r->route == NULL)
		return;
	if (r->route->deprecation != NULL)
		mr_response_header(r, "Deprecation", mr_str(r->route->deprecation));
	if (r->route->sunset != NULL)
		mr_response_header(r, "Sunset", mr_str(r->route->sunset));
}

/* A read by a statement alone has no effect: it may be carried out while it is being counted, and
 * what it gave is thrown away when it is one too many. */
static bool may_run(struct mr_request *r)
{
	bool only_reads = r->route->method == MR_GET && r->route->handler == NULL;

	return (only_reads && !r->call->limit.is_decided) || mr_request_may_pass(r);
}

/* It is counted while address and body are looked at. */
static bool carry_out(struct mr_request *r)
{
	bool is_known = find_route(r) && identify(r);

	mr_request_count(r);
	if (!is_known || !authorise(r) || !read_address(r))
		return false;
	r->call->address_faults = r->faults.count;
	if (!read_body(r) || !may_run(r))
		return false;
	read_conditions(r);
	return may_go_on(r) && run(r);
}

void mr_dispatch(struct mr_request *r)
{
	struct mr_call call = { .if_match = -1, .version = -1, .page = { .total = -1 } };

	r->call = &call;
	if (r->faults.arena == NULL)
		mr_faults_init(&r->faults, r->arena, MR_FAULTS_MAX);
	r->faults.ignores_unknown = r->is_loopback;
	mr_correlation_begin(r);
	(void)carry_out(r);           /* whichever ends it has decided the answer */
	(void)mr_request_may_pass(r); /* so are refusals; then 429 is the answer */
	mr_audit_answered(r);
	finish(r);
	r->status = mr_listener_status(r);
	r->call = NULL;
}

/* ---- for handlers ---- */

int mr_dispatch_query(
    struct mr_request *r, unsigned stmt, const struct mr_pair *extra, const PGresult **ret)
{
	return mr_unit_run(r, stmt, extra, ret);
}

/* The statement has skipped so many as are walked through, and there was more. */
static bool lies_too_deep(const struct mr_request *r, const PGresult *result)
{
	const struct mr_page *page = &r->call->page;
	struct mr_str items = mr_pg_text(result, 0, "items");

	return page->after_id.p == NULL && page->offset > MR_OFFSET_WALKED && items.p != NULL &&
	       !mr_str_eqz(items, "[]");
}

static void answer_list(struct mr_request *r, const PGresult *result)
{
	if (!lies_too_deep(r, result)) {
		mr_envelope_list(r, result);
		return;
	}
	mr_fault_add(&r->faults, MR_STR("offset"), "range",
	    "must be at most %d in a list that is longer; read on with next_cursor",
	    MR_OFFSET_WALKED);
	(void)refuse(r, MR_ERR_VALIDATION_FAILED);
}

void mr_dispatch_answer(struct mr_request *r, const PGresult *result)
{
	/* a list that has no row at all lacks what it is a list of; one with an error has it told
	 */
	if (r->call->is_list && PQntuples(result) > 0 && mr_pg_text(result, 0, "error").p == NULL)
		answer_list(r, result);
	else
		mr_unit_answer(r, result);
}

void mr_dispatch_sql(struct mr_request *r, unsigned stmt, const struct mr_pair *extra)
{
	const PGresult *result;

	if (r->faults.count > 0 && r->status == 0)
		(void)refuse(r, MR_ERR_VALIDATION_FAILED);
	else if (mr_unit_run(r, stmt, extra, &result) == 0)
		mr_dispatch_answer(r, result);
}

bool mr_dispatch_replayed(const struct mr_request *r)
{
	return r->call->replayed;
}
