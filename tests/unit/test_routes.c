/* Walks the real tables: what the style promises of every row. */
#include "fcgi/bind.h"
#include "fcgi/router.h"
#include "tests/unit/test.h"

static struct mr_arena *arena;
static struct mr_router *router;
static struct mr_schemas *schemas;

static int setup(void **state)
{
	struct mr_error err = { .id = MR_ERR_NONE };

	(void)state;
	arena = mr_arena_create(32u << 20);
	if (arena == NULL)
		return -1;
	if (mr_router_create(arena, mr_routes, mr_routes_len, &router, &err) < 0 ||
	    mr_schemas_create(arena, mr_schema_texts, MR_SCHEMA_COUNT, &schemas, &err) < 0) {
		print_error("%s\n", err.detail);
		return -1;
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	arena = mr_arena_free(arena);
	return 0;
}

static void sorted_and_unique(void **state)
{
	(void)state;
	for (unsigned i = 0; i < mr_routes_len; i++) {
		const struct mr_route *r = &mr_routes[i], *before = r - 1;
		int order;

		assert_int_equal(r->id, i);
		if (i == 0)
			continue;
		order = strcmp(before->path, r->path);
		if (order > 0 || (order == 0 && before->method >= r->method))
			fail_msg("%s %s is out of order", mr_method_name(r->method), r->path);
	}
}

static void rows_are_whole(void **state)
{
	(void)state;
	for (unsigned i = 0; i < mr_routes_len; i++) {
		const struct mr_route *r = &mr_routes[i];
		bool list = mr_envelope_is_list(r->envelope);
		bool public = r->scope == MR_SCOPE_NONE;

		if (r->summary == NULL || r->tag == NULL || r->out.status == 0)
			fail_msg("%s: no summary, tag or status", r->path);
		if (r->sql == MR_SQL_NONE && r->handler == NULL)
			fail_msg("%s: nothing carries it out", r->path);
		if (r->sql >= mr_stmts_len || r->in >= MR_SCHEMA_COUNT ||
		    r->out.schema >= MR_SCHEMA_COUNT)
			fail_msg("%s: no such statement or schema", r->path);
		if (list != ((mr_stmts[r->sql].flags & MR_STMT_LIST) != 0) && r->sql != MR_SQL_NONE)
			fail_msg("%s: lists and list statements go together", r->path);
		if (public != (strncmp(r->path, "/api/", 5) != 0))
			fail_msg("%s: public, or not, without a reason", r->path);
		if (r->method != MR_GET && public)
			fail_msg("%s: anybody could change something", r->path);
		if (r->out.schema == MR_SCHEMA_NONE && r->out.type == NULL)
			fail_msg("%s: nothing is said of its answer", r->path);
	}
}

/* Success codes: 201 on creation, 202 for what takes effect later, else 200. */
static void statuses(void **state)
{
	static const char *const later[] = { "/execute", "/retry", "/rerun", "/cancel", "/pause",
		"/resume", "/bulk", "/{name}" };

	(void)state;
	for (unsigned i = 0; i < mr_routes_len; i++) {
		const struct mr_route *r = &mr_routes[i];
		const char *end = strrchr(r->path, '/');
		unsigned want = 200;

		for (size_t j = 0; j < MR_ARRAY_LEN(later); j++) {
			if (r->method == MR_POST && strcmp(end, later[j]) == 0)
				want = 202;
		}
		if (r->method == MR_POST &&
		    (strcmp(end, "/workflows") == 0 || strcmp(end, "/files") == 0 ||
		        strcmp(end, "/api-keys") == 0 || strcmp(end, "/agents") == 0 ||
		        strcmp(end, "/issuers") == 0 || strcmp(end, "/secrets") == 0 ||
		        strcmp(end, "/publish") == 0 || strcmp(end, "/groups") == 0 ||
		        strcmp(end, "/tenants") == 0 || strcmp(end, "/users") == 0 ||
		        strcmp(end, "/start") == 0 || strcmp(end, "/templates") == 0 ||
		        strcmp(end, "/process-templates") == 0 ||
		        strcmp(end, "/create-workflow") == 0 ||
		        strcmp(end, "/import_blueprint") == 0 ||
		        strstr(r->path, "/from-template/") != NULL))
			want = 201;
		if (r->out.status != want)
			fail_msg("%s: %u, not %u", r->path, r->out.status, want);
	}
}

/* A POST that reads: what it is asked comes in its body. */
static bool is_computing(const struct mr_route *r)
{
	return strcmp(r->path, "/api/v1/workflows/validate") == 0 ||
	       strcmp(r->path, "/api/v1/expressions/evaluate") == 0;
}

/* What decides who may do what is for administrators. */
static bool is_of_access(const struct mr_route *r)
{
	static const char *const paths[] = { "/api/v1/api-keys", "/api/v1/audit-logs",
		"/api/v1/groups", "/api/v1/issuers", "/api/v1/tenants", "/api/v1/users" };

	for (size_t i = 0; i < MR_ARRAY_LEN(paths); i++) {
		if (strncmp(r->path, paths[i], strlen(paths[i])) == 0)
			return true;
	}
	return false;
}

static void access_is_for_administrators(void **state)
{
	(void)state;
	for (unsigned i = 0; i < mr_routes_len; i++) {
		const struct mr_route *r = &mr_routes[i];

		if (is_of_access(r) && r->roles != MR_ROLE_ADMIN)
			fail_msg("%s: others than administrators", r->path);
		if (r->platform != (strncmp(r->path, "/api/v1/tenants", 15) == 0))
			fail_msg("%s: the platform's, or not, without a reason", r->path);
	}
}

/* Who made a thing may change it: a statement that says so goes with a row that wants roles. */
static void owners_are_asked_for(void **state)
{
	(void)state;
	for (unsigned i = 0; i < mr_routes_len; i++) {
		const struct mr_route *r = &mr_routes[i];
		const struct mr_route_vars *vars = mr_router_vars(router, r);

		if (r->owner == MR_SQL_NONE)
			continue;
		if (r->roles == 0 || vars->len == 0)
			fail_msg("%s: nothing to own, or no need to", r->path);
		if ((mr_stmts[r->owner].flags & MR_STMT_WRITE) != 0 ||
		    mr_stmt_param_find(
		        &mr_stmts[r->owner], mr_arena_strz(arena, vars->vars[0].name)) < 0)
			fail_msg("%s: its owner's statement", r->path);
	}
}

static void scopes(void **state)
{
	(void)state;
	for (unsigned i = 0; i < mr_routes_len; i++) {
		const struct mr_route *r = &mr_routes[i];
		enum mr_scope want =
		    r->method == MR_GET ? MR_SCOPE_READ_ONLY : MR_SCOPE_WORKFLOW_MANAGEMENT;

		if (is_of_access(r))
			want = MR_SCOPE_ADMIN;
		/* even their names are for those who may use them */
		if (strstr(r->path, "secrets") != NULL)
			want = MR_SCOPE_WORKFLOW_MANAGEMENT;
		if (is_computing(r))
			want = MR_SCOPE_READ_ONLY;
		if (r->scope != MR_SCOPE_NONE && r->scope != want)
			fail_msg("%s: scope", r->path);
	}
}

static void errors_are_sorted_and_404s_lead(void **state)
{
	(void)state;
	for (unsigned i = 0; i < mr_routes_len; i++) {
		const struct mr_route *r = &mr_routes[i];
		bool one_of_many = strchr(r->path, '{') != NULL, found = false;

		for (unsigned e = 0; r->errors != NULL && r->errors[e] != MR_ERR_NONE; e++)
			found = found || mr_error_rows[r->errors[e]].status == 404;
		if (one_of_many && !found)
			fail_msg("%s: what if there is none?", r->path);
	}
}

static void every_parameter_has_a_source(void **state)
{
	(void)state;
	for (unsigned i = 0; i < mr_routes_len; i++) {
		const struct mr_route *r = &mr_routes[i];
		const struct mr_stmt *stmt = &mr_stmts[r->sql];
		const struct mr_bind_plan *plan;

		if (r->sql == MR_SQL_NONE || r->handler != NULL)
			continue; /* handlers give what the request doesn't have */
		plan = mr_bind_plan(arena, schemas, r, mr_router_vars(router, r), stmt);
		assert_non_null(plan);
		for (unsigned p = 0; p < stmt->params_len; p++) {
			if (plan->binds[p].kind == MR_BIND_NULL)
				fail_msg("%s %s: %s needs \"%s\", which the request doesn't have",
				    mr_method_name(r->method), r->path, stmt->name,
				    stmt->params[p].name);
		}
	}
}

static void every_variable_and_argument_is_used(void **state)
{
	(void)state;
	for (unsigned i = 0; i < mr_routes_len; i++) {
		const struct mr_route *r = &mr_routes[i];
		const struct mr_route_vars *vars = mr_router_vars(router, r);
		const struct mr_stmt *stmt = &mr_stmts[r->sql];

		if (r->sql == MR_SQL_NONE)
			continue;
		for (unsigned v = 0; v < vars->len; v++) {
			char name[64];

			(void)snprintf(name, sizeof(name), "%.*s", MR_STR_ARG(vars->vars[v].name));
			if (mr_stmt_param_find(stmt, name) < 0 &&
			    mr_stmt_param_find(&mr_stmts[r->first], name) < 0)
				fail_msg("%s: %s doesn't take \"%s\"", r->path, stmt->name, name);
		}
		for (unsigned a = 0;
		     r->handler == NULL && r->args != NULL && r->args[a].name != NULL; a++) {
			int at = mr_stmt_param_find(stmt, r->args[a].name);

			if (at < 0 || !stmt->params[at].optional)
				fail_msg("%s: %s doesn't take \"%s\", or wants it always", r->path,
				    stmt->name, r->args[a].name);
			if (r->args[a].doc == NULL)
				fail_msg("%s: nothing is said of \"%s\"", r->path, r->args[a].name);
		}
	}
}

static void every_write_is_audited_and_repeatable(void **state)
{
	static const char *const needed[] = { "tenant_id", "principal_id", "principal_name",
		"correlation_id", "remote_address", "idempotency_key" };

	(void)state;
	for (unsigned i = 0; i < mr_routes_len; i++) {
		const struct mr_route *r = &mr_routes[i];
		const struct mr_stmt *stmt = &mr_stmts[r->sql];

		if (r->method == MR_GET || is_computing(r)) {
			if ((stmt->flags & MR_STMT_WRITE) != 0)
				fail_msg("%s: reading must not write", r->path);
			continue;
		}
		if ((stmt->flags & MR_STMT_WRITE) == 0)
			fail_msg("%s: %s isn't marked as a write", r->path, stmt->name);
		for (size_t n = 0; n < MR_ARRAY_LEN(needed); n++) {
			if (mr_stmt_param_find(stmt, needed[n]) < 0)
				fail_msg("%s: %s lacks the audit's \"%s\"", r->path, stmt->name,
				    needed[n]);
		}
	}
}

/* What is known of a row by its path alone must depend on nothing else that a request has. */
static void states_are_told_by_the_path(void **state)
{
	unsigned n = 0;

	(void)state;
	for (unsigned i = 0; i < mr_routes_len; i++) {
		const struct mr_route *r = &mr_routes[i];
		const struct mr_stmt *stmt = &mr_stmts[r->sql];

		if (mr_stmt_param_find(stmt, "state_only") < 0)
			continue;
		if (stmt->params_len != 2 || mr_stmt_param_find(stmt, "id") < 0 ||
		    mr_router_vars(router, r)->len != 1)
			fail_msg(
			    "%s: %s must depend on the id in the path alone", r->path, stmt->name);
		n++;
	}
	assert_in_range(n, 3, mr_routes_len);
}

static void lists_take_the_page(void **state)
{
	static const char *const needed[] = { "page_limit", "page_offset", "after_key", "after_id",
		"want_total" };

	(void)state;
	for (unsigned i = 0; i < mr_routes_len; i++) {
		const struct mr_route *r = &mr_routes[i];
		const struct mr_stmt *stmt = &mr_stmts[r->sql];

		if (!mr_envelope_is_list(r->envelope))
			continue;
		assert_true(stmt->orders_len > 0);
		for (size_t n = 0; n < MR_ARRAY_LEN(needed); n++) {
			if (mr_stmt_param_find(stmt, needed[n]) < 0)
				fail_msg("%s: %s lacks \"%s\"", r->path, stmt->name, needed[n]);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sorted_and_unique),
		cmocka_unit_test(rows_are_whole),
		cmocka_unit_test(statuses),
		cmocka_unit_test(scopes),
		cmocka_unit_test(access_is_for_administrators),
		cmocka_unit_test(owners_are_asked_for),
		cmocka_unit_test(errors_are_sorted_and_404s_lead),
		cmocka_unit_test(every_parameter_has_a_source),
		cmocka_unit_test(every_variable_and_argument_is_used),
		cmocka_unit_test(every_write_is_audited_and_repeatable),
		cmocka_unit_test(states_are_told_by_the_path),
		cmocka_unit_test(lists_take_the_page),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
