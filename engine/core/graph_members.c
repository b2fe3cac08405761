/* Members of definitions: their paths as the client wrote them, which are known, which are not. */
#include "engine/core/graph_private.h"

#include <stdarg.h>
#include <stdio.h>

static bool is_plain(struct mr_str s)
{
	if (s.len == 0)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		unsigned char ch = (unsigned char)s.p[i];

		if (ch < 0x80 && ch != '_' && ch != '-' && !(ch >= '0' && ch <= '9') &&
		    !(ch >= 'A' && ch <= 'Z') && !(ch >= 'a' && ch <= 'z'))
			return false;
	}
	return true;
}

/* A name may be as long as a whole text: paths hold its beginning. */
#define LONGEST_PART 200

struct mr_str mr_graph_shown(struct mr_str s, size_t max)
{
	size_t len = s.len < max ? s.len : max;

	while (len > 0 && len < s.len && ((unsigned char)s.p[len] & 0xC0) == 0x80)
		len--;
	return (struct mr_str){ s.p, len };
}

/* Paths live as long as compiling does: faults and templates copy theirs. */
struct mr_str mr_graph_path(struct mr_compile *c, struct mr_str base, struct mr_str member)
{
	struct mr_str p;

	member = mr_graph_shown(member, LONGEST_PART);
	if (!is_plain(member))
		p = mr_arena_printf(
		    c->scratch, "%.*s[\"%.*s\"]", MR_STR_ARG(base), MR_STR_ARG(member));
	else if (base.len == 0)
		p = mr_arena_str(c->scratch, member);
	else
		p = mr_arena_printf(c->scratch, "%.*s.%.*s", MR_STR_ARG(base), MR_STR_ARG(member));
	return p.p != NULL ? p : base;
}

struct mr_str mr_graph_pathz(struct mr_compile *c, struct mr_str base, const char *member)
{
	return mr_graph_path(c, base, mr_str(member));
}

struct mr_str mr_graph_path_at(struct mr_compile *c, struct mr_str base, size_t i)
{
	struct mr_str p = mr_arena_printf(c->scratch, "%.*s[%zu]", MR_STR_ARG(base), i);

	return p.p != NULL ? p : base;
}

void mr_graph_fault(
    struct mr_compile *c, struct mr_str path, const char *code, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap); /* cut when longer: it is for a person */
	va_end(ap);
	mr_fault_add(c->faults, path, code, "%s", text);
}

unsigned mr_graph_reach(struct mr_str key)
{
	if (key.len < 4)
		return 2;
	return key.len < 6 ? 3 : 4;
}

void mr_graph_nearer(struct mr_str key, const char *name, const char **nearest, unsigned *dist)
{
	unsigned d = mr_str_distance(key, mr_str(name), *dist);

	if (d < *dist) {
		*dist = d;
		*nearest = name;
	}
}

void mr_graph_unknown_member(
    struct mr_compile *c, struct mr_str path, struct mr_str key, const char *nearest)
{
	struct mr_str shown = mr_graph_shown(key, 60);

	path = mr_graph_path(c, path, key);
	if (nearest != NULL)
		mr_graph_fault(c, path, "unknown_member",
		    "\"%.*s\" is not known here; did you mean \"%s\"?", MR_STR_ARG(shown), nearest);
	else
		mr_graph_fault(c, path, "unknown_member", "\"%.*s\" is not known here; remove it",
		    MR_STR_ARG(shown));
}

bool mr_graph_is_empty(const struct mr_value *v)
{
	switch (v->kind) {
	case MR_VALUE_NULL:
		return true;
	case MR_VALUE_BOOL:
		return !v->b;
	case MR_VALUE_STRING:
		return v->s.len == 0;
	case MR_VALUE_LIST:
		return v->list->len == 0;
	case MR_VALUE_MAP:
		return v->map->len == 0;
	default:
		return false;
	}
}

bool mr_graph_is_dynamic(const struct mr_value *v)
{
	if (v->kind != MR_VALUE_STRING)
		return false;
	for (size_t i = 0; i + 1 < v->s.len; i++)
		if (v->s.p[i] == '{' && v->s.p[i + 1] == '{')
			return true;
	return false;
}

const struct mr_member_row *mr_graph_member_row(
    const struct mr_member_row *rows, size_t rows_len, struct mr_str key)
{
	for (size_t i = 0; i < rows_len; i++)
		if (mr_str_eqz(key, rows[i].name))
			return &rows[i];
	return NULL;
}

static void check_unknown(struct mr_compile *c, struct mr_str path, struct mr_str key,
    const struct mr_member_row *rows, size_t rows_len)
{
	const char *nearest = NULL;
	unsigned dist = mr_graph_reach(key);

	/* a client reads the first faults; the rest isn't worth the search */
	for (size_t i = 0; i < rows_len && c->faults->count < MR_GRAPH_HELPFUL; i++)
		if (rows[i].rule != MR_MEMBER_LATER)
			mr_graph_nearer(key, rows[i].name, &nearest, &dist);
	mr_graph_unknown_member(c, path, key, nearest);
}

void mr_graph_check_member(struct mr_compile *c, const struct mr_member *m, struct mr_str path,
    const struct mr_member_row *rows, size_t rows_len)
{
	const struct mr_member_row *row = mr_graph_member_row(rows, rows_len, m->key.s);

	if (row == NULL)
		check_unknown(c, path, m->key.s, rows, rows_len);
	else if (row->rule == MR_MEMBER_LATER && !mr_graph_is_empty(&m->value))
		mr_graph_fault(c, mr_graph_path(c, path, m->key.s), "not_supported",
		    "this version does not carry out \"%s\"; remove it", row->name);
}

void mr_graph_check_members(struct mr_compile *c, const struct mr_value *v, struct mr_str path,
    const struct mr_member_row *rows, size_t rows_len)
{
	for (size_t i = 0; i < v->map->len; i++)
		mr_graph_check_member(c, &v->map->members[i], path, rows, rows_len);
}

const struct mr_value *mr_graph_get(const struct mr_value *v, const char *member)
{
	const struct mr_value *m = mr_value_get(v, member);

	return m != NULL && m->kind != MR_VALUE_NULL ? m : NULL;
}

const struct mr_value *mr_graph_member(struct mr_compile *c, const struct mr_value *v,
    struct mr_str path, const char *member, const char *alias, struct mr_str *ret_path)
{
	const struct mr_value *m = mr_graph_get(v, member);
	const struct mr_value *other = alias != NULL ? mr_graph_get(v, alias) : NULL;

	if (m != NULL && other != NULL && !mr_value_eq(m, other))
		mr_graph_fault(c, mr_graph_pathz(c, path, alias), "conflict",
		    "\"%s\" and \"%s\" mean the same; give one of them", member, alias);
	if (m != NULL)
		*ret_path = mr_graph_pathz(c, path, member);
	else if (other != NULL)
		*ret_path = mr_graph_pathz(c, path, alias);
	return m != NULL ? m : other;
}
