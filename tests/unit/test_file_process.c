/* Step type file_process on real files: PDFs, scans, documents, and hostile ones. PostgreSQL is
 * played here; helpers are the real ones in the real sandbox. */
#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <ftw.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/sandbox.h"
#include "engine/steps/step.h"
#include "lib/digest.h"
#include "lib/store.h"
#include "lib/sums.h"
#include "sql/sql_ids.h"
#include "tests/unit/test.h"

extern char **environ;

/* ---- PostgreSQL, played ---- */

static struct {
	const char *key, *name; /* the row; key NULL: no row */
	int64_t size;
	char sha256[MR_SHA256_HEX];
	enum mr_pg_outcome outcome;
	uv_loop_t *loop;
	uv_timer_t timer;
	struct mr_pg_unit *unit;
	int64_t tenant_id, file_id;
	/* the row that a conversion made */
	bool creates;
	char out_key[80], out_name[256], out_type[64];
	int64_t out_size, run_id;
	enum mr_pg_outcome create_outcome;
	const char *other_key; /* an attempt before made the same */
} db;

static void add_attr(PGresult *r, const char *const *names, int n)
{
	PGresAttDesc d[4] = { { .name = NULL } };

	for (int i = 0; i < n; i++)
		d[i].name = (char *)(uintptr_t)names[i];
	assert_int_equal(PQsetResultAttrs(r, n, d), 1);
}

static void set_value(PGresult *r, int column, const char *text)
{
	char copy[80];

	(void)snprintf(copy, sizeof(copy), "%s", text);
	assert_int_equal(PQsetvalue(r, 0, column, copy, (int)strlen(copy)), 1);
}

static PGresult *make_created(void)
{
	static const char *const names[] = { "file_id", "storage_key" };
	PGresult *r = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);

	add_attr(r, names, 2);
	set_value(r, 0, "8");
	set_value(r, 1, db.other_key != NULL ? db.other_key : db.out_key);
	return r;
}

static PGresult *make_row(void)
{
	static const char *const names[] = { "storage_key", "name", "size", "sha256" };
	PGresult *r = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
	char size[24];

	add_attr(r, names, 4);
	if (db.key == NULL)
		return r;
	set_value(r, 0, db.key);
	set_value(r, 1, db.name);
	(void)snprintf(size, sizeof(size), "%lld", (long long)db.size);
	set_value(r, 2, size);
	set_value(r, 3, db.sha256);
	return r;
}

static void on_answer(uv_timer_t *t)
{
	struct mr_pg_unit *u = db.unit;
	PGresult *r = db.creates ? make_created() : make_row();

	(void)t;
	db.unit = NULL;
	u->outcome = db.outcome;
	if (db.creates && db.create_outcome != MR_PG_OK)
		u->outcome = db.create_outcome;
	u->calls[0].result = u->outcome == MR_PG_OK ? r : NULL;
	u->done(u);
	PQclear(r);
}

static void take_created(const struct mr_str *values)
{
	assert_true(mr_str_i64(values[1], &db.run_id));
	(void)snprintf(db.out_key, sizeof(db.out_key), "%.*s", MR_STR_ARG(values[3]));
	(void)snprintf(db.out_name, sizeof(db.out_name), "%.*s", MR_STR_ARG(values[4]));
	(void)snprintf(db.out_type, sizeof(db.out_type), "%.*s", MR_STR_ARG(values[6]));
	assert_true(mr_str_i64(values[7], &db.out_size));
}

void mr_pg_submit(struct mr_pg *pg, struct mr_pg_unit *unit)
{
	(void)pg;
	assert_int_equal(unit->calls_len, 1);
	assert_true(mr_str_i64(unit->calls[0].values[0], &db.tenant_id));
	db.creates = unit->calls[0].stmt == MR_SQL_ENGINE_FILE_CREATE;
	if (db.creates)
		take_created(unit->calls[0].values);
	else
		assert_true(mr_str_i64(unit->calls[0].values[1], &db.file_id));
	db.unit = unit;
	(void)uv_timer_start(&db.timer, on_answer, 0, 0);
}

struct mr_str mr_pg_text(const PGresult *r, int row, const char *column)
{
	int i = PQfnumber(r, column);

	return i < 0 || PQgetisnull(r, row, i) ? MR_STR_NONE : mr_str(PQgetvalue(r, row, i));
}

int64_t mr_pg_i64(const PGresult *r, int row, const char *column, int64_t if_null)
{
	int64_t n = if_null;

	(void)mr_str_i64(mr_pg_text(r, row, column), &n);
	return n;
}

/* ---- the engine, played ---- */

struct fixture {
	uv_loop_t loop;
	struct mr_settings settings;
	struct mr_step_host host;
	char store[64];
};

static struct fixture *fx;

struct run {
	struct mr_step_exec x;
	unsigned done;
};

static void on_done(struct mr_step_exec *x)
{
	((struct run *)x->ctx)->done++;
}

/* Starts a step on file 7; JSON is its config. Returns what start() returned. */
static int start(struct run *r, const char *json)
{
	const struct mr_step_runner *runner = mr_step_runner(MR_STEP_FILE_PROCESS);
	struct mr_arena *a = mr_arena_create(64u << 20);

	*r = (struct run){ .x = { .host = &fx->host,
		               .arena = a,
		               .type = MR_STEP_FILE_PROCESS,
		               .tenant_id = 3,
		               .run_id = 5,
		               .workflow_id = 4,
		               .attempt = 1,
		               .timeout_us = 60000000,
		               .done = on_done,
		               .ctx = r } };
	assert_int_equal(mr_json_parse(a, mr_arena_str(a, mr_str(json)), &mr_json_limits_default,
	                     NULL, &r->x.config),
	    0);
	return runner->start(&r->x);
}

static void end(struct run *r)
{
	r->x.arena = mr_arena_free(r->x.arena);
}

static void finish(struct run *r)
{
	assert_int_equal(r->done, 0);
	while (r->done == 0)
		(void)uv_run(&fx->loop, UV_RUN_ONCE);
	assert_int_equal(r->done, 1);
	if (mr_sandbox_pool_state(fx->host.sandbox, NULL) == MR_SANDBOX_BROKEN)
		skip(); /* a machine without user namespaces */
	if (!r->x.ok && mr_str_eqz(r->x.error_type, "sandbox.unavailable"))
		fail_msg("%.*s", MR_STR_ARG(r->x.error_message));
}

/* File 7 is NAME in the store. */
static void use_file(const char *name)
{
	static char copy[64];
	char path[256];
	struct mr_sums sums;
	struct stat st;
	int fd;

	(void)snprintf(copy, sizeof(copy), "%s", name);
	(void)snprintf(path, sizeof(path), "%s/%s", fx->store, name);
	assert_int_equal(stat(path, &st), 0);
	db.key = db.name = copy;
	db.size = st.st_size;
	db.outcome = MR_PG_OK;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(mr_sums_of(fd, st.st_size, 1u << MR_SUM_SHA256, NULL, NULL, &sums), 0);
	(void)close(fd);
	memcpy(db.sha256, sums.hex[MR_SUM_SHA256], sizeof(db.sha256));
}

static void run(struct run *r, const char *name, const char *json)
{
	use_file(name);
	if (start(r, json) != 0)
		fail_msg("%s: %.*s", json, MR_STR_ARG(r->x.error_message));
	finish(r);
}

/* ---- files ---- */

