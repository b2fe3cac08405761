#include "fcgi/bind.h"

#include <math.h>
#include <string.h>

#include "fcgi/args.h"
#include "fcgi/array.h"
#include "fcgi/idempotency.h"
#include "fcgi/slice.h"
#include "fcgi/worker.h"

/* PostgreSQL's numbers of the types that parameters have. */
enum oid {
	OID_BOOL = 16,
	OID_INT8 = 20,
	OID_INT2 = 21,
	OID_INT4 = 23,
	OID_JSON = 114,
	OID_JSONB = 3802,
	OID_JSON_ARRAY = 199,
	OID_BOOL_ARRAY = 1000,
	OID_INT4_ARRAY = 1007,
	OID_TEXT_ARRAY = 1009,
	OID_INT8_ARRAY = 1016,
	OID_TIMESTAMPTZ_ARRAY = 1185,
};

enum reserved {
	TENANT_ID,
	PRINCIPAL_ID,
	PRINCIPAL_NAME,
	PRINCIPAL_ROLES,
	PRINCIPAL_GROUPS,
	PRINCIPAL_SCOPES,
	PRINCIPAL_IS_ADMIN,
	CREDENTIAL_ID,
	CORRELATION_ID,
	TRACEPARENT,
	REMOTE_ADDRESS,
	IDEMPOTENCY_KEY,
	REQUEST_DIGEST,
	IF_MATCH,
	STATE_ONLY,
	BODY,
	WORKER_NAME,
	PAGE_LIMIT,
	PAGE_OFFSET,
	AFTER_KEY,
	AFTER_ID,
	WANT_TOTAL,
	SEARCH,
	VIEW,
	RESERVED
};

static const char *const reserved_names[RESERVED] = {
	[TENANT_ID] = "tenant_id",
	[PRINCIPAL_ID] = "principal_id",
	[PRINCIPAL_NAME] = "principal_name",
	[PRINCIPAL_ROLES] = "principal_roles",
	[PRINCIPAL_GROUPS] = "principal_groups",
	[PRINCIPAL_SCOPES] = "principal_scopes",
	[PRINCIPAL_IS_ADMIN] = "principal_is_admin",
	[CREDENTIAL_ID] = "credential_id",
	[CORRELATION_ID] = "correlation_id",
	[TRACEPARENT] = "traceparent",
	[REMOTE_ADDRESS] = "remote_address",
	[IDEMPOTENCY_KEY] = "idempotency_key",
	[REQUEST_DIGEST] = "request_digest",
	[IF_MATCH] = "if_match",
	[STATE_ONLY] = "state_only",
	[BODY] = "body",
	[WORKER_NAME] = "worker_name",
	[PAGE_LIMIT] = "page_limit",
	[PAGE_OFFSET] = "page_offset",
	[AFTER_KEY] = "after_key",
	[AFTER_ID] = "after_id",
	[WANT_TOTAL] = "want_total",
	[SEARCH] = "search",
	[VIEW] = "view",
};

static int reserved_find(struct mr_str name)
{
	for (int i = 0; i < RESERVED; i++) {
		if (mr_str_eqz(name, reserved_names[i]))
			return i;
	}
	return -1;
}

/* ---- plans ---- */

static struct mr_bind find_source(const struct mr_schemas *schemas, const struct mr_route *route,
    const struct mr_route_vars *vars, struct mr_str name)
{
	struct mr_bind b = { .kind = MR_BIND_NULL };
	struct mr_schema_member member;
	int reserved = reserved_find(name);

	/* an argument of the route may have a reserved name: runs are listed by correlation_id */
	for (unsigned i = 0; route->args != NULL && route->args[i].name != NULL; i++) {
		if (mr_str_eqz(name, route->args[i].name))
			return (struct mr_bind){ .kind = MR_BIND_ARG, .index = i };
	}
	if (reserved >= 0)
		return (struct mr_bind){ .kind = MR_BIND_RESERVED, .index = (unsigned)reserved };
	for (unsigned i = 0; i < vars->len; i++) {
		if (mr_str_eq(name, vars->vars[i].name))
			return (struct mr_bind){ .kind = MR_BIND_PATH, .index = i };
	}
	if (route->in != MR_SCHEMA_NONE && mr_schema_member(schemas, route->in, name, &member) &&
	    !member.read_only) {
		b.kind = MR_BIND_BODY;
		b.default_text = member.default_text;
	}
	return b;
}

const struct mr_bind_plan *mr_bind_plan(struct mr_arena *arena, const struct mr_schemas *schemas,
    const struct mr_route *route, const struct mr_route_vars *vars, const struct mr_stmt *stmt)
{
	struct mr_bind_plan *plan = mr_arena_alloc(arena, sizeof(*plan));
	struct mr_bind *binds = mr_arena_array(arena, stmt->params_len, sizeof(*binds));

	if (plan == NULL || binds == NULL)
		return NULL;
	for (unsigned i = 0; i < stmt->params_len; i++)
		binds[i] = find_source(schemas, route, vars, mr_str(stmt->params[i].name));
	plan->stmt = stmt;
	plan->binds = binds;
	return plan;
}

