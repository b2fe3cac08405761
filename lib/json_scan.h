/*
 * A strict JSON reader that hands out one event at a time and builds nothing but what it must:
 * the brackets that are open and the names of their members. It owns the checks; what becomes of
 * the values is up to the caller. Never recurses.
 */
#ifndef MR_LIB_JSON_SCAN_H
#define MR_LIB_JSON_SCAN_H

#include "lib/value.h"

enum mr_json_event {
	MR_JSON_END,    /* nothing but white space follows the value */
	MR_JSON_SCALAR, /* in .value */
	MR_JSON_BEGIN_LIST,
	MR_JSON_END_LIST, /* .len items */
	MR_JSON_BEGIN_MAP,
	MR_JSON_END_MAP, /* .len members, their names in .names */
};

struct mr_json_place {
	size_t offset;     /* bytes from the start */
	size_t line;       /* from 1 */
	size_t line_start; /* offset of the line's first byte */
};

struct mr_json_name {
	struct mr_str name;
	struct mr_json_place place;
};

struct mr_json_frame {
	bool is_map;
	size_t first_name; /* where its names begin */
	size_t len;        /* items or members begun */
};

#define MR_JSON_INLINE 24

struct mr_json_scan {
	struct mr_arena *arena; /* decoded text and what doesn't fit below */
	struct mr_str text;
	size_t at;
	struct mr_json_limits limits;
	struct mr_faults *faults; /* may be NULL */
	bool decode;              /* decode strings with escapes; names are decoded anyway */
	bool faulty;              /* something was wrong, but reading went on */
	int state;
	size_t line, line_start;
	size_t values;
	size_t frames_len, frames_cap;
	struct mr_json_frame *frames;
	size_t names_len, names_cap;
	struct mr_json_name *stack;
	size_t table_cap; /* for finding duplicates among many names */
	uint32_t *table;
	/* of the last event */
	struct mr_value value;
	size_t len;
	const struct mr_json_name *names;
	struct mr_json_frame first_frames[MR_JSON_INLINE];
	struct mr_json_name first_names[MR_JSON_INLINE];
};

/* LIMITS may be NULL: the defaults. */
void mr_json_scan_init(struct mr_json_scan *s, struct mr_arena *arena, struct mr_str text,
    const struct mr_json_limits *limits, struct mr_faults *faults, bool decode);
/* Writes code point C at TO in UTF-8; the end. */
char *mr_utf8_put(char *to, uint32_t c);

/* The next event, or a negative MR_E_*. MR_E_INVALID comes at once for syntax, and in place of
 * MR_JSON_END when something else was wrong on the way. Don't call it again after either. */
int mr_json_scan_next(struct mr_json_scan *s) MR_MUST_CHECK;

#endif
