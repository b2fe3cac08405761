#include "engine/steps/file_type.h"

#include <string.h>

#define SAMPLE    (1u << 16) /* bytes that tell text from anything else */
#define TAIL      2048       /* bytes at the end where the mark of completeness stands */
#define MAX_STEPS 512        /* parts of one file that are looked at */

static const char *const names[] = {
	[MR_FILE_UNKNOWN] = "unknown",
	[MR_FILE_EMPTY] = "empty",
	[MR_FILE_TEXT] = "txt",
	[MR_FILE_HTML] = "html",
	[MR_FILE_PDF] = "pdf",
	[MR_FILE_PNG] = "png",
	[MR_FILE_JPEG] = "jpg",
	[MR_FILE_GIF] = "gif",
	[MR_FILE_TIFF] = "tiff",
	[MR_FILE_DOCX] = "docx",
	[MR_FILE_ZIP] = "zip",
};

static const struct {
	const char *extension;
	enum mr_file_type type;
} extensions[] = {
	{ "pdf", MR_FILE_PDF },
	{ "png", MR_FILE_PNG },
	{ "jpg", MR_FILE_JPEG },
	{ "jpeg", MR_FILE_JPEG },
	{ "gif", MR_FILE_GIF },
	{ "tif", MR_FILE_TIFF },
	{ "tiff", MR_FILE_TIFF },
	{ "docx", MR_FILE_DOCX },
	{ "zip", MR_FILE_ZIP },
	{ "html", MR_FILE_HTML },
	{ "htm", MR_FILE_HTML },
	{ "txt", MR_FILE_TEXT },
	{ "csv", MR_FILE_TEXT },
	{ "tsv", MR_FILE_TEXT },
	{ "md", MR_FILE_TEXT },
	{ "json", MR_FILE_TEXT },
	{ "log", MR_FILE_TEXT },
};

const char *mr_file_type_name(enum mr_file_type t)
{
	return names[t];
}

bool mr_file_type_is_image(enum mr_file_type t)
{
	return t == MR_FILE_PNG || t == MR_FILE_JPEG || t == MR_FILE_GIF || t == MR_FILE_TIFF;
}

enum mr_file_type mr_file_type_of_extension(struct mr_str extension)
{
	for (size_t i = 0; i < MR_ARRAY_LEN(extensions); i++) {
		if (mr_str_ieqz(extension, extensions[i].extension))
			return extensions[i].type;
	}
	return MR_FILE_UNKNOWN;
}

struct mr_str mr_file_extension(struct mr_str name)
{
	for (size_t i = name.len; i > 0; i--) {
		if (name.p[i - 1] == '.')
			return (struct mr_str){ name.p + i, name.len - i };
		if (name.p[i - 1] == '/')
			break;
	}
	return MR_STR("");
}

/* ---- reading numbers ---- */

/* LEN bytes at OFFSET, all of them or false. */
static bool get(const struct mr_file_view *v, int64_t offset, void *buf, size_t len)
{
	return offset >= 0 && offset <= v->size - (int64_t)len &&
	       v->read(v->ctx, offset, buf, len) == (int64_t)len;
}

static uint32_t le16(const unsigned char *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8;
}

static uint32_t le32(const unsigned char *p)
{
	return le16(p) | le16(p + 2) << 16;
}

static uint32_t be16(const unsigned char *p)
{
	return (uint32_t)p[0] << 8 | p[1];
}

static uint32_t be32(const unsigned char *p)
{
	return be16(p) << 16 | be16(p + 2);
}

/* ---- zip ---- */

#define ZIP_END_LEN   22
#define ZIP_ENTRY_LEN 46
#define ZIP_COMMENT   4096 /* longest comment behind the directory that is looked through */

/* Where the central directory begins, or -1. */
static int64_t zip_directory(const struct mr_file_view *v)
{
	unsigned char tail[ZIP_END_LEN + ZIP_COMMENT];
	size_t len = v->size < (int64_t)sizeof(tail) ? (size_t)v->size : sizeof(tail);

	if (len < ZIP_END_LEN || !get(v, v->size - (int64_t)len, tail, len))
		return -1;
	for (size_t i = len - ZIP_END_LEN + 1; i > 0; i--) {
		if (memcmp(tail + i - 1, "PK\5\6", 4) == 0)
			return le32(tail + i - 1 + 16);
	}
	return -1;
}

