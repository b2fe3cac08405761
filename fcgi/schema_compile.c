/* Schema texts → nodes. Our own files: faults here end the process before it serves. */
#include <stdint.h>
#include <string.h>

#include "fcgi/schema_private.h"

#define NEST_MAX    16 /* schemas inside a schema: our own files, so recursion is bounded by them */
#define MATCH_LIMIT 100000
#define DEPTH_LIMIT 1000
#define HEAP_LIMIT  2048 /* KiB */

struct compiler {
	struct mr_schemas *s;
	const char *name; /* of the file */
	struct mr_error *err;
};

static const struct {
	const char *name;
	unsigned type;
} type_names[] = {
	{ "object", MR_TYPE_OBJECT },
	{ "array", MR_TYPE_ARRAY },
	{ "string", MR_TYPE_STRING },
	{ "integer", MR_TYPE_INTEGER },
	{ "number", MR_TYPE_NUMBER },
	{ "boolean", MR_TYPE_BOOLEAN },
	{ "null", MR_TYPE_NULL },
};

static int bad(struct compiler *c, const char *keyword)
{
	return mr_error_set(
	    c->err, MR_E_INVALID, MR_ERR_INTERNAL, "schema %s: %s is not valid", c->name, keyword);
}

static int no_memory(struct compiler *c)
{
	return mr_error_set(
	    c->err, MR_E_NOMEM, MR_ERR_INTERNAL, "no memory for schema %s", c->name);
}

static int compile(
    struct compiler *c, const struct mr_value *v, struct mr_schema_node *n, unsigned depth);

static int compile_new(
    struct compiler *c, const struct mr_value *v, struct mr_schema_node **ret, unsigned depth)
{
	struct mr_schema_node *n = mr_arena_zalloc(c->s->arena, sizeof(*n));

	if (n == NULL)
		return no_memory(c);
	*ret = n;
	return compile(c, v, n, depth);
}

static int read_type(struct compiler *c, const struct mr_value *v, struct mr_schema_node *n)
{
	for (size_t i = 0; v->kind == MR_VALUE_STRING && i < MR_ARRAY_LEN(type_names); i++) {
		if (mr_str_eqz(v->s, type_names[i].name)) {
			n->types |= type_names[i].type;
			return 0;
		}
	}
	return bad(c, "type");
}