static void put_bytes(const char *name, const void *p, size_t len)
{
	char path[256];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", fx->store, name);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(p, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

static void put(const char *name, const char *text)
{
	put_bytes(name, text, strlen(text));
}

/* Objects of a PDF, numbered from 1, with the table that leads to them. */
struct pdf {
	struct mr_buf b;
	size_t offsets[200];
	unsigned len;
};

static void pdf_begin(struct pdf *p)
{
	*p = (struct pdf){ .len = 0 };
	mr_buf_init(&p->b, 16u << 20);
	mr_buf_addz(&p->b, "%PDF-1.4\n");
}

static void pdf_object(struct pdf *p, const char *dict, struct mr_str stream)
{
	p->offsets[p->len++] = p->b.len;
	mr_buf_addf(&p->b, "%u 0 obj\n%s\n", p->len, dict);
	if (stream.p != NULL) {
		mr_buf_addz(&p->b, "stream\n");
		mr_buf_adds(&p->b, stream);
		mr_buf_addz(&p->b, "\nendstream\n");
	}
	mr_buf_addz(&p->b, "endobj\n");
}

static void pdf_end(struct pdf *p, const char *name)
{
	size_t at = p->b.len;

	mr_buf_addf(&p->b, "xref\n0 %u\n0000000000 65535 f \n", p->len + 1);
	for (unsigned i = 0; i < p->len; i++)
		mr_buf_addf(&p->b, "%010zu 00000 n \n", p->offsets[i]);
	mr_buf_addf(&p->b, "trailer\n<< /Size %u /Root 1 0 R >>\nstartxref\n%zu\n%%%%EOF\n",
	    p->len + 1, at);
	assert_false(mr_buf_failed(&p->b));
	put_bytes(name, p->b.p, p->b.len);
	mr_buf_done(&p->b);
}

/* PAGES pages of BOX, each with CONTENT; object 4 is what they draw with. */
static void make_pdf(const char *name, unsigned pages, const char *box, const char *content,
    const char *resource, struct mr_str resource_stream)
{
	char dict[256], kids[2000] = "";
	struct pdf p;

	for (unsigned i = 0; i < pages; i++)
		(void)snprintf(kids + strlen(kids), sizeof(kids) - strlen(kids), "%u 0 R ", 5 + i);
	pdf_begin(&p);
	pdf_object(&p, "<< /Type /Catalog /Pages 2 0 R >>", MR_STR_NONE);
	p.offsets[p.len++] = p.b.len;
	mr_buf_addf(
	    &p.b, "2 0 obj\n<< /Type /Pages /Count %u /Kids [ %s] >>\nendobj\n", pages, kids);
	(void)snprintf(dict, sizeof(dict), "<< /Length %zu >>", strlen(content));
	pdf_object(&p, dict, mr_str(content));
	pdf_object(&p, resource, resource_stream);
	for (unsigned i = 0; i < pages; i++) {
		(void)snprintf(dict, sizeof(dict),
		    "<< /Type /Page /Parent 2 0 R /MediaBox [%s] /Contents 3 0 R "
		    "/Resources << %s 4 0 R >> >> >>",
		    box, resource_stream.p == NULL ? "/Font << /F1" : "/XObject << /I1");
		pdf_object(&p, dict, MR_STR_NONE);
	}
	pdf_end(&p, name);
}

#define A4    "0 0 595 842"
#define FONT  "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"
#define WORDS "The quick brown fox jumps over the lazy dog near Millrace twelve words"
#define LETTER                                                                                     \
	"BT /F1 18 Tf 60 760 Td (The quick brown fox jumps over) Tj 0 -30 Td "                     \
	"(the lazy dog near Millrace) Tj 0 -30 Td (twelve words) Tj ET"

static void run_program(const char *const *argv)
{
	pid_t pid;
	int status = -1;

	assert_int_equal(
	    posix_spawn(&pid, argv[0], NULL, NULL, (char **)(uintptr_t)argv, environ), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* Pictures of letter.pdf, as a scanner makes them. */
static void make_scans(void)
{
	static const char *const kinds[][2] = { { "-png", "scan" }, { "-jpeg", "scan" },
		{ "-tiff", "scan" } };
	char pdf[128], out[128];

	(void)snprintf(pdf, sizeof(pdf), "%s/letter.pdf", fx->store);
	for (size_t i = 0; i < MR_ARRAY_LEN(kinds); i++) {
		const char *const argv[] = { "/usr/bin/pdftoppm", kinds[i][0], "-r", "150", "-gray",
			"-singlefile", pdf, out, NULL };

		(void)snprintf(out, sizeof(out), "%s/%s", fx->store, kinds[i][1]);
		run_program(argv);
	}
}

/* The picture in a PDF without any text. */
static void make_scanned_pdf(const char *name, unsigned pages)
{
	static char jpeg[4u << 20];
	char path[128], dict[256];
	FILE *f;
	size_t n;

	(void)snprintf(path, sizeof(path), "%s/scan.jpg", fx->store);
	f = fopen(path, "r");
	assert_non_null(f);
	n = fread(jpeg, 1, sizeof(jpeg), f);
	(void)fclose(f);
	(void)snprintf(dict, sizeof(dict),
	    "<< /Type /XObject /Subtype /Image /Width 1240 /Height 1755 /ColorSpace /DeviceRGB "
	    "/BitsPerComponent 8 /Filter /DCTDecode /Length %zu >>",
	    n);
	make_pdf(
	    name, pages, A4, "q 595 0 0 842 0 0 cm /I1 Do Q", dict, (struct mr_str){ jpeg, n });
}

/* A zip with one part of SIZE bytes: HEAD, then FILL again and again. */
static void make_docx(
    const char *name, const char *part, const char *head, const char *fill, size_t size)
{
	struct archive *a = archive_write_new();
	struct archive_entry *e = archive_entry_new();
	char path[128], block[4096];
	size_t left = size, n = strlen(head);

	(void)snprintf(path, sizeof(path), "%s/%s", fx->store, name);
	assert_int_equal(archive_write_set_format_zip(a), ARCHIVE_OK);
	assert_int_equal(archive_write_open_filename(a, path), ARCHIVE_OK);
	archive_entry_set_pathname(e, part);
	archive_entry_set_filetype(e, AE_IFREG);
	archive_entry_set_perm(e, 0600);
	archive_entry_set_size(e, (la_int64_t)size);
	assert_int_equal(archive_write_header(a, e), ARCHIVE_OK);
	assert_int_equal(archive_write_data(a, head, n), n);
	for (size_t i = 0; i < sizeof(block); i++)
		block[i] = fill[i % strlen(fill)];
	for (left -= n; left > 0; left -= n) {
		n = left < sizeof(block) ? left : sizeof(block);
		assert_int_equal(archive_write_data(a, block, n), n);
	}
	assert_int_equal(archive_write_close(a), ARCHIVE_OK);
	archive_entry_free(e);
	(void)archive_write_free(a);
}

static void cut_file(const char *from, const char *to, size_t keep)
{
	static char b[4u << 20];
	char path[128];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", fx->store, from);
	f = fopen(path, "r");
	assert_non_null(f);
	assert_true(fread(b, 1, sizeof(b), f) > keep);
	(void)fclose(f);
	put_bytes(to, b, keep);
}

static void make_files(void)
{
	static const char document[] =
	    "<w:document><w:body><w:p><w:r><w:t>Dear Sir,</w:t></w:r></w:p><w:p><w:r>"
	    "<w:t>R&amp;D says hello.</w:t></w:r></w:p></w:body></w:document>";

	make_pdf("letter.pdf", 1, A4, LETTER, FONT, MR_STR_NONE);
	make_pdf("two.pdf", 2, A4, LETTER, FONT, MR_STR_NONE);
	make_pdf("empty60.pdf", 60, A4, " ", FONT, MR_STR_NONE);
	make_pdf("blank.pdf", 1, A4, " ", FONT, MR_STR_NONE);
	make_pdf("wall.pdf", 1, "0 0 200000 200000", " ", FONT, MR_STR_NONE);
	make_scans();
	make_scanned_pdf("scan.pdf", 2);
	cut_file("scan.pdf", "cut.pdf", 5000);
	cut_file("scan.png", "cut.png", 3000);
	cut_file("letter.pdf", "cut-letter.pdf", 650);
	put("tail.pdf", "%PDF-1.7\nthis is no PDF at all\n%%EOF\n");
	put_bytes(
	    "tail.png", "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x40\0\0\0\x40\x08\0\0\0\0IEND", 33);
	put("junk.pdf", "%PDF-1.7\nthis is no PDF at all\n");
	make_docx("letter.docx", "word/document.xml", document, " ", strlen(document));
	make_docx("text-bomb.docx", "word/document.xml", "<w:t>", "bomb ", 12u << 20);
	make_docx("tag-bomb.docx", "word/document.xml", "<w:p ", "  ", 140u << 20);
	make_docx("other.docx", "xl/workbook.xml", document, " ", strlen(document));
	cut_file("letter.docx", "cut.docx", 60);
	put("page.html",
	    "<!doctype html><title>T</title><script>x()</script><p>Hi &amp; <b>bye</b>");
	put("notes.txt", "\xef\xbb\xbfone two\r\nthree \xc3\xa4\n");
	put("table.csv", "a,b\n1,2\n");
	put("latin1.txt", "Gr\xfc\xdf Gott");
	put("empty.txt", "");
	put("evil.jpg", "MZ\x90 this is a program");
	put_bytes("huge.png",
	    "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x1f\x40\0\0\x1f\x40\x08\0\0\0\0....", 33);
}

/* A line of SIZE bytes. */
static void put_long_line(const char *name, size_t size)
{
	char *p = malloc(size);

	assert_non_null(p);
	memset(p, 'x', size);
	memcpy(p, "a\n", 2);
	put_bytes(name, p, size);
	free(p);
}

/* A line of a gigabyte that takes no room on the disk: a hole behind its beginning. */
static void put_sparse(const char *name)
{
	char path[256];

	put_long_line(name, 100000);
	(void)snprintf(path, sizeof(path), "%s/%s", fx->store, name);
	assert_int_equal(truncate(path, (off_t)1 << 30), 0);
}

/* As JSON it is fifty times as long. */
static void put_wide(const char *name)
{
	static const char head[] = "a-name-that-is-repeated-for-each-of-many-short-rows\n";
	size_t size = 1u << 20, n = sizeof(head) - 1;
	char *p = malloc(size);

	assert_non_null(p);
	memcpy(p, head, n);
	for (size_t i = n; i < size; i++)
		p[i] = (i & 1) == 0 ? '\n' : '1';
	put_bytes(name, p, size);
	free(p);
}

/* A zip whose one member is a link of that name. */
static void make_link_zip(const char *name, const char *part)
{
	struct archive *a = archive_write_new();
	struct archive_entry *e = archive_entry_new();
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/%s", fx->store, name);
	assert_int_equal(archive_write_set_format_zip(a), ARCHIVE_OK);
	assert_int_equal(archive_write_open_filename(a, path), ARCHIVE_OK);
	archive_entry_set_pathname(e, part);
	archive_entry_set_filetype(e, AE_IFLNK);
	archive_entry_set_perm(e, 0777);
	archive_entry_set_symlink(e, "/etc/passwd");
	assert_int_equal(archive_write_header(a, e), ARCHIVE_OK);
	assert_int_equal(archive_write_close(a), ARCHIVE_OK);
	archive_entry_free(e);
	(void)archive_write_free(a);
}

/* A PDF that would run a script and a program, were it opened by a reader that does so. */
static void make_active_pdf(const char *name)
{
	static const char dict[] = "<< /Length 128 >>";
	struct pdf p;

	pdf_begin(&p);
	pdf_object(&p,
	    "<< /Type /Catalog /Pages 2 0 R /OpenAction << /S /JavaScript /JS "
	    "(app.launchURL\\(\"http://127.0.0.1/\"\\)) >> /AA << /WC << /S /Launch /F "
	    "(/bin/sh) >> >> >>",
	    MR_STR_NONE);
	pdf_object(&p, "<< /Type /Pages /Count 1 /Kids [ 5 0 R ] >>", MR_STR_NONE);
	pdf_object(&p, dict, mr_str(LETTER));
	pdf_object(&p, FONT, MR_STR_NONE);
	pdf_object(&p,
	    "<< /Type /Page /Parent 2 0 R /MediaBox [" A4
	    "] /Contents 3 0 R /Resources << /Font << "
	    "/F1 4 0 R >> >> /AA << /O << /S /Launch /F (/bin/sh) >> >> >>",
	    MR_STR_NONE);
	pdf_end(&p, name);
}

static void join_files(const char *first, const char *second, const char *to)
{
	static char b[4u << 20];
	const char *const names[] = { first, second };
	size_t n = 0;

	for (size_t i = 0; i < 2; i++) {
		char path[128];
		FILE *f;

		(void)snprintf(path, sizeof(path), "%s/%s", fx->store, names[i]);
		f = fopen(path, "re");
		assert_non_null(f);
		n += fread(b + n, 1, sizeof(b) - n, f);
		(void)fclose(f);
	}
	put_bytes(to, b, n);
}

#define WORD(text)                                                                                 \
	"<w:document><w:body><w:p><w:r><w:t>" text "</w:t></w:r></w:p></w:body></w:document>"

static void make_docx_of(const char *name, const char *part, const char *xml)
{
	make_docx(name, part, xml, " ", strlen(xml));
}

static void make_hostile_files(void)
{
	make_active_pdf("active.pdf");
	make_docx_of("laughs.docx", "word/document.xml",
	    "<?xml version=\"1.0\"?><!DOCTYPE lolz [<!ENTITY a \"lol\"><!ENTITY b "
	    "\"&a;&a;&a;&a;&a;&a;&a;&a;\"><!ENTITY c \"&b;&b;&b;&b;&b;&b;&b;&b;\">]>" WORD("&c;"));
	make_docx_of("outside.docx", "word/document.xml",
	    "<!DOCTYPE x [<!ENTITY f SYSTEM \"file:///etc/passwd\"><!ENTITY h SYSTEM "
	    "\"http://127.0.0.1/\">]>" WORD("&f;&h;"));
	make_docx_of("climbs.docx", "../../word/document.xml", WORD("x"));
	make_link_zip("link.docx", "word/document.xml");
	put_bytes("gigantic.png",
	    "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\x7f\xff\xff\xff\x7f\xff\xff\xff\x08\0\0\0\0....IEND",
	    37);
	put_bytes(
	    "zero.png", "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\0\0\0\0\0\x08\0\0\0\0....IEND", 37);
	put_bytes("gigantic.gif", "GIF89a\xff\xff\xff\xff\0\0\0;", 14);
	put("script.gif", "GIF89a/*<script>alert(1)</script>*/=1;");
	put_bytes(
	    "dot.gif", "GIF89a\1\0\1\0\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\1\0\1\0\0\2\2D\1\0;", 35);
	join_files("letter.pdf", "letter.docx", "both.pdf");
	join_files("letter.pdf", "empty.txt", "pdf-named.png");
	put("ragged.csv", "a,b\n1,2\n3\n");
	put("table.tsv", "a\tb\n1,5\t2\n");
	put("semi.csv", "a;b\n1,5;2\n");
	put("list.json", "[{\"a\": 1, \"b\": {\"c\": \"x\"}}, {\"b\": {\"c\": \"y\"}}]");
	put_long_line("long-line.csv", 4u << 20);
	put_sparse("sparse.csv");
	put_wide("wide.csv");
}

static int setup_group(void **state)
{
	const char *build = getenv("top_builddir");
	char path[4096];

	fx = calloc(1, sizeof(*fx));
	(void)snprintf(fx->store, sizeof(fx->store), "/tmp/mr-files-XXXXXX");
	if (mkdtemp(fx->store) == NULL || uv_loop_init(&fx->loop) != 0)
		return -1;
	if (build != NULL && realpath(build, path) != NULL)
		(void)setenv("MILLRACE_LIBEXEC_DIR", path, 1);
	fx->settings.sandbox = "namespaces";
	fx->settings.file_store = fx->store;
	fx->settings.max_upload_bytes = 20000000;
	fx->host.loop = &fx->loop;
	fx->host.settings = &fx->settings;
	(void)uv_timer_init(&fx->loop, &db.timer);
	make_files();
	make_hostile_files();
	(void)state;
	return mr_sandbox_pool_create(&fx->loop, &fx->settings, &fx->host.sandbox, NULL);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int teardown_group(void **state)
{
	(void)state;
	mr_sandbox_pool_close(fx->host.sandbox, NULL, NULL);
	uv_close((uv_handle_t *)&db.timer, NULL);
	(void)uv_run(&fx->loop, UV_RUN_DEFAULT);
	if (uv_loop_close(&fx->loop) != 0)
		return -1;
	(void)nftw(fx->store, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(fx);
	return 0;
}

/* ---- tests ---- */

static int64_t number(const struct run *r, const char *member)
{
	const struct mr_value *v = mr_value_get(&r->x.result, member);

	assert_non_null(v);
	assert_int_equal(v->kind, MR_VALUE_INT);
	return v->i;
}

static const struct {
	const char *file, *config;
	bool valid;
	const char *type, *error; /* detected_type; what the first error says */
} validations[] = {
	{ "letter.pdf", "{}", true, "pdf", NULL },
	{ "letter.pdf", "{\"allowed_types\": [\"pdf\", \"jpg\", \"png\"], \"max_size_mb\": 10}",
	    true, "pdf", NULL },
	{ "scan.jpg", "{\"allowed_types\": [\"jpeg\"]}", true, "jpg", NULL },
	{ "scan.png", "{\"allowed_types\": [\".PNG\"]}", true, "png", NULL },
	{ "scan.tif", "{\"allowed_types\": [\"image/tiff\"]}", true, "tiff", NULL },
	{ "letter.docx", "{\"allowed_types\": \"pdf, docx\"}", true, "docx", NULL },
	{ "table.csv", "{\"allowed_types\": [\"csv\"]}", true, "txt", NULL },
	{ "page.html", "{\"allowed_types\": [\"html\"]}", true, "html", NULL },
	{ "table.csv", "{\"allowed_types\": [\"pdf\"]}", false, "txt",
	    "not among the allowed types: pdf" },
	{ "notes.txt", "{\"allowed_types\": [\"csv\"]}", false, "txt", "not among" },
	{ "evil.jpg", "{\"allowed_types\": [\"jpg\"]}", false, "unknown", "not that of a jpg" },
	{ "other.docx", "{}", false, "zip", "that of a zip file, not of a docx" },
	{ "latin1.txt", "{}", false, "unknown", "not that of a txt" },
	{ "empty.txt", "{}", false, "empty", "is empty" },
	{ "letter.pdf", "{\"max_size_mb\": 0.0001}", false, "pdf", "at most 0.0001 MB" },
};

static void check_validation(size_t i, bool may_fail)
{
	char config[300];
	struct run r;
	struct mr_value *result;

	(void)snprintf(config, sizeof(config),
	    "{\"action\": \"validate\", \"file_id\": \"file_7\"%s%s%s",
	    may_fail ? "" : ", \"fail_on_invalid\": false",
	    validations[i].config[1] == '}' ? "" : ", ", validations[i].config + 1);
	run(&r, validations[i].file, config);
	assert_int_equal(db.file_id, 7);
	assert_int_equal(db.tenant_id, 3);
	if (r.x.ok != (validations[i].valid || !may_fail))
		fail_msg("%s %s: %.*s", validations[i].file, config, MR_STR_ARG(r.x.error_message));
	result = r.x.ok ? &r.x.result : &r.x.error_data;
	assert_int_equal(mr_value_get(result, "valid")->b, validations[i].valid);
	assert_str(mr_value_get_str(result, "detected_type"), validations[i].type);
	assert_str(mr_value_get_str(result, "file_name"), validations[i].file);
	assert_int_equal(mr_value_get(result, "size")->i, db.size);
	if (!r.x.ok) {
		assert_str(r.x.error_type, "validation");
		assert_false(r.x.retryable);
		assert_non_null(strstr(r.x.error_message.p, validations[i].error));
	}
	end(&r);
}

static void test_validate(void **state)
{
	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(validations); i++) {
		check_validation(i, true);
		check_validation(i, false);
	}
}

static const struct {
	const char *file, *action, *content; /* NULL: WORDS, whatever the lines */
	int64_t words, pages;                /* 0: no such member */
} texts[] = {
	{ "letter.pdf", "extract", NULL, 13, 1 },
	{ "two.pdf", "extract", "", 26, 2 },
	{ "blank.pdf", "extract", "", 0, 1 },
	{ "letter.docx", "extract", "Dear Sir,\nR&D says hello.", 5, 0 },
	{ "page.html", "extract", "Hi & bye", 3, 0 },
	{ "notes.txt", "extract", "one two\nthree \xc3\xa4", 4, 0 },
	{ "table.csv", "extract", "a,b\n1,2", 2, 0 },
	{ "letter.pdf", "ocr_extract", NULL, 13, 1 },
	{ "scan.png", "ocr_extract", NULL, 13, 1 },
	{ "scan.jpg", "ocr_extract", NULL, 13, 1 },
	{ "scan.tif", "ocr_extract", NULL, 13, 1 },
	{ "scan.pdf", "ocr_extract", "", 26, 2 },
	{ "blank.pdf", "ocr_extract", "", 0, 1 },
};

/* The words of S with one blank between them. */
static struct mr_str words_of(struct mr_arena *a, struct mr_str s)
{
	char *out = mr_arena_alloc(a, s.len + 1);
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++) {
		bool blank = s.p[i] == ' ' || s.p[i] == '\n';

		if (!blank)
			out[n++] = s.p[i];
		else if (n > 0 && out[n - 1] != ' ')
			out[n++] = ' ';
	}
	return (struct mr_str){ out, n };
}

static void check_text(size_t i)
{
	char config[200];
	struct mr_str content;
	struct run r;

	(void)snprintf(
	    config, sizeof(config), "{\"action\": \"%s\", \"file_id\": 7}", texts[i].action);
	run(&r, texts[i].file, config);
	if (!r.x.ok)
		fail_msg("%s: %.*s", texts[i].file, MR_STR_ARG(r.x.error_message));
	content = mr_value_get_str(&r.x.result, "content");
	if (number(&r, "word_count") != texts[i].words)
		fail_msg("%s %s: %.*s", texts[i].action, texts[i].file, MR_STR_ARG(content));
	if (texts[i].content == NULL)
		assert_str(words_of(r.x.arena, content), WORDS);
	else if (texts[i].content[0] != '\0')
		assert_str(content, texts[i].content);
	assert_int_equal(number(&r, "file_id"), 7);
	assert_int_equal(number(&r, "size"), db.size);
	if (texts[i].pages > 0)
		assert_int_equal(number(&r, "pages"), texts[i].pages);
	else
		assert_null(mr_value_get(&r.x.result, "pages"));
	if (strcmp(texts[i].action, "ocr_extract") == 0)
		assert_str(mr_value_get_str(&r.x.result, "language"), "en");
	end(&r);
}

static void test_texts(void **state)
{
	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(texts); i++)
		check_text(i);
}

static const struct {
	const char *file, *config, *type, *says;
} troubles[] = {
	{ "junk.pdf", "\"action\": \"extract\"", "validation", "cut off" },
	{ "junk.pdf", "\"action\": \"ocr_extract\"", "validation", "cut off" },
	{ "cut.pdf", "\"action\": \"ocr_extract\"", "validation", "cut off" },
	{ "cut.png", "\"action\": \"ocr_extract\"", "validation", "cut off" },
	{ "cut-letter.pdf", "\"action\": \"extract\"", "validation", "cut off" },
	{ "cut-letter.pdf", "\"action\": \"validate\"", "validation", "cut off" },
	{ "tail.pdf", "\"action\": \"extract\"", "validation", "can't be read as PDF" },
	{ "tail.png", "\"action\": \"ocr_extract\"", "validation", "can't be read as image" },
	{ "cut.docx", "\"action\": \"extract\"", "validation", "" },
	{ "other.docx", "\"action\": \"extract\"", "validation", "no PDF, docx" },
	{ "text-bomb.docx", "\"action\": \"extract\"", "limit", "unpacks to more" },
	{ "tag-bomb.docx", "\"action\": \"extract\"", "limit", "unpacks to more" },
	{ "huge.png", "\"action\": \"ocr_extract\"", "limit", "64.0 megapixels" },
	{ "empty60.pdf", "\"action\": \"ocr_extract\"", "limit", "60 scanned pages" },
	{ "wall.pdf", "\"action\": \"ocr_extract\"", "limit", "too large" },
	{ "evil.jpg", "\"action\": \"ocr_extract\"", "validation", "Only PDF" },
	{ "notes.txt", "\"action\": \"ocr_extract\"", "validation", "Only PDF" },
	{ "scan.png", "\"action\": \"extract\"", "validation", "use the action ocr_extract" },
	{ "latin1.txt", "\"action\": \"extract\"", "validation", "UTF-8" },
	{ "scan.png", "\"action\": \"ocr_extract\", \"language\": \"mi\"", NULL,
	    "no known language" },
	{ "scan.png", "\"action\": \"ocr_extract\", \"language\": [\"en\", \"ja\"]", "validation",
	    "which has: " },
	{ "scan.png", "\"action\": \"compress\"", NULL, "config.action" },
	{ "scan.png", "\"action\": \"convert\"", NULL, "config.to" },
	{ "scan.png", "\"action\": 5", NULL, "config.action" },
	{ "scan.png", "\"file_id\": 7", NULL, "config.action" },
	{ "scan.png", "\"action\": \"validate\", \"max_size_mb\": \"x\"", NULL, "max_size_mb" },
	{ "scan.png", "\"action\": \"validate\", \"max_size_mb\": -1", NULL, "max_size_mb" },
	{ "scan.png", "\"action\": \"validate\", \"allowed_types\": {}", NULL, "allowed_types" },
	{ "scan.png", "\"action\": \"validate\", \"fail_on_invalid\": 1", NULL, "fail_on_invalid" },
};

static void test_troubles(void **state)
{
	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(troubles); i++) {
		bool has_id = strstr(troubles[i].config, "file_id") != NULL;
		char config[200];
		struct run r;

		(void)snprintf(config, sizeof(config), "{%s%s}",
		    has_id ? "" : "\"file_id\": \"7\", ", troubles[i].config);
		use_file(troubles[i].file);
		if (start(&r, config) == 0)
			finish(&r);
		else
			assert_null(troubles[i].type); /* known at once */
		if (r.x.ok || strstr(r.x.error_message.p, troubles[i].says) == NULL ||
		    !mr_str_eqz(
		        r.x.error_type, troubles[i].type != NULL ? troubles[i].type : "validation"))
			fail_msg("%s %s: %.*s: %.*s", troubles[i].file, config,
			    MR_STR_ARG(r.x.error_type), MR_STR_ARG(r.x.error_message));
		assert_false(r.x.retryable);
		end(&r);
	}
}

static void test_ids(void **state)
{
	static const char *const bad[] = { "\"\"", "\"x\"", "0", "-1", "1.5", "\"file_\"", "[]",
		"\"run_7\"", "\"99999999999999999999\"", "null" };

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(bad); i++) {
		char config[100];
		struct run r;

		(void)snprintf(
		    config, sizeof(config), "{\"action\": \"validate\", \"file_id\": %s}", bad[i]);
		if (start(&r, config) != MR_E_INVALID)
			fail_msg("%s", bad[i]);
		assert_str(r.x.error_type, "validation");
		end(&r);
	}
}

