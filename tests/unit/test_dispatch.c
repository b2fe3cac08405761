/*
 * The whole of dispatch over the real tables, with PostgreSQL and the caller played by the test:
 * what only a fault or a race brings about on a real stack.
 */
#include "fcgi/dispatch.h"

#include "fcgi/worker.h"
#include "tests/unit/fake_request.h"

/* ---- what is played ---- */

void __wrap_mr_pg_await(struct mr_pg *pg, struct mr_pg_unit *u);
int __wrap_mr_auth_identify(struct mr_auth *a, const struct mr_credentials *c,
    struct mr_arena *scratch, const struct mr_principal **ret, struct mr_error *err);
void __wrap_mr_principal_unref(const struct mr_principal *p);
void __wrap_mr_bus_publish(struct mr_bus *bus, struct mr_str channel, struct mr_str payload);

#define COLUMNS_MAX 8

/* The next answer of PostgreSQL; the one after it follows in the array. */
struct played {
	enum mr_pg_outcome outcome;
	const char *sqlstate, *constraint;
	unsigned failed_call;
	bool no_row;
	const char *columns[COLUMNS_MAX][2]; /* name, value; NULL name ends */
};

static const struct played *answers;
static unsigned asked;
static unsigned last_stmt, last_calls;
static bool looked; /* the last statement asked for the row's state alone */
static char published[64];
static int identified; /* what the identification returns */
static struct mr_principal caller;
static int unrefs;

static PGresult *make_result(const struct played *p)
{
	PGresult *r = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
	PGresAttDesc attrs[COLUMNS_MAX];
	int n = 0;

	memset(attrs, 0, sizeof(attrs));
	for (; n < COLUMNS_MAX && p->columns[n][0] != NULL; n++)
		attrs[n].name = (char *)(uintptr_t)p->columns[n][0];
	assert_true(PQsetResultAttrs(r, n, attrs));
	for (int i = 0; i < n && !p->no_row; i++) {
		const char *v = p->columns[i][1];

		assert_true(
		    PQsetvalue(r, 0, i, (char *)(uintptr_t)v, v != NULL ? (int)strlen(v) : -1));
	}
	return r;
}

void __wrap_mr_pg_await(struct mr_pg *pg, struct mr_pg_unit *u)
{
	const struct played *p = &answers[asked++];
	int state_only;

	(void)pg;
	last_calls = u->calls_len;
	last_stmt = u->calls[u->calls_len - 1].stmt;
	state_only = mr_stmt_param_find(&mr_stmts[last_stmt], "state_only");
	looked = state_only >= 0 && u->calls[u->calls_len - 1].values[state_only].p != NULL;
	u->outcome = p->outcome;
	u->failed_call = p->failed_call;
	(void)snprintf(
	    u->sqlstate, sizeof(u->sqlstate), "%s", p->sqlstate != NULL ? p->sqlstate : "");
	(void)snprintf(
	    u->constraint, sizeof(u->constraint), "%s", p->constraint != NULL ? p->constraint : "");
	if (p->outcome == MR_PG_OK)
		u->calls[u->calls_len - 1].result = make_result(p);
}

int __wrap_mr_auth_identify(struct mr_auth *a, const struct mr_credentials *c,
    struct mr_arena *scratch, const struct mr_principal **ret, struct mr_error *err)
{
	(void)a;
	(void)c;
	(void)scratch;
	*ret = identified == 0 ? &caller : NULL;
	if (identified == 1) {
		*ret = NULL;
		return 0; /* nobody */
	}
	return identified < 0 ? mr_error_set(err, identified, MR_ERR_CREDENTIALS_INVALID, "%s", "")
	                      : 0;
}

void __wrap_mr_principal_unref(const struct mr_principal *p)
{
	assert_ptr_equal(p, &caller);
	unrefs++;
}

void __wrap_mr_bus_publish(struct mr_bus *bus, struct mr_str channel, struct mr_str payload)
{
	(void)bus;
	(void)snprintf(
	    published, sizeof(published), "%.*s %.*s", MR_STR_ARG(channel), MR_STR_ARG(payload));
}