/* A zip with a part of this name is a word processor's document. */
static bool zip_is_docx(const struct mr_file_view *v)
{
	static const char wanted[] = "word/document.xml";
	unsigned char entry[ZIP_ENTRY_LEN + sizeof(wanted) - 1];
	int64_t at = zip_directory(v);

	for (unsigned i = 0; at >= 0 && i < MAX_STEPS; i++) {
		uint32_t name_len;

		if (!get(v, at, entry, sizeof(entry)) || memcmp(entry, "PK\1\2", 4) != 0)
			return false;
		name_len = le16(entry + 28);
		if (name_len == sizeof(wanted) - 1 &&
		    memcmp(entry + ZIP_ENTRY_LEN, wanted, name_len) == 0)
			return true;
		at += ZIP_ENTRY_LEN + (int64_t)name_len + le16(entry + 30) + le16(entry + 32);
	}
	return false;
}

/* ---- text ---- */

static bool is_text(const char *p, size_t len, bool is_whole)
{
	size_t cut = len;

	if (memchr(p, '\0', len) != NULL)
		return false;
	/* the sample may end inside a character */
	for (unsigned i = 0; !is_whole && i < 3 && cut > 0 && (p[cut - 1] & 0x80) != 0; i++) {
		cut--;
		if (((unsigned char)p[cut] & 0xc0) == 0xc0)
			break;
	}
	return mr_str_is_utf8((struct mr_str){ p, len }) ||
	       (!is_whole && mr_str_is_utf8((struct mr_str){ p, cut }));
}

static bool looks_like_html(struct mr_str s)
{
	static const char *const starts[] = { "<!doctype html", "<html", "<head", "<body" };

	if (mr_str_starts(s, MR_STR("\xef\xbb\xbf")))
		s = (struct mr_str){ s.p + 3, s.len - 3 };
	s = mr_str_trim(s);
	for (size_t i = 0; i < MR_ARRAY_LEN(starts); i++) {
		size_t n = strlen(starts[i]);

		if (s.len >= n && mr_str_ieqz((struct mr_str){ s.p, n }, starts[i]))
			return true;
	}
	return false;
}

/* ---- detection ---- */

static const struct {
	const char *bytes;
	size_t len;
	enum mr_file_type type;
} magics[] = {
	{ "\x89PNG\r\n\x1a\n", 8, MR_FILE_PNG },
	{ "\xff\xd8\xff", 3, MR_FILE_JPEG },
	{ "GIF87a", 6, MR_FILE_GIF },
	{ "GIF89a", 6, MR_FILE_GIF },
	{ "II*\0", 4, MR_FILE_TIFF },
	{ "MM\0*", 4, MR_FILE_TIFF },
	{ "PK\3\4", 4, MR_FILE_ZIP },
	{ "PK\5\6", 4, MR_FILE_ZIP },
};

enum mr_file_type mr_file_type_detect(const struct mr_file_view *v)
{
	char head[SAMPLE];
	int64_t n = v->size == 0 ? 0 : v->read(v->ctx, 0, head, sizeof(head));
	size_t len = n > 0 ? (size_t)n : 0;

	if (len == 0)
		return v->size == 0 ? MR_FILE_EMPTY : MR_FILE_UNKNOWN;
	for (size_t i = 0; i < MR_ARRAY_LEN(magics); i++) {
		if (len < magics[i].len || memcmp(head, magics[i].bytes, magics[i].len) != 0)
			continue;
		return magics[i].type == MR_FILE_ZIP && zip_is_docx(v) ? MR_FILE_DOCX
		                                                       : magics[i].type;
	}
	/* readers take up to a kilobyte before a PDF's mark */
	if (memmem(head, len < 1024 ? len : 1024, "%PDF-", 5) != NULL)
		return MR_FILE_PDF;
	if (!is_text(head, len, (int64_t)len == v->size))
		return MR_FILE_UNKNOWN;
	return looks_like_html((struct mr_str){ head, len }) ? MR_FILE_HTML : MR_FILE_TEXT;
}