/* What the database or the store can lack. */
static void test_missing(void **state)
{
	static const char config[] = "{\"action\": \"validate\", \"file_id\": 7}";
	static const char *const keys[] = { "nothing", "../etc/passwd", "/etc/passwd", "link",
		"dir/../notes.txt", "dir", "", ".", "dirlink/notes.txt", "a/b/c/d/e/f/g/h/i" };
	char path[128], to[128];
	struct run r;

	(void)state;
	use_file("notes.txt");
	(void)snprintf(path, sizeof(path), "%s/link", fx->store);
	(void)snprintf(to, sizeof(to), "%s/notes.txt", fx->store);
	assert_int_equal(symlink(to, path), 0);
	(void)snprintf(path, sizeof(path), "%s/dirlink", fx->store);
	assert_int_equal(symlink(fx->store, path), 0);
	(void)snprintf(path, sizeof(path), "%s/dir", fx->store);
	assert_int_equal(mkdir(path, 0700), 0);
	for (size_t i = 0; i < MR_ARRAY_LEN(keys); i++) {
		use_file("notes.txt");
		db.key = keys[i];
		assert_int_equal(start(&r, config), 0);
		finish(&r);
		if (r.x.ok || !mr_str_eqz(r.x.error_type, "unavailable"))
			fail_msg("%s", keys[i]);
		assert_true(r.x.retryable);
		assert_null(strstr(r.x.error_message.p, "/"));
		end(&r);
	}
	db.key = NULL;
	assert_int_equal(start(&r, config), 0);
	finish(&r);
	assert_str(r.x.error_type, "validation");
	assert_str(r.x.error_message, "There is no file 7.");
	end(&r);
	use_file("notes.txt");
	db.outcome = MR_PG_UNAVAILABLE;
	assert_int_equal(start(&r, config), 0);
	finish(&r);
	assert_str(r.x.error_type, "unavailable");
	end(&r);
}

