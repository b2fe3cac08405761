#include "fcgi/schema.h"

#include <math.h>
#include <string.h>

#include "fcgi/schema_private.h"
#include "lib/clock.h"

#define NESTED_MAX   8                  /* alternatives inside alternatives */
#define TRIAL_FAULTS 50                 /* kept of an alternative that doesn't fit */
#define EXACT_DOUBLE 9007199254740992.0 /* 2^53 */

/* A list or map whose entries are being checked. */
struct frame {
	const struct mr_schema_node *node;
	const struct mr_value *value;
	size_t next; /* entry to come; the one before it is at work */
};

struct checker {
	const struct mr_schemas *s;
	struct mr_arena *arena;
	struct mr_faults *faults;
	const struct checker *outer; /* whose current place this one begins at; NULL: the body */
	unsigned nested;
	struct frame *frames;
	size_t len, cap;
	bool no_memory;
};

static int check_from(struct checker *c, const struct mr_schema_node *n, const struct mr_value *v);

/* ---- faults ---- */

static bool is_plain(struct mr_str s)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = s.p[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && c != '_' && c != '-' &&
		    !(c >= '0' && c <= '9'))
			return false;
	}
	return s.len > 0;
}

static struct mr_str path_member(struct mr_arena *a, struct mr_str path, struct mr_str name)
{
	const char *fmt =
	    is_plain(name) ? (path.len > 0 ? "%.*s.%.*s" : "%.*s%.*s") : "%.*s[\"%.*s\"]";
	struct mr_str s;

	if (name.len > 100)
		name.len = 100; /* of a member that nobody knows; the start names it well enough */
	while (name.len > 0 && !mr_str_is_utf8(name))
		name.len--;
		/* not a literal: one of the three above, with the same arguments */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	s = mr_arena_printf(a, fmt, MR_STR_ARG(path), MR_STR_ARG(name));
#pragma GCC diagnostic pop
	return s.p != NULL ? s : path;
}

static struct mr_str path_of(const struct checker *c)
{
	struct mr_str path = c->outer != NULL ? path_of(c->outer) : MR_STR("");

	for (size_t i = 0; i < c->len; i++) {
		const struct frame *f = &c->frames[i];
		struct mr_str more;

		if (f->next == 0)
			continue; /* nothing of it was begun: the fault is its own */
		if (f->value->kind == MR_VALUE_LIST) {
			more =
			    mr_arena_printf(c->arena, "%.*s[%zu]", MR_STR_ARG(path), f->next - 1);
			if (more.p != NULL)
				path = more;
		} else {
			path =
			    path_member(c->arena, path, f->value->map->members[f->next - 1].key.s);
		}
	}
	return path;
}

/* True when the fault is only counted: then nobody need make its text. */
static bool full(struct checker *c)
{
	if (c->faults->count < c->faults->max)
		return false;
	c->faults->count++;
	return true;
}

static void fault(struct checker *c, const char *code, struct mr_str message)
{
	if (!full(c))
		mr_fault_add(c->faults, path_of(c), code, "%.*s", MR_STR_ARG(message));
}

static void fault_size(struct checker *c, const char *code, const char *least, size_t n,
    const char *one, const char *many)
{
	if (!full(c))
		mr_fault_add(c->faults, path_of(c), code, "must have at %s %zu %s", least, n,
		    n == 1 ? one : many);
}

static const char *type_phrase(unsigned types)
{
	static const struct {
		unsigned type;
		const char *phrase;
	} phrases[] = {
		{ MR_TYPE_OBJECT, "an object" },
		{ MR_TYPE_ARRAY, "a list" },
		{ MR_TYPE_STRING, "a text" },
		{ MR_TYPE_INTEGER, "a whole number" },
		{ MR_TYPE_NUMBER, "a number" },
		{ MR_TYPE_BOOLEAN, "true or false" },
		{ MR_TYPE_NULL, "null" },
	};

	for (size_t i = 0; i < MR_ARRAY_LEN(phrases); i++) {
		if ((types & phrases[i].type) != 0)
			return phrases[i].phrase;
	}
	return "something else";
}

/* ---- scalars ---- */

