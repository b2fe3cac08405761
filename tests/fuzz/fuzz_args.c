/*
 * Addresses against the real routes, one route at a time: the first byte says which, the first
 * line is its path variables with '/' between them, the rest the query. What is bound must be what
 * the route's table allows; what is decoded must be what was encoded.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fcgi/args.h"
#include "fcgi/call.h"
#include "fcgi/dispatch.h"
#include "fcgi/problem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

static bool is_text(struct mr_str s)
{
	return s.p == NULL || (mr_str_is_utf8(s) && (s.len == 0 || memchr(s.p, 0, s.len) == NULL));
}

static void check_id(struct mr_str s)
{
	int64_t n;

	must(s.len > 0 && s.len <= 16 && (s.p[0] != '0' || s.len == 1));
	must(mr_str_i64(s, &n) && n >= 0 && n < INT64_C(1) << 53);
}

static bool is_word(const struct mr_arg *arg, struct mr_str s)
{
	for (unsigned i = 0; arg->values[i] != NULL; i++) {
		if (mr_str_eqz(s, arg->values[i]))
			return true;
	}
	return false;
}

static void check_arg(const struct mr_arg *arg, const struct mr_pair *got)
{
	int64_t n;

	must(mr_str_eqz(got->name, arg->name) && is_text(got->value));
	if (got->value.p == NULL)
		return;
	if (arg->many) {
		must(got->value.len >= 2 && got->value.p[0] == '{' &&
		     got->value.p[got->value.len - 1] == '}');
		return;
	}
	switch (arg->type) {
	case MR_ARG_INT:
		must(mr_str_i64(got->value, &n) && n >= arg->min && n <= arg->max);
		break;
	case MR_ARG_BOOL:
		must(mr_str_eqz(got->value, "true") || mr_str_eqz(got->value, "false"));
		break;
	case MR_ARG_ENUM:
		must(is_word(arg, got->value));
		break;
	case MR_ARG_ID:
		check_id(got->value);
		break;
	case MR_ARG_TEXT:
	case MR_ARG_TIME:
		break;
	}
}

static void check_query(struct mr_request *r, const struct mr_stmt *list)
{
	struct mr_page *page = &r->call->page;

	must(mr_args_query(r, list, page) == 0);
	for (const struct mr_fault *f = r->faults.first; f != NULL; f = f->next)
		must(is_text(f->path) && is_text(f->message));
	if (r->faults.count > 0)
		return;
	for (size_t i = 0; i < r->query_args_len; i++) {
		must(r->route->args != NULL && r->route->args[i].name != NULL);
		check_arg(&r->route->args[i], &r->query_args[i]);
	}
	if (list == NULL)
		return;
	must(page->limit >= 1 && page->limit <= mr_page_max(r->route));
	must(page->offset >= 0 && page->offset <= MR_OFFSET_MAX);
	must(page->order < list->orders_len || (page->order == 0 && list->orders_len == 0));
	must(is_text(page->search) && is_text(page->cursor));
}

static void check_path(struct mr_request *r, const struct mr_route_vars *vars, struct mr_str line)
{
	struct mr_str values[MR_PATH_VARS_MAX];
	int rc;

	for (unsigned i = 0; i < MR_PATH_VARS_MAX; i++)
		values[i] = line.p != NULL && line.len > 0 ? mr_str_cut(&line, '/') : MR_STR("1");
	rc = mr_args_path(r, vars, values);
	must(rc == 0 || rc == MR_E_NOT_FOUND);
	for (unsigned i = 0; rc == 0 && r->faults.count == 0 && i < vars->len; i++) {
		if (vars->vars[i].kind == MR_VAR_ID)
			check_id(r->path_vars[i]);
		must(is_text(r->path_vars[i]));
	}
}

/* Each byte as %XX, and read again. */
static void check_percent(struct mr_arena *a, struct mr_str s)
{
	char *text = mr_arena_alloc(a, 3 * s.len + 1);
	struct mr_str back;
	int rc;

	must(text != NULL);
	for (size_t i = 0; i < s.len; i++)
		(void)snprintf(text + 3 * i, 4, "%%%02x", (unsigned char)s.p[i]); /* fits */
	rc = mr_percent_decode(a, (struct mr_str){ text, 3 * s.len }, true, &back);
	must(rc == (is_text(s) ? 0 : MR_E_INVALID));
	must(rc < 0 || mr_str_eq(back, s));
	if (mr_percent_decode(a, s, true, &back) == 0)
		must(is_text(back));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mr_arena *a = mr_arena_create(64u << 20);
	struct mr_call call = { .if_match = -1, .version = -1, .page = { .total = -1 } };
	struct mr_request r = { .arena = a, .call = &call };
	struct mr_str rest, line;
	struct mr_error err;
	bool list;

	must(a != NULL && mr_dispatch_init(&err) == 0);
	if (size == 0)
		goto out;
	r.route = &mr_routes[data[0] % mr_routes_len];
	rest = (struct mr_str){ (const char *)data + 1, size - 1 };
	line = mr_str_cut(&rest, '\n');
	r.query = rest.p != NULL ? rest : MR_STR("");
	/* the reader of parameters lets no control character of a path through, nginx none at all
	 */
	if (!is_text(line) || memchr(data, 0, size) != NULL)
		goto out;
	call.vars = mr_router_vars(mr_tables()->router, r.route);
	mr_faults_init(&r.faults, a, MR_FAULTS_MAX);
	check_path(&r, call.vars, line);
	list = r.route->envelope == MR_ENVELOPE_LIST || r.route->envelope == MR_ENVELOPE_BARE;
	mr_faults_init(&r.faults, a, MR_FAULTS_MAX);
	check_query(&r, list ? &mr_stmts[r.route->sql] : NULL);
	check_percent(a, r.query);
out:
	a = mr_arena_free(a);
	return 0;
}