static const struct {
	const char *config, *says; /* NULL: it ends well */
	const char *algorithm, *sum;
	bool valid;
} sums[] = {
	{ "", NULL, "sha256", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
	    true },
	{ "\"algorithm\": \"MD5\"", NULL, "md5", "900150983cd24fb0d6963f7d28e17f72", true },
	{ "\"algorithm\": [\"crc32\", \"sha-256\"]", NULL, "crc32", "352441c2", true },
	{ "\"algorithm\": \"crc-32, md5, crc32\"", NULL, "crc32", "352441c2", true },
	{ "\"algorithm\": \"sha512\"", NULL, "sha512",
	    "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
	    "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
	    true },
	{ "\"algorithm\": \"crc32\", \"expected\": \" 352441C2 \"", NULL, "crc32", "352441c2",
	    true },
	{ "\"algorithm\": \"crc32\", \"expected\": \"352441c3\", \"fail_on_invalid\": false", NULL,
	    "crc32", "352441c2", false },
	{ "\"algorithm\": \"crc32\", \"expected\": \"352441c3\"",
	    "sum is 352441c2, not the expected 352441c3", "crc32", "352441c2", false },
	{ "\"algorithm\": \"sha1\"", "none of sha256, sha512, md5, crc32", NULL, NULL, false },
	{ "\"expected\": \"352441c3\"", "has 8 digits; a sum by sha256 has 64", NULL, NULL, false },
	{ "\"expected\": \"xyz\"", "hexadecimal", NULL, NULL, false },
	{ "\"algorithm\": 5", "must be a list of", NULL, NULL, false },
};

