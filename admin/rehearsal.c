#include "admin/rehearsal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admin/child.h"
#include "admin/script.h"
#include "lib/error.h"
#include "lib/pg.h"

#define SHOWN_MAX 72

/* A change that is played. */
struct play {
	struct mr_admin *a;
	struct mr_session *s; /* of the database it is played in */
	struct mr_rehearsal *r;
	struct mr_act *act;
	struct mr_played **played_end;
	struct mr_refusal **refusals_end;
	const PGresult *files; /* before the statement */
	bool foreign_key;      /* the statement checks one */
};

/* ---- words ---- */

static const struct {
	const char *name, *words;
} modes[] = {
	[MR_LOCK_NONE] = { "", "" },
	[MR_LOCK_ACCESS_SHARE] = { "AccessShareLock", "ACCESS SHARE" },
	[MR_LOCK_ROW_SHARE] = { "RowShareLock", "ROW SHARE" },
	[MR_LOCK_ROW_EXCLUSIVE] = { "RowExclusiveLock", "ROW EXCLUSIVE" },
	[MR_LOCK_SHARE_UPDATE_EXCLUSIVE] = { "ShareUpdateExclusiveLock", "SHARE UPDATE EXCLUSIVE" },
	[MR_LOCK_SHARE] = { "ShareLock", "SHARE" },
	[MR_LOCK_SHARE_ROW_EXCLUSIVE] = { "ShareRowExclusiveLock", "SHARE ROW EXCLUSIVE" },
	[MR_LOCK_EXCLUSIVE] = { "ExclusiveLock", "EXCLUSIVE" },
	[MR_LOCK_ACCESS_EXCLUSIVE] = { "AccessExclusiveLock", "ACCESS EXCLUSIVE" },
};

const char *mr_lock_mode_words(enum mr_lock_mode mode)
{
	return modes[mode].words;
}

const char *mr_lock_work_word(enum mr_lock_work work)
{
	static const char *const words[] = { NULL, "rows", "read", "index", "rewrite" };

	return words[work];
}

static enum mr_lock_mode parse_mode(struct mr_str name)
{
	for (size_t i = 0; i < MR_ARRAY_LEN(modes); i++) {
		if (mr_str_eqz(name, modes[i].name))
			return (enum mr_lock_mode)i;
	}
	return MR_LOCK_ACCESS_EXCLUSIVE; /* one we don't know: the worst */
}

/* ---- tables ---- */

int mr_rehearsal_tables(struct mr_session *live, int64_t big, struct mr_rehearsal *ret)
{
	const PGresult *rows;

	*ret = (struct mr_rehearsal){ .done = false };
	if (mr_session_query(live, MR_SQL_ADMIN_TABLES, NULL, &rows) != 0)
		return 1;
	ret->tables_len = (unsigned)PQntuples(rows);
	ret->tables = mr_arena_array(live->admin->arena, ret->tables_len + 1, sizeof(*ret->tables));
	if (ret->tables == NULL)
		return mr_admin_fail("out of memory");
	for (unsigned i = 0; i < ret->tables_len; i++) {
		struct mr_table *t = &ret->tables[i];

		t->name = PQgetvalue(rows, (int)i, PQfnumber(rows, "name"));
		t->rows = mr_pg_i64(rows, (int)i, "rows", 0);
		t->bytes = mr_pg_i64(rows, (int)i, "bytes", 0);
		t->big = t->rows >= big;
	}
	return 0;
}

static struct mr_table *table_find(const struct mr_rehearsal *r, struct mr_str name)
{
	for (unsigned i = 0; i < r->tables_len; i++) {
		if (mr_str_eqz(name, r->tables[i].name))
			return &r->tables[i];
	}
	return NULL; /* it is new */
}

static void work_on(struct mr_table *t, enum mr_lock_work work)
{
	if (t != NULL && t->work < work)
		t->work = work;
}

/* ---- what the server says ---- */

/* The table of which PART is a partition, or that it is itself. */
static struct mr_table *table_of(const struct play *p, struct mr_str part)
{
	for (int i = 0; i < PQntuples(p->files); i++) {
		if (mr_str_eq(mr_pg_text(p->files, i, "part"), part))
			return table_find(p->r, mr_pg_text(p->files, i, "name"));
	}
	return table_find(p->r, part);
}