/* ---- one request ---- */

struct asking {
	enum mr_method method;
	const char *path, *body;
	const char *header, *value; /* as FastCGI names it */
};

static struct mr_settings settings;
static struct mr_worker worker = { .settings = &settings, .name = "w" };

static void ask(struct mr_request *r, const struct asking *q, const struct played *p)
{
	static struct mr_pair params[2];
	struct mr_str path = mr_str(q->path), whole = path;

	memset(r, 0, sizeof(*r));
	r->arena = mr_arena_create(8u << 20);
	assert_non_null(r->arena);
	r->worker = &worker;
	r->method = q->method;
	r->path = mr_str_cut(&whole, '?');
	r->query = whole.p != NULL ? whole : MR_STR("");
	if (q->body != NULL)
		r->body = mr_str(q->body);
	params[0] = (struct mr_pair){ MR_STR("HTTP_X_REQUEST_ID"), MR_STR("test") };
	params[1] = (struct mr_pair){ mr_str(q->header), mr_str(q->value) };
	r->params = params;
	r->params_len = q->header != NULL ? 2 : 1;
	r->remote_addr = MR_STR("127.0.0.1");
	mr_buf_init(&r->out_headers, 1u << 14);
	mr_buf_init(&r->out_body, 1u << 20);
	answers = p;
	asked = 0;
	published[0] = '\0';
	mr_dispatch(r);
}

static void done(struct mr_request *r)
{
	mr_buf_done(&r->out_headers);
	mr_buf_done(&r->out_body);
	r->arena = mr_arena_free(r->arena);
}

static bool says(struct mr_request *r, const char *text)
{
	return strstr(mr_arena_strz(r->arena, mr_buf_str(&r->out_body)), text) != NULL;
}

static bool has(struct mr_request *r, const char *header)
{
	return strstr(mr_arena_strz(r->arena, mr_buf_str(&r->out_headers)), header) != NULL;
}

static int setup(void **state)
{
	struct mr_error err;

	(void)state;
	settings.max_body_bytes = 1 << 20;
	settings.max_json_depth = 64;
	settings.audit_refused_per_minute = 60;
	caller = (struct mr_principal){ .id = 7,
		.tenant_id = 1,
		.name = MR_STR("anna"),
		.scopes = MR_SCOPE_READ_ONLY | MR_SCOPE_WORKFLOW_MANAGEMENT | MR_SCOPE_ADMIN,
		.roles = MR_ROLE_ADMIN,
		.roles_text = MR_STR("{admin}"),
		.groups_text = MR_STR("{}") };
	return mr_dispatch_init(&err);
}

static int teardown(void **state)
{
	(void)state;
	mr_dispatch_done();
	return 0;
}

#define GET_ONE                                                                                    \
	{                                                                                          \
		MR_GET, "/api/v1/workflows/1", NULL, NULL, NULL                                    \
	}
#define GET_LIST                                                                                   \
	{                                                                                          \
		MR_GET, "/api/v1/workflows", NULL, NULL, NULL                                      \
	}
#define GET_DEEP                                                                                   \
	{                                                                                          \
		MR_GET, "/api/v1/workflows?offset=100001", NULL, NULL, NULL                        \
	}
#define PAUSE                                                                                      \
	{                                                                                          \
		MR_POST, "/api/v1/runs/1/pause", NULL, NULL, NULL                                  \
	}
#define PAUSE_WITH_KEY                                                                             \
	{                                                                                          \
		MR_POST, "/api/v1/runs/1/pause", NULL, "HTTP_IDEMPOTENCY_KEY", "k"                 \
	}