bool mr_file_is_cut(const struct mr_file_view *v, enum mr_file_type t)
{
	const char *mark = t == MR_FILE_PDF ? "%%EOF" : "IEND";
	char tail[TAIL];
	size_t len = v->size < (int64_t)sizeof(tail) ? (size_t)v->size : sizeof(tail);

	if (t != MR_FILE_PDF && t != MR_FILE_PNG)
		return false;
	return !get(v, v->size - (int64_t)len, tail, len) ||
	       memmem(tail, len, mark, strlen(mark)) == NULL;
}

/* ---- size of images ---- */

static uint64_t png_pixels(const struct mr_file_view *v)
{
	unsigned char b[24];

	if (!get(v, 0, b, sizeof(b)) || memcmp(b + 12, "IHDR", 4) != 0)
		return 0;
	return (uint64_t)be32(b + 16) * be32(b + 20);
}

static uint64_t gif_pixels(const struct mr_file_view *v)
{
	unsigned char b[10];

	return get(v, 0, b, sizeof(b)) ? (uint64_t)le16(b + 6) * le16(b + 8) : 0;
}

/* Start-of-frame markers; C4, C8 and CC are others. */
static bool is_frame(unsigned marker)
{
	return marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 &&
	       marker != 0xcc;
}

static uint64_t jpeg_pixels(const struct mr_file_view *v)
{
	int64_t at = 2;

	for (unsigned i = 0; i < MAX_STEPS; i++) {
		unsigned char b[9];

		if (!get(v, at, b, 4) || b[0] != 0xff)
			return 0;
		if (b[1] == 0xff || b[1] == 0x01 || (b[1] >= 0xd0 && b[1] <= 0xd8)) {
			at += b[1] == 0xff ? 1 : 2; /* filling, or a marker without a length */
			continue;
		}
		if (is_frame(b[1]))
			return get(v, at, b, 9) ? (uint64_t)be16(b + 5) * be16(b + 7) : 0;
		if (b[1] == 0xd9 || b[1] == 0xda || be16(b + 2) < 2)
			return 0;
		at += 2 + (int64_t)be16(b + 2);
	}
	return 0;
}

struct tiff {
	const struct mr_file_view *v;
	bool is_be;
};

static uint32_t tiff16(const struct tiff *t, const unsigned char *p)
{
	return t->is_be ? be16(p) : le16(p);
}

static uint32_t tiff32(const struct tiff *t, const unsigned char *p)
{
	return t->is_be ? be32(p) : le32(p);
}

/* One directory: its picture's pixels, and where the next one stands in *AT (0: none). */
static uint64_t tiff_directory(const struct tiff *t, int64_t *at)
{
	unsigned char b[12];
	uint64_t width = 0, height = 0;
	uint32_t entries;

	if (!get(t->v, *at, b, 2)) {
		*at = 0;
		return 0;
	}
	entries = tiff16(t, b);
	for (uint32_t i = 0; i < entries && i < MAX_STEPS; i++) {
		uint32_t tag, value;

		if (!get(t->v, *at + 2 + 12 * (int64_t)i, b, 12))
			break;
		tag = tiff16(t, b);
		value = tiff16(t, b + 2) == 3 ? tiff16(t, b + 8) : tiff32(t, b + 8);
		if (tag == 256)
			width = value;
		else if (tag == 257)
			height = value;
	}
	*at = get(t->v, *at + 2 + 12 * (int64_t)entries, b, 4) ? (int64_t)tiff32(t, b) : 0;
	return width * height;
}

static uint64_t tiff_pixels(const struct mr_file_view *v)
{
	struct tiff t = { .v = v };
	unsigned char b[8];
	uint64_t most = 0;
	int64_t at;

	if (!get(v, 0, b, sizeof(b)))
		return 0;
	t.is_be = b[0] == 'M';
	at = tiff32(&t, b + 4);
	for (unsigned i = 0; at > 0 && i < MAX_STEPS; i++) {
		uint64_t n = tiff_directory(&t, &at);

		most = n > most ? n : most;
	}
	return most;
}

uint64_t mr_file_pixels(const struct mr_file_view *v, enum mr_file_type t)
{
	switch (t) {
	case MR_FILE_PNG:
		return png_pixels(v);
	case MR_FILE_JPEG:
		return jpeg_pixels(v);
	case MR_FILE_GIF:
		return gif_pixels(v);
	case MR_FILE_TIFF:
		return tiff_pixels(v);
	default:
		return 0;
	}
}
