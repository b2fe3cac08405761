#include "tools/sql-embed/emit.h"

#include <string.h>

static void upper(FILE *out, const char *s)
{
	for (; *s != '\0'; s++)
		(void)fputc(*s >= 'a' && *s <= 'z' ? *s - 'a' + 'A' : *s, out);
}

void emit_ids(FILE *out, struct statement *const *statements, size_t len)
{
	(void)fputs(
	    "/* Made by tools/sql-embed from sql/queries; not to be edited. */\n"
	    "#ifndef MR_SQL_SQL_IDS_H\n#define MR_SQL_SQL_IDS_H\n\nenum mr_sql {\n\tMR_SQL_NONE,\n",
	    out);
	for (size_t i = 0; i < len; i++) {
		(void)fputs("\tMR_SQL_", out);
		upper(out, statements[i]->name);
		(void)fputs(",\n", out);
	}
	(void)fputs("\tMR_SQL_COUNT\n};\n\n#endif\n", out);
}

/* ---- texts ---- */

/* How a list is sorted; NULL members elsewhere. */
struct sorting {
	const struct order *order;
	bool descending;
};

static void literal(FILE *out, const char *p, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (p[i] == '"' || p[i] == '\\')
			(void)fputc('\\', out);
		/* no trigraphs */
		if (p[i] == '?' && i > 0 && p[i - 1] == '?')
			(void)fputc('\\', out);
		(void)fputc(p[i], out);
	}
}

static void placeholder(FILE *out, const char *p, const struct sorting *by)
{
	const char *with;

	if (p[1] == 'k')
		with = by->order->key;
	else if (p[1] == 't')
		with = by->order->type;
	else if (p[1] == 'd')
		with = by->descending ? "desc" : "asc";
	else
		with = by->descending ? "<" : ">";
	literal(out, with, strlen(with));
}

static void line(FILE *out, const char *text, const struct sorting *by)
{
	(void)fputs("\t\t\"", out);
	while (*text != '\0') {
		size_t len = by->order != NULL ? statement_placeholder(text) : 0;

		if (len > 0)
			placeholder(out, text, by);
		else
			literal(out, text, 1);
		text += len > 0 ? len : 1;
	}
	(void)fputs("\\n\"", out);
}

/* The bit of a parameter in pieces: those that decide have one each, in their order. */
static uint32_t bit_of(const struct statement *s, size_t param)
{
	uint32_t bit = 1;

	for (size_t i = 0; i < param; i++)
		bit <<= s->params[i].decides;
	return s->params[param].decides ? bit : 0;
}

static uint32_t bits_of(const struct statement *s, uint64_t params)
{
	uint32_t bits = 0;

	for (size_t i = 0; i < s->params_len; i++)
		if ((params >> i & 1) != 0)
			bits |= bit_of(s, i);
	return bits;
}

static bool alike(const struct line *a, const struct line *b)
{
	return a->given == b->given && a->absent == b->absent;
}

static void text(FILE *out, const struct statement *s, size_t number, const struct sorting *by)
{
	(void)fprintf(
	    out, "static const struct mr_stmt_piece %s_text_%zu[] = {\n", s->name, number);
	for (size_t i = 0; i < s->lines_len; i++) {
		const struct line *l = &s->lines[i];
		bool begins = i == 0 || !alike(l, l - 1);
		bool ends = i + 1 == s->lines_len || !alike(l, l + 1);

		(void)fputs(begins ? "\t{\n" : "", out);
		line(out, l->text, by);
		if (ends)
			(void)fprintf(out, ",\n\t\t0x%x, 0x%x },\n", bits_of(s, l->given),
			    bits_of(s, l->absent));
		else
			(void)fputc('\n', out);
	}
	(void)fputs("\t{ NULL, 0, 0 },\n};\n", out);
}

