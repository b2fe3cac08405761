/* Action extract: the text that a document holds as text. */
#include "engine/steps/file_process_private.h"
#include "engine/steps/step_config.h"

#define EXTRACT_MEMORY (512u * 1024 * 1024)
#define PDF_MEMORY     (1024u * 1024 * 1024)

static int configure(struct mr_file_job *j)
{
	j->wants_text = true;
	return 0;
}

static unsigned count_pages(struct mr_str s)
{
	unsigned n = 0;

	for (size_t i = 0; i < s.len; i++)
		n += s.p[i] == '\f';
	return n;
}

static void on_pdf(struct mr_file_job *j)
{
	struct mr_str text = mr_buf_str(&j->helper.output);

	if (mr_file_helper_ok(j, "PDF"))
		mr_file_finish_text(j, text, count_pages(text), MR_STR_NONE);
}

static void on_docx(struct mr_file_job *j)
{
	if (mr_file_helper_ok(j, "docx document"))
		mr_file_finish_text(j, mr_buf_str(&j->helper.output), 0, MR_STR_NONE);
}

static void on_html(struct mr_file_job *j)
{
	if (mr_file_helper_ok(j, "HTML document"))
		mr_file_finish_text(j, mr_buf_str(&j->helper.output), 0, MR_STR_NONE);
}

static void finish_plain(struct mr_file_job *j)
{
	struct mr_str s = mr_buf_str(&j->text);

	if (mr_str_starts(s, MR_STR("\xef\xbb\xbf"))) /* byte order mark */
		s = (struct mr_str){ s.p + 3, s.len - 3 };
	mr_file_finish_text(j, s, 0, MR_STR_NONE);
}

static void begin(struct mr_file_job *j)
{
	static const char *const pdf[] = { "pdftotext", "-enc", "UTF-8", "-eol", "unix", "-", "-",
		NULL };
	static const char *const docx[] = { "millrace-extract", "docx", NULL };
	static const char *const html[] = { "millrace-extract", "html", NULL };
	bool named_html = mr_file_type_of_extension(mr_file_extension(j->name)) == MR_FILE_HTML;

	if (j->is_cut)
		mr_file_fail_cut(j);
	else if (j->type == MR_FILE_PDF)
		mr_file_run(j, pdf, false, j->fd, PDF_MEMORY, MR_FILE_MAX_TEXT, on_pdf);
	else if (j->type == MR_FILE_DOCX)
		mr_file_run(j, docx, true, j->fd, EXTRACT_MEMORY, MR_FILE_MAX_TEXT, on_docx);
	else if (j->type == MR_FILE_HTML || (j->type == MR_FILE_TEXT && named_html))
		mr_file_run(j, html, true, j->fd, EXTRACT_MEMORY, MR_FILE_MAX_TEXT, on_html);
	else if (j->type == MR_FILE_TEXT)
		finish_plain(j);
	else if (mr_file_type_is_image(j->type))
		mr_file_fail(j, "validation", false,
		    "An image holds no text as such; use the action ocr_extract.");
	else
		mr_file_fail(j, "validation", false,
		    "The file is no PDF, docx, HTML or UTF-8 text that could be extracted.");
}

const struct mr_file_action mr_file_extract = { "extract", configure, begin };
