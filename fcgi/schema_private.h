/* The compiled form of a schema; only fcgi/schema*.c looks inside. */
#ifndef MR_FCGI_SCHEMA_PRIVATE_H
#define MR_FCGI_SCHEMA_PRIVATE_H

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "fcgi/schema.h"

enum {
	MR_TYPE_OBJECT = 1,
	MR_TYPE_ARRAY = 2,
	MR_TYPE_STRING = 4,
	MR_TYPE_INTEGER = 8,
	MR_TYPE_NUMBER = 16,
	MR_TYPE_BOOLEAN = 32,
	MR_TYPE_NULL = 64,
};

enum mr_format { MR_FORMAT_NONE, MR_FORMAT_DATE_TIME, MR_FORMAT_URI };

struct mr_schema_prop {
	struct mr_str name;
	struct mr_schema_node *node;
	bool required;
};

struct mr_schema_node {
	unsigned types; /* 0: any */
	bool nullable, read_only;
	bool closed; /* additionalProperties: false */
	bool one_of; /* exactly one of the alternatives, else at least one */
	bool has_min, has_max, min_exclusive, max_exclusive;
	enum mr_format format;
	struct mr_schema_node *ref; /* another schema that must hold as well */
	size_t props_len;
	struct mr_schema_prop *props;
	struct mr_schema_node *additional; /* NULL: anything, unless closed */
	struct mr_schema_node *items;
	size_t alternatives_len;
	struct mr_schema_node **alternatives;
	const struct mr_list *words; /* enum or const; NULL: none */
	struct mr_value min, max;
	size_t min_length, max_length, min_items, max_items, min_props, max_props;
	pcre2_code *pattern;
	pcre2_match_data *match; /* reused: one process, one thread, no yield inside */
	struct mr_str pattern_text;
	struct mr_str message; /* x-message */
	struct mr_str default_text;
};

struct mr_schemas {
	struct mr_arena *arena;
	unsigned len;
	const struct mr_schema_text *texts;
	struct mr_schema_node *roots; /* by enum mr_schema */
	pcre2_match_context *limits;
};

#endif
