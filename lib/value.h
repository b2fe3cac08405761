/*
 * Values: what JSON and expressions hold. Integers, unsigned integers and doubles stay apart, so
 * no digit is lost. A value never owns memory: lists, maps and text live in the arena (or the
 * input) that they were made from, and values are passed around by copy.
 */
#ifndef MR_LIB_VALUE_H
#define MR_LIB_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/arena.h"
#include "lib/buf.h"
#include "lib/error.h"
#include "lib/str.h"

enum mr_value_kind {
	MR_VALUE_NULL,
	MR_VALUE_BOOL,
	MR_VALUE_INT,
	MR_VALUE_UINT,
	MR_VALUE_DOUBLE,
	MR_VALUE_STRING, /* UTF-8 */
	MR_VALUE_BYTES,
	MR_VALUE_TIMESTAMP, /* i: microseconds since the epoch, rounded down; and ns */
	MR_VALUE_DURATION,  /* i: microseconds, likewise */
	MR_VALUE_LIST,
	MR_VALUE_MAP,
	MR_VALUE_TYPE, /* s: CEL's name of a type */
	               /* kinds above this one are an evaluator's own and never leave it */
};

struct mr_list;
struct mr_map;

struct mr_value {
	enum mr_value_kind kind;
	union {
		struct {
			int64_t i;
			uint32_t ns; /* of a timestamp or duration: 0 to 999 nanoseconds beyond I */
		};
		bool b;
		uint64_t u;
		struct {
			double d;
			/* as JSON text had it, up to the first byte that is no part of a number;
			 * NULL when it was computed */
			const char *written;
		};
		struct mr_str s;
		const struct mr_list *list;
		const struct mr_map *map;
	};
};

struct mr_list {
	size_t len;
	struct mr_value items[]; /* in order */
};

struct mr_member {
	struct mr_value key; /* string in anything that came from JSON */
	struct mr_value value;
};

struct mr_map {
	size_t len;
	uint32_t *index; /* open-addressed, for large maps; NULL = search one by one */
	size_t index_len;
	/* where an expression's member access looks next when a member is missing (the json of an
	 * HTTP result); not part of the value; NULL for almost all */
	const struct mr_map *fallback;
	struct mr_member members[]; /* in the order of the text */
};

#define MR_NULL_VALUE ((struct mr_value){ .kind = MR_VALUE_NULL, .i = 0 })

/* All eight bytes are written at once: what is copied right after one byte of it was written
 * would wait for that byte to reach the cache. */
static inline struct mr_value mr_value_bool(bool b)
{
	struct mr_value v = { .kind = MR_VALUE_BOOL };

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	v.u = b;
#else
	v.u = 0;
	v.b = b;
#endif
	return v;
}

static inline struct mr_value mr_value_int(int64_t i)
{
	return (struct mr_value){ .kind = MR_VALUE_INT, .i = i };
}

static inline struct mr_value mr_value_uint(uint64_t u)
{
	return (struct mr_value){ .kind = MR_VALUE_UINT, .u = u };
}

static inline struct mr_value mr_value_double(double d)
{
	return (struct mr_value){ .kind = MR_VALUE_DOUBLE, .d = d };
}

static inline struct mr_value mr_value_str(struct mr_str s)
{
	return (struct mr_value){ .kind = MR_VALUE_STRING, .s = s };
}

static inline struct mr_value mr_value_strz(const char *s)
{
	return mr_value_str(mr_str(s));
}

static inline struct mr_value mr_value_bytes(struct mr_str s)
{
	return (struct mr_value){ .kind = MR_VALUE_BYTES, .s = s };
}

static inline struct mr_value mr_value_timestamp(int64_t us)
{
	return (struct mr_value){ .kind = MR_VALUE_TIMESTAMP, .i = us };
}

static inline struct mr_value mr_value_duration(int64_t us)
{
	return (struct mr_value){ .kind = MR_VALUE_DURATION, .i = us };
}

static inline struct mr_value mr_value_type(const char *name)
{
	return (struct mr_value){ .kind = MR_VALUE_TYPE, .s = mr_str(name) };
}

static inline struct mr_value mr_value_list(const struct mr_list *l)
{
	return (struct mr_value){ .kind = MR_VALUE_LIST, .list = l };
}

static inline struct mr_value mr_value_map(const struct mr_map *m)
{
	return (struct mr_value){ .kind = MR_VALUE_MAP, .map = m };
}

/* The digits that a double came with; MR_STR_NONE when it was computed. */
static inline struct mr_str mr_double_written(const struct mr_value *v)
{
	return v->written == NULL
	           ? MR_STR_NONE
	           : (struct mr_str){ v->written, strspn(v->written, "+-.0123456789Ee") };
}

static inline bool mr_value_is_number(const struct mr_value *v)
{
	return v->kind == MR_VALUE_INT || v->kind == MR_VALUE_UINT || v->kind == MR_VALUE_DOUBLE;
}

/* The language's names: null, bool, int, uint, double, string, bytes, timestamp, duration, list,
 * map, type. */
const char *mr_value_kind_name(enum mr_value_kind k);
/* What type() answers, by CEL's names: as above but null_type, google.protobuf.Timestamp,
 * google.protobuf.Duration. */
const char *mr_value_type_name(enum mr_value_kind k);

