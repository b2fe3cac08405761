/*
 * Action convert: the file in another format, as a file of the tenant. A helper writes it straight
 * into the store, under a name of no consequence; when that is whole it is summed up, gets its own
 * name, and then its row.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/steps/file_process_private.h"
#include "engine/steps/step_config.h"
#include "sql/sql_ids.h"

#define TEXT_MEMORY    (1024u * 1024 * 1024)
#define TABLE_MEMORY   (1024u * 1024 * 1024)
#define PICTURE_MEMORY (1536u * 1024 * 1024)
#define NAME_MAX_BYTES 255u

enum source { TABLE, OBJECTS, PDF, DOCX, HTML, PICTURE, NOTHING };

/* Each conversion: its helper, and what that reads. */
static const struct mr_file_conversion {
	const char *to;
	enum source from;
	const char *what; /* in messages */
	const char *argv[6];
	bool own_program, has_rows;
	size_t memory;
	const char *content_type;
} conversions[] = {
	{ "json", TABLE, "CSV", { "millrace-convert", "csv-json" }, true, true, TABLE_MEMORY,
	    "application/json" },
	{ "csv", OBJECTS, "JSON", { "millrace-convert", "json-csv" }, true, true, TABLE_MEMORY,
	    "text/csv; charset=utf-8" },
	{ "txt", PDF, "PDF", { "pdftotext", "-enc", "UTF-8", "-nopgbrk", "-", "-" }, false, false,
	    TEXT_MEMORY, "text/plain; charset=utf-8" },
	{ "txt", DOCX, "docx document", { "millrace-extract", "docx" }, true, false, TEXT_MEMORY,
	    "text/plain; charset=utf-8" },
	{ "txt", HTML, "HTML document", { "millrace-extract", "html" }, true, false, TEXT_MEMORY,
	    "text/plain; charset=utf-8" },
	{ "png", PICTURE, "image", { "millrace-image" }, true, false, PICTURE_MEMORY, "image/png" },
};

/* ---- config ---- */

static const struct {
	const char *name;
	char c;
} delimiters[] = { { "comma", ',' }, { "semicolon", ';' }, { "tab", '\t' }, { "pipe", '|' } };

static int read_delimiter(struct mr_file_job *j)
{
	struct mr_str s = MR_STR_NONE;
	int r = mr_config_text(j->x, "delimiter", &s);

	if (r < 0 || s.p == NULL)
		return r;
	for (size_t i = 0; i < MR_ARRAY_LEN(delimiters); i++) {
		if (mr_str_ieqz(s, delimiters[i].name))
			j->delimiter[0] = delimiters[i].c;
	}
	if (s.len == 1 && (s.p[0] == '\t' || (s.p[0] >= ' ' && s.p[0] <= '~')) && s.p[0] != '"')
		j->delimiter[0] = s.p[0];
	if (j->delimiter[0] == '\0')
		return mr_report_invalid(j->x, "config.delimiter must be one ASCII character other "
		                               "than a quote, or comma, semicolon, tab or pipe.");
	return 0;
}

static int read_to(struct mr_file_job *j)
{
	struct mr_str s = MR_STR_NONE;
	int r = mr_config_text(j->x, "to", &s);

	for (size_t i = 0; i < MR_ARRAY_LEN(conversions) && j->to == NULL && s.p != NULL; i++) {
		if (mr_str_ieqz(s, conversions[i].to))
			j->to = conversions[i].to;
	}
	if (r == 0 && j->to == NULL)
		return mr_report_invalid(j->x, "config.to must be json, csv, txt or png.");
	return r;
}

static bool name_ok(struct mr_str name)
{
	for (size_t i = 0; i < name.len; i++) {
		unsigned char c = (unsigned char)name.p[i];

		if (c < 0x20 || c == 0x7f || c == '/' || c == '\\')
			return false;
	}
	return name.len > 0 && name.len <= NAME_MAX_BYTES && !mr_str_eqz(name, ".") &&
	       !mr_str_eqz(name, "..");
}

static int configure(struct mr_file_job *j)
{
	int r = read_to(j);

	j->has_header = true;
	if (r == 0)
		r = read_delimiter(j);
	if (r == 0)
		r = mr_config_bool(j->x, "header", &j->has_header);
	if (r == 0)
		r = mr_config_text(j->x, "name", &j->out_name);
	if (r == 0 && j->out_name.p != NULL && !name_ok(j->out_name))
		return mr_report_invalid(j->x, "config.name must be 1 to 255 bytes without slashes "
		                               "and control characters.");
	return r;
}

