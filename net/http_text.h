/* Texts as HTTP wants them: percent-encoding, Base64, and the value of Authorization. */
#ifndef MR_NET_HTTP_TEXT_H
#define MR_NET_HTTP_TEXT_H

#include <stdbool.h>

#include "lib/arena.h"
#include "lib/buf.h"
#include "lib/str.h"

/* S percent-encoded, all but RFC 3986's unreserved characters; of a form a space is a plus. */
void mr_http_add_encoded(struct mr_buf *b, struct mr_str s, bool is_form);
/* In A; absent without memory. */
struct mr_str mr_http_base64(struct mr_arena *a, struct mr_str s) MR_MUST_CHECK;
/* "Basic …" of a user and a password, in A; absent without memory. */
struct mr_str mr_http_basic(
    struct mr_arena *a, struct mr_str user, struct mr_str password) MR_MUST_CHECK;
/* URL with NAME=VALUE in its query, before its fragment, in A; absent without memory. */
struct mr_str mr_http_url_with(
    struct mr_arena *a, struct mr_str url, struct mr_str name, struct mr_str value) MR_MUST_CHECK;

#endif