/* Each order both ways, the default one first; returns how many. */
static size_t texts(FILE *out, const struct statement *s)
{
	size_t n = 0;

	if (s->orders_len == 0)
		text(out, s, n++, &(struct sorting){ NULL, false });
	for (size_t i = 0; i < s->orders_len; i++) {
		text(out, s, n++, &(struct sorting){ &s->orders[i], s->orders[i].descending });
		text(out, s, n++, &(struct sorting){ &s->orders[i], !s->orders[i].descending });
	}
	(void)fprintf(out, "static const struct mr_stmt_piece *const %s_texts[] = {\n", s->name);
	for (size_t i = 0; i < n; i++)
		(void)fprintf(out, "\t%s_text_%zu,\n", s->name, i);
	(void)fputs("};\n", out);
	return n;
}

/* ---- the table ---- */

static void params(FILE *out, const struct statement *s)
{
	if (s->params_len == 0)
		return;
	(void)fprintf(out, "static const struct mr_stmt_param %s_params[] = {\n", s->name);
	for (size_t i = 0; i < s->params_len; i++)
		(void)fprintf(out, "\t{ \"%s\", %u, %s, 0x%x },\n", s->params[i].name,
		    s->params[i].type->oid, s->params[i].optional ? "true" : "false", bit_of(s, i));
	(void)fputs("};\n", out);
}

static void orders(FILE *out, const struct statement *s)
{
	if (s->orders_len == 0)
		return;
	(void)fprintf(out, "static const struct mr_stmt_order %s_orders[] = {\n", s->name);
	for (size_t i = 0; i < s->orders_len; i++) {
		const struct order *o = &s->orders[i];

		(void)fprintf(
		    out, "\t{ \"%s\", %s },\n", o->name, o->descending ? "true" : "false");
		(void)fprintf(
		    out, "\t{ \"%s\", %s },\n", o->name, o->descending ? "false" : "true");
	}
	(void)fputs("};\n", out);
}

static void row(FILE *out, const struct statement *s)
{
	(void)fputs("\t[MR_SQL_", out);
	upper(out, s->name);
	(void)fprintf(out, "] = {\n\t    .name = \"%s\",\n\t    .flags = 0%s%s%s%s,\n", s->name,
	    s->is_write ? " | MR_STMT_WRITE" : "", s->is_slow ? " | MR_STMT_SLOW" : "",
	    s->returns == RETURNS_MANY ? " | MR_STMT_MANY" : "",
	    s->returns == RETURNS_LIST ? " | MR_STMT_LIST" : "");
	if (s->params_len > 0)
		(void)fprintf(out, "\t    .params_len = %zu,\n\t    .params = %s_params,\n",
		    s->params_len, s->name);
	if (s->orders_len > 0)
		(void)fprintf(out, "\t    .orders_len = %zu,\n\t    .orders = %s_orders,\n",
		    s->orders_len * 2, s->name);
	(void)fprintf(out, "\t    .texts_len = %zu,\n\t    .texts = %s_texts,\n\t},\n",
	    s->orders_len > 0 ? s->orders_len * 2 : 1, s->name);
}

void emit_table(FILE *out, struct statement *const *statements, size_t len)
{
	(void)fputs(
	    "/* Made by tools/sql-embed from sql/queries; not to be edited. */\n"
	    "#include \"sql/sql_ids.h\"\n\n#include <stddef.h>\n\n#include \"lib/pg.h\"\n\n"
	    "static const struct mr_stmt_piece none_text[] = {\n\t{ \"\", 0, 0 },\n\t{ NULL, "
	    "0, 0 },\n};\n"
	    "static const struct mr_stmt_piece *const none_texts[] = { none_text };\n\n",
	    out);
	for (size_t i = 0; i < len; i++) {
		params(out, statements[i]);
		orders(out, statements[i]);
		(void)texts(out, statements[i]); /* the table counts them by the orders */
		(void)fputc('\n', out);
	}
	(void)fputs(
	    "static const struct mr_stmt table[MR_SQL_COUNT] = {\n"
	    "\t[MR_SQL_NONE] = { .name = \"none\", .texts_len = 1, .texts = none_texts },\n",
	    out);
	for (size_t i = 0; i < len; i++)
		row(out, statements[i]);
	(void)fputs("};\n\nconst struct mr_stmt *const mr_stmts = table;\n"
	            "const unsigned mr_stmts_len = MR_SQL_COUNT;\n",
	    out);
}
