/*
 * Action ocr_extract: the text of an image by Tesseract; of a PDF its own text, or when it has
 * none, each page as a picture read by Tesseract. One helper at a time, a page's picture goes
 * from one to the next through memory.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/steps/file_process_private.h"
#include "engine/steps/step_config.h"

#define TEXT_MEMORY (1024u * 1024 * 1024)
#define OCR_MEMORY  (2048u * 1024 * 1024)
#define MAX_PICTURE (MR_FILE_MAX_PIXELS + 4096u) /* one byte a pixel, and the header */
#define MIN_DPI     50

/* ---- config ---- */

static int configure(struct mr_file_job *j)
{
	const struct mr_str *list = NULL;
	size_t len = 0;
	struct mr_str joined = MR_STR("en");
	int r = mr_config_texts(j->x, "language", &list, &len);

	if (r < 0)
		return r;
	for (size_t i = 0; i < len; i++)
		joined = i == 0 ? list[0]
		                : mr_arena_printf(j->x->arena, "%.*s+%.*s", MR_STR_ARG(joined),
		                      MR_STR_ARG(list[i]));
	if (!mr_file_languages(joined, j->languages))
		return mr_report_invalid(j->x, "config.language: \"%.*s\" is no known language.",
		    MR_STR_ARG(mr_text_cut(joined, 60)));
	j->language = joined;
	j->wants_languages = true;
	return 0;
}

/* Whether all of eng+deu are there. */
static bool languages_installed(const struct mr_file_job *j)
{
	struct mr_str rest = mr_str(j->languages);

	while (rest.p != NULL) {
		struct mr_str one = mr_str_cut(&rest, '+');
		struct mr_str there = mr_buf_str(&j->installed);
		bool found = false;

		while (there.p != NULL && !found)
			found = mr_str_eq(mr_str_cut(&there, ' '), one);
		if (!found)
			return false;
	}
	return true;
}

/* ---- pages ---- */

static void read_next_page(struct mr_file_job *j);

static unsigned count_pages(struct mr_str s)
{
	unsigned n = 0;

	for (size_t i = 0; i < s.len; i++)
		n += s.p[i] == '\f';
	return n;
}

static void run_tesseract(struct mr_file_job *j, int fd, void (*done)(struct mr_file_job *j))
{
	const char *const argv[] = { "tesseract", "stdin", "stdout", "--tessdata-dir", j->tessdata,
		"-l", j->languages, NULL };

	mr_file_run(j, argv, false, fd, OCR_MEMORY, MR_FILE_MAX_TEXT, done);
}

static void finish_ocr(struct mr_file_job *j, struct mr_str text, unsigned pages)
{
	mr_file_finish_text(j, text, pages > 0 ? pages : 1, j->language);
}

static void on_page_text(struct mr_file_job *j)
{
	if (!mr_file_helper_ok(j, "picture of a page"))
		return;
	mr_buf_adds(&j->content, mr_buf_str(&j->helper.output));
	if (mr_buf_failed(&j->content)) {
		mr_file_fail(
		    j, "limit", false, "The text is longer than %u MiB.", MR_FILE_MAX_TEXT >> 20);
		return;
	}
	(void)close(j->page_fd);
	j->page_fd = -1;
	if (j->page == j->pages)
		finish_ocr(j, mr_buf_str(&j->content), j->pages);
	else
		read_next_page(j);
}

/* The picture that a helper wrote, as a file for the next one. -1 on failure. */
static int memory_file(struct mr_str s)
{
	int fd = memfd_create("page", MFD_CLOEXEC);

	while (fd >= 0 && s.len > 0) {
		ssize_t n = write(fd, s.p, s.len);

		if (n <= 0) {
			(void)close(fd);
			return -1;
		}
		s.p += n;
		s.len -= (size_t)n;
	}
	return fd;
}

static void on_page_picture(struct mr_file_job *j)
{
	if (!mr_file_helper_ok(j, "PDF"))
		return;
	j->page_fd = memory_file(mr_buf_str(&j->helper.output));
	if (j->page_fd < 0)
		mr_file_fail(j, "limit", true, "The engine is out of memory.");
	else
		run_tesseract(j, j->page_fd, on_page_text);
}

/* The number behind "Page    3 size:  595.2 x 841.8 pts" in pdfinfo's answer. */
static bool page_size(const struct mr_file_job *j, unsigned page, double *width, double *height)
{
	struct mr_str rest = mr_buf_str(&j->sizes);

	while (rest.p != NULL) {
		struct mr_str line = mr_str_cut(&rest, '\n');
		char z[128];
		unsigned n;

		if (line.len >= sizeof(z) || !mr_str_starts(line, MR_STR("Page ")))
			continue;
		memcpy(z, line.p, line.len);
		z[line.len] = '\0';
		if (sscanf(z, "Page %u size: %lf x %lf", &n, width, height) == 3 && n == page)
			return isfinite(*width) && isfinite(*height) && *width > 0 && *height > 0;
	}
	return false;
}