static void check_sum(size_t i)
{
	char config[300];
	struct run r;
	struct mr_value *result;

	use_file("abc.bin");
	(void)snprintf(config, sizeof(config), "{\"action\": \"checksum\", \"file_id\": 7%s%s}",
	    sums[i].config[0] != '\0' ? ", " : "", sums[i].config);
	if (start(&r, config) == 0)
		finish(&r);
	if (r.x.ok != (sums[i].says == NULL))
		fail_msg("%s: %.*s", config, MR_STR_ARG(r.x.error_message));
	if (!r.x.ok && strstr(r.x.error_message.p, sums[i].says) == NULL)
		fail_msg("%s: %.*s", config, MR_STR_ARG(r.x.error_message));
	result = r.x.ok ? &r.x.result : &r.x.error_data;
	if (sums[i].sum != NULL) {
		struct mr_value all = *mr_value_get(result, "checksums");

		assert_str(mr_value_get_str(result, "checksum"), sums[i].sum);
		assert_str(mr_value_get_str(result, "algorithm"), sums[i].algorithm);
		assert_str(mr_value_get_str(&all, sums[i].algorithm), sums[i].sum);
		assert_int_equal(mr_value_get(result, "valid")->b, sums[i].valid);
		assert_int_equal(mr_value_get(result, "size")->i, 3);
	}
	end(&r);
}

