#include "fcgi/router.h"

#include <string.h>

/* Variables whose route segments tell what kind of id they are. */
static const struct {
	const char *before; /* the segment before {id} */
	const char *name;   /* or the variable's own name */
	const char *prefix;
} id_kinds[] = {
	{ "workflows", "workflow_id", "wf" },
	{ "runs", "run_id", "run" },
	{ "executions", "execution_id", "run" },
	{ "steps", "step_execution_id", "step" },
	{ "files", "file_id", "file" },
	{ "api-keys", "api_key_id", "key" },
	{ "events", "event_id", "event" },
	{ "sagas", "saga_id", "saga" },
	{ "users", "user_id", "user" },
	{ "audit-logs", "audit_log_id", "audit" },
	{ "groups", "group_id", "group" },
	{ "tenants", "tenant_id", "tenant" },
};

struct node {
	struct mr_str segment; /* literal text; absent for a variable */
	struct node *children; /* literal ones */
	struct node *variable; /* at most one */
	struct node *next;     /* among the literal children of the parent */
	const struct mr_route *by_method[MR_METHOD_COUNT];
	unsigned allow;
	bool is_text; /* a variable that is a text */
};

struct mr_router {
	struct mr_arena *arena;
	const struct mr_route *routes;
	struct mr_route_vars *vars; /* one a route */
	struct node root;
};

static const char *const method_names[MR_METHOD_COUNT] = {
	[MR_GET] = "GET",
	[MR_POST] = "POST",
	[MR_PUT] = "PUT",
	[MR_PATCH] = "PATCH",
	[MR_DELETE] = "DELETE",
	[MR_HEAD] = "HEAD",
	[MR_OPTIONS] = "OPTIONS",
};

const char *mr_method_name(enum mr_method m)
{
	return m < MR_METHOD_COUNT ? method_names[m] : "";
}

size_t mr_allow_text(unsigned allow, char out[MR_ALLOW_LEN])
{
	static const enum mr_method order[] = { MR_GET, MR_HEAD, MR_POST, MR_PUT, MR_PATCH,
		MR_DELETE, MR_OPTIONS };
	size_t n = 0;

	allow |= 1u << MR_OPTIONS;
	for (size_t i = 0; i < MR_ARRAY_LEN(order); i++) {
		const char *name = method_names[order[i]];
		size_t len = strlen(name);

		if ((allow & 1u << order[i]) == 0)
			continue;
		if (n > 0) {
			out[n++] = ',';
			out[n++] = ' ';
		}
		memcpy(out + n, name, len);
		n += len;
	}
	out[n] = '\0';
	return n;
}

static bool is_variable(struct mr_str segment)
{
	return segment.len > 2 && segment.p[0] == '{' && segment.p[segment.len - 1] == '}';
}

static bool ends_in_id(struct mr_str name)
{
	return mr_str_eqz(name, "id") ||
	       (name.len > 3 && memcmp(name.p + name.len - 3, "_id", 3) == 0);
}

static void describe(struct mr_var *v, struct mr_str name, struct mr_str before)
{
	v->name = name;
	v->kind = MR_VAR_TEXT;
	if (mr_str_eqz(name, "version") || mr_str_eqz(name, "base") || mr_str_eqz(name, "other")) {
		v->kind = MR_VAR_NUMBER;
	} else if (ends_in_id(name)) {
		v->kind = MR_VAR_ID;
		for (size_t i = 0; i < MR_ARRAY_LEN(id_kinds); i++) {
			if (mr_str_eqz(name, id_kinds[i].name) ||
			    (mr_str_eqz(name, "id") && mr_str_eqz(before, id_kinds[i].before)))
				v->id_prefix = id_kinds[i].prefix;
		}
	}
}

static struct node *literal_child(const struct node *n, struct mr_str segment)
{
	for (struct node *c = n->children; c != NULL; c = c->next) {
		if (c->segment.len == segment.len &&
		    memcmp(c->segment.p, segment.p, segment.len) == 0)
			return c;
	}
	return NULL;
}

static struct node *grow(struct mr_router *r, struct node *n, struct mr_str segment)
{
	bool variable = is_variable(segment);
	struct node *c = variable ? n->variable : literal_child(n, segment);

	if (c != NULL)
		return c;
	c = mr_arena_zalloc(r->arena, sizeof(*c));
	if (c == NULL)
		return NULL;
	if (variable) {
		n->variable = c;
	} else {
		c->segment = segment;
		c->next = n->children;
		n->children = c;
	}
	return c;
}