/* ---- values ---- */

/* Decimal text of N; absent without memory. */
static struct mr_str number(struct mr_request *r, int64_t n)
{
	uint64_t v = n < 0 ? 0 - (uint64_t)n : (uint64_t)n;
	char digits[21];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + v % 10);
		v /= 10;
	} while (v > 0);
	if (n < 0)
		digits[--at] = '-';
	return mr_arena_str(r->arena, (struct mr_str){ digits + at, sizeof(digits) - at });
}

static struct mr_str scopes_text(unsigned scopes)
{
	if ((scopes & MR_SCOPE_ADMIN) != 0)
		return MR_STR("{read-only,workflow-management,admin}");
	if ((scopes & MR_SCOPE_WORKFLOW_MANAGEMENT) != 0)
		return MR_STR("{read-only,workflow-management}");
	return (scopes & MR_SCOPE_READ_ONLY) != 0 ? MR_STR("{read-only}") : MR_STR("{}");
}

static struct mr_str principal_value(struct mr_request *r, enum reserved which)
{
	const struct mr_principal *p = r->principal;

	if (p == NULL)
		return MR_STR_NONE;
	switch (which) {
	case TENANT_ID:
		return number(r, p->tenant_id);
	case PRINCIPAL_ID:
		return number(r, p->id);
	case PRINCIPAL_NAME:
		return p->name;
	case PRINCIPAL_ROLES:
		return p->roles_text;
	case PRINCIPAL_GROUPS:
		return p->groups_text;
	case PRINCIPAL_SCOPES:
		return scopes_text(p->scopes);
	case CREDENTIAL_ID:
		return number(r, p->credential_id);
	default:
		return (p->roles & MR_ROLE_ADMIN) != 0 ? MR_STR("true") : MR_STR("false");
	}
}

static struct mr_str page_value(struct mr_request *r, enum reserved which)
{
	const struct mr_page *page = &r->call->page;

	switch (which) {
	case PAGE_LIMIT:
		return number(r, page->limit);
	case PAGE_OFFSET:
		if (page->after_id.p != NULL)
			return number(r, 0);
		return number(r, page->offset < MR_OFFSET_WALKED ? page->offset : MR_OFFSET_WALKED);
	case AFTER_KEY:
		return page->after_key;
	case AFTER_ID:
		return page->after_id;
	case WANT_TOTAL:
		return page->total < 0 ? MR_STR("true") : MR_STR("false");
	default:
		return page->search;
	}
}

static struct mr_str reserved_value(struct mr_request *r, enum reserved which)
{
	switch (which) {
	case CORRELATION_ID:
		return r->correlation_id;
	case TRACEPARENT:
		return r->traceparent;
	case REMOTE_ADDRESS:
		return r->remote_addr;
	case IDEMPOTENCY_KEY:
		return r->call->idempotency_key;
	case REQUEST_DIGEST:
		return mr_idempotency_digest(r);
	case IF_MATCH:
		return r->call->if_match < 0 ? MR_STR_NONE : number(r, r->call->if_match);
	case STATE_ONLY:
		return r->call->state_only ? MR_STR("true") : MR_STR_NONE;
	case BODY:
		return r->body;
	case WORKER_NAME:
		return mr_str(r->worker->name);
	case VIEW:
		return r->route->view != NULL ? mr_str(r->route->view) : MR_STR_NONE;
	default:
		return which >= PAGE_LIMIT ? page_value(r, which) : principal_value(r, which);
	}
}

/* ---- members of the body ---- */

static bool is_json(unsigned oid)
{
	return oid == OID_JSON || oid == OID_JSONB;
}

static bool is_array(unsigned oid)
{
	return oid == OID_JSON_ARRAY || oid == OID_BOOL_ARRAY || oid == OID_INT4_ARRAY ||
	       oid == OID_TEXT_ARRAY || oid == OID_INT8_ARRAY || oid == OID_TIMESTAMPTZ_ARRAY;
}

static struct mr_str array_text(struct mr_request *r, const struct mr_list *l)
{
	struct mr_array a;

	mr_array_init(&a, r->arena);
	for (size_t i = 0; i < l->len; i++) {
		const struct mr_value *v = &l->items[i];

		if (v->kind == MR_VALUE_STRING)
			mr_array_add(&a, v->s);
		else if (v->kind == MR_VALUE_NULL)
			mr_array_add(&a, MR_STR_NONE);
		else
			mr_array_add(&a, mr_json_text(r->arena, v));
	}
	return mr_array_end(&a);
}

/* The text of a scalar for a parameter that isn't JSON. */
static struct mr_str scalar_text(struct mr_request *r, const struct mr_value *v, unsigned oid)
{
	struct mr_str id;