static int read_props(
    struct compiler *c, const struct mr_value *v, struct mr_schema_node *n, unsigned depth)
{
	if (v->kind != MR_VALUE_MAP)
		return bad(c, "properties");
	n->props = mr_arena_array(c->s->arena, v->map->len, sizeof(*n->props));
	if (n->props == NULL)
		return no_memory(c);
	n->props_len = v->map->len;
	for (size_t i = 0; i < v->map->len; i++) {
		int r;

		n->props[i].name = v->map->members[i].key.s;
		r = compile_new(c, &v->map->members[i].value, &n->props[i].node, depth + 1);
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_required(struct compiler *c, const struct mr_value *v, struct mr_schema_node *n)
{
	if (v->kind != MR_VALUE_LIST)
		return bad(c, "required");
	for (size_t i = 0; i < v->list->len; i++) {
		size_t j = 0;

		while (j < n->props_len && !(v->list->items[i].kind == MR_VALUE_STRING &&
		                               mr_str_eq(n->props[j].name, v->list->items[i].s)))
			j++;
		if (j == n->props_len)
			return bad(c, "required");
		n->props[j].required = true;
	}
	return 0;
}

static int read_alternatives(
    struct compiler *c, const struct mr_value *v, struct mr_schema_node *n, unsigned depth)
{
	if (v->kind != MR_VALUE_LIST || v->list->len == 0 || n->alternatives != NULL)
		return bad(c, "oneOf or anyOf");
	n->alternatives =
	    mr_arena_array(c->s->arena, v->list->len, sizeof(struct mr_schema_node *));
	if (n->alternatives == NULL)
		return no_memory(c);
	n->alternatives_len = v->list->len;
	for (size_t i = 0; i < v->list->len; i++) {
		int r = compile_new(c, &v->list->items[i], &n->alternatives[i], depth + 1);

		if (r < 0)
			return r;
	}
	return 0;
}

static int read_ref(struct compiler *c, const struct mr_value *v, struct mr_schema_node *n)
{
	static const char end[] = ".json";

	if (v->kind != MR_VALUE_STRING || v->s.len <= sizeof(end) - 1)
		return bad(c, "$ref");
	for (unsigned i = 1; i < c->s->len; i++) {
		size_t len = strlen(c->s->texts[i].name);

		if (v->s.len == len + sizeof(end) - 1 &&
		    memcmp(v->s.p, c->s->texts[i].name, len) == 0 &&
		    memcmp(v->s.p + len, end, sizeof(end) - 1) == 0) {
			n->ref = &c->s->roots[i];
			return 0;
		}
	}
	return bad(c, "$ref");
}

static void free_pattern(void *p)
{
	pcre2_code_free(p);
}

static void free_match(void *p)
{
	pcre2_match_data_free(p);
}

static int read_pattern(struct compiler *c, const struct mr_value *v, struct mr_schema_node *n)
{
	PCRE2_SIZE at;
	int code;

	if (v->kind != MR_VALUE_STRING)
		return bad(c, "pattern");
	n->pattern = pcre2_compile((PCRE2_SPTR)v->s.p, v->s.len,
	    PCRE2_UTF | PCRE2_NO_UTF_CHECK | PCRE2_DOLLAR_ENDONLY, &code, &at, NULL);
	if (n->pattern == NULL)
		return bad(c, "pattern");
	n->pattern_text = v->s;
	if (mr_arena_defer(c->s->arena, free_pattern, n->pattern) < 0)
		return no_memory(c);
	n->match = pcre2_match_data_create_from_pattern(n->pattern, NULL);
	if (n->match == NULL || mr_arena_defer(c->s->arena, free_match, n->match) < 0)
		return no_memory(c);
	return 0;
}

static int read_size(struct compiler *c, const char *keyword, const struct mr_value *v, size_t *ret)
{
	if (v->kind != MR_VALUE_INT || v->i < 0)
		return bad(c, keyword);
	*ret = (size_t)v->i;
	return 0;
}

static int read_bool(struct compiler *c, const char *keyword, const struct mr_value *v, bool *ret)
{
	if (v->kind != MR_VALUE_BOOL)
		return bad(c, keyword);
	*ret = v->b;
	return 0;
}

static int read_format(const struct mr_value *v, struct mr_schema_node *n)
{
	if (v->kind == MR_VALUE_STRING && mr_str_eqz(v->s, "date-time"))
		n->format = MR_FORMAT_DATE_TIME;
	else if (v->kind == MR_VALUE_STRING && mr_str_eqz(v->s, "uri"))
		n->format = MR_FORMAT_URI;
	return 0;
}

static int read_words(
    struct compiler *c, const struct mr_value *v, bool one, struct mr_schema_node *n)
{
	struct mr_list *l;

	if (!one) {
		if (v->kind != MR_VALUE_LIST || v->list->len == 0)
			return bad(c, "enum");
		n->words = v->list;
		return 0;
	}
	l = mr_list_create(c->s->arena, 1);
	if (l == NULL)
		return no_memory(c);
	l->items[0] = *v;
	n->words = l;
	return 0;
}

/* Limits that are numbers. 1: not one of these. */
static int read_limit(
    struct compiler *c, struct mr_str k, const struct mr_value *v, struct mr_schema_node *n)
{
	bool min = mr_str_eqz(k, "minimum") || mr_str_eqz(k, "exclusiveMinimum");
	bool max = mr_str_eqz(k, "maximum") || mr_str_eqz(k, "exclusiveMaximum");

	if (min || max) {
		if (!mr_value_is_number(v))
			return bad(c, "minimum or maximum");
		*(min ? &n->min : &n->max) = *v;
		*(min ? &n->has_min : &n->has_max) = true;
		*(min ? &n->min_exclusive : &n->max_exclusive) = k.p[0] == 'e';
		return 0;
	}
	if (mr_str_eqz(k, "minLength"))
		return read_size(c, "minLength", v, &n->min_length);
	if (mr_str_eqz(k, "maxLength"))
		return read_size(c, "maxLength", v, &n->max_length);
	if (mr_str_eqz(k, "minItems"))
		return read_size(c, "minItems", v, &n->min_items);
	if (mr_str_eqz(k, "maxItems"))
		return read_size(c, "maxItems", v, &n->max_items);
	if (mr_str_eqz(k, "minProperties"))
		return read_size(c, "minProperties", v, &n->min_props);
	if (mr_str_eqz(k, "maxProperties"))
		return read_size(c, "maxProperties", v, &n->max_props);
	return 1;
}

static int read_additional(
    struct compiler *c, const struct mr_value *v, struct mr_schema_node *n, unsigned depth)
{
	if (v->kind == MR_VALUE_BOOL) {
		n->closed = !v->b;
		return 0;
	}
	return compile_new(c, v, &n->additional, depth + 1);
}

static int read_all_of(
    struct compiler *c, const struct mr_value *v, struct mr_schema_node *n, unsigned depth)
{
	if (v->kind != MR_VALUE_LIST || v->list->len != 1)
		return bad(c, "allOf (of more or less than one schema)");
	return compile_new(c, &v->list->items[0], &n->ref, depth + 1);
}

static bool is_documentation(struct mr_str k)
{
	static const char *const known[] = { "description", "title", "example", "deprecated",
		"writeOnly", "$schema", "$id" };

	for (size_t i = 0; i < MR_ARRAY_LEN(known); i++) {
		if (mr_str_eqz(k, known[i]))
			return true;
	}
	return k.len > 2 && k.p[0] == 'x' && k.p[1] == '-';
}

/* Keywords that hold other schemas, or values. 1: not one of these. */
static int read_inner(struct compiler *c, struct mr_str k, const struct mr_value *v,
    struct mr_schema_node *n, unsigned depth)
{
	if (mr_str_eqz(k, "properties"))
		return read_props(c, v, n, depth);
	if (mr_str_eqz(k, "additionalProperties"))
		return read_additional(c, v, n, depth);
	if (mr_str_eqz(k, "items"))
		return compile_new(c, v, &n->items, depth + 1);
	if (mr_str_eqz(k, "oneOf") || mr_str_eqz(k, "anyOf")) {
		n->one_of = k.p[0] == 'o';
		return read_alternatives(c, v, n, depth);
	}
	if (mr_str_eqz(k, "allOf"))
		return read_all_of(c, v, n, depth);
	if (mr_str_eqz(k, "$ref"))
		return read_ref(c, v, n);
	if (mr_str_eqz(k, "enum") || mr_str_eqz(k, "const"))
		return read_words(c, v, k.p[0] == 'c', n);
	return 1;
}

static int read_keyword(struct compiler *c, struct mr_str k, const struct mr_value *v,
    struct mr_schema_node *n, unsigned depth)
{
	int r = read_inner(c, k, v, n, depth);

	if (r > 0)
		r = read_limit(c, k, v, n);
	if (r <= 0)
		return r;
	if (mr_str_eqz(k, "type"))
		return read_type(c, v, n);
	if (mr_str_eqz(k, "nullable"))
		return read_bool(c, "nullable", v, &n->nullable);
	if (mr_str_eqz(k, "readOnly"))
		return read_bool(c, "readOnly", v, &n->read_only);
	if (mr_str_eqz(k, "format"))
		return read_format(v, n);
	if (mr_str_eqz(k, "pattern"))
		return read_pattern(c, v, n);
	if (mr_str_eqz(k, "default")) {
		n->default_text = mr_json_text(c->s->arena, v);
		return n->default_text.p != NULL ? 0 : no_memory(c);
	}
	if (mr_str_eqz(k, "x-message") && v->kind == MR_VALUE_STRING) {
		n->message = v->s;
		return 0;
	}
	if (mr_str_eqz(k, "required") || is_documentation(k))
		return 0;
	return bad(c, "a keyword");
}

static int compile(
    struct compiler *c, const struct mr_value *v, struct mr_schema_node *n, unsigned depth)
{
	const struct mr_value *required;
	int r = 0;

	if (v->kind != MR_VALUE_MAP || depth > NEST_MAX)
		return bad(c, "a schema");
	n->max_length = n->max_items = n->max_props = SIZE_MAX;
	for (size_t i = 0; i < v->map->len && r == 0; i++)
		r = read_keyword(c, v->map->members[i].key.s, &v->map->members[i].value, n, depth);
	required = mr_value_get(v, "required");
	if (r == 0 && required != NULL)
		r = read_required(c, required, n);
	return r;
}

static void free_context(void *p)
{
	pcre2_match_context_free(p);
}

static int set_limits(struct mr_schemas *s)
{
	s->limits = pcre2_match_context_create(NULL);
	if (s->limits == NULL || mr_arena_defer(s->arena, free_context, s->limits) < 0)
		return MR_E_NOMEM;
	(void)pcre2_set_match_limit(s->limits, MATCH_LIMIT); /* these can't fail */
	(void)pcre2_set_depth_limit(s->limits, DEPTH_LIMIT);
	(void)pcre2_set_heap_limit(s->limits, HEAP_LIMIT);
	return 0;
}

int mr_schemas_create(struct mr_arena *arena, const struct mr_schema_text *texts, unsigned len,
    struct mr_schemas **ret, struct mr_error *err)
{
	struct mr_schemas *s = mr_arena_zalloc(arena, sizeof(*s));
	struct compiler c = { .s = s, .name = "", .err = err };

	if (s == NULL)
		return no_memory(&c);
	s->arena = arena;
	s->len = len;
	s->texts = texts;
	s->roots = mr_arena_array(arena, len, sizeof(*s->roots));
	if (s->roots == NULL || set_limits(s) < 0)
		return no_memory(&c);
	for (unsigned i = 1; i < len; i++) {
		struct mr_value v;
		int r;

		c.name = texts[i].name;
		if (mr_json_parse(arena, mr_str(texts[i].text), NULL, NULL, &v) < 0)
			return bad(&c, "its JSON");
		r = compile(&c, &v, &s->roots[i], 0);
		if (r < 0)
			return r;
	}
	*ret = s;
	return 0;
}