static unsigned type_of(const struct mr_value *v)
{
	switch (v->kind) {
	case MR_VALUE_NULL:
		return MR_TYPE_NULL;
	case MR_VALUE_BOOL:
		return MR_TYPE_BOOLEAN;
	case MR_VALUE_INT:
	case MR_VALUE_UINT:
		return MR_TYPE_INTEGER | MR_TYPE_NUMBER;
	case MR_VALUE_DOUBLE:
		return fabs(v->d) < EXACT_DOUBLE && floor(v->d) == v->d
		           ? MR_TYPE_INTEGER | MR_TYPE_NUMBER
		           : MR_TYPE_NUMBER;
	case MR_VALUE_LIST:
		return MR_TYPE_ARRAY;
	case MR_VALUE_MAP:
		return MR_TYPE_OBJECT;
	default:
		return MR_TYPE_STRING;
	}
}

static bool is_http_uri(struct mr_str s)
{
	struct mr_str rest = s;

	for (size_t i = 0; i < s.len; i++) {
		if ((unsigned char)s.p[i] <= ' ' || s.p[i] == 0x7f)
			return false;
	}
	if (mr_str_starts(s, MR_STR("https://")))
		rest = (struct mr_str){ s.p + 8, s.len - 8 };
	else if (mr_str_starts(s, MR_STR("http://")))
		rest = (struct mr_str){ s.p + 7, s.len - 7 };
	else
		return false;
	return rest.len > 0 && rest.p[0] != '/' && rest.p[0] != '?' && rest.p[0] != '#';
}

static void check_string(struct checker *c, const struct mr_schema_node *n, struct mr_str s)
{
	size_t len = n->min_length > 0 || n->max_length != SIZE_MAX ? mr_str_code_points(s) : 0;
	int64_t us;

	if (n->min_length == 1 && len == 0)
		fault(c, "min_length", MR_STR("must not be empty"));
	else if (len < n->min_length)
		fault_size(c, "min_length", "least", n->min_length, "character", "characters");
	if (len > n->max_length)
		fault_size(c, "max_length", "most", n->max_length, "character", "characters");
	if (n->format == MR_FORMAT_DATE_TIME && mr_time_parse(s, &us) < 0)
		fault(c, "format", MR_STR("must be a time such as 2025-01-31T12:00:00Z"));
	if (n->format == MR_FORMAT_URI && !is_http_uri(s))
		fault(c, "format", MR_STR("must be an absolute http(s) URL"));
	/* text is UTF-8: the reader of JSON saw to that */
	if (n->pattern != NULL && pcre2_match(n->pattern, (PCRE2_SPTR)s.p, s.len, 0,
	                              PCRE2_NO_UTF_CHECK, n->match, c->s->limits) < 0)
		fault(c, "pattern",
		    n->message.p != NULL ? n->message
		                         : mr_arena_printf(c->arena, "must match %.*s",
		                               MR_STR_ARG(n->pattern_text)));
}

static void check_range(struct checker *c, const struct mr_schema_node *n, const struct mr_value *v)
{
	int low = n->has_min ? mr_number_cmp(v, &n->min) : 1;
	int high = n->has_max ? mr_number_cmp(v, &n->max) : -1;

	if ((low < 0 || (low == 0 && n->min_exclusive)) && !full(c))
		mr_fault_add(c->faults, path_of(c), "minimum", "must be %s %.*s",
		    n->min_exclusive ? "more than" : "at least",
		    MR_STR_ARG(mr_json_text(c->arena, &n->min)));
	if (((high > 0 && high != 2) || (high == 0 && n->max_exclusive)) && !full(c))
		mr_fault_add(c->faults, path_of(c), "maximum", "must be %s %.*s",
		    n->max_exclusive ? "less than" : "at most",
		    MR_STR_ARG(mr_json_text(c->arena, &n->max)));
}

static bool check_words(struct checker *c, const struct mr_schema_node *n, const struct mr_value *v)
{
	struct mr_str all = MR_STR("");

	if (n->words == NULL)
		return true;
	for (size_t i = 0; i < n->words->len; i++) {
		if (mr_value_eq(&n->words->items[i], v))
			return true;
	}
	if (full(c))
		return false;
	for (size_t i = 0; i < n->words->len; i++) {
		const struct mr_value *w = &n->words->items[i];
		struct mr_str text = w->kind == MR_VALUE_STRING ? w->s : mr_json_text(c->arena, w);
		struct mr_str more = mr_arena_printf(c->arena, "%.*s%s%.*s", MR_STR_ARG(all),
		    all.len > 0 ? ", " : "", MR_STR_ARG(text));

		if (more.p != NULL)
			all = more;
	}
	if (n->message.p != NULL)
		mr_fault_add(c->faults, path_of(c), "enum", "%.*s", MR_STR_ARG(n->message));
	else
		mr_fault_add(c->faults, path_of(c), "enum", "must be %s%.*s",
		    n->words->len > 1 ? "one of: " : "", MR_STR_ARG(all));
	return false;
}

