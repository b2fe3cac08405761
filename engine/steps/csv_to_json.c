#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "engine/steps/csv_json.h"
#include "engine/steps/csv_reader.h"
#include "lib/error.h"

#define BLOCK    65536
#define LINE_MAX (64u << 20) /* of one row as JSON: six bytes for one at most */

struct work {
	struct mr_csv csv;
	FILE *out;
	const struct mr_csv_options *options;
	struct mr_csv_outcome *outcome;
	int r; /* why the reading was ended */
	bool has_names;
	size_t names_len;
	struct mr_buf names; /* as JSON, one after the other */
	size_t ends[MR_CSV_MAX_COLUMNS];
	struct mr_buf line;
};

MR_PRINTF(2, 3)
static bool fail(struct work *w, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(w->outcome->message, sizeof(w->outcome->message), fmt, ap);
	va_end(ap);
	w->r = MR_E_INVALID;
	return false;
}

static struct mr_str name_of(const struct work *w, size_t i)
{
	size_t from = i == 0 ? 0 : w->ends[i - 1];

	return (struct mr_str){ w->names.p + from, w->ends[i] - from };
}

/* ---- the header ---- */

static int by_text(const void *a, const void *b)
{
	return mr_str_cmp(*(const struct mr_str *)a, *(const struct mr_str *)b);
}

static bool names_differ(struct work *w)
{
	struct mr_str *sorted = calloc(w->names_len, sizeof(*sorted));
	struct mr_str twice = MR_STR_NONE;

	if (sorted == NULL) {
		w->r = MR_E_NOMEM;
		return false;
	}
	for (size_t i = 0; i < w->names_len; i++)
		sorted[i] = name_of(w, i);
	qsort(sorted, w->names_len, sizeof(*sorted), by_text);
	for (size_t i = 1; i < w->names_len && twice.p == NULL; i++) {
		if (mr_str_eq(sorted[i - 1], sorted[i]))
			twice = sorted[i];
	}
	free(sorted);
	if (twice.p == NULL)
		return true;
	return fail(w, "line %llu: two columns are named %.*s",
	    (unsigned long long)w->csv.first_line, (int)(twice.len < 80 ? twice.len : 80), twice.p);
}

static bool take_names(struct work *w, const struct mr_csv *csv)
{
	for (size_t i = 0; i < csv->fields; i++) {
		if (mr_csv_field(csv, i).len == 0)
			return fail(w, "line %llu: column %zu has no name",
			    (unsigned long long)csv->first_line, i + 1);
		mr_buf_add_json(&w->names, mr_csv_field(csv, i));
		w->ends[i] = w->names.len;
	}
	w->names_len = csv->fields;
	w->has_names = true;
	if (mr_buf_failed(&w->names)) {
		w->r = MR_E_NOMEM;
		return false;
	}
	return names_differ(w);
}

/* ---- rows ---- */

static bool right_length(struct work *w, const struct mr_csv *csv)
{
	if (w->names_len == 0)
		w->names_len = csv->fields; /* without a header the first row decides */
	if (csv->fields == w->names_len)
		return true;
	return fail(w, "line %llu has %zu field%s; the first row has %zu",
	    (unsigned long long)csv->first_line, csv->fields, csv->fields == 1 ? "" : "s",
	    w->names_len);
}

static bool write_row(struct work *w, const struct mr_csv *csv)
{
	mr_buf_reset(&w->line);
	mr_buf_addz(&w->line, w->outcome->rows == 0 ? "\n" : ",\n");
	mr_buf_addc(&w->line, w->has_names ? '{' : '[');
	for (size_t i = 0; i < csv->fields; i++) {
		if (i > 0)
			mr_buf_addc(&w->line, ',');
		if (w->has_names) {
			mr_buf_adds(&w->line, name_of(w, i));
			mr_buf_addc(&w->line, ':');
		}
		mr_buf_add_json(&w->line, mr_csv_field(csv, i));
	}
	mr_buf_addc(&w->line, w->has_names ? '}' : ']');
	w->outcome->rows++;
	if (mr_buf_failed(&w->line))
		w->r = MR_E_NOMEM;
	else if (fwrite(w->line.p, 1, w->line.len, w->out) != w->line.len)
		w->r = MR_E_IO;
	return w->r == 0;
}

static bool on_row(void *ctx, const struct mr_csv *csv)
{
	struct work *w = ctx;

	if (w->options->has_header && !w->has_names)
		return take_names(w, csv);
	return right_length(w, csv) && write_row(w, csv);
}

/* ---- the whole ---- */

static int read_all(struct work *w, FILE *in)
{
	static char block[BLOCK];
	size_t n;
	int r = 0;

	while (r == 0 && (n = fread(block, 1, sizeof(block), in)) > 0)
		r = mr_csv_feed(&w->csv, (struct mr_str){ block, n });
	if (r == 0 && ferror(in))
		return MR_E_IO;
	if (r == 0)
		r = mr_csv_end(&w->csv);
	if (r == MR_E_CANCELLED)
		return w->r;
	if (r < 0)
		memcpy(w->outcome->message, w->csv.message, sizeof(w->csv.message));
	return r;
}

int mr_csv_to_json(FILE *in, FILE *out, const struct mr_csv_options *o, struct mr_csv_outcome *ret)
{
	struct work *w = calloc(1, sizeof(*w));
	int r = MR_E_IO;

	*ret = (struct mr_csv_outcome){ .rows = 0 };
	if (w == NULL)
		return MR_E_NOMEM;
	w->out = out;
	w->options = o;
	w->outcome = ret;
	mr_csv_init(&w->csv, o->delimiter, on_row, w);
	mr_buf_init(&w->names, LINE_MAX);
	mr_buf_init(&w->line, LINE_MAX);
	if (fputc('[', out) != EOF)
		r = read_all(w, in);
	if (r == 0 && fputs(ret->rows > 0 ? "\n]\n" : "]\n", out) < 0)
		r = MR_E_IO;
	mr_csv_done(&w->csv);
	mr_buf_done(&w->names);
	mr_buf_done(&w->line);
	free(w);
	return r;
}