/* Between the quotes that follow WORDS in TEXT; absent when it hasn't these words. */
static struct mr_str quoted_after(struct mr_str text, const char *words)
{
	const char *at = strstr(text.p, words), *end;

	if (at == NULL)
		return MR_STR_NONE;
	at += strlen(words);
	end = strchr(at, '"');
	return end != NULL ? (struct mr_str){ at, (size_t)(end - at) } : MR_STR_NONE;
}

/* The server's own words at level debug1, which it never translates, when it goes through a table.
 */
static void on_notice(void *ctx, const char *text)
{
	static const struct {
		const char *begins, *table;
		enum mr_lock_work work;
	} known[] = {
		{ "rewriting table \"", "rewriting table \"", MR_WORK_REWRITE },
		{ "verifying table \"", "verifying table \"", MR_WORK_READ },
		{ "building index \"", "\" on table \"", MR_WORK_INDEX },
	};
	struct play *p = ctx;

	for (size_t i = 0; i < MR_ARRAY_LEN(known); i++) {
		struct mr_str name = quoted_after(mr_str(text), known[i].table);

		if (mr_str_starts(mr_str(text), mr_str(known[i].begins)) && name.p != NULL)
			work_on(table_of(p, name), known[i].work);
	}
	/* of which tables isn't said: those that the statement locks so that they stay as they are
	 */
	if (mr_str_starts(mr_str(text), MR_STR("validating foreign key constraint")))
		p->foreign_key = true;
}

/* Files that are others now: the second witness of what was written anew. */
static int note_files(struct play *p)
{
	const PGresult *now;

	if (mr_session_query(p->s, MR_SQL_ADMIN_FILES, NULL, &now) != 0)
		return 1;
	for (int i = 0; i < PQntuples(now); i++) {
		struct mr_str part = mr_pg_text(now, i, "part");

		for (int k = 0; k < PQntuples(p->files); k++) {
			if (mr_str_eq(part, mr_pg_text(p->files, k, "part")) &&
			    mr_pg_i64(now, i, "file", 0) != mr_pg_i64(p->files, k, "file", 0))
				work_on(
				    table_find(p->r, mr_pg_text(now, i, "name")), MR_WORK_REWRITE);
		}
	}
	p->files = now;
	return 0;
}

/* What the statement does with rows is not in the server's messages. */
static bool is_opaque(const char *tag)
{
	static const char *const tags[] = { "DO", "CALL", "SELECT", "INSERT", "UPDATE", "DELETE",
		"MERGE", "LOCK TABLE", "TRUNCATE TABLE", "COPY" };

	for (size_t i = 0; i < MR_ARRAY_LEN(tags); i++) {
		if (mr_str_starts(mr_str(tag), mr_str(tags[i])))
			return true;
	}
	return false;
}

/* ---- a statement ---- */

static const char *shown(struct mr_admin *a, struct mr_str text)
{
	char out[SHOWN_MAX + 4];
	size_t n = 0;

	for (size_t i = 0; i < text.len && n < SHOWN_MAX; i++) {
		bool space = strchr(" \t\r\n", text.p[i]) != NULL;

		if (!space)
			out[n++] = text.p[i];
		else if (n > 0 && out[n - 1] != ' ')
			out[n++] = ' ';
	}
	while (n > 0 && ((unsigned char)out[n - 1] & 0x80) != 0)
		n--; /* no half letters */
	out[n] = '\0';
	return mr_arena_printf(a->arena, "%s%s", out, n < SHOWN_MAX ? "" : " …").p;
}

static int add_lock(
    struct play *p, struct mr_played *played, const struct mr_table *t, enum mr_lock_mode mode)
{
	struct mr_lock *lock = mr_arena_zalloc(p->a->arena, sizeof(*lock));

	if (lock == NULL)
		return mr_admin_fail("out of memory");
	*lock = (struct mr_lock){ t, mode, t->work, played->locks };
	played->locks = lock;
	return 0;
}

/* Marks what the statement took beyond what its transaction held already. OPAQUE: a table it
 * touched is one whose rows it may have read. */