static bool check_type(struct checker *c, const struct mr_schema_node *n, const struct mr_value *v)
{
	if (n->types == 0 || (n->types & type_of(v)) != 0)
		return true;
	if (n->message.p != NULL)
		fault(c, "type", n->message);
	else if (!full(c))
		mr_fault_add(c->faults, path_of(c), "type", "must be %s%s", type_phrase(n->types),
		    n->nullable ? " or null" : "");
	return false;
}

/* ---- lists and maps ---- */

static struct mr_schema_prop *prop_find(const struct mr_schema_node *n, struct mr_str name)
{
	for (size_t i = 0; i < n->props_len; i++) {
		if (n->props[i].name.len == name.len &&
		    memcmp(n->props[i].name.p, name.p, name.len) == 0)
			return &n->props[i];
	}
	return NULL;
}

static void check_map_size(
    struct checker *c, const struct mr_schema_node *n, const struct mr_map *map)
{
	if (map->len < n->min_props)
		fault_size(c, "min_properties", "least", n->min_props, "member", "members");
	if (map->len > n->max_props)
		fault_size(c, "max_properties", "most", n->max_props, "member", "members");
}

static void check_required(
    struct checker *c, const struct mr_schema_node *n, const struct mr_value *v)
{
	for (size_t i = 0; i < n->props_len; i++) {
		if (n->props[i].required && mr_value_gets(v, n->props[i].name) == NULL && !full(c))
			mr_fault_add(c->faults, path_member(c->arena, path_of(c), n->props[i].name),
			    "required", "is required");
	}
}

static void fault_unknown(struct checker *c, const struct mr_schema_node *n, struct mr_str name)
{
	const struct mr_schema_prop *best = NULL;
	unsigned least = name.len < 6 ? (unsigned)name.len / 2 + 1 : 4;

	if (mr_faults_ignore(c->faults, "unknown_member") || full(c))
		return;
	for (size_t i = 0; i < n->props_len; i++) {
		unsigned d = mr_str_distance(name, n->props[i].name, least);

		if (d < least && !n->props[i].node->read_only) {
			least = d;
			best = &n->props[i];
		}
	}
	if (best != NULL)
		mr_fault_add(c->faults, path_of(c), "unknown_member",
		    "is not known here; did you mean %.*s?", MR_STR_ARG(best->name));
	else
		mr_fault_add(c->faults, path_of(c), "unknown_member", "is not known here");
}

static void push(struct checker *c, const struct mr_schema_node *n, const struct mr_value *v)
{
	if (c->len == c->cap) {
		size_t cap = c->cap == 0 ? 16 : c->cap * 2;
		struct frame *f = mr_arena_array(c->arena, cap, sizeof(*f));

		if (f == NULL) {
			c->no_memory = true;
			return;
		}
		if (c->len > 0)
			memcpy(f, c->frames, c->len * sizeof(*f));
		c->frames = f;
		c->cap = cap;
	}
	c->frames[c->len++] = (struct frame){ n, v, 0 };
}

/* ---- alternatives ---- */

/* Whether a value of this type could fit at all: then its faults say more than "one of". */
static bool accepts_type(const struct mr_schema_node *n, const struct mr_value *v)
{
	for (unsigned i = 0; n->types == 0 && n->ref != NULL && i < NESTED_MAX; i++)
		n = n->ref;
	return n->types == 0 || (n->types & type_of(v)) != 0;
}

static void merge(struct checker *c, const struct mr_faults *from)
{
	/* counted, but there was no memory to write it down: it must not be taken for none */
	if (from->first == NULL)
		c->no_memory = true;
	for (const struct mr_fault *f = from->first; f != NULL; f = f->next)
		mr_fault_add(c->faults, f->path, f->code.p, "%.*s", MR_STR_ARG(f->message));
}

static void check_alternatives(
    struct checker *c, const struct mr_schema_node *n, const struct mr_value *v)
{
	const struct mr_faults none = { .arena = NULL };
	struct mr_faults near = none;
	size_t fits = 0, candidates = 0;

