/*
 * multipart/form-data (RFC 7578), read as a stream: pieces of any size go in, parts and their
 * bytes come out through callbacks. Bounded: keeps one part's headers and nothing else. No I/O.
 */
#ifndef MR_FCGI_MULTIPART_H
#define MR_FCGI_MULTIPART_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/macros.h"
#include "lib/str.h"

#define MR_MULTIPART_PARTS_MAX    32
#define MR_MULTIPART_HEADERS_MAX  4096 /* bytes of one part's headers */
#define MR_MULTIPART_BOUNDARY_MAX 70   /* RFC 2046 */
#define MR_MULTIPART_VALUE_MAX    1024 /* bytes of one header parameter */

/* Strings live until the callback returns. */
struct mr_multipart_part {
	struct mr_str name;
	struct mr_str filename;     /* as sent, decoded; absent for a text field */
	struct mr_str content_type; /* absent when none was given */
};

/* Each returns 0 to go on, or a negative value that ends the reading and is handed on. */
struct mr_multipart_ops {
	int (*begin)(void *ctx, const struct mr_multipart_part *part);
	int (*data)(void *ctx, struct mr_str piece);
	int (*end)(void *ctx);
};

enum mr_multipart_state {
	MR_MULTIPART_PREAMBLE,
	MR_MULTIPART_DELIMITER, /* right after one: what kind was it? */
	MR_MULTIPART_DASH,
	MR_MULTIPART_PADDING,
	MR_MULTIPART_LF,
	MR_MULTIPART_HEADERS,
	MR_MULTIPART_BODY,
	MR_MULTIPART_EPILOGUE,
};

struct mr_multipart {
	const struct mr_multipart_ops *ops;
	void *ctx;
	const char *fault; /* after MR_E_INVALID and MR_E_LIMIT: one sentence about what is wrong */
	enum mr_multipart_state state;
	char delimiter[4 + MR_MULTIPART_BOUNDARY_MAX]; /* CR LF -- boundary */
	size_t delimiter_len;
	size_t matched; /* bytes of it that were just seen */
	size_t skipped; /* bytes of preamble or padding */
	unsigned parts;
	char headers[MR_MULTIPART_HEADERS_MAX];
	size_t headers_len;
};

/* CONTENT_TYPE is the request's: "multipart/form-data; boundary=…". MR_E_INVALID when it is not. */
int mr_multipart_init(struct mr_multipart *m, struct mr_str content_type,
    const struct mr_multipart_ops *ops, void *ctx) MR_MUST_CHECK;
/* True when the media type is multipart/form-data, whatever its parameters. */
bool mr_multipart_is(struct mr_str content_type);
/* The filename of a Content-Disposition header, of whatever type, decoded into OUT. False when
 * there is none or it can't be read. */
bool mr_multipart_filename(
    struct mr_str disposition, char out[MR_MULTIPART_VALUE_MAX], struct mr_str *ret) MR_MUST_CHECK;
/* 0, MR_E_INVALID, MR_E_LIMIT, or what a callback returned. */
int mr_multipart_feed(struct mr_multipart *m, struct mr_str in) MR_MUST_CHECK;
/* All bytes have been fed: MR_E_INVALID when the last delimiter is missing. */
int mr_multipart_finish(struct mr_multipart *m) MR_MUST_CHECK;

#endif