static void outcomes(void **state)
{
	static const struct {
		const char *name;
		struct asking q;
		struct played p[3];
		unsigned status;
		const char *says;
		const char *header;
	} cases[] = {
		{ "a row", GET_ONE,
		    { { .columns = { { "body", "{\"a\":1}" }, { "version", "3" } } } }, 200,
		    "{\"a\":1}", "ETag: \"3.015abd7f5cc57a2d\"" },
		{ "no row", GET_ONE, { { .no_row = true, .columns = { { "body", NULL } } } }, 404,
		    "WORKFLOW_NOT_FOUND", "X-Request-ID: test" },
		{ "an error", PAUSE,
		    { { .columns = { { "status", NULL }, { "body", NULL },
		            { "error", "RUN_NOT_ACTIVE" }, { "detail", "It ended." },
		            { "details", "{\"id\":[\"has ended\"]}" } } } },
		    409, "\"details\":{\"id\":[\"has ended\"]}", "" },
		{ "an unknown error", PAUSE, { { .columns = { { "error", "STRANGE" } } } }, 500,
		    "INTERNAL", "" },
		{ "away", GET_ONE, { { .outcome = MR_PG_UNAVAILABLE } }, 503,
		    "DATABASE_UNAVAILABLE", "Retry-After: 1" },
		{ "too much", GET_ONE, { { .outcome = MR_PG_OVERLOADED } }, 503, "OVERLOADED",
		    "Retry-After: 1" },
		{ "shutting down", GET_ONE, { { .outcome = MR_PG_ERROR, .sqlstate = "57P01" } },
		    503, "DATABASE_UNAVAILABLE", "" },
		{ "deadlock", PAUSE, { { .outcome = MR_PG_ERROR, .sqlstate = "40P01" } }, 503,
		    "OVERLOADED", "" },
		{ "our own mistake", GET_ONE, { { .outcome = MR_PG_ERROR, .sqlstate = "42703" } },
		    500, "INTERNAL", "" },
		{ "a constraint", PAUSE,
		    { { .outcome = MR_PG_ERROR,
		        .sqlstate = "23505",
		        .constraint = "workflows_tenant_id_name_key" } },
		    409, "\"name\":[\"is the name of another workflow", "" },
		{ "an unknown constraint", PAUSE,
		    { { .outcome = MR_PG_ERROR, .sqlstate = "23505", .constraint = "x_key" } }, 409,
		    "\"CONFLICT\"", "" },
		{ "a call beyond the unit", PAUSE,
		    { { .outcome = MR_PG_ERROR, .sqlstate = "XX000", .failed_call = 9 } }, 500,
		    "INTERNAL", "" },
		{ "a list", GET_LIST,
		    { { .columns = { { "items", "[]" }, { "next_key", NULL }, { "next_id", NULL },
		            { "total", "0" }, { "total_estimate", NULL } } } },
		    200, "{\"items\":[],\"total\":0,\"limit\":100", "" },
		{ "a page beyond the end", GET_DEEP,
		    { { .columns = { { "items", "[]" }, { "next_key", NULL }, { "next_id", NULL },
		            { "total", "3" }, { "total_estimate", NULL } } } },
		    200, "{\"items\":[],\"total\":3,\"limit\":100,\"offset\":100001", "" },
		{ "a page too deep in a long list", GET_DEEP,
		    { { .columns = { { "items", "[1]" }, { "next_key", "a" }, { "next_id", "1" },
		            { "total", "10001" }, { "total_estimate", NULL } } } },
		    400, "\"offset\":[\"must be at most 100000 in a list that is longer", "" },
		{ "a list of nothing's parts", { MR_GET, "/api/v1/runs/1/steps", NULL, NULL, NULL },
		    { { .no_row = true, .columns = { { "items", NULL } } } }, 404, "RUN_NOT_FOUND",
		    "" },
		{ "created",
		    { MR_POST, "/api/v1/api-keys", "{\"name\":\"x\",\"scopes\":[\"admin\"]}", NULL,
		        NULL },
		    { { .columns = { { "status", "201" }, { "body", "{\"id\":1}" },
		            { "location", "/there" }, { "version", "1" } } } },
		    201, "{\"id\":1,\"key\":\"mrk_", "Location: /there" },
		{ "kept", PAUSE_WITH_KEY,
		    { { .columns = { { "status", "202" }, { "body", "{}" } } } }, 202, "{}", "" },
		{ "key at work", PAUSE_WITH_KEY,
		    { { .outcome = MR_PG_ERROR, .sqlstate = "55P03" } }, 409,
		    "IDEMPOTENCY_IN_PROGRESS", "Retry-After: 1" },
		{ "key without its answer", PAUSE_WITH_KEY,
		    { { .outcome = MR_PG_ERROR, .sqlstate = "23505" },
		        { .columns = { { "same", "t" }, { "status", NULL } } } },
		    409, "IDEMPOTENCY_IN_PROGRESS", "" },
		{ "key that has gone", PAUSE_WITH_KEY,
		    { { .outcome = MR_PG_ERROR, .sqlstate = "23505" },
		        { .no_row = true, .columns = { { "same", NULL } } } },
		    409, "IDEMPOTENCY_IN_PROGRESS", "" },
		{ "key of another request", PAUSE_WITH_KEY,
		    { { .outcome = MR_PG_ERROR, .sqlstate = "23505" },
		        { .columns = { { "same", "f" }, { "status", "202" } } } },
		    409, "IDEMPOTENCY_KEY_REUSED", "" },
		{ "replayed", PAUSE_WITH_KEY,
		    { { .outcome = MR_PG_ERROR, .sqlstate = "23505" },
		        { .columns = { { "same", "t" }, { "status", "202" },
		              { "body", "{\"b\":2}" }, { "location", NULL },
		              { "version", NULL } } } },
		    202, "{\"b\":2}", "Idempotency-Replayed: true" },
		{ "replay fails", PAUSE_WITH_KEY,
		    { { .outcome = MR_PG_ERROR, .sqlstate = "23505" },
		        { .outcome = MR_PG_UNAVAILABLE } },
		    503, "DATABASE_UNAVAILABLE", "" },
		{ "the effect's own duplicate", PAUSE_WITH_KEY,
		    { { .outcome = MR_PG_ERROR,
		        .sqlstate = "23505",
		        .failed_call = 1,
		        .constraint = "workflows_tenant_id_name_key" } },
		    409, "WORKFLOW_NAME_TAKEN", "" },
	};

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		struct mr_request r;

		identified = 0;
		ask(&r, &cases[i].q, cases[i].p);
		if (r.status != cases[i].status || !says(&r, cases[i].says) ||
		    !has(&r, cases[i].header))
			fail_msg("%s: %u %.*s\n%.*s", cases[i].name, r.status,
			    MR_STR_ARG(mr_buf_str(&r.out_headers)),
			    MR_STR_ARG(mr_buf_str(&r.out_body)));
		done(&r);
	}
}