/* As fine as a scan, or less for a page so large that its picture would pass the limit. 0 when
 * even MIN_DPI does. */
static unsigned page_dpi(const struct mr_file_job *j, unsigned page)
{
	double width, height, most;

	if (!page_size(j, page, &width, &height))
		return 0;
	most = sqrt(((double)MR_FILE_MAX_PIXELS - 200000) / (width / 72 * (height / 72)));
	if (most < MIN_DPI)
		return 0;
	return most < MR_FILE_DPI ? (unsigned)most : MR_FILE_DPI;
}

static void read_next_page(struct mr_file_job *j)
{
	unsigned dpi = page_dpi(j, ++j->page);
	const char *const argv[] = { "pdftoppm", "-q", "-gray", "-cropbox", "-r", j->number_text[0],
		"-f", j->number_text[1], "-l", j->number_text[1], "-", NULL };

	if (dpi == 0) {
		mr_file_fail(j, "limit", false,
		    "Page %u of the PDF is too large, or of no known size.", j->page);
		return;
	}
	(void)snprintf(j->number_text[0], sizeof(j->number_text[0]), "%u", dpi);
	(void)snprintf(j->number_text[1], sizeof(j->number_text[1]), "%u", j->page);
	mr_file_run(j, argv, false, j->fd, TEXT_MEMORY, MAX_PICTURE, on_page_picture);
}

/* ---- PDF ---- */

static void on_pdf_sizes(struct mr_file_job *j)
{
	if (!mr_file_helper_ok(j, "PDF"))
		return;
	mr_buf_adds(&j->sizes, mr_buf_str(&j->helper.output));
	read_next_page(j);
}

static void on_pdf_text(struct mr_file_job *j)
{
	struct mr_str text = mr_buf_str(&j->helper.output);
	const char *const argv[] = { "pdfinfo", "-f", "1", "-l", j->number_text[0], "-", NULL };

	if (!mr_file_helper_ok(j, "PDF"))
		return;
	j->pages = count_pages(text);
	if (j->pages == 0) {
		mr_file_fail(j, "validation", false, "The PDF has no pages.");
	} else if (mr_text_words(text) > 0) {
		finish_ocr(j, text, j->pages);
	} else if (j->pages > MR_FILE_MAX_PAGES) {
		mr_file_fail(j, "limit", false,
		    "The PDF has %u scanned pages; at most %d are read.", j->pages,
		    MR_FILE_MAX_PAGES);
	} else {
		(void)snprintf(j->number_text[0], sizeof(j->number_text[0]), "%u", j->pages);
		mr_file_run(j, argv, false, j->fd, TEXT_MEMORY, 65536, on_pdf_sizes);
	}
}

static void on_image_text(struct mr_file_job *j)
{
	struct mr_str text = mr_buf_str(&j->helper.output);

	if (mr_file_helper_ok(j, "image"))
		finish_ocr(j, text, count_pages(text));
}

bool mr_file_picture_ok(struct mr_file_job *j)
{
	if (j->pixels == 0)
		mr_file_fail(j, "validation", false,
		    "The image is damaged: its width and height can't be told.");
	else if (j->pixels > MR_FILE_MAX_PIXELS)
		mr_file_fail(j, "limit", false,
		    "The image has %.1f megapixels; at most %u are read.", (double)j->pixels / 1e6,
		    MR_FILE_MAX_PIXELS / 1000000);
	else if (j->is_cut)
		mr_file_fail_cut(j);
	else
		return true;
	return false;
}

static void begin_image(struct mr_file_job *j)
{
	if (mr_file_picture_ok(j))
		run_tesseract(j, j->fd, on_image_text);
}

static void begin(struct mr_file_job *j)
{
	static const char *const pdf[] = { "pdftotext", "-enc", "UTF-8", "-eol", "unix", "-", "-",
		NULL };

	if (j->type != MR_FILE_PDF && !mr_file_type_is_image(j->type))
		mr_file_fail(j, "validation", false,
		    "Only PDF, PNG, JPEG, GIF and TIFF files can be read by ocr_extract.");
	else if (!languages_installed(j))
		mr_file_fail(j, "validation", false,
		    "The language \"%.*s\" is not installed on this engine, which has: %.*s.",
		    MR_STR_ARG(mr_text_cut(j->language, 60)),
		    MR_STR_ARG(mr_text_cut(mr_buf_str(&j->installed), 400)));
	else if (j->type != MR_FILE_PDF)
		begin_image(j);
	else if (j->is_cut)
		mr_file_fail_cut(j);
	else
		mr_file_run(j, pdf, false, j->fd, TEXT_MEMORY, MR_FILE_MAX_TEXT, on_pdf_text);
}

const struct mr_file_action mr_file_ocr = { "ocr_extract", configure, begin };