static int note_locks(struct play *p, struct mr_played *played, bool opaque)
{
	const PGresult *rows;

	if (mr_session_query(p->s, MR_SQL_ADMIN_LOCKS, NULL, &rows) != 0)
		return 1;
	for (int i = 0; i < PQntuples(rows); i++) {
		struct mr_table *t = table_find(p->r, mr_pg_text(rows, i, "name"));
		enum mr_lock_mode mode = parse_mode(mr_pg_text(rows, i, "mode"));

		if (t == NULL)
			continue;
		if (p->foreign_key && mode >= MR_LOCK_SHARE_ROW_EXCLUSIVE)
			work_on(t, MR_WORK_READ);
		if (opaque && (t->modes & 1u << mode) == 0)
			work_on(t, MR_WORK_OTHER);
		t->modes |= 1u << mode;
		if (mode > t->held)
			t->held = mode;
	}
	for (unsigned i = 0; i < p->r->tables_len; i++) {
		const struct mr_table *t = &p->r->tables[i];

		if (t->work != MR_WORK_NONE || t->held > MR_LOCK_NONE) {
			if (add_lock(p, played, t, t->held) != 0)
				return 1;
		}
	}
	return 0;
}

static int refuse(struct play *p, const struct mr_played *played, const struct mr_table *held,
    const struct mr_table *worked)
{
	struct mr_refusal *x = mr_arena_zalloc(p->a->arena, sizeof(*x));

	if (x == NULL)
		return mr_admin_fail("out of memory");
	*x = (struct mr_refusal){ p->act->change, played->line, played->text, held, worked,
		held->held, worked->work, NULL };
	*p->refusals_end = x;
	p->refusals_end = &x->next;
	return 0;
}

/* A big table that nobody else may write to while a big one is worked on. The one that is worked on
 * comes first, since it is what should be done otherwise. */
static int judge(struct play *p, const struct mr_played *played)
{
	const struct mr_table *held = NULL, *worked = NULL;

	for (unsigned i = 0; i < p->r->tables_len; i++) {
		const struct mr_table *t = &p->r->tables[i];

		if (!t->big)
			continue;
		if (t->work != MR_WORK_NONE && (worked == NULL || t->work > worked->work))
			worked = t;
		if (t->held >= MR_LOCK_SHARE && (held == NULL || t->held > held->held))
			held = t;
	}
	if (held == NULL || worked == NULL)
		return 0;
	return refuse(p, played, worked->held >= MR_LOCK_SHARE ? worked : held, worked);
}

static void forget_held(struct mr_rehearsal *r)
{
	for (unsigned i = 0; i < r->tables_len; i++)
		r->tables[i].held = MR_LOCK_NONE, r->tables[i].modes = 0;
}

/* Outside of a transaction locks are gone before one can look: so it gets one of its own. What no
 * transaction may hold is built beside the traffic when it says CONCURRENTLY. */
static int play_alone(struct play *p, struct mr_str text)
{
	int r = mr_session_script(p->s, MR_STR("begin"));

	if (r == 0)
		r = mr_session_script(p->s, text);
	if (r == 0 || strcmp(p->s->sqlstate, "25001") != 0)
		return r;
	mr_session_rollback(p->s);
	return mr_session_script(p->s, text);
}

static bool is_concurrent(struct mr_str text)
{
	static const char word[] = "concurrently";

	for (size_t i = 0; i + sizeof(word) - 1 <= text.len; i++) {
		if (mr_str_ieqz((struct mr_str){ text.p + i, sizeof(word) - 1 }, word))
			return true;
	}
	return false;
}

/* What ran outside of a transaction left no locks to be seen: CONCURRENTLY lets everybody else
 * write, and what doesn't say so (VACUUM FULL) does not. */
static void suppose(struct mr_rehearsal *r, bool concurrent)
{
	for (unsigned i = 0; i < r->tables_len; i++) {
		struct mr_table *t = &r->tables[i];

		if (t->work != MR_WORK_NONE)
			t->held =
			    concurrent ? MR_LOCK_SHARE_UPDATE_EXCLUSIVE : MR_LOCK_ACCESS_EXCLUSIVE;
	}
}

static int keep(struct play *p, struct mr_played *played)
{
	if (played->locks == NULL)
		return 0;
	*p->played_end = played;
	p->played_end = &played->next;
	return 0;
}

