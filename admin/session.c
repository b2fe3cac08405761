#include "admin/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/error.h"
#include "lib/pg.h"

#define WORDS_MAX 64
#define TEXT_MAX  65536

static PQconninfoOption *url_options(struct mr_admin *a)
{
	char *why = NULL;
	PQconninfoOption *options;

	if (a->settings->admin_database_url[0] == '\0') {
		(void)mr_admin_fail("admin_database_url is not set");
		return NULL;
	}
	options = PQconninfoParse(a->settings->admin_database_url, &why);
	if (options == NULL)
		(void)mr_admin_fail("admin_database_url: %s", why != NULL ? why : "out of memory");
	PQfreemem(why);
	return options;
}

const char *mr_session_dbname(struct mr_admin *a)
{
	PQconninfoOption *options = url_options(a);
	const char *name = "millrace";

	for (PQconninfoOption *o = options; o != NULL && o->keyword != NULL; o++) {
		if (strcmp(o->keyword, "dbname") == 0 && o->val != NULL)
			name = o->val;
	}
	name = options != NULL ? mr_arena_strz(a->arena, mr_str(name)) : NULL;
	PQconninfoFree(options);
	return name;
}

static void on_notice(void *ctx, const PGresult *r)
{
	struct mr_session *s = ctx;
	const char *text = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);

	if (s->notice != NULL && text != NULL)
		s->notice(s->ctx, text);
}

/* OPTIONS has what the URL says already. */
static PGconn *connect_by(const PQconninfoOption *url, const char *dbname, const char *options)
{
	const char *words[WORDS_MAX], *values[WORDS_MAX];
	size_t n = 0;

	for (const PQconninfoOption *o = url; o->keyword != NULL && n < WORDS_MAX - 4; o++) {
		if (o->val == NULL || strcmp(o->keyword, "options") == 0 ||
		    strcmp(o->keyword, "application_name") == 0 ||
		    (dbname != NULL && strcmp(o->keyword, "dbname") == 0))
			continue;
		words[n] = o->keyword;
		values[n++] = o->val;
	}
	words[n] = "application_name";
	values[n++] = "millrace-admin";
	words[n] = "options";
	values[n++] = options;
	if (dbname != NULL) {
		words[n] = "dbname";
		values[n++] = dbname;
	}
	words[n] = values[n] = NULL;
	return PQconnectdbParams(words, values, 0);
}

int mr_session_open(
    struct mr_admin *a, const char *dbname, const char *options, struct mr_session *ret)
{
	PQconninfoOption *url = url_options(a);
	struct mr_str all = { options, strlen(options) };

	*ret = (struct mr_session){ .admin = a };
	if (url == NULL)
		return 1;
	for (const PQconninfoOption *o = url; o->keyword != NULL; o++) {
		if (strcmp(o->keyword, "options") == 0 && o->val != NULL)
			all = mr_arena_printf(a->arena, "%s %s", o->val, options);
	}
	ret->c = all.p != NULL ? connect_by(url, dbname, all.p) : NULL;
	PQconninfoFree(url);
	if (ret->c == NULL)
		return mr_admin_fail("out of memory");
	if (PQstatus(ret->c) != CONNECTION_OK)
		return mr_admin_fail(
		    "%.*s", (int)strcspn(PQerrorMessage(ret->c), "\n"), PQerrorMessage(ret->c));
	(void)PQsetNoticeReceiver(ret->c, on_notice, ret); /* the one before prints them */
	return 0;
}

void mr_session_close(struct mr_session *s)
{
	PQfinish(s->c); /* takes NULL */
	s->c = NULL;
}

/* The statements of this module have one text, and no options in it. */
static void put_text(struct mr_buf *b, const struct mr_stmt *stmt)
{
	for (const struct mr_stmt_piece *p = stmt->texts[0]; p->text != NULL; p++)
		mr_buf_addz(b, p->text);
}

static void clear_result(void *r)
{
	PQclear(r);
}

int mr_session_query(
    struct mr_session *s, enum mr_sql stmt, const char *const *values, const PGresult **ret)
{
	const struct mr_stmt *def = mr_stmts + stmt;
	unsigned oids[8] = { 0 };
	struct mr_buf text;
	PGresult *r = NULL;

	for (unsigned i = 0; i < def->params_len && i < MR_ARRAY_LEN(oids); i++)
		oids[i] = def->params[i].oid;
	mr_buf_init(&text, TEXT_MAX);
	put_text(&text, def);
	if (!mr_buf_failed(&text) && def->params_len <= MR_ARRAY_LEN(oids))
		r = PQexecParams(s->c, text.p, (int)def->params_len, oids, values, NULL, NULL, 0);
	mr_buf_done(&text);
	if (r == NULL || mr_arena_defer(s->admin->arena, clear_result, r) < 0)
		return mr_admin_fail("out of memory");
	if (PQresultStatus(r) != PGRES_TUPLES_OK)
		return mr_admin_fail("%s: %s", def->name,
		    PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY) != NULL
		        ? PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY)
		        : "the connection to the database was lost");
	*ret = r;
	return 0;
}

static void keep_refusal(struct mr_session *s, const PGresult *r)
{
	const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
	const char *text = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);

	/* both may be cut */
	(void)snprintf(s->sqlstate, sizeof(s->sqlstate), "%s", state != NULL ? state : "08006");
	(void)snprintf(s->message, sizeof(s->message), "%s",
	    text != NULL ? text : "the connection to the database was lost");
}

int mr_session_script(struct mr_session *s, struct mr_str text)
{
	char *z = mr_arena_strz(s->admin->arena, text);
	PGresult *r = z != NULL ? PQexec(s->c, z) : NULL;
	ExecStatusType status = PQresultStatus(r); /* takes NULL */
	struct mr_str tag = MR_STR_NONE;

	if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_EMPTY_QUERY)
		tag = mr_arena_printf(s->admin->arena, "%s", PQcmdStatus(r));
	else
		keep_refusal(s, r);
	s->tag = tag.p;
	PQclear(r);
	return tag.p != NULL ? 0 : MR_E_INVALID;
}

void mr_session_rollback(struct mr_session *s)
{
	if (mr_session_is_inside(s))
		PQclear(PQexec(s->c, "rollback")); /* the next statement says when there was none */
}

bool mr_session_is_inside(const struct mr_session *s)
{
	return PQtransactionStatus(s->c) != PQTRANS_IDLE;
}