/* ---- what is to be done ---- */

static enum source source_of(const struct mr_file_job *j)
{
	bool named_html = mr_file_type_of_extension(mr_file_extension(j->name)) == MR_FILE_HTML;

	if (j->type == MR_FILE_PDF)
		return PDF;
	if (j->type == MR_FILE_DOCX)
		return DOCX;
	if (mr_file_type_is_image(j->type))
		return PICTURE;
	if (j->type == MR_FILE_HTML || (j->type == MR_FILE_TEXT && named_html))
		return HTML;
	if (j->type != MR_FILE_TEXT)
		return NOTHING;
	/* text is what it is wanted as; whether it is that, the helper finds out */
	return strcmp(j->to, "json") == 0 ? TABLE : strcmp(j->to, "csv") == 0 ? OBJECTS : NOTHING;
}

static const struct mr_file_conversion *find_conversion(const struct mr_file_job *j)
{
	enum source from = source_of(j);

	for (size_t i = 0; i < MR_ARRAY_LEN(conversions); i++) {
		if (conversions[i].from == from && strcmp(conversions[i].to, j->to) == 0)
			return &conversions[i];
	}
	return NULL;
}

/* The name it was given, else that of the source with another extension. */
static struct mr_str name_result(struct mr_file_job *j)
{
	struct mr_str base = j->name, extension = mr_file_extension(j->name);

	if (j->out_name.p != NULL)
		return j->out_name;
	if (extension.len > 0 && extension.len + 1 < base.len)
		base.len -= extension.len + 1;
	base = mr_text_cut(base, NAME_MAX_BYTES - strlen(j->to) - 1);
	return mr_arena_printf(j->arena, "%.*s.%s", MR_STR_ARG(base), j->to);
}

/* ---- the row ---- */

static void succeed(struct mr_file_job *j)
{
	struct mr_arena *a = j->x->arena;
	struct mr_report_member m[9] = { { "file_id", mr_value_int(j->out_id) },
		{ "file_name", mr_value_str(mr_arena_str(a, j->out_name)) },
		{ "size", mr_value_int((int64_t)j->out.size) },
		{ "content_type", mr_value_strz(j->conversion->content_type) },
		{ "sha256", mr_value_str(mr_arena_str(a, mr_str(j->out.sha256))) },
		{ "from", mr_value_strz(mr_file_type_name(j->type)) },
		{ "to", mr_value_strz(j->to) }, { "source_file_id", mr_value_int(j->file_id) } };
	struct mr_value result;
	int64_t rows;
	size_t n = 8;

	if (j->conversion->has_rows && mr_str_i64(j->said, &rows))
		m[n++] = (struct mr_report_member){ "rows", mr_value_int(rows) };
	if (mr_report_map(a, m, n, &result) < 0)
		(void)mr_report_too_large(j->x);
	else
		mr_report_success(j->x, result);
	mr_file_finish(j);
}

static void on_row(struct mr_pg_unit *u)
{
	struct mr_file_job *j = u->ctx;
	const PGresult *r = j->call.result;
	bool is_known = u->outcome == MR_PG_OK && r != NULL && PQntuples(r) > 0;

	j->asking = false;
	if (is_known) {
		j->out_id = mr_pg_i64(r, 0, "file_id", 0);
		/* an attempt before this one has made the same file: then this one is removed */
		j->out_is_extra = !mr_str_eqz(mr_pg_text(r, 0, "storage_key"), j->out.key);
	} else if (u->outcome == MR_PG_UNAVAILABLE) {
		/* nobody knows whether the row is there: housekeeping finds out */
		j->out_is_extra = false;
	}
	if (j->x == NULL)
		mr_file_free(j);
	else if (!is_known)
		mr_file_fail(j, "unavailable", true, "The database did not take the file.");
	else
		succeed(j);
}

static void write_row(struct mr_file_job *j)
{
	struct mr_str extension = mr_file_extension(j->out_name);

	(void)snprintf(j->run_text, sizeof(j->run_text), "%lld", (long long)j->x->run_id);
	(void)snprintf(j->execution_text, sizeof(j->execution_text), "%lld",
	    (long long)j->x->step_execution_id);
	(void)snprintf(j->size_text, sizeof(j->size_text), "%llu", (unsigned long long)j->out.size);
	j->values[0] = mr_str(j->tenant_text);
	j->values[1] = mr_str(j->run_text);
	j->values[2] = mr_str(j->execution_text);
	j->values[3] = mr_str(j->out.key);
	j->values[4] = j->out_name;
	j->values[5] = extension.len <= 16 ? extension : MR_STR("");
	j->values[6] = mr_str(j->conversion->content_type);
	j->values[7] = mr_str(j->size_text);
	j->values[8] = mr_str(j->out.sha256);
	j->call = (struct mr_pg_call){ .stmt = MR_SQL_ENGINE_FILE_CREATE, .values = j->values };
	j->unit =
	    (struct mr_pg_unit){ .calls = &j->call, .calls_len = 1, .done = on_row, .ctx = j };
	j->asking = true;
	mr_pg_submit(j->x->host->pg, &j->unit);
}

