#include "admin/db.h"

#include <string.h>
#include <uv.h>

#include "lib/log.h"

struct query {
	struct mr_pg *pg;
	struct mr_pg_unit unit;
	struct mr_pg_call call;
};

static void query_done(struct mr_pg_unit *u)
{
	struct query *q = u->ctx;

	mr_pg_close(q->pg, NULL, NULL); /* then nothing keeps the loop */
}

static struct mr_str *bind_values(
    struct mr_admin *a, enum mr_sql stmt, const struct mr_admin_bind *binds)
{
	const struct mr_stmt *s = mr_stmts + stmt;
	struct mr_str *values = mr_arena_array(a->arena, s->params_len + 1, sizeof(*values));

	if (values == NULL) {
		(void)mr_admin_fail("out of memory");
		return NULL;
	}
	for (; binds->name != NULL; binds++) {
		int i = mr_stmt_param_find(s, binds->name);

		if (i < 0) {
			(void)mr_admin_fail(
			    "statement %s has no parameter %s", s->name, binds->name);
			return NULL;
		}
		values[i] = binds->value;
	}
	return values;
}

static int explain(const struct query *q)
{
	switch (q->unit.outcome) {
	case MR_PG_OK:
		return 0;
	case MR_PG_ERROR:
		return mr_admin_fail(
		    "the database refused: %s (%s)", q->unit.message, q->unit.sqlstate);
	case MR_PG_UNAVAILABLE:
	case MR_PG_OVERLOADED:
		break;
	}
	return mr_admin_fail("the database that admin_database_url names does not answer");
}

/* Runs the loop to its end, so that the pool is closed in good order. */
static int run_query(struct mr_admin *a, struct query *q, uv_loop_t *loop)
{
	const struct mr_pg_settings pg = {
		.conninfo = a->settings->admin_database_url,
		.shared = 1,
		.exclusive_max = 1,
		.statement_timeout_ms = (unsigned)a->settings->db_slow_timeout_ms,
		.slow_timeout_ms = (unsigned)a->settings->db_slow_timeout_ms,
		.lock_timeout_ms = (unsigned)a->settings->db_slow_timeout_ms,
		.queue_max = 4,
		.silence_ms = (unsigned)a->settings->db_slow_timeout_ms,
	};

	q->pg = mr_pg_create(loop, &pg);
	if (q->pg == NULL)
		return mr_admin_fail("out of memory");
	mr_pg_submit(q->pg, &q->unit);
	(void)uv_run(loop, UV_RUN_DEFAULT); /* nothing is left when it returns */
	if (mr_pg_keep(a->arena, &q->unit) < 0)
		return mr_admin_fail("out of memory");
	return explain(q);
}

int mr_admin_query(
    struct mr_admin *a, enum mr_sql stmt, const struct mr_admin_bind *binds, PGresult **ret_result)
{
	struct query q = { .call = { .stmt = stmt } };
	uv_loop_t loop;
	int r;

	if (a->settings->admin_database_url[0] == '\0')
		return mr_admin_fail("admin_database_url is not set");
	q.call.values = bind_values(a, stmt, binds);
	if (q.call.values == NULL)
		return 1;
	q.unit.calls = &q.call;
	q.unit.calls_len = 1;
	q.unit.done = query_done;
	q.unit.ctx = &q;
	if (uv_loop_init(&loop) != 0)
		return mr_admin_fail("out of memory");
	r = run_query(a, &q, &loop);
	(void)uv_loop_close(&loop); /* the process ends soon */
	if (r == 0)
		*ret_result = q.call.result;
	return r;
}

struct mr_str mr_admin_array(struct mr_admin *a, const char *list)
{
	struct mr_str rest = mr_str(list), text;
	struct mr_buf b;

	mr_buf_init(&b, 65536);
	mr_pg_array_begin(&b);
	while (rest.p != NULL) {
		struct mr_str word = mr_str_trim(mr_str_cut(&rest, ','));

		if (word.len > 0)
			mr_pg_array_add(&b, word);
	}
	mr_pg_array_end(&b);
	text = mr_buf_failed(&b) ? MR_STR_NONE : mr_arena_str(a->arena, mr_buf_str(&b));
	mr_buf_done(&b);
	return text;
}
