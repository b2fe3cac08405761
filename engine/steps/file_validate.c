/* Action validate: is the file of an allowed type, by its name and by its bytes, and not too
 * large? */
#include <string.h>

#include "engine/steps/file_process_private.h"
#include "engine/steps/step_config.h"

#define MAX_ERRORS 8

struct verdict {
	struct mr_file_job *j;
	struct mr_str extension;
	struct mr_str errors[MAX_ERRORS];
	size_t len;
};

static int configure(struct mr_file_job *j)
{
	int r = mr_config_texts(j->x, "allowed_types", &j->allowed, &j->allowed_len);

	j->fail_on_invalid = true;
	if (r == 0)
		r = mr_config_positive(j->x, "max_size_mb", &j->max_size_mb);
	if (r == 0)
		r = mr_config_bool(j->x, "fail_on_invalid", &j->fail_on_invalid);
	return r;
}

MR_PRINTF(2, 3)
static void add_error(struct verdict *v, const char *fmt, ...)
{
	struct mr_str s;
	va_list ap;

	va_start(ap, fmt);
	s = mr_arena_vprintf(v->j->x->arena, fmt, ap);
	va_end(ap);
	if (s.p != NULL && v->len < MAX_ERRORS)
		v->errors[v->len++] = s;
}

/* "pdf", ".pdf" and "application/pdf" are the same. */
static struct mr_str bare(struct mr_str allowed)
{
	for (size_t i = allowed.len; i > 0; i--) {
		if (allowed.p[i - 1] == '/' || allowed.p[i - 1] == '.')
			return (struct mr_str){ allowed.p + i, allowed.len - i };
	}
	return allowed;
}

static bool same_text(struct mr_str a, struct mr_str b)
{
	return a.len == b.len && (a.len == 0 || strncasecmp(a.p, b.p, a.len) == 0);
}

/* jpg and jpeg are one type; names that we don't know are compared as texts. */
static bool allows(struct mr_str allowed, struct mr_str extension)
{
	enum mr_file_type t = mr_file_type_of_extension(extension);

	allowed = bare(mr_str_trim(allowed));
	if (same_text(allowed, extension))
		return true;
	return t != MR_FILE_UNKNOWN && t != MR_FILE_TEXT && mr_file_type_of_extension(allowed) == t;
}

static void check_extension(struct verdict *v)
{
	struct mr_str list = MR_STR("");

	for (size_t i = 0; i < v->j->allowed_len; i++) {
		if (allows(v->j->allowed[i], v->extension))
			return;
		list = mr_arena_printf(v->j->x->arena, "%.*s%s%.*s", MR_STR_ARG(list),
		    i > 0 ? ", " : "", MR_STR_ARG(v->j->allowed[i]));
	}
	if (v->j->allowed_len > 0)
		add_error(v, "The extension \"%.*s\" is not among the allowed types: %.*s.",
		    MR_STR_ARG(mr_text_cut(v->extension, 40)), MR_STR_ARG(list));
}

/* What the name says must be what the bytes say, where we can tell. */
static void check_content(struct verdict *v)
{
	enum mr_file_type says = mr_file_type_of_extension(v->extension);
	enum mr_file_type is = v->j->type;

	if (is == MR_FILE_EMPTY) {
		add_error(v, "The file is empty.");
		return;
	}
	if (v->j->is_cut)
		add_error(v, "The %s file is cut off: its end is missing.", mr_file_type_name(is));
	if (says == MR_FILE_UNKNOWN || says == is)
		return;
	/* markup may begin with anything, and text may look like markup */
	if ((says == MR_FILE_TEXT && is == MR_FILE_HTML) ||
	    (says == MR_FILE_HTML && is == MR_FILE_TEXT) ||
	    (says == MR_FILE_ZIP && is == MR_FILE_DOCX))
		return;
	if (is == MR_FILE_UNKNOWN)
		add_error(v, "The content is not that of a %.*s file.", MR_STR_ARG(v->extension));
	else
		add_error(v, "The content is that of a %s file, not of a %.*s file.",
		    mr_file_type_name(is), MR_STR_ARG(v->extension));
}

static void check_size(struct verdict *v)
{
	double mb = (double)v->j->size / 1048576.0;

	if (v->j->max_size_mb > 0 && mb > v->j->max_size_mb)
		add_error(
		    v, "The file has %.2f MB; at most %g MB are allowed.", mb, v->j->max_size_mb);
}

static int make_result(struct verdict *v, struct mr_value *ret)
{
	struct mr_arena *a = v->j->x->arena;
	struct mr_list *errors = mr_list_create(a, v->len);

	if (errors == NULL)
		return MR_E_NOMEM;
	for (size_t i = 0; i < v->len; i++)
		errors->items[i] = mr_value_str(v->errors[i]);
	return mr_report_map(a,
	    (const struct mr_report_member[]){ { "valid", mr_value_bool(v->len == 0) },
	        { "size", mr_value_int(v->j->size) }, { "file_id", mr_value_int(v->j->file_id) },
	        { "file_name", mr_value_str(mr_arena_str(a, v->j->name)) },
	        { "extension", mr_value_str(mr_arena_str(a, v->extension)) },
	        { "detected_type", mr_value_strz(mr_file_type_name(v->j->type)) },
	        { "errors", mr_value_list(errors) } },
	    7, ret);
}

static void begin(struct mr_file_job *j)
{
	struct verdict v = { .j = j, .extension = mr_file_extension(j->name) };
	struct mr_value result;

	check_extension(&v);
	check_content(&v);
	check_size(&v);
	if (make_result(&v, &result) < 0) {
		(void)mr_report_too_large(j->x);
	} else if (v.len > 0 && j->fail_on_invalid) {
		(void)mr_report_invalid(
		    j->x, "The file is not valid. %.*s", MR_STR_ARG(v.errors[0]));
		j->x->error_data = result;
	} else {
		mr_report_success(j->x, result);
	}
	mr_file_finish(j);
}

const struct mr_file_action mr_file_validate = { "validate", configure, begin };
