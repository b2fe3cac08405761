/*
 * Who may come in, and who one is oneself. What changes who may do what is one statement each; all
 * that is done here is to tell the workers.
 */
#include <stdio.h>

#include "fcgi/access.h"
#include "fcgi/dispatch.h"
#include "fcgi/router.h"
#include "fcgi/worker.h"
#include "handlers/handlers.h"
#include "sql/sql_ids.h"

/* Workers forget what they remember of callers, at once instead of within a second. */
int mr_handler_access_change(struct mr_request *r)
{
	mr_dispatch_sql(r, r->route->sql, NULL);
	if (r->status < 300 && !mr_dispatch_replayed(r))
		mr_bus_publish(r->worker->bus, MR_STR(MR_BUS_AUTH), MR_STR("k"));
	return 0;
}

/* ---- who one is ---- */

static void add_operation(
    struct mr_buf *b, const struct mr_route *route, bool only_own, bool *is_first)
{
	mr_buf_addf(b,
	    "%s{\"method\":\"%s\",\"path\":\"%s\",\"rate_class\":\"%s\",\"only_own\":%s}",
	    *is_first ? "" : ",", mr_method_name(route->method), route->path,
	    mr_rate_class_name(route->rate), only_own ? "true" : "false");
	*is_first = false;
}

/* What the route table lets this caller do. */
static void add_operations(struct mr_buf *b, const struct mr_principal *p)
{
	bool is_first = true;

	for (unsigned i = 0; i < mr_routes_len; i++) {
		const struct mr_route *route = &mr_routes[i];
		unsigned lacks = mr_access_lacks(route, p);
		bool only_own = lacks == MR_ACCESS_ROLE && route->owner != MR_SQL_NONE;

		if (lacks == 0 || only_own)
			add_operation(b, route, only_own, &is_first);
	}
}

int mr_handler_me(struct mr_request *r)
{
	const struct mr_principal *p = r->principal;
	const struct mr_pair extra[] = {
		{ MR_STR("credential_kind"), p->kind },
		{ MR_STR("expires_us"),
		    mr_arena_printf(r->arena, "%lld", (long long)p->expires_at_us) },
		{ MR_STR_NONE, MR_STR_NONE },
	};
	const PGresult *result;
	struct mr_str body;
	struct mr_buf all;

	if (mr_dispatch_query(r, MR_SQL_ME, extra, &result) < 0)
		return 0;
	body = PQntuples(result) > 0 ? mr_str_trim(mr_pg_text(result, 0, "body")) : MR_STR_NONE;
	if (body.len < 2)
		return MR_E_INVALID;
	mr_buf_init(&all, 256 * 1024);
	mr_buf_add(&all, body.p, body.len - 1);
	mr_buf_addz(&all, ",\"operations\":[");
	add_operations(&all, p);
	mr_buf_addz(&all, "]}");
	if (!mr_buf_failed(&all))
		mr_response_json(r, 200, mr_buf_str(&all));
	mr_buf_done(&all);
	return r->status != 0 ? 0 : MR_E_NOMEM;
}
