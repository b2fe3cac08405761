/*
 * The router beside one that is too simple to be wrong. An input is paths of a route table, one a
 * line with a method's digit before each, then after an empty line the paths to look for. A table
 * that the router refuses is none of ours.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fcgi/router.h"

#define ROWS_MAX 12

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

struct table {
	struct mr_route rows[ROWS_MAX];
	unsigned len;
};

static bool is_var(struct mr_str s)
{
	return s.len > 0 && s.p[0] == '{';
}

/* The next segment; false at the end. */
static bool segment(struct mr_str *rest, struct mr_str *ret)
{
	if (rest->p == NULL)
		return false;
	*ret = mr_str_cut(rest, '/');
	return true;
}

static struct mr_str segments_of(struct mr_str path)
{
	if (path.len > 1 && path.p[path.len - 1] == '/')
		path.len--;
	return (struct mr_str){ path.p + 1, path.len - 1 };
}

/* Of all rows that begin like PATH, those that go on with the literal if there is one. */
static bool fits(const struct table *t, const struct mr_route *row, struct mr_str path)
{
	struct mr_str mine = segments_of(mr_str(row->path)), theirs = segments_of(path);
	struct mr_str so_far = { row->path, 0 }, a, b;

	while (segment(&mine, &a)) {
		if (!segment(&theirs, &b))
			return false;
		so_far.len = (size_t)(a.p - row->path);
		if (!is_var(a)) {
			if (!mr_str_eq(a, b))
				return false;
			continue;
		}
		if (b.len == 0)
			return false;
		for (unsigned i = 0; i < t->len; i++) {
			struct mr_str other = mr_str(t->rows[i].path), next;

			if (!mr_str_starts(other, so_far))
				continue;
			other = (struct mr_str){ other.p + so_far.len, other.len - so_far.len };
			next = mr_str_cut(&other, '/');
			if (!is_var(next) && mr_str_eq(next, b))
				return false; /* the literal goes first, without going back */
		}
	}
	return theirs.p == NULL;
}

static void look(const struct table *t, const struct mr_router *router, struct mr_str path)
{
	for (unsigned method = 0; method < MR_METHOD_COUNT; method++) {
		const struct mr_route *want = NULL;
		struct mr_match m;
		unsigned allow = 0;

		mr_router_match(router, (enum mr_method)method, path, &m);
		for (unsigned i = 0; path.len > 0 && path.p[0] == '/' && i < t->len; i++) {
			if (!fits(t, &t->rows[i], path))
				continue;
			allow |= 1u << t->rows[i].method;
			if (t->rows[i].method == (enum mr_method)method ||
			    (method == MR_HEAD && t->rows[i].method == MR_GET && want == NULL))
				want = &t->rows[i];
		}
		must(m.route == want);
		must((m.allow & ~(1u << MR_HEAD)) == allow);
		for (unsigned i = 0; m.route != NULL && i < m.vars->len; i++)
			must(m.values[i].len > 0 && m.values[i].p >= path.p &&
			     m.values[i].p + m.values[i].len <= path.p + path.len &&
			     memchr(m.values[i].p, '/', m.values[i].len) == NULL);
	}
}

static bool add(struct table *t, struct mr_arena *a, struct mr_str line)
{
	struct mr_route *row = &t->rows[t->len];

	if (line.len < 2 || t->len == ROWS_MAX || line.p[0] < '0' || line.p[0] > '4' ||
	    line.p[1] != '/')
		return false;
	row->id = t->len++;
	row->method = (enum mr_method)(line.p[0] - '0');
	row->path = mr_arena_strz(a, (struct mr_str){ line.p + 1, line.len - 1 });
	must(row->path != NULL);
	/* an id: a text may hold slashes, and names that differ would make two variables */
	for (const char *p = strchr(row->path, '{'); p != NULL; p = strchr(p + 1, '{')) {
		if (p[-1] != '/' || strncmp(p, "{id}", 4) != 0 || (p[4] != '\0' && p[4] != '/'))
			return false;
	}
	return strchr(row->path, '}') == NULL || strchr(row->path, '{') != NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mr_arena *a = mr_arena_create(4u << 20);
	struct mr_str rest = { (const char *)data, size }, line;
	struct mr_router *router;
	struct table t = { .len = 0 };
	struct mr_error err;

	must(a != NULL);
	if (memchr(data, 0, size) != NULL)
		goto out;
	while (rest.p != NULL && (line = mr_str_cut(&rest, '\n')).len > 0) {
		if (!add(&t, a, line))
			goto out;
	}
	if (t.len == 0 || mr_router_create(a, t.rows, t.len, &router, &err) < 0)
		goto out;
	while (rest.p != NULL)
		look(&t, router, mr_str_cut(&rest, '\n'));
out:
	a = mr_arena_free(a);
	return 0;
}