	if (c->nested >= NESTED_MAX) {
		fault(c, "depth", MR_STR("is nested too deeply"));
		return;
	}
	for (size_t i = 0; i < n->alternatives_len; i++) {
		struct mr_faults trial;
		struct checker inner = { .s = c->s,
			.arena = c->arena,
			.faults = &trial,
			.outer = c,
			.nested = c->nested + 1 };

		mr_faults_begin(&trial, c->arena, c->faults);
		trial.max = TRIAL_FAULTS;
		if (check_from(&inner, n->alternatives[i], v) < 0)
			c->no_memory = true;
		if (trial.count == 0) {
			fits++;
		} else if (accepts_type(n->alternatives[i], v)) {
			candidates++;
			near = trial;
		}
	}
	if (fits == 1 || (fits > 1 && !n->one_of))
		return;
	if (fits > 1)
		fault(c, "one_of", MR_STR("fits more than one of the allowed forms"));
	else if (candidates == 1 &&
	         (n->message.p == NULL || v->kind == MR_VALUE_MAP || v->kind == MR_VALUE_LIST))
		merge(c, &near);
	else
		fault(c, "one_of",
		    n->message.p != NULL ? n->message : MR_STR("has none of the allowed forms"));
}

/* ---- the walk ---- */

/* Checks V itself; its entries come later, by the frame that is pushed. */
static void check_one(struct checker *c, const struct mr_schema_node *n, const struct mr_value *v)
{
	for (unsigned i = 0; i < NESTED_MAX && n != NULL; i++, n = n->ref) {
		if (v->kind == MR_VALUE_NULL && n->nullable)
			return;
		if (!check_type(c, n, v) || !check_words(c, n, v))
			return;
		if (v->kind == MR_VALUE_STRING)
			check_string(c, n, v->s);
		else if (mr_value_is_number(v))
			check_range(c, n, v);
		if (n->alternatives_len > 0)
			check_alternatives(c, n, v);
		if (v->kind == MR_VALUE_MAP) {
			check_map_size(c, n, v->map);
			check_required(c, n, v);
			if (n->props_len > 0 || n->closed || n->additional != NULL)
				push(c, n, v);
		} else if (v->kind == MR_VALUE_LIST) {
			if (v->list->len < n->min_items)
				fault_size(
				    c, "min_items", "least", n->min_items, "entry", "entries");
			if (v->list->len > n->max_items)
				fault_size(
				    c, "max_items", "most", n->max_items, "entry", "entries");
			if (n->items != NULL && v->list->len <= n->max_items)
				push(c, n, v);
		}
	}
}

static void check_member(
    struct checker *c, const struct mr_schema_node *n, const struct mr_member *m)
{
	const struct mr_schema_prop *p = prop_find(n, m->key.s);

	if (p != NULL && p->node->read_only)
		return;
	if (p != NULL)
		check_one(c, p->node, &m->value);
	else if (n->additional != NULL)
		check_one(c, n->additional, &m->value);
	else if (n->closed)
		fault_unknown(c, n, m->key.s);
}

static int check_from(struct checker *c, const struct mr_schema_node *n, const struct mr_value *v)
{
	check_one(c, n, v);
	while (c->len > 0 && !c->no_memory) {
		struct frame *f = &c->frames[c->len - 1];
		bool list = f->value->kind == MR_VALUE_LIST;

		if (f->next == (list ? f->value->list->len : f->value->map->len)) {
			c->len--;
			continue;
		}
		f->next++;
		if (list)
			check_one(c, f->node->items, &f->value->list->items[f->next - 1]);
		else
			check_member(c, f->node, &f->value->map->members[f->next - 1]);
	}
	return c->no_memory ? MR_E_NOMEM : 0;
}

int mr_schema_check(const struct mr_schemas *s, enum mr_schema id, const struct mr_value *v,
    struct mr_arena *scratch, struct mr_faults *faults)
{
	struct checker c = { .s = s, .arena = scratch, .faults = faults };
	size_t before = faults->count;
	int r = check_from(&c, &s->roots[id], v);

	if (r < 0)
		return r;
	return faults->count > before ? MR_E_INVALID : 0;
}

bool mr_schema_member(
    const struct mr_schemas *s, enum mr_schema id, struct mr_str name, struct mr_schema_member *ret)
{
	const struct mr_schema_node *n = &s->roots[id];
	const struct mr_schema_prop *p = NULL;

	for (unsigned i = 0; i < NESTED_MAX && n != NULL && p == NULL; i++, n = n->ref)
		p = prop_find(n, name);
	if (p == NULL)
		return false;
	ret->read_only = p->node->read_only;
	ret->default_text = p->node->default_text;
	return true;
}
