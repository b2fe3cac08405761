#include "admin/migrate_show.h"

#include <stdio.h>

/* ---- for people ---- */

static void show_size(const struct mr_table *t)
{
	(void)printf("%s (%lld rows, %lld MB)", t->name, (long long)t->rows,
	    (long long)(t->bytes / 1000000));
}

static const char *work_words(enum mr_lock_work work)
{
	static const char *const words[] = { "", ", goes through rows", ", reads all of it",
		", builds an index", ", writes it anew" };

	return words[work];
}

static void show_act(const struct mr_act *act)
{
	if (act->is_there)
		(void)printf("      is there already, and only has to be written down\n");
	for (const struct mr_played *p = act->played; p != NULL; p = p->next) {
		(void)printf("      line %u: %s\n", p->line, p->text);
		for (const struct mr_lock *l = p->locks; l != NULL; l = l->next) {
			(void)printf("        ");
			show_size(l->table);
			(void)printf(": %s%s\n", mr_lock_mode_words(l->mode), work_words(l->work));
		}
	}
	if (act->failed != NULL)
		(void)printf("      fails: %s\n", act->failed);
}

void mr_show_plan(const struct mr_plan *plan, unsigned from, unsigned to,
    const struct mr_rehearsal *r, const char *dbname)
{
	const struct mr_act *act = r->acts;

	(void)printf("%u of %u changes are to be deployed to %s:\n", to - from, plan->len, dbname);
	for (unsigned i = from; i < to; i++) {
		(void)printf("  %s: %s\n", plan->changes[i].name, plan->changes[i].note);
		if (act != NULL) {
			show_act(act);
			act = act->next;
		}
	}
	if (!r->done && r->tables_len > 0)
		(void)printf("What they lock is not known.\n");
	else if (r->tables_len == 0)
		(void)printf("Nothing is there that could be locked.\n");
	(void)fflush(stdout); /* before what sqitch says */
}

static const char *what_to_do(enum mr_lock_work work)
{
	static const char *const words[] = {
		[MR_WORK_NONE] = "",
		[MR_WORK_OTHER] = "do this in a change of its own that holds no other lock",
		[MR_WORK_READ] =
		    "add the constraint NOT VALID, and validate it in a later change; NOT NULL "
		    "comes free after a valid check that says the same",
		[MR_WORK_INDEX] =
		    "build it by CREATE INDEX CONCURRENTLY in a change without begin and "
		    "commit; on a partitioned table on each partition, then on ONLY the table",
		[MR_WORK_REWRITE] = "add a new column, fill it in batches, and use that one",
	};

	return words[work];
}

void mr_show_refusals(const struct mr_rehearsal *r)
{
	for (const struct mr_refusal *x = r->refusals; x != NULL; x = x->next) {
		(void)fprintf(stderr,
		    "millrace-admin: %s, line %u: %s\n"
		    "  holds %s (%lld rows) in mode %s while it %s%s%s: nobody else %s to it "
		    "meanwhile.\n  Rather: %s.\n",
		    x->change->name, x->line, x->text, x->held->name, (long long)x->held->rows,
		    mr_lock_mode_words(x->mode), work_words(x->work) + 2,
		    x->worked != x->held ? " of " : "", x->worked != x->held ? x->worked->name : "",
		    x->mode == MR_LOCK_ACCESS_EXCLUSIVE ? "reads or writes" : "writes",
		    what_to_do(x->work));
	}
	(void)fprintf(stderr,
	    "millrace-admin: nothing was deployed. When nothing else is at work, --allow-locks "
	    "deploys it all the same; --big-rows says from how many rows on a table is big.\n");
}

void mr_show_status(const struct mr_plan *plan, const char *dbname)
{
	(void)printf("%s has %u of %u changes%s%s\n", dbname, plan->deployed, plan->len,
	    plan->deployed > 0 ? ", the last: " : "",
	    plan->deployed > 0 ? plan->changes[plan->deployed - 1].name : "");
	for (unsigned i = 0; i < plan->len; i++) {
		const struct mr_change *c = &plan->changes[i];

		if (c->deployed_at == NULL)
			(void)printf("  pending   %s: %s\n", c->name, c->note);
		else
			(void)printf("  %s  %s (%s)\n", c->drifted ? "DRIFTED " : "deployed",
			    c->name, c->deployed_at);
	}
	for (unsigned i = 0; i < plan->unknown_len; i++)
		(void)printf("  unknown to this release: %s\n", plan->unknown[i]);
}