/* Once a worker knows which state an ETag belongs to, it looks at the state first. */
static void known_states(void **state)
{
	static const struct asking get = { MR_GET, "/api/v1/workflows/5", NULL, NULL, NULL };
	static const struct asking again = { MR_GET, "/api/v1/workflows/5", NULL,
		"HTTP_IF_NONE_MATCH", "\"3.015abd7f5cc57a2d\"" };
	static const struct asking other = { MR_GET, "/api/v1/workflows/5", NULL,
		"HTTP_IF_NONE_MATCH", "\"3.0000000000000000\"" };
	static const struct {
		const char *name;
		const struct asking *q;
		struct played p[3];
		unsigned status, asked; /* the refusal is noted too */
		bool looked;
	} cases[] = {
		{ "not known yet", &again,
		    { { .columns = { { "body", "{\"a\":1}" }, { "version", "3" },
		            { "state", NULL } } } },
		    304, 1, false },
		{ "a state that can't be told", &again,
		    { { .columns = { { "body", "{\"a\":1}" }, { "version", "3" },
		            { "state", NULL } } } },
		    304, 1, false },
		{ "learnt", &get,
		    { { .columns = { { "body", "{\"a\":1}" }, { "version", "3" },
		            { "state", "8.9" } } } },
		    200, 1, false },
		{ "the same", &again,
		    { { .columns = { { "body", NULL }, { "version", "3" }, { "state", "8.9" } } } },
		    304, 1, true },
		{ "another tag", &other,
		    { { .columns = { { "body", "{\"a\":1}" }, { "version", "3" },
		            { "state", "8.9" } } } },
		    200, 1, false },
		{ "gone", &again,
		    { { .no_row = true, .columns = { { "body", NULL } } },
		        { .no_row = true, .columns = { { "body", NULL } } },
		        { .columns = { { NULL, NULL } } } },
		    404, 3, false },
		{ "away", &again, { { .outcome = MR_PG_UNAVAILABLE } }, 503, 1, true },
		{ "a changed row", &again,
		    { { .columns = { { "body", NULL }, { "version", "4" }, { "state", "8.9" } } },
		        { .columns = { { "body", "{\"a\":2}" }, { "version", "4" },
		              { "state", "9.9" } } } },
		    200, 2, false },
		{ "a changed state of the same body", &get,
		    { { .columns = { { "body", "{\"a\":1}" }, { "version", "3" },
		            { "state", "9.9" } } } },
		    200, 1, false },
		{ "an older state", &again,
		    { { .columns = { { "body", NULL }, { "version", "3" }, { "state", "9.10" } } },
		        { .columns = { { "body", "{\"a\":1}" }, { "version", "3" },
		              { "state", "9.10" } } } },
		    304, 2, false },
	};

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		struct mr_request r;

		identified = 0;
		ask(&r, cases[i].q, cases[i].p);
		if (r.status != cases[i].status || asked != cases[i].asked ||
		    looked != cases[i].looked ||
		    (r.status == 304) != (mr_buf_str(&r.out_body).len == 0) ||
		    (r.status < 400 && !has(&r, "ETag: \"")))
			fail_msg("%s: %u, asked %u times", cases[i].name, r.status, asked);
		done(&r);
	}
}

