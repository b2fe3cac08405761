/*
 * Checks JSON values against the schemas of handlers/schemas. They are compiled once per process.
 * All faults of a value are collected, each with its path and a sentence that says what is right.
 *
 * The subset of JSON Schema (draft 7, as OpenAPI 3.0.3 writes it): type, nullable, properties,
 * required, additionalProperties, items, enum, const, minimum, maximum, exclusiveMinimum,
 * exclusiveMaximum (numbers), minLength, maxLength (code points), minItems, maxItems,
 * minProperties, maxProperties, pattern (PCRE2), format (date-time, uri; others are only
 * documentation), oneOf, anyOf, allOf of one schema, $ref to another file ("step.json"), readOnly
 * (accepted and ignored), default. x-message is the sentence for whatever is wrong with a value
 * that is neither list nor object, and for one that fits no alternative. Any other keyword but
 * description, title, example, deprecated, writeOnly and x-* is an error.
 */
#ifndef MR_FCGI_SCHEMA_H
#define MR_FCGI_SCHEMA_H

#include "handlers/schema_ids.h"
#include "lib/arena.h"
#include "lib/error.h"
#include "lib/value.h"

struct mr_schemas;

/* Compiles TEXTS (LEN of them, the first is empty) into ARENA. */
int mr_schemas_create(struct mr_arena *arena, const struct mr_schema_text *texts, unsigned len,
    struct mr_schemas **ret, struct mr_error *err) MR_MUST_CHECK;

/* 0, MR_E_INVALID with FAULTS, or MR_E_NOMEM. SCRATCH holds what is needed meanwhile. */
int mr_schema_check(const struct mr_schemas *s, enum mr_schema id, const struct mr_value *v,
    struct mr_arena *scratch, struct mr_faults *faults) MR_MUST_CHECK;

/* What is known of a member of an object's schema. */
struct mr_schema_member {
	bool read_only;
	struct mr_str default_text; /* JSON; absent when there is none */
};
/* False when the schema names no such member. */
bool mr_schema_member(const struct mr_schemas *s, enum mr_schema id, struct mr_str name,
    struct mr_schema_member *ret);

#endif
