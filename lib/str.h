/*
 * A string is a pointer and a length; it does not own its bytes and need not end in NUL.
 * Functions here never allocate unless they take an arena.
 */
#ifndef MR_LIB_STR_H
#define MR_LIB_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "lib/macros.h"

struct mr_str {
	const char *p; /* NULL means "absent", which differs from "" */
	size_t len;
};

#define MR_STR(literal) ((struct mr_str){ (literal), sizeof(literal) - 1 })
#define MR_STR_NONE     ((struct mr_str){ NULL, 0 })
/* for printf: "%.*s", MR_STR_ARG(s) */
#define MR_STR_ARG(s) (int)(s).len, ((s).p != NULL ? (s).p : "")

/* In the header, since they stand in every inner loop: comparing with a literal is a few
 * instructions then. */
static inline struct mr_str mr_str(const char *nul_terminated)
{
	if (nul_terminated == NULL)
		return MR_STR_NONE;
	return (struct mr_str){ nul_terminated, strlen(nul_terminated) };
}

static inline bool mr_str_eq(struct mr_str a, struct mr_str b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

static inline bool mr_str_eqz(struct mr_str a, const char *b)
{
	return mr_str_eq(a, mr_str(b));
}

bool mr_str_ieqz(struct mr_str a, const char *b); /* ASCII case folded */
bool mr_str_starts(struct mr_str s, struct mr_str prefix);
int mr_str_cmp(struct mr_str a, struct mr_str b);
struct mr_str mr_str_trim(struct mr_str s); /* ASCII white space */
/* Splits at the first SEP: returns what stands before it and leaves the rest in S
 * (MR_STR_NONE when there was no SEP). */
struct mr_str mr_str_cut(struct mr_str *s, char sep);
/* Whole string is a decimal number within range; no sign for u64, no white space. */
bool mr_str_i64(struct mr_str s, int64_t *ret);
bool mr_str_u64(struct mr_str s, uint64_t *ret);
/* Strict UTF-8: no overlong forms, no surrogates, at most U+10FFFF. */
bool mr_str_is_utf8(struct mr_str s);
/* Of UTF-8: how many characters (code points) it has. */
size_t mr_str_code_points(struct mr_str s);
/* Edit distance, bounded; used to name the nearest known member. */
unsigned mr_str_distance(struct mr_str a, struct mr_str b, unsigned max);
/* Equal in time that depends on the lengths only. */
bool mr_str_eq_secret(struct mr_str a, struct mr_str b);

#endif