	if (v->kind == MR_VALUE_STRING) {
		/* an id with its prefix; the schema has checked which */
		size_t at = v->s.len;

		if (oid != OID_INT8)
			return v->s;
		while (at > 0 && v->s.p[at - 1] != '_')
			at--;
		id = (struct mr_str){ v->s.p + at, v->s.len - at };
		/* one that nothing can have stays as it is: few enough digits, and not found */
		return mr_id_parse(id, NULL, &id) == MR_E_INVALID ? v->s : id;
	}
	if (v->kind == MR_VALUE_BOOL)
		return v->b ? MR_STR("true") : MR_STR("false");
	/* 3.0 is a whole number to JSON Schema, but not to PostgreSQL's int8 */
	if (v->kind == MR_VALUE_DOUBLE && (oid == OID_INT8 || oid == OID_INT4 || oid == OID_INT2) &&
	    fabs(v->d) <= 9007199254740992.0)
		return number(r, (int64_t)v->d);
	return mr_json_text(r->arena, v);
}

static struct mr_str raw_text(struct mr_request *r, size_t member)
{
	struct mr_call *x = r->call;

	if (x->slices == NULL)
		x->slices = mr_slice_members(r->arena, r->body, r->body_json.map);
	if (x->slices != NULL)
		return x->slices[member];
	return mr_json_text(r->arena, &r->body_json.map->members[member].value);
}

/* A default is JSON; what isn't bound as such goes without its quotes. Ours are simple words. */
static struct mr_str default_value(const struct mr_bind *b, unsigned oid)
{
	struct mr_str s = b->default_text;

	if (!is_json(oid) && s.len >= 2 && s.p[0] == '"')
		s = (struct mr_str){ s.p + 1, s.len - 2 };
	return s;
}

static struct mr_str body_value(
    struct mr_request *r, const struct mr_bind *b, const struct mr_stmt_param *p)
{
	const struct mr_map *map = r->body_json.kind == MR_VALUE_MAP ? r->body_json.map : NULL;
	struct mr_str name = mr_str(p->name);
	const struct mr_value *v;
	size_t i = 0;

	while (map != NULL && i < map->len && !mr_str_eq(map->members[i].key.s, name))
		i++;
	if (map == NULL || i == map->len)
		return default_value(b, p->oid);
	v = &map->members[i].value;
	if (v->kind == MR_VALUE_NULL)
		return MR_STR_NONE;
	if (is_json(p->oid))
		return raw_text(r, i);
	if (v->kind == MR_VALUE_LIST && is_array(p->oid))
		return array_text(r, v->list);
	if (v->kind == MR_VALUE_LIST || v->kind == MR_VALUE_MAP)
		return raw_text(r, i);
	return scalar_text(r, v, p->oid);
}

/* Whether the body gives it something that must be written down as text. */
static bool is_written(const struct mr_request *r, const char *name)
{
	const struct mr_value *v =
	    r->body_json.kind == MR_VALUE_MAP ? mr_value_get(&r->body_json, name) : NULL;

	return v != NULL && v->kind != MR_VALUE_NULL && v->kind != MR_VALUE_STRING;
}

static bool extra_value(const struct mr_pair *extra, const char *name, struct mr_str *ret)
{
	for (; extra != NULL && extra->name.p != NULL; extra++) {
		if (mr_str_eqz(extra->name, name)) {
			*ret = extra->value;
			return true;
		}
	}
	return false;
}

int mr_bind_values(struct mr_request *r, const struct mr_bind_plan *plan,
    const struct mr_pair *extra, const struct mr_str **ret)
{
	const struct mr_stmt *stmt = plan->stmt;
	struct mr_str *values = mr_arena_array(r->arena, stmt->params_len, sizeof(*values));

	if (values == NULL)
		return MR_E_NOMEM;
	for (unsigned i = 0; i < stmt->params_len; i++) {
		const struct mr_bind *b = &plan->binds[i];
		bool lost = false;

		if (extra_value(extra, stmt->params[i].name, &values[i]))
			;
		else if (b->kind == MR_BIND_RESERVED)
			values[i] = reserved_value(r, (enum reserved)b->index);
		else if (b->kind == MR_BIND_PATH)
			values[i] = r->path_vars[b->index];
		else if (b->kind == MR_BIND_ARG)
			values[i] = r->query_args != NULL ? r->query_args[b->index].value
			                                  : MR_STR_NONE; /* not read yet */
		else if (b->kind == MR_BIND_BODY) {
			values[i] = body_value(r, b, &stmt->params[i]);
			lost = values[i].p == NULL && is_written(r, stmt->params[i].name);
		}
		/* what couldn't be written down is not the same as what wasn't given */
		if (lost || (values[i].p == NULL && mr_arena_lacked(r->arena)))
			return MR_E_NOMEM;
		if (values[i].p == NULL && !stmt->params[i].optional)
			return MR_E_INVALID;
		/* slices of the request: libpq reads a value up to its NUL */
		if (values[i].p != NULL &&
		    (values[i] = mr_arena_str(r->arena, values[i])).p == NULL)
			return MR_E_NOMEM;
	}
	*ret = values;
	return 0;
}