static void test_checksums(void **state)
{
	(void)state;
	put("abc.bin", "abc");
	for (size_t i = 0; i < MR_ARRAY_LEN(sums); i++)
		check_sum(i);
}

static const struct {
	const char *file, *config, *content; /* NULL: not compared */
	const char *name, *type;
	int64_t rows; /* -1: no such member */
} conversions[] = {
	{ "table.csv", "\"to\": \"json\"", "[\n{\"a\":\"1\",\"b\":\"2\"}\n]\n", "table.json",
	    "application/json", 1 },
	{ "table.csv", "\"to\": \"JSON\", \"header\": false, \"name\": \"rows\"",
	    "[\n[\"a\",\"b\"],\n[\"1\",\"2\"]\n]\n", "rows", "application/json", 2 },
	{ "table.tsv", "\"to\": \"json\"", "[\n{\"a\":\"1,5\",\"b\":\"2\"}\n]\n", "table.json",
	    "application/json", 1 },
	{ "semi.csv", "\"to\": \"json\", \"delimiter\": \"semicolon\"",
	    "[\n{\"a\":\"1,5\",\"b\":\"2\"}\n]\n", "semi.json", "application/json", 1 },
	{ "list.json", "\"to\": \"csv\"", "a,b.c\r\n1,x\r\n,y\r\n", "list.csv",
	    "text/csv; charset=utf-8", 2 },
	{ "letter.pdf", "\"to\": \"txt\"", NULL, "letter.txt", "text/plain; charset=utf-8", -1 },
	{ "active.pdf", "\"to\": \"txt\"", NULL, "active.txt", "text/plain; charset=utf-8", -1 },
	{ "letter.docx", "\"to\": \"txt\"", "Dear Sir,\nR&D says hello.\n", "letter.txt",
	    "text/plain; charset=utf-8", -1 },
	{ "page.html", "\"to\": \"txt\"", "Hi & bye", "page.txt", "text/plain; charset=utf-8", -1 },
	{ "scan.jpg", "\"to\": \"png\"", NULL, "scan.png", "image/png", -1 },
	{ "scan.tif", "\"to\": \"png\"", NULL, "scan.png", "image/png", -1 },
	{ "scan.png", "\"to\": \"png\"", NULL, "scan.png", "image/png", -1 },
	{ "dot.gif", "\"to\": \"png\"", NULL, "dot.png", "image/png", -1 },
};

/* Files in the store's own folders: what conversions have left there. */
static unsigned stored;

static int count_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)path;
	(void)st;
	stored += type == FTW_F && ftw->level == 3; /* 3/ab/… */
	return 0;
}

static unsigned count_stored(void)
{
	stored = 0;
	(void)nftw(fx->store, count_one, 8, FTW_PHYS);
	return stored;
}

/* What threads do for jobs that were given up has been done too: its file comes before it goes. */
static bool has_settled(unsigned wanted)
{
	return fx->loop.active_reqs.count == 0 && count_stored() == wanted;
}

/* What goes in the background has gone. */
static void wait_stored(unsigned wanted)
{
	uint64_t until = uv_hrtime() + (uint64_t)20 * 1000000000;

	while (!has_settled(wanted) && uv_hrtime() < until)
		(void)uv_run(&fx->loop, UV_RUN_NOWAIT);
	assert_true(has_settled(wanted));
}

static void check_content(size_t i)
{
	static char content[1u << 20];
	char path[256];
	size_t n;
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", fx->store, db.out_key);
	f = fopen(path, "re");
	assert_non_null(f);
	n = fread(content, 1, sizeof(content) - 1, f);
	content[n] = '\0';
	(void)fclose(f);
	assert_true((int64_t)n == db.out_size || n == sizeof(content) - 1);
	if (conversions[i].content != NULL)
		assert_string_equal(content, conversions[i].content);
	else if (strstr(conversions[i].name, ".txt") != NULL)
		assert_non_null(strstr(content, "quick brown fox"));
	else
		assert_memory_equal(content, "\x89PNG\r\n\x1a\n", 8);
	assert_int_equal(remove(path), 0);
}