/* ---- as JSON ---- */

static void member(struct mr_buf *b, const char *name, const char *value)
{
	mr_buf_addf(b, "\"%s\":", name);
	if (value != NULL)
		mr_buf_add_json(b, mr_str(value));
	else
		mr_buf_addz(b, "null");
	mr_buf_addc(b, ',');
}

static void number(struct mr_buf *b, const char *name, int64_t value)
{
	mr_buf_addf(b, "\"%s\":%lld,", name, (long long)value);
}

/* What stands between brackets has a comma behind each. */
static void close_with(struct mr_buf *b, char bracket)
{
	if (b->len > 0 && b->p[b->len - 1] == ',')
		b->len--;
	mr_buf_addc(b, bracket);
	mr_buf_addc(b, ',');
}

static void json_lock(struct mr_buf *b, const struct mr_lock *l)
{
	mr_buf_addc(b, '{');
	member(b, "table", l->table->name);
	number(b, "rows", l->table->rows);
	number(b, "bytes", l->table->bytes);
	member(b, "mode", mr_lock_mode_words(l->mode));
	member(b, "work", mr_lock_work_word(l->work));
	close_with(b, '}');
}

static void json_act(struct mr_buf *b, const struct mr_act *act)
{
	mr_buf_addf(b, "\"is_there\":%s,", act->is_there ? "true" : "false");
	member(b, "failure", act->failed);
	mr_buf_addz(b, "\"statements\":[");
	for (const struct mr_played *p = act->played; p != NULL; p = p->next) {
		mr_buf_addc(b, '{');
		number(b, "line", p->line);
		member(b, "text", p->text);
		mr_buf_addz(b, "\"locks\":[");
		for (const struct mr_lock *l = p->locks; l != NULL; l = l->next)
			json_lock(b, l);
		close_with(b, ']');
		close_with(b, '}');
	}
	close_with(b, ']');
}

static void json_refusals(struct mr_buf *b, const struct mr_rehearsal *r)
{
	mr_buf_addz(b, "\"refused\":[");
	for (const struct mr_refusal *x = r->refusals; x != NULL; x = x->next) {
		mr_buf_addc(b, '{');
		member(b, "change", x->change->name);
		number(b, "line", x->line);
		member(b, "text", x->text);
		member(b, "table", x->held->name);
		number(b, "rows", x->held->rows);
		member(b, "mode", mr_lock_mode_words(x->mode));
		member(b, "work", mr_lock_work_word(x->work));
		member(b, "worked_on", x->worked->name);
		member(b, "advice", what_to_do(x->work));
		close_with(b, '}');
	}
	close_with(b, ']');
}

void mr_show_json_plan(struct mr_buf *b, const struct mr_plan *plan, unsigned from, unsigned to,
    const struct mr_rehearsal *r)
{
	const struct mr_act *act = r->acts;

	mr_buf_addf(b, "\"rehearsed\":%s,\"plan\":[", r->done ? "true" : "false");
	for (unsigned i = from; i < to; i++) {
		mr_buf_addc(b, '{');
		member(b, "change", plan->changes[i].name);
		member(b, "note", plan->changes[i].note);
		if (act != NULL) {
			json_act(b, act);
			act = act->next;
		}
		close_with(b, '}');
	}
	close_with(b, ']');
	json_refusals(b, r);
}

void mr_show_json_status(struct mr_buf *b, const struct mr_plan *plan)
{
	mr_buf_addz(b, "\"deployed\":[");
	for (unsigned i = 0; i < plan->deployed; i++) {
		mr_buf_addc(b, '{');
		member(b, "change", plan->changes[i].name);
		member(b, "at", plan->changes[i].deployed_at);
		mr_buf_addf(b, "\"drifted\":%s,", plan->changes[i].drifted ? "true" : "false");
		close_with(b, '}');
	}
	close_with(b, ']');
	mr_buf_addz(b, "\"pending\":[");
	for (unsigned i = plan->deployed; i < plan->len; i++) {
		mr_buf_addc(b, '{');
		member(b, "change", plan->changes[i].name);
		member(b, "note", plan->changes[i].note);
		close_with(b, '}');
	}
	close_with(b, ']');
	mr_buf_addz(b, "\"unknown\":[");
	for (unsigned i = 0; i < plan->unknown_len; i++) {
		mr_buf_add_json(b, mr_str(plan->unknown[i]));
		mr_buf_addc(b, ',');
	}
	close_with(b, ']');
}