/* What it took beyond what was held before it: the rest was shown with an earlier statement. */
static void leave_new(
    struct mr_played *played, const enum mr_lock_mode *before, const struct mr_rehearsal *r)
{
	for (struct mr_lock **at = &played->locks; *at != NULL;) {
		if ((*at)->work == MR_WORK_NONE && (*at)->mode == before[(*at)->table - r->tables])
			*at = (*at)->next;
		else
			at = &(*at)->next;
	}
}

static bool begins(struct mr_str text)
{
	struct mr_str word = mr_str_cut(&text, ' ');

	return mr_str_ieqz(word, "begin") || mr_str_ieqz(word, "start");
}

static int play_statement(struct play *p, struct mr_str text, unsigned line)
{
	struct mr_played *played = mr_arena_zalloc(p->a->arena, sizeof(*played));
	enum mr_lock_mode *before =
	    mr_arena_array(p->a->arena, p->r->tables_len + 1, sizeof(*before));
	bool inside = mr_session_is_inside(p->s), alone = false;
	int r;

	if (played == NULL || before == NULL)
		return mr_admin_fail("out of memory");
	played->line = line;
	played->text = shown(p->a, text);
	for (unsigned i = 0; i < p->r->tables_len; i++) {
		before[i] = p->r->tables[i].held;
		p->r->tables[i].work = MR_WORK_NONE;
	}
	p->foreign_key = false;
	alone = !inside && !begins(text);
	r = alone ? play_alone(p, text) : mr_session_script(p->s, text);
	if (r < 0) {
		p->act->failed = mr_arena_printf(p->a->arena, "line %u, %s: %s (%s)", line,
		    played->text, p->s->message, p->s->sqlstate)
		                     .p;
		return MR_E_INVALID;
	}
	if (mr_session_is_inside(p->s)) {
		if (note_files(p) != 0 || note_locks(p, played, is_opaque(p->s->tag)) != 0)
			return 1;
	} else if (alone && note_files(p) == 0) {
		suppose(p->r, is_concurrent(text));
		if (note_locks(p, played, false) != 0)
			return 1;
	}
	if (judge(p, played) != 0)
		return 1;
	leave_new(played, before, p->r);
	if (alone && mr_session_is_inside(p->s))
		r = mr_session_script(p->s, MR_STR("commit"));
	if (!mr_session_is_inside(p->s))
		forget_held(p->r);
	return r < 0 ? r : keep(p, played);
}

/* ---- a change ---- */

/* Whether the script in FILE goes well; whatever it leaves open is taken back. */
static bool goes_well(struct mr_session *s, const char *file)
{
	struct mr_str text = mr_admin_read(s->admin, file);
	bool well = text.p != NULL && mr_session_script(s, text) == 0;

	mr_session_rollback(s);
	return well;
}

/* It may have been deployed by somebody who was killed before sqitch could write it down: then it
 * fails since its things are there. That is so when its check goes well in the live database, and
 * in ours fails once it is taken back, and it can be deployed then. */
static bool was_deployed(const struct play *p, struct mr_session *live)
{
	const struct mr_change *c = p->act->change;

	return goes_well(live, c->verify) && goes_well(p->s, c->revert) &&
	       !goes_well(p->s, c->verify) && goes_well(p->s, c->deploy);
}

static int play_change(struct play *p, struct mr_session *live)
{
	struct mr_script script;
	struct mr_str text;
	unsigned line;
	int r = 0;

	mr_script_init(&script, p->act->change->script);
	while (r == 0 && mr_script_next(&script, &text, &line))
		r = play_statement(p, text, line);
	mr_session_rollback(p->s);
	forget_held(p->r);
	if (r < 0 && p->act == p->r->acts && mr_str_starts(mr_str(p->s->sqlstate), MR_STR("42")) &&
	    was_deployed(p, live)) {
		p->act->failed = NULL;
		p->act->is_there = true;
		p->act->played = NULL;
		r = mr_session_query(p->s, MR_SQL_ADMIN_FILES, NULL, &p->files);
	}
	return r;
}

/* 1: it can't go on; a change that fails ends the rehearsal, which is its result. */
static int play_all(
    struct play *p, struct mr_session *live, const struct mr_plan *plan, unsigned from, unsigned to)
{
	struct mr_act **end = &p->r->acts;
	int r = 0;