static int add_route(struct mr_router *r, unsigned i, struct mr_error *err)
{
	const struct mr_route *route = &r->routes[i];
	struct mr_str rest = mr_str(route->path), before = MR_STR("");
	struct mr_route_vars *vars = &r->vars[i];
	struct node *n = &r->root;

	if (rest.len < 2 || rest.p[0] != '/')
		return mr_error_set(
		    err, MR_E_INVALID, MR_ERR_INTERNAL, "%s: not a path", route->path);
	(void)mr_str_cut(&rest, '/'); /* nothing stands before the first slash */
	while (rest.p != NULL) {
		struct mr_str segment = mr_str_cut(&rest, '/');

		if (segment.len == 0)
			return mr_error_set(
			    err, MR_E_INVALID, MR_ERR_INTERNAL, "%s: empty segment", route->path);
		if (is_variable(segment)) {
			if (vars->len == MR_PATH_VARS_MAX)
				return mr_error_set(err, MR_E_LIMIT, MR_ERR_INTERNAL,
				    "%s: too many variables", route->path);
			describe(&vars->vars[vars->len++],
			    (struct mr_str){ segment.p + 1, segment.len - 2 }, before);
		}
		before = segment;
		n = grow(r, n, segment);
		if (n == NULL)
			return mr_error_set(
			    err, MR_E_NOMEM, MR_ERR_INTERNAL, "no memory for routes");
		n->is_text = is_variable(segment) && vars->vars[vars->len - 1].kind == MR_VAR_TEXT;
	}
	if (n->by_method[route->method] != NULL)
		return mr_error_set(err, MR_E_CONFLICT, MR_ERR_INTERNAL,
		    "%s %s: twice in the table", mr_method_name(route->method), route->path);
	n->by_method[route->method] = route;
	n->allow |= 1u << route->method;
	if (route->method == MR_GET)
		n->allow |= 1u << MR_HEAD;
	return 0;
}

int mr_router_create(struct mr_arena *arena, const struct mr_route *routes, unsigned len,
    struct mr_router **ret, struct mr_error *err)
{
	struct mr_router *r = mr_arena_zalloc(arena, sizeof(*r));

	if (r == NULL)
		return mr_error_set(err, MR_E_NOMEM, MR_ERR_INTERNAL, "no memory for routes");
	r->arena = arena;
	r->routes = routes;
	r->vars = mr_arena_array(arena, len, sizeof(*r->vars));
	if (r->vars == NULL)
		return mr_error_set(err, MR_E_NOMEM, MR_ERR_INTERNAL, "no memory for routes");
	for (unsigned i = 0; i < len; i++) {
		int rc = add_route(r, i, err);

		if (rc < 0)
			return rc;
	}
	*ret = r;
	return 0;
}

const struct mr_route_vars *mr_router_vars(const struct mr_router *r, const struct mr_route *route)
{
	return &r->vars[route - r->routes];
}

static bool is_leaf(const struct node *n)
{
	return n->children == NULL && n->variable == NULL;
}

/*
 * A text may hold slashes (nginx has decoded %2F): it goes on until a last segment that stands in
 * the table behind it. VALUE grows over REST, which loses what it took.
 */
static void extend(const struct node *n, struct mr_str *value, struct mr_str *rest)
{
	while (rest->p != NULL) {
		struct mr_str left = *rest, segment = mr_str_cut(&left, '/');
		const struct node *c = literal_child(n, segment);

		if (segment.len == 0 || n->variable != NULL ||
		    (c != NULL && (left.p == NULL || !is_leaf(c))))
			return;
		value->len = (size_t)(segment.p + segment.len - value->p);
		*rest = left;
	}
}

/* The node of a path without its first and last slash, or NULL. */
static const struct node *walk(const struct mr_router *r, struct mr_str path, struct mr_match *m)
{
	const struct node *n = &r->root;
	unsigned vars = 0;

	while (path.p != NULL) {
		struct mr_str segment = mr_str_cut(&path, '/');
		const struct node *c;

		if (segment.len == 0)
			return NULL;
		c = literal_child(n, segment);
		if (c == NULL && n->variable != NULL) {
			/* the tree is no deeper than MR_PATH_VARS_MAX variables */
			c = n->variable;
			if (c->is_text)
				extend(c, &segment, &path);
			m->values[vars++] = segment;
		}
		if (c == NULL)
			return NULL;
		n = c;
	}
	return n;
}

void mr_router_match(
    const struct mr_router *r, enum mr_method method, struct mr_str path, struct mr_match *ret)
{
	const struct node *n;

	ret->route = NULL;
	ret->vars = NULL;
	ret->allow = 0;
	if (path.len < 2 || path.p[0] != '/')
		return;
	path.p++;
	path.len--;
	if (path.p[path.len - 1] == '/')
		path.len--;
	if (path.len == 0)
		return;
	n = walk(r, path, ret);
	if (n == NULL)
		return;
	ret->allow = n->allow;
	ret->route = n->by_method[method == MR_HEAD ? MR_GET : method];
	if (ret->route != NULL)
		ret->vars = mr_router_vars(r, ret->route);
}
