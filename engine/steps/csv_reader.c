#include "engine/steps/csv_reader.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/error.h"

enum state {
	FIELD,        /* at its beginning */
	PLAIN,        /* inside, without quotes */
	QUOTED,       /* inside quotes */
	BEHIND_QUOTE, /* a quote inside quotes: the end, or half of a pair */
};

static const char mark[] = "\xef\xbb\xbf";

MR_PRINTF(3, 4)
static int fail(struct mr_csv *csv, int r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(csv->message, sizeof(csv->message), fmt, ap);
	va_end(ap);
	return r;
}

void mr_csv_init(
    struct mr_csv *csv, char delimiter, bool (*row)(void *ctx, const struct mr_csv *csv), void *ctx)
{
	*csv = (struct mr_csv){
		.row = row, .ctx = ctx, .delimiter = delimiter, .line = 1, .first_line = 1
	};
	mr_buf_init(&csv->text, MR_CSV_MAX_ROW);
}

void mr_csv_done(struct mr_csv *csv)
{
	mr_buf_done(&csv->text);
}

struct mr_str mr_csv_field(const struct mr_csv *csv, size_t i)
{
	size_t from = i == 0 ? 0 : csv->ends[i - 1];

	return (
	    struct mr_str){ csv->text.p != NULL ? csv->text.p + from : "", csv->ends[i] - from };
}

/* ---- rows ---- */

static int end_field(struct mr_csv *csv)
{
	if (csv->fields == MR_CSV_MAX_COLUMNS)
		return fail(csv, MR_E_LIMIT, "line %llu has more than %u fields",
		    (unsigned long long)csv->line, MR_CSV_MAX_COLUMNS);
	csv->ends[csv->fields++] = csv->text.len;
	csv->state = FIELD;
	return 0;
}

static int hand_out(struct mr_csv *csv)
{
	for (size_t i = 0; i < csv->fields; i++) {
		if (!mr_str_is_utf8(mr_csv_field(csv, i)))
			return fail(csv, MR_E_INVALID, "line %llu: field %zu is not UTF-8",
			    (unsigned long long)csv->first_line, i + 1);
	}
	return csv->row(csv->ctx, csv) ? 0 : MR_E_CANCELLED;
}

static int end_row(struct mr_csv *csv)
{
	bool is_empty = !csv->row_has_content && csv->fields == 0 && csv->state == FIELD;
	int r = 0;

	if (!is_empty) {
		r = end_field(csv);
		if (r == 0)
			r = hand_out(csv);
	}
	csv->fields = 0;
	csv->row_has_content = false;
	csv->state = FIELD;
	mr_buf_reset(&csv->text);
	return r;
}

static int end_line(struct mr_csv *csv)
{
	int r = end_row(csv);

	csv->line++;
	csv->first_line = csv->line;
	return r;
}

/* ---- characters ---- */

static int put(struct mr_csv *csv, char c)
{
	size_t from = csv->fields == 0 ? 0 : csv->ends[csv->fields - 1];

	if (c == '\0')
		return fail(
		    csv, MR_E_INVALID, "line %llu holds a NUL byte", (unsigned long long)csv->line);
	if (csv->text.len - from >= MR_CSV_MAX_FIELD)
		return fail(csv, MR_E_LIMIT, "line %llu: a field is longer than %u bytes",
		    (unsigned long long)csv->first_line, MR_CSV_MAX_FIELD);
	if (csv->text.len >= MR_CSV_MAX_ROW - 1)
		return fail(csv, MR_E_LIMIT, "line %llu: a row is longer than %u bytes",
		    (unsigned long long)csv->first_line, MR_CSV_MAX_ROW);
	mr_buf_addc(&csv->text, c);
	csv->row_has_content = true;
	return mr_buf_failed(&csv->text) ? MR_E_NOMEM : 0;
}

static int in_field(struct mr_csv *csv, char c)
{
	if (c == '"' && csv->state == FIELD) {
		csv->quote_line = csv->line;
		csv->row_has_content = true;
		csv->state = QUOTED;
		return 0;
	}
	if (c == '"')
		return fail(csv, MR_E_INVALID,
		    "line %llu: a quote stands inside a field that does not begin with one",
		    (unsigned long long)csv->line);
	csv->state = PLAIN;
	return put(csv, c);
}

static int in_quotes(struct mr_csv *csv, char c)
{
	if (c == '"') {
		csv->state = BEHIND_QUOTE;
		return 0;
	}
	if (c == '\n')
		csv->line++;
	return put(csv, c);
}

static int feed_one(struct mr_csv *csv, char c)
{
	bool was_cr = csv->after_cr;

	csv->after_cr = false;
	if (csv->state == QUOTED)
		return in_quotes(csv, c);
	if (csv->state == BEHIND_QUOTE && c == '"') {
		csv->state = QUOTED;
		return put(csv, c);
	}
	if (c == '\n' && was_cr)
		return 0; /* the second half of CR LF */
	if (c == '\r' || c == '\n') {
		csv->after_cr = c == '\r';
		return end_line(csv);
	}
	if (c == csv->delimiter)
		return end_field(csv);
	if (csv->state == BEHIND_QUOTE)
		return fail(csv, MR_E_INVALID, "line %llu: text stands behind a closing quote",
		    (unsigned long long)csv->line);
	return in_field(csv, c);
}

/* ---- the whole ---- */

/* How much of PIECE is the mark at the beginning of the file. */
static size_t pass_mark(struct mr_csv *csv, struct mr_str piece)
{
	size_t n = 0;

	while (csv->seen < sizeof(mark) - 1 && n < piece.len && piece.p[n] == mark[csv->seen]) {
		csv->seen++;
		n++;
	}
	return n;
}

/* What looked like a mark and was none; is part of the first field then. */
static int put_half_mark(struct mr_csv *csv)
{
	int r = 0;

	for (size_t i = 0; csv->seen < sizeof(mark) - 1 && i < csv->seen && r == 0; i++)
		r = feed_one(csv, mark[i]);
	csv->seen = sizeof(mark) - 1;
	return r;
}

int mr_csv_feed(struct mr_csv *csv, struct mr_str piece)
{
	size_t at = pass_mark(csv, piece);
	int r = at < piece.len ? put_half_mark(csv) : 0;

	for (; at < piece.len && r == 0; at++)
		r = feed_one(csv, piece.p[at]);
	return r;
}

int mr_csv_end(struct mr_csv *csv)
{
	int r = put_half_mark(csv);

	if (r == 0 && csv->state == QUOTED)
		return fail(csv, MR_E_INVALID, "line %llu: the quote that opens here is not closed",
		    (unsigned long long)csv->quote_line);
	return r < 0 ? r : end_row(csv);
}