static void test_convert(void **state)
{
	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(conversions); i++) {
		char config[200];
		struct run r;

		(void)snprintf(config, sizeof(config),
		    "{\"action\": \"convert\", \"file_id\": 7, %s}", conversions[i].config);
		run(&r, conversions[i].file, config);
		if (!r.x.ok)
			fail_msg("%s %s: %.*s", conversions[i].file, config,
			    MR_STR_ARG(r.x.error_message));
		assert_string_equal(db.out_name, conversions[i].name);
		assert_string_equal(db.out_type, conversions[i].type);
		assert_int_equal(db.run_id, 5);
		assert_int_equal(number(&r, "file_id"), 8);
		assert_int_equal(number(&r, "source_file_id"), 7);
		assert_int_equal(number(&r, "size"), db.out_size);
		if (conversions[i].rows >= 0)
			assert_int_equal(number(&r, "rows"), conversions[i].rows);
		else
			assert_null(mr_value_get(&r.x.result, "rows"));
		check_content(i);
		end(&r);
	}
	wait_stored(0);
}

/* What is refused, or can't be recorded, leaves nothing behind. */
static const struct {
	const char *file, *to, *type, *says;
} refusals[] = {
	{ "letter.pdf", "json", "validation", "content is pdf can't be converted to json" },
	{ "letter.pdf", "png", "validation", "content is pdf can't be converted to png" },
	{ "scan.png", "txt", "validation", "content is png can't be converted to txt" },
	{ "latin1.txt", "json", "validation", "texts must be UTF-8" },
	{ "ragged.csv", "json", "validation",
	    "can't be read as CSV: line 3 has 1 field; the first row has 2." },
	{ "table.csv", "csv", "validation", "can't be read as JSON: the file begins neither" },
	{ "long-line.csv", "json", "limit", "line 2: a field is longer than 1048576 bytes" },
	{ "sparse.csv", "json", "validation", "line 2 holds a NUL byte" },
	{ "wide.csv", "json", "limit", "gives a larger result" },
	{ "cut.pdf", "txt", "validation", "cut off" },
	{ "tail.pdf", "txt", "validation", "can't be read as PDF" },
	{ "text-bomb.docx", "txt", "limit", "unpacks to more" },
	{ "tag-bomb.docx", "txt", "limit", "unpacks to more" },
	{ "laughs.docx", "txt", "validation", "declares entities" },
	{ "outside.docx", "txt", "validation", "declares entities" },
	{ "climbs.docx", "txt", "validation", "content is zip can't be converted" },
	{ "link.docx", "txt", "validation", "can't be read as docx" },
	{ "huge.png", "png", "limit", "64.0 megapixels" },
	{ "gigantic.png", "png", "limit", "megapixels" },
	{ "gigantic.gif", "png", "limit", "megapixels" },
	{ "zero.png", "png", "validation", "width and height can't be told" },
	{ "cut.png", "png", "validation", "cut off" },
	{ "tail.png", "png", "validation", "can't be read as image" },
	{ "script.gif", "png", "limit", "megapixels" },
	{ "pdf-named.png", "png", "validation", "content is pdf" },
	{ "both.pdf", "png", "validation", "content is pdf" },
	{ "evil.jpg", "png", "validation", "content is unknown" },
};

static void test_convert_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(refusals); i++) {
		char config[100];
		struct run r;

		(void)snprintf(config, sizeof(config),
		    "{\"action\": \"convert\", \"file_id\": 7, \"to\": \"%s\"}", refusals[i].to);
		run(&r, refusals[i].file, config);
		if (r.x.ok || strstr(r.x.error_message.p, refusals[i].says) == NULL ||
		    !mr_str_eqz(r.x.error_type, refusals[i].type))
			fail_msg("%s: %.*s: %.*s", refusals[i].file, MR_STR_ARG(r.x.error_type),
			    MR_STR_ARG(r.x.error_message));
		assert_false(r.x.retryable);
		assert_null(strstr(r.x.error_message.p, "/"));
		end(&r);
		assert_int_equal(count_stored(), 0);
	}
}

static void test_convert_row(void **state)
{
	static const char config[] = "{\"action\": \"convert\", \"file_id\": 7, \"to\": \"json\"}";
	struct run r;

	(void)state;
	/* an attempt before this one has made the same: that file it is */
	db.other_key = "3/00/00000000000000000000000000000000";
	run(&r, "table.csv", config);
	assert_true(r.x.ok);
	assert_int_equal(number(&r, "file_id"), 8);
	end(&r);
	db.other_key = NULL;
	wait_stored(0);
	db.create_outcome = MR_PG_ERROR;
	run(&r, "table.csv", config);
	assert_false(r.x.ok);
	assert_str(r.x.error_type, "unavailable");
	assert_true(r.x.retryable);
	end(&r);
	wait_stored(0);
	/* perhaps the row was written: then the bytes must be there */
	db.create_outcome = MR_PG_UNAVAILABLE;
	run(&r, "table.csv", config);
	assert_false(r.x.ok);
	assert_true(r.x.retryable);
	end(&r);
	db.create_outcome = MR_PG_OK;
	for (int i = 0; i < 20; i++)
		(void)uv_run(&fx->loop, UV_RUN_NOWAIT);
	assert_int_equal(count_stored(), 1);
	assert_int_equal(mr_store_remove(fx->store, mr_str(db.out_key)), 0);
}

/* Aborted after 0, 1, 2, … turns of the loop. */
static void test_convert_aborted(void **state)
{
	(void)state;
	for (int turns = 0; turns < 20; turns++) {
		struct run r;

		db.out_key[0] = '\0';
		use_file("table.csv");
		assert_int_equal(
		    start(&r, "{\"action\": \"convert\", \"file_id\": 7, \"to\": \"json\"}"), 0);
		for (int i = 0; i < turns && r.done == 0; i++)
			(void)uv_run(&fx->loop, UV_RUN_ONCE);
		if (r.done == 0)
			mr_step_runner(MR_STEP_FILE_PROCESS)->abort(&r.x);
		end(&r);
		while (db.unit != NULL || mr_sandbox_running(fx->host.sandbox) > 0)
			(void)uv_run(&fx->loop, UV_RUN_ONCE);
		if (db.out_key[0] != '\0') /* its row was written, or may have been */
			assert_int_equal(mr_store_remove(fx->store, mr_str(db.out_key)), 0);
		wait_stored(0);
	}
}

/* What lies in the store is not what was put there: no action gives wrong data. */
static void test_changed(void **state)
{
	static const char *const actions[] = { "validate", "extract", "ocr_extract", "checksum" };
	static const char *const contents[] = { "one twO", "one tw", "one two!", "" };

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(actions) * MR_ARRAY_LEN(contents); i++) {
		char config[100];
		struct run r;

		put("changed.txt", "one two");
		use_file("changed.txt");
		put("changed.txt", contents[i / MR_ARRAY_LEN(actions)]);
		(void)snprintf(config, sizeof(config), "{\"action\": \"%s\", \"file_id\": 7}",
		    actions[i % MR_ARRAY_LEN(actions)]);
		assert_int_equal(start(&r, config), 0);
		finish(&r);
		assert_false(r.x.ok);
		assert_str(r.x.error_type, "damaged");
		assert_str(r.x.error_message, "The content of file 7 in the store is not what was "
		                              "stored: it was cut off or changed.");
		assert_false(r.x.retryable);
		end(&r);
	}
}