/* The member of a map, or NULL when V is no map or has no such member. */
const struct mr_value *mr_value_get(const struct mr_value *v, const char *key);
const struct mr_value *mr_value_gets(const struct mr_value *v, struct mr_str key);
/* As above, only when it has that kind. */
const struct mr_value *mr_value_get_kind(
    const struct mr_value *v, const char *key, enum mr_value_kind kind);
/* Text of a string member, MR_STR_NONE otherwise. */
struct mr_str mr_value_get_str(const struct mr_value *v, const char *key);
/* The value under KEY of any kind, numbers by value; NULL when there is none. */
const struct mr_value *mr_map_find(const struct mr_map *m, const struct mr_value *key);
/* JSON equality: numbers by value across int, uint and double; maps whatever their order. */
bool mr_value_eq(const struct mr_value *a, const struct mr_value *b);
/* The same, taking one from BUDGET per value looked at: 1 equal, 0 not, MR_E_LIMIT when BUDGET is
 * used up, MR_E_NOMEM. */
int mr_value_equal(
    const struct mr_value *a, const struct mr_value *b, uint64_t *budget) MR_MUST_CHECK;
/* Order of two numbers of any kind, exactly: -1, 0, 1; 2 when one is NaN. */
int mr_number_cmp(const struct mr_value *a, const struct mr_value *b);
/* Equal values have equal hashes; lists and maps are told apart by length only. */
uint64_t mr_value_hash(const struct mr_value *v);

/* About how many bytes V takes in memory, texts included; the count stops soon after MAX. */
size_t mr_value_size(const struct mr_value *v, size_t max);

/* Building: the length is known first. Members are filled in by the caller, then sealed, which
 * makes the index (of two members with one key it has the first). NULL without memory. */
struct mr_list *mr_list_create(struct mr_arena *a, size_t len) MR_MUST_CHECK;
struct mr_map *mr_map_create(struct mr_arena *a, size_t len) MR_MUST_CHECK;
int mr_map_seal(struct mr_arena *a, struct mr_map *m) MR_MUST_CHECK;
/* The position of a member whose key stands earlier too, or LEN when all differ. Seal first. */
size_t mr_map_duplicate(const struct mr_map *m);

/* A stack for walking values without recursion: the first frames in place, more on the heap. */
#define MR_WALK_INLINE 32
struct mr_walk_frame {
	const void *at;    /* what is walked */
	const void *other; /* what goes with it */
	size_t next;       /* how far */
};
struct mr_walk {
	struct mr_walk_frame first[MR_WALK_INLINE];
	struct mr_buf more;
	size_t len;
};
void mr_walk_init(struct mr_walk *w);
void mr_walk_done(struct mr_walk *w);
/* NULL without memory. A frame stays where it is only until the next push. */
struct mr_walk_frame *mr_walk_push(
    struct mr_walk *w, const void *at, const void *other) MR_MUST_CHECK;
struct mr_walk_frame *mr_walk_top(struct mr_walk *w); /* NULL when empty */
void mr_walk_pop(struct mr_walk *w);

/* ---- JSON ---- */

struct mr_json_limits {
	unsigned depth; /* brackets in brackets */
	size_t values;  /* in the whole document */
};
extern const struct mr_json_limits mr_json_limits_default; /* depth 64, 1,000,000 values */

/*
 * Strict RFC 8259 in UTF-8: refuses duplicate members, lone surrogates, \u0000, NaN, leading
 * zeros, bytes after the end, integers beyond int64 (kind code "number_range"), too much depth.
 * Never recurses. Each problem is a fault with the path of the place ("steps[2].name"; the
 * message holds line and column); syntax and limits end the reading, the others go on, so that all
 * are named. Numbers with a fraction or exponent become doubles, which JSON is written of with the
 * digits that they came with; a double beyond its range is a fault. Text without escapes and
 * doubles' digits point into TEXT, which must outlive the value. Returns 0, MR_E_INVALID,
 * MR_E_LIMIT or MR_E_NOMEM. FAULTS may be NULL.
 */
int mr_json_parse(struct mr_arena *a, struct mr_str text, const struct mr_json_limits *limits,
    struct mr_faults *faults, struct mr_value *ret) MR_MUST_CHECK;
/* The same checks without building anything. */
int mr_json_check(struct mr_arena *scratch, struct mr_str text, const struct mr_json_limits *limits,
    struct mr_faults *faults) MR_MUST_CHECK;

/* Writes JSON as the language defines it: int and uint exact, double shortest round-trip ("NaN",
 * "Infinity" as strings), bytes in base64, timestamps RFC 3339, durations "1.5s", map keys by
 * their text, types by name. Not recursive. */
void mr_json_write(struct mr_buf *b, const struct mr_value *v);
/* The same into an arena. .p is NULL without memory. */
struct mr_str mr_json_text(struct mr_arena *a, const struct mr_value *v);
/* The text of a value inside a string template: strings as they are, others as JSON without
 * quotes. */
void mr_value_write_text(struct mr_buf *b, const struct mr_value *v);
/* Deep copy, so that the copy needs nothing but arena A. */
int mr_value_copy(struct mr_arena *a, const struct mr_value *v, struct mr_value *ret) MR_MUST_CHECK;

#endif