/* ---- the file ---- */

static void adopt(struct mr_file_job *j)
{
	j->out_result = mr_store_adopt(&j->out);
	j->out_is_extra = j->out_result == 0; /* until it has its row */
}

static void on_adopted(struct mr_file_job *j)
{
	if (j->out_result == 0) {
		write_row(j);
	} else if (j->out_result == MR_E_LIMIT) {
		mr_file_fail(j, "limit", false, "The result is larger than %lld bytes.",
		    (long long)j->out.max);
	} else {
		mr_file_fail(j, "unavailable", true, "The result can't be put into the store.");
	}
}

/* What our own helper says of a table: the number of rows, or what is wrong. */
static bool table_ok(struct mr_file_job *j)
{
	struct mr_str said = mr_buf_str(&j->helper.diagnostics);
	int code = j->helper.exit_code;

	said = mr_text_clean(j->arena, mr_text_cut(mr_str_cut(&said, '\n'), 300));
	j->said = said.p != NULL ? said : MR_STR("");
	if (j->helper.outcome != MR_SANDBOX_EXITED || (code != 1 && code != 3) || j->said.len == 0)
		return mr_file_helper_ok(j, j->conversion->what);
	mr_file_fail(j, code == 3 ? "limit" : "validation", false,
	    "The file can't be read as %s: %.*s.", j->conversion->what, MR_STR_ARG(j->said));
	return false;
}

static bool helper_ok(struct mr_file_job *j)
{
	if (j->helper.outcome == MR_SANDBOX_LIMIT) {
		mr_file_fail(j, "limit", false,
		    "The %s takes more memory, or gives a larger result, than a step may use.",
		    j->conversion->what);
		return false;
	}
	return j->conversion->has_rows ? table_ok(j) : mr_file_helper_ok(j, j->conversion->what);
}

static void on_written(struct mr_file_job *j)
{
	if (helper_ok(j))
		mr_file_in_thread(j, adopt, on_adopted);
}

static void run_helper(struct mr_file_job *j)
{
	const char *argv[8] = { NULL };
	size_t n = 0;

	for (; n < MR_ARRAY_LEN(j->conversion->argv) && j->conversion->argv[n] != NULL; n++)
		argv[n] = j->conversion->argv[n];
	if (j->conversion->has_rows) {
		argv[n++] = j->delimiter;
		argv[n++] = j->has_header ? "header" : "no-header";
	}
	j->output_fd = j->out.fd;
	mr_file_run(j, argv, j->conversion->own_program, j->fd, j->conversion->memory,
	    (size_t)j->out.max, on_written);
}

static void make(struct mr_file_job *j)
{
	j->out_result = mr_store_begin(&j->out, j->store, j->x_tenant_id, j->max_output);
}

static void on_made(struct mr_file_job *j)
{
	if (j->out_result < 0)
		mr_file_fail(j, "unavailable", true, "The result can't be put into the store.");
	else
		run_helper(j);
}

static void begin(struct mr_file_job *j)
{
	j->conversion = find_conversion(j);
	j->out_name = name_result(j);
	if (j->delimiter[0] == '\0')
		j->delimiter[0] = mr_str_ieqz(mr_file_extension(j->name), "tsv") ? '\t' : ',';
	if (j->conversion == NULL)
		mr_file_fail(j, "validation", false,
		    "A file whose content is %s can't be converted to %s. CSV becomes json, JSON "
		    "csv, PDF, docx and HTML become txt, images png; texts must be UTF-8.",
		    mr_file_type_name(j->type), j->to);
	else if (j->conversion->from == PICTURE && !mr_file_picture_ok(j))
		return; /* it said why */
	else if (j->is_cut)
		mr_file_fail_cut(j);
	else if (j->out_name.p == NULL)
		mr_file_fail(j, "limit", true, "The engine is out of memory.");
	else
		mr_file_in_thread(j, make, on_made);
}

const struct mr_file_action mr_file_convert = { "convert", configure, begin };
