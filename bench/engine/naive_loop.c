/*
 * The limit for the engine: the simplest client that keeps such a journal. One connection claims a
 * batch of runs, sends five journal rows a run as arrays and one fenced update a run; the rows of
 * one batch and the claim of the next travel in one pipeline and commit together, durably. Nothing
 * is carried out: no definition is read, nothing decided, no command looked for.
 *
 *   naive_loop CONNINFO CLAIM.sql FLUSH.sql BATCH
 *
 * on the tables of naive_tables.sql. Prints whole runs a second.
 */
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/pg.h"

#define SQL_MAX    ((size_t)16 * 1024)
#define COLUMN_MAX ((size_t)64 * 1024 * 1024)

enum { IDS, FENCES, J_RUN_IDS, J_IDS, J_SEQS, J_KINDS, J_STEPS, J_DATA, COLUMNS };

static const struct fact {
	const char *kind, *step, *data;
} facts[] = {
	{ "started", NULL, "{}" },
	{ "step.completed", "one",
	    "{\"type\":\"log\",\"order\":1,\"output\":{\"message\":\"one\"}}" },
	{ "step.completed", "two",
	    "{\"type\":\"log\",\"order\":2,\"output\":{\"message\":\"two\"}}" },
	{ "step.completed", "three",
	    "{\"type\":\"log\",\"order\":3,\"output\":{\"message\":\"three\"}}" },
	{ "completed", NULL, "{\"output\":{\"message\":\"three\"}}" },
};

struct loop {
	PGconn *c;
	char *claim, *flush, *batch;
	struct mr_buf columns[COLUMNS];
	int64_t journal_id;
	size_t runs;
};

static void die(const char *what, const char *why)
{
	(void)fprintf(stderr, "naive_loop: %s: %s\n", what, why);
	exit(1);
}

static char *read_file(const char *path)
{
	FILE *f = fopen(path, "r");
	char *text = calloc(1, SQL_MAX);

	if (f == NULL || text == NULL || fread(text, 1, SQL_MAX - 1, f) == 0)
		die(path, "can't be read");
	(void)fclose(f);
	return text;
}

static void add_facts(struct loop *l, struct mr_str run_id)
{
	struct mr_buf *b = l->columns;

	for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++) {
		mr_pg_array_add(&b[J_RUN_IDS], run_id);
		mr_pg_array_add_i64(&b[J_IDS], ++l->journal_id);
		mr_pg_array_add_i64(&b[J_SEQS], (int64_t)i + 2);
		mr_pg_array_add(&b[J_KINDS], mr_str(facts[i].kind));
		mr_pg_array_add(
		    &b[J_STEPS], facts[i].step != NULL ? mr_str(facts[i].step) : MR_STR_NONE);
		mr_pg_array_add(&b[J_DATA], mr_str(facts[i].data));
	}
}

/* What the runs of this claim would have done. */
static void fill(struct loop *l, const PGresult *claimed)
{
	for (unsigned i = 0; i < COLUMNS; i++) {
		mr_buf_reset(&l->columns[i]);
		mr_pg_array_begin(&l->columns[i]);
	}
	for (int i = 0; i < PQntuples(claimed); i++) {
		mr_pg_array_add(&l->columns[IDS], mr_str(PQgetvalue(claimed, i, 0)));
		mr_pg_array_add(&l->columns[FENCES], mr_str(PQgetvalue(claimed, i, 1)));
		add_facts(l, mr_str(PQgetvalue(claimed, i, 0)));
	}
	for (unsigned i = 0; i < COLUMNS; i++)
		mr_pg_array_end(&l->columns[i]);
	l->runs += (size_t)PQntuples(claimed);
}

static void send_flush(struct loop *l)
{
	const char *values[COLUMNS];

	for (unsigned i = 0; i < COLUMNS; i++)
		values[i] = l->columns[i].p;
	if (PQsendQueryParams(l->c, l->flush, COLUMNS, NULL, values, NULL, NULL, 0) != 1)
		die("flush", PQerrorMessage(l->c));
}

static void send_claim(struct loop *l)
{
	const char *values[] = { l->batch };

	if (PQsendQueryParams(l->c, l->claim, 1, NULL, values, NULL, NULL, 0) != 1 ||
	    PQpipelineSync(l->c) != 1)
		die("claim", PQerrorMessage(l->c));
}

/* One statement's result, and the NULL behind it. */
static PGresult *result(struct loop *l, ExecStatusType wanted)
{
	PGresult *r = PQgetResult(l->c);

	if (PQresultStatus(r) != wanted)
		die(PQresStatus(PQresultStatus(r)), PQerrorMessage(l->c));
	if (wanted != PGRES_PIPELINE_SYNC)
		PQclear(PQgetResult(l->c));
	return r;
}

/* One commit: what the last claim got is written, and the next claimed. False when all is done. */
static bool turn(struct loop *l, bool first)
{
	PGresult *claimed;
	bool more;

	if (!first)
		send_flush(l);
	send_claim(l);
	if (!first)
		PQclear(result(l, PGRES_COMMAND_OK));
	claimed = result(l, PGRES_TUPLES_OK);
	PQclear(result(l, PGRES_PIPELINE_SYNC));
	more = PQntuples(claimed) > 0;
	fill(l, claimed);
	PQclear(claimed);
	return more;
}

int main(int argc, char **argv)
{
	struct loop l = { 0 };
	int64_t begin_us;
	bool first = true;

	if (argc != 5)
		die("usage", "naive_loop CONNINFO CLAIM.sql FLUSH.sql BATCH");
	l.c = PQconnectdb(argv[1]);
	if (PQstatus(l.c) != CONNECTION_OK || PQenterPipelineMode(l.c) != 1)
		die("connect", PQerrorMessage(l.c));
	l.claim = read_file(argv[2]);
	l.flush = read_file(argv[3]);
	l.batch = argv[4];
	for (unsigned i = 0; i < COLUMNS; i++)
		mr_buf_init(&l.columns[i], COLUMN_MAX);
	begin_us = mr_clock_system.mono_us(mr_clock_system.ctx);
	while (turn(&l, first))
		first = false;
	(void)printf(
	    "%.0f\n", (double)l.runs * 1e6 /
	                  (double)(mr_clock_system.mono_us(mr_clock_system.ctx) - begin_us));
	for (unsigned i = 0; i < COLUMNS; i++)
		mr_buf_done(&l.columns[i]);
	free(l.claim);
	free(l.flush);
	PQfinish(l.c);
	return 0;
}
