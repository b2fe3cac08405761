/*
 * A growing byte buffer with a maximum. Errors stick: after a failed append every later one fails
 * too and mr_buf_failed() says so, so a writer may check once at the end.
 */
#ifndef MR_LIB_BUF_H
#define MR_LIB_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/macros.h"
#include "lib/str.h"

struct mr_buf {
	char *p; /* NUL after the last byte once anything was appended; owned, malloc */
	size_t len;
	size_t cap;
	size_t max;
	bool failed;
};

void mr_buf_init(struct mr_buf *b, size_t max);
void mr_buf_done(struct mr_buf *b);  /* frees; B may be used again after init */
void mr_buf_reset(struct mr_buf *b); /* keeps the memory, clears length and failure */
/* Room for N more bytes: the place to write them, or NULL. Then mr_buf_commit(b, n). */
char *mr_buf_room(struct mr_buf *b, size_t n) MR_MUST_CHECK;
void mr_buf_commit(struct mr_buf *b, size_t n);
void mr_buf_add(struct mr_buf *b, const void *p, size_t len);
void mr_buf_adds(struct mr_buf *b, struct mr_str s);
void mr_buf_addz(struct mr_buf *b, const char *s);
void mr_buf_addc(struct mr_buf *b, char c);
void mr_buf_addf(struct mr_buf *b, const char *fmt, ...) MR_PRINTF(2, 3);
void mr_buf_add_i64(struct mr_buf *b, int64_t v);
void mr_buf_add_u64(struct mr_buf *b, uint64_t v);
/* Appends S as a JSON string with its quotes. S must be UTF-8. */
void mr_buf_add_json(struct mr_buf *b, struct mr_str s);
/* Drops the first N bytes. */
void mr_buf_drop(struct mr_buf *b, size_t n);
struct mr_str mr_buf_str(const struct mr_buf *b);
bool mr_buf_failed(const struct mr_buf *b);

#endif
