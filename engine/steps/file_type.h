/*
 * What a file really is, by its bytes: pure, bounded, fuzzed. It reads a file's beginning and a
 * few places that this points to; it never decodes content.
 */
#ifndef MR_ENGINE_STEPS_FILE_TYPE_H
#define MR_ENGINE_STEPS_FILE_TYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/str.h"

enum mr_file_type {
	MR_FILE_UNKNOWN,
	MR_FILE_EMPTY,
	MR_FILE_TEXT, /* UTF-8 without NUL: txt, csv, json … */
	MR_FILE_HTML,
	MR_FILE_PDF,
	MR_FILE_PNG,
	MR_FILE_JPEG,
	MR_FILE_GIF,
	MR_FILE_TIFF,
	MR_FILE_DOCX,
	MR_FILE_ZIP, /* any other */
};

/* A file as bytes at offsets. */
struct mr_file_view {
	int64_t size;
	/* Reads up to LEN bytes at OFFSET; returns how many, negative on failure. */
	int64_t (*read)(void *ctx, int64_t offset, void *buf, size_t len);
	void *ctx;
};

/* "pdf", "jpg", "txt", …: the extension that such a file has. */
const char *mr_file_type_name(enum mr_file_type t);
enum mr_file_type mr_file_type_detect(const struct mr_file_view *v);
bool mr_file_type_is_image(enum mr_file_type t);
/* What a file of that extension (no dot, any case) should be; UNKNOWN: can't be told. */
enum mr_file_type mr_file_type_of_extension(struct mr_str extension);
/* What stands behind the last dot; "" when there is none. Points into NAME. */
struct mr_str mr_file_extension(struct mr_str name);
/* True when a PDF or PNG lacks its end: readers would make do with what is there. */
bool mr_file_is_cut(const struct mr_file_view *v, enum mr_file_type t);
/* Largest number of pixels of one picture in the image file; 0 when it can't be told. */
uint64_t mr_file_pixels(const struct mr_file_view *v, enum mr_file_type t);

#endif