static void callers(void **state)
{
	static const struct {
		int identified;
		unsigned status;
		const char *says, *header;
	} cases[] = {
		{ 1, 401, "AUTHENTICATION_REQUIRED", "WWW-Authenticate: Bearer" },
		{ MR_E_DENIED, 401, "CREDENTIALS_INVALID", "invalid_token" },
		{ MR_E_UNAVAILABLE, 503, "DATABASE_UNAVAILABLE", "Retry-After" },
		{ MR_E_NOMEM, 503, "OVERLOADED", "Retry-After" },
	};
	static const struct asking get = GET_ONE;
	static const struct played noted = { .columns = { { NULL, NULL } } };

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		struct mr_request r;

		identified = cases[i].identified;
		ask(&r, &get, &noted);
		assert_int_equal(r.status, cases[i].status);
		assert_true(says(&r, cases[i].says) && has(&r, cases[i].header));
		/* a stranger is noted, and that is all that is asked for */
		assert_int_equal(asked, cases[i].status == 401 ? 1 : 0);
		if (cases[i].status == 401)
			assert_int_equal(last_stmt, MR_SQL_AUDIT_STRANGER);
		done(&r);
	}
}

static void principals_are_given_back(void **state)
{
	static const struct asking get = GET_ONE;
	static const struct played away = { .outcome = MR_PG_UNAVAILABLE };
	struct mr_request r;

	(void)state;
	identified = 0;
	unrefs = 0;
	ask(&r, &get, &away);
	assert_int_equal(unrefs, 0);
	done(&r);
	assert_int_equal(unrefs, 1);
}

static void engines_are_woken_only_after_success(void **state)
{
	static const struct asking pause = PAUSE;
	static const struct played good = { .columns = { { "status", "202" }, { "body", "{}" },
		                                { "wake", "c:1" } } };
	static const struct played bad = { .columns = {
		                               { "error", "RUN_NOT_ACTIVE" }, { "wake", "c:1" } } };
	struct mr_request r;

	(void)state;
	identified = 0;
	ask(&r, &pause, &good);
	assert_string_equal(published, MR_BUS_WAKE " c:1");
	done(&r);
	ask(&r, &pause, &bad);
	assert_string_equal(published, "");
	done(&r);
}