static void test_nested_key(void **state)
{
	static const char config[] = "{\"action\": \"extract\", \"file_id\": 7}";
	char path[128];
	struct run r;

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/12", fx->store);
	assert_int_equal(mkdir(path, 0700), 0);
	put("12/ab", "deep");
	use_file("12/ab");
	assert_int_equal(start(&r, config), 0);
	finish(&r);
	assert_true(r.x.ok);
	assert_str(mr_value_get_str(&r.x.result, "content"), "deep");
	end(&r);
}

static void test_timeout(void **state)
{
	struct run r;

	(void)state;
	use_file("scan.pdf");
	assert_int_equal(start(&r, "{\"action\": \"ocr_extract\", \"file_id\": 7}"), 0);
	end(&r); /* the arena that start() made; begin again with less time */
	mr_step_runner(MR_STEP_FILE_PROCESS)->abort(&r.x);
	while (db.unit != NULL)
		(void)uv_run(&fx->loop, UV_RUN_ONCE);
	r = (struct run){ .x = { .host = &fx->host,
		              .arena = mr_arena_create(1 << 20),
		              .tenant_id = 3,
		              .timeout_us = 80000,
		              .done = on_done,
		              .ctx = &r } };
	assert_int_equal(
	    mr_json_parse(r.x.arena, MR_STR("{\"action\": \"ocr_extract\", \"file_id\": 7}"),
	        &mr_json_limits_default, NULL, &r.x.config),
	    0);
	assert_int_equal(mr_step_runner(MR_STEP_FILE_PROCESS)->start(&r.x), 0);
	finish(&r);
	assert_false(r.x.ok);
	assert_str(r.x.error_type, "timeout");
	end(&r);
}

/* Aborted after 0, 1, 2, … turns of the loop: while PostgreSQL, the thread or a helper works. */
static void test_abort(void **state)
{
	(void)state;
	for (int turns = 0; turns < 12; turns++) {
		struct run r;

		use_file("scan.pdf");
		assert_int_equal(start(&r, "{\"action\": \"ocr_extract\", \"file_id\": 7}"), 0);
		for (int i = 0; i < turns && r.done == 0; i++)
			(void)uv_run(&fx->loop, UV_RUN_ONCE);
		if (r.done == 0)
			mr_step_runner(MR_STEP_FILE_PROCESS)->abort(&r.x);
		end(&r);
		while (db.unit != NULL)
			(void)uv_run(&fx->loop, UV_RUN_ONCE);
		assert_int_equal(r.done, 0);
	}
	while (mr_sandbox_running(fx->host.sandbox) > 0)
		(void)uv_run(&fx->loop, UV_RUN_ONCE);
}

/* More at once than may have their file open; every third is aborted on the way. */
static void test_many(void **state)
{
	static struct run r[200];

	(void)state;
	use_file("notes.txt");
	for (size_t i = 0; i < MR_ARRAY_LEN(r); i++) {
		assert_int_equal(start(&r[i], "{\"action\": \"extract\", \"file_id\": 7}"), 0);
		while (db.unit != NULL) /* its row is there: it stands in line, or goes on */
			(void)uv_run(&fx->loop, UV_RUN_NOWAIT);
	}
	for (size_t i = 0; i < MR_ARRAY_LEN(r); i++) {
		if (i % 3 == 0 && r[i].done == 0)
			mr_step_runner(MR_STEP_FILE_PROCESS)->abort(&r[i].x);
	}
	for (size_t i = 0; i < MR_ARRAY_LEN(r); i++) {
		while (i % 3 != 0 && r[i].done == 0)
			(void)uv_run(&fx->loop, UV_RUN_ONCE);
		assert_true(i % 3 == 0 || r[i].x.ok);
		end(&r[i]);
	}
}

/* While many wait for a helper, those behind them stand in line; all end. */
static void test_line(void **state)
{
	static struct run r[100];
	size_t ended = 0;

	(void)state;
	use_file("page.html");
	for (size_t i = 0; i < MR_ARRAY_LEN(r); i++) {
		assert_int_equal(start(&r[i], "{\"action\": \"extract\", \"file_id\": 7}"), 0);
		while (db.unit != NULL)
			(void)uv_run(&fx->loop, UV_RUN_NOWAIT);
	}
	assert_in_range(mr_sandbox_queued(fx->host.sandbox), 0, 64);
	for (size_t i = 0; i < MR_ARRAY_LEN(r); i++) {
		while (r[i].done == 0)
			(void)uv_run(&fx->loop, UV_RUN_ONCE);
		ended += r[i].x.ok;
		end(&r[i]);
	}
	if (mr_sandbox_pool_state(fx->host.sandbox, NULL) == MR_SANDBOX_READY)
		assert_int_equal(ended, MR_ARRAY_LEN(r));
}

/* An execution's arena that is too small is an error of the step. */
static void test_small_arena(void **state)
{
	static const char config[] = "{\"action\": \"extract\", \"file_id\": 7}";
	struct run r;

	(void)state;
	use_file("letter.pdf");
	for (size_t max = 2000; max < 20000; max += 1000) {
		r = (struct run){ .x = { .host = &fx->host,
			              .arena = mr_arena_create(max),
			              .timeout_us = 10000000,
			              .done = on_done,
			              .ctx = &r } };
		if (mr_json_parse(r.x.arena, mr_str(config), &mr_json_limits_default, NULL,
		        &r.x.config) == 0 &&
		    mr_step_runner(MR_STEP_FILE_PROCESS)->start(&r.x) == 0)
			finish(&r);
		end(&r);
	}
}

/* Each allocation from an arena fails in turn. */
static void test_no_memory(void **state)
{
	static const char *const configs[] = { "{\"action\": \"extract\", \"file_id\": 7}",
		"{\"action\": \"validate\", \"file_id\": 7, \"allowed_types\": \"pdf\"}",
		"{\"action\": \"ocr_extract\", \"file_id\": 7, \"language\": [\"en\", \"ja\"]}" };

	(void)state;
	use_file("notes.txt");
	for (unsigned long n = 0; n < 3 * 25; n++) {
		struct run r = { .x = { .host = &fx->host,
			             .arena = mr_arena_create(1 << 20),
			             .timeout_us = 10000000,
			             .done = on_done,
			             .ctx = &r } };

		assert_int_equal(mr_json_parse(r.x.arena, mr_str(configs[n % 3]),
		                     &mr_json_limits_default, NULL, &r.x.config),
		    0);
		mr_arena_fail_after(n / 3 + 1);
		if (mr_step_runner(MR_STEP_FILE_PROCESS)->start(&r.x) == 0)
			finish(&r);
		mr_arena_fail_after(0);
		if (!r.x.ok && (r.x.error_type.len == 0 || r.x.error_message.len == 0))
			fail_msg("allocation %lu of %s", n / 3 + 1, configs[n % 3]);
		end(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_validate),
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_troubles),
		cmocka_unit_test(test_ids),
		cmocka_unit_test(test_missing),
		cmocka_unit_test(test_checksums),
		cmocka_unit_test(test_changed),
		cmocka_unit_test(test_convert),
		cmocka_unit_test(test_convert_refused),
		cmocka_unit_test(test_convert_row),
		cmocka_unit_test(test_convert_aborted),
		cmocka_unit_test(test_nested_key),
		cmocka_unit_test(test_timeout),
		cmocka_unit_test(test_abort),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_line),
		cmocka_unit_test(test_small_arena),
		cmocka_unit_test(test_no_memory),
	};

	return cmocka_run_group_tests(tests, setup_group, teardown_group);
}