	p->refusals_end = &p->r->refusals;
	if (mr_session_query(p->s, MR_SQL_ADMIN_FILES, NULL, &p->files) != 0)
		return 1;
	for (unsigned i = from; i < to && r == 0; i++) {
		struct mr_act *act = mr_arena_zalloc(p->a->arena, sizeof(*act));

		if (act == NULL)
			return mr_admin_fail("out of memory");
		act->change = &plan->changes[i];
		*end = act;
		end = &act->next;
		p->act = act;
		p->played_end = &act->played;
		r = play_change(p, live);
	}
	return r > 0 ? 1 : 0;
}

/* ---- the database of its own ---- */

static int copy_schema(const char *from, const char *to)
{
	char file[] = "/tmp/millrace-schema-XXXXXX";
	int fd = mkstemp(file), r;
	char *dump[] = { "pg_dump", "--schema-only", "--schema=millrace",
		"--lock-wait-timeout=5000", "--file", file, "--dbname", (char *)(uintptr_t)from,
		NULL };
	char *load[] = { "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-o", "/dev/null", "-f", file,
		"--dbname", (char *)(uintptr_t)to, NULL };

	if (fd < 0)
		return mr_admin_fail("%s can't be made", file);
	(void)close(fd); /* pg_dump writes it */
	r = mr_child_run(dump);
	if (r == 0)
		r = mr_child_run(load);
	(void)unlink(file); /* it lies in /tmp */
	return r;
}

/* By the session that holds the lock: when this process is killed, the server finishes the
 * statement first and gives up the lock then, so nobody meets a database that is half made or half
 * gone. */
struct database {
	struct mr_session *live;
	struct mr_str gone, made;
};

static int find_database(struct mr_session *live, const char *name, struct database *ret)
{
	const char *values[] = { name };
	const PGresult *r;

	if (mr_session_query(live, MR_SQL_ADMIN_REHEARSAL_DATABASE, values, &r) != 0)
		return 1;
	*ret = (struct database){ live, mr_pg_text(r, 0, "gone"), mr_pg_text(r, 0, "made") };
	return 0;
}

static int run(const struct database *d, struct mr_str statement)
{
	if (mr_session_script(d->live, statement) == 0)
		return 0;
	return mr_admin_fail("%.*s: %s", MR_STR_ARG(statement), d->live->message);
}

static int make_database(const struct database *d)
{
	/* of one that was killed */
	return run(d, d->gone) == 0 && run(d, d->made) == 0 ? 0 : 1;
}

static void drop_database(const struct database *d)
{
	if (run(d, d->gone) != 0)
		(void)mr_admin_fail("warning: it is left, and the next rehearsal drops it");
}

static int play_in(struct mr_admin *a, struct mr_session *live, const char *name,
    const struct mr_plan *plan, unsigned from, unsigned to, struct mr_rehearsal *r)
{
	struct mr_session s;
	struct play p = { .a = a, .s = &s, .r = r };
	int status = mr_session_open(a, name, "-c client_min_messages=debug1", &s);

	s.notice = on_notice;
	s.ctx = &p;
	if (status == 0)
		status = play_all(&p, live, plan, from, to);
	mr_session_close(&s);
	return status;
}

int mr_rehearse(struct mr_admin *a, struct mr_session *live, const struct mr_plan *plan,
    unsigned from, unsigned to, struct mr_rehearsal *r)
{
	const char *dbname = mr_session_dbname(a);
	struct mr_str name =
	    mr_arena_printf(a->arena, "%s_rehearsal", dbname != NULL ? dbname : "");
	struct database d;
	int status;

	if (dbname == NULL || name.p == NULL || find_database(live, name.p, &d) != 0)
		return 1;
	if (make_database(&d) != 0)
		return mr_admin_fail("what the changes would lock is not known, since no database "
		                     "could be made to try them in: run roles.sql of this release "
		                     "once more, which lets millrace_owner make one, or give "
		                     "--allow-locks");
	status = copy_schema(dbname, name.p);
	if (status == 0)
		status = play_in(a, live, name.p, plan, from, to, r);
	drop_database(&d);
	r->done = status == 0;
	return status;
}
