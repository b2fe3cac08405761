/*
 * describe_statements CONNINFO PREFIX…: prepares every text of the statements whose name begins
 * with one of the prefixes on a real server, as the role of CONNINFO, and prints what the server
 * says of it: one line of JSON each. With --texts instead of CONNINFO only prints the texts.
 * tests/sql compares it with the headers.
 */
#include <inttypes.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/pg.h"
#include "sql/sql_ids.h"

#define PARAMS_MAX 64
#define TEXT_MAX   65536
/* Up to so many options all their combinations are tried; above, all, none, each one, each pair. */
#define ALL_COMBINATIONS_MAX 7

static void json_string(const char *s)
{
	(void)putchar('"');
	for (; *s != '\0'; s++) {
		if (*s == '"' || *s == '\\')
			(void)printf("\\%c", *s);
		else if ((unsigned char)*s < ' ')
			(void)printf("\\u%04x", (unsigned)*s);
		else
			(void)putchar(*s);
	}
	(void)putchar('"');
}

/* Those of the parameters GIVEN (bit N: parameter N) that pieces depend on, as these have them. */
static uint32_t bits_of(const struct mr_stmt *s, uint64_t given)
{
	uint32_t bits = 0;

	for (unsigned i = 0; i < s->params_len; i++)
		if ((given >> i & 1) != 0)
			bits |= s->params[i].bit;
	return bits;
}

static void build(const struct mr_stmt *s, unsigned order, uint64_t given, char *out)
{
	uint32_t bits = bits_of(s, given);
	size_t len = 0;

	for (const struct mr_stmt_piece *p = s->texts[order]; p->text != NULL; p++) {
		size_t n = strlen(p->text);

		if ((p->given & ~bits) != 0 || (p->absent & bits) != 0)
			continue;
		if (len + n >= TEXT_MAX)
			abort();
		memcpy(out + len, p->text, n);
		len += n;
	}
	out[len] = '\0';
}

static void describe(PGconn *conn)
{
	PGresult *r = PQdescribePrepared(conn, "s");

	(void)printf(",\"params\":[");
	for (int i = 0; i < PQnparams(r); i++)
		(void)printf("%s%u", i > 0 ? "," : "", PQparamtype(r, i));
	(void)printf("],\"columns\":[");
	for (int i = 0; i < PQnfields(r); i++) {
		(void)printf("%s[", i > 0 ? "," : "");
		json_string(PQfname(r, i));
		(void)printf(",%u]", PQftype(r, i));
	}
	(void)putchar(']');
	PQclear(r);
	PQclear(PQexec(conn, "deallocate s"));
}

static void variant(PGconn *conn, const struct mr_stmt *s, unsigned order, uint64_t given)
{
	static char text[TEXT_MAX];
	Oid oids[PARAMS_MAX];
	bool first = true;

	build(s, order, given, text);
	(void)printf("{\"name\":\"%s\",\"flags\":%u,\"order\":\"%s%s\",\"given\":[", s->name,
	    s->flags, s->orders_len > 0 && s->orders[order].descending ? "-" : "",
	    s->orders_len > 0 ? s->orders[order].name : "");
	for (unsigned i = 0; i < s->params_len; i++) {
		oids[i] = s->params[i].oid;
		if ((given >> i & 1) != 0) {
			(void)printf("%s\"%s\"", first ? "" : ",", s->params[i].name);
			first = false;
		}
	}
	(void)printf("],\"names\":[");
	for (unsigned i = 0; i < s->params_len; i++)
		(void)printf("%s\"%s\"", i > 0 ? "," : "", s->params[i].name);
	(void)printf("],\"oids\":[");
	for (unsigned i = 0; i < s->params_len; i++)
		(void)printf("%s%u", i > 0 ? "," : "", oids[i]);
	(void)printf("]");
	if (conn == NULL) {
		(void)printf(",\"text\":");
		json_string(text);
	} else {
		PGresult *r = PQprepare(conn, "s", text, (int)s->params_len, oids);

		if (PQresultStatus(r) == PGRES_COMMAND_OK) {
			describe(conn);
		} else {
			(void)printf(",\"error\":");
			json_string(PQresultErrorMessage(r));
		}
		PQclear(r);
	}
	(void)puts("}");
}

static void combinations(PGconn *conn, const struct mr_stmt *s, unsigned order)
{
	uint64_t all = 0;
	unsigned bits[PARAMS_MAX], len = 0;

	for (unsigned i = 0; i < s->params_len; i++) {
		if (s->params[i].bit == 0)
			continue;
		all |= UINT64_C(1) << i;
		bits[len++] = i;
	}
	if (len <= ALL_COMBINATIONS_MAX) {
		for (unsigned c = 0; c < 1U << len; c++) {
			uint64_t given = 0;

			for (unsigned b = 0; b < len; b++)
				given |= (uint64_t)(c >> b & 1) << bits[b];
			variant(conn, s, order, given);
		}
		return;
	}
	variant(conn, s, order, 0);
	variant(conn, s, order, all);
	for (unsigned a = 0; a < len; a++)
		for (unsigned b = a; b < len; b++)
			variant(conn, s, order, UINT64_C(1) << bits[a] | UINT64_C(1) << bits[b]);
}

static bool wanted(const char *name, char **prefixes, int prefixes_len)
{
	for (int i = 0; i < prefixes_len; i++)
		if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	return prefixes_len == 0;
}

int main(int argc, char **argv)
{
	PGconn *conn = NULL;

	if (argc < 2) {
		(void)fprintf(stderr, "usage: describe_statements CONNINFO|--texts PREFIX...\n");
		return 2;
	}
	if (strcmp(argv[1], "--texts") != 0) {
		conn = PQconnectdb(argv[1]);
		if (PQstatus(conn) != CONNECTION_OK) {
			(void)fprintf(stderr, "%s", PQerrorMessage(conn));
			return 1;
		}
	}
	for (unsigned i = MR_SQL_NONE + 1; i < mr_stmts_len; i++) {
		const struct mr_stmt *s = &mr_stmts[i];

		for (unsigned order = 0;
		     wanted(s->name, argv + 2, argc - 2) && order < s->texts_len; order++)
			combinations(conn, s, order);
	}
	PQfinish(conn);
	return 0;
}