static void keys_go_first_and_only_with_writes(void **state)
{
	static const struct asking pause = PAUSE_WITH_KEY;
	static const struct asking get = { MR_GET, "/api/v1/runs/1", NULL, "HTTP_IDEMPOTENCY_KEY",
		"k" };
	static const struct played good = { .columns = { { "status", "202" }, { "body", "{}" } } };
	static const struct played row = { .columns = { { "body", "{}" }, { "version", "1" } } };
	struct mr_request r;

	(void)state;
	identified = 0;
	ask(&r, &pause, &good);
	assert_int_equal(last_calls, 2);
	done(&r);
	ask(&r, &get, &row);
	assert_int_equal(last_calls, 1);
	done(&r);
}

static void refusals_are_noted(void **state)
{
	static const struct asking pause = PAUSE;
	static const struct played noted = { .columns = { { NULL, NULL } } };
	static const struct played away = { .outcome = MR_PG_UNAVAILABLE };
	const struct played *const answered[] = { &noted, &away };
	struct mr_request r;

	(void)state;
	identified = 0;
	caller.roles = MR_ROLE_VIEWER;
	for (size_t i = 0; i < MR_ARRAY_LEN(answered); i++) {
		ask(&r, &pause, answered[i]);
		assert_int_equal(r.status, 403);
		assert_true(says(&r, "\"role\":[\"must be operator or editor or admin\"]"));
		assert_int_equal(last_stmt, MR_SQL_AUDIT_REFUSED);
		assert_false(has(&r, "Retry-After"));
		done(&r);
	}
	caller.roles = MR_ROLE_ADMIN;
}

static void faults_of_address_and_body_come_together(void **state)
{
	static const struct asking q = { MR_POST, "/api/v1/runs/x/pause?y=1", "{\"z\":1}", NULL,
		NULL };
	struct mr_request r;

	(void)state;
	identified = 0;
	ask(&r, &q, NULL);
	assert_int_equal(r.status, 400);
	assert_true(says(&r, "\"id\":[") && says(&r, "\"y\":[") && says(&r, "\"z\":["));
	assert_int_equal(asked, 0);
	done(&r);
}

static void a_body_that_is_too_large(void **state)
{
	static char body[(1 << 20) + 2];
	static const struct asking q = { MR_POST, "/api/v1/runs/1/pause", body, NULL, NULL };
	struct mr_request r;

	(void)state;
	memset(body, ' ', sizeof(body) - 1);
	identified = 0;
	ask(&r, &q, NULL);
	assert_int_equal(r.status, 413);
	done(&r);
}

static void each_allocation_fails(void **state)
{
	static const struct asking q = { MR_POST, "/api/v1/runs/1/pause?x=1", "{\"reason\":\"r\"}",
		"HTTP_IDEMPOTENCY_KEY", "k" };
	static const struct asking good = PAUSE_WITH_KEY;
	static const struct played answer[2] = { { .columns = {
		                                       { "status", "202" }, { "body", "{}" } } } };

	(void)state;
	identified = 0;
	for (unsigned long n = 2; n < 60; n++) {
		for (int i = 0; i < 2; i++) {
			struct mr_request r;
			struct mr_arena *first = mr_arena_create(16);

			/* the first allocation is the request's own arena */
			first = mr_arena_free(first);
			mr_arena_fail_after(n);
			ask(&r, i == 0 ? &q : &good, answer);
			mr_arena_fail_after(0);
			assert_true(r.status >= 200);
			done(&r);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(outcomes),
		cmocka_unit_test(known_states),
		cmocka_unit_test(callers),
		cmocka_unit_test(principals_are_given_back),
		cmocka_unit_test(engines_are_woken_only_after_success),
		cmocka_unit_test(keys_go_first_and_only_with_writes),
		cmocka_unit_test(refusals_are_noted),
		cmocka_unit_test(faults_of_address_and_body_come_together),
		cmocka_unit_test(a_body_that_is_too_large),
		cmocka_unit_test(each_allocation_fails),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
