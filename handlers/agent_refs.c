#include "handlers/agent_refs.h"

#include "engine/core/graph.h"
#include "fcgi/array.h"
#include "fcgi/dispatch.h"
#include "fcgi/request.h"
#include "handlers/definition.h"
#include "lib/pg.h"
#include "sql/sql_ids.h"

#define NEAR_MAX 3u /* names that a fault suggests */

struct near {
	struct mr_str names[NEAR_MAX];
	unsigned distances[NEAR_MAX], len;
};

/* What agents_known takes: a name, an id, or capabilities as an array is written. */
static struct mr_str text_of(struct mr_request *r, const struct mr_value *v)
{
	struct mr_array a;

	if (v->kind == MR_VALUE_INT)
		return mr_arena_printf(r->arena, "%lld", (long long)v->i);
	if (v->kind == MR_VALUE_STRING)
		return v->s;
	mr_array_init(&a, r->arena);
	for (size_t i = 0; v->kind == MR_VALUE_LIST && i < v->list->len; i++)
		mr_array_add(&a,
		    v->list->items[i].kind == MR_VALUE_STRING ? v->list->items[i].s : MR_STR(""));
	return mr_array_end(&a);
}

/* Keeps the nearest, in order. */
static void add_near(struct near *n, struct mr_str name, unsigned distance)
{
	unsigned i = n->len < NEAR_MAX ? n->len++ : NEAR_MAX - 1;

	if (i == NEAR_MAX - 1 && n->names[i].p != NULL && n->distances[i] <= distance)
		return;
	for (; i > 0 && n->distances[i - 1] > distance; i--) {
		n->names[i] = n->names[i - 1];
		n->distances[i] = n->distances[i - 1];
	}
	n->names[i] = name;
	n->distances[i] = distance;
}

/* "; did you mean "a" or "b"?", or nothing. */
static struct mr_str suggest(struct mr_request *r, struct mr_str ref, const PGresult *names)
{
	unsigned reach = ref.len < 4 ? 2 : ref.len < 9 ? 3 : (unsigned)(ref.len / 3) + 1;
	struct near n = { .len = 0 };
	struct mr_str text = MR_STR("");

	for (int i = 0; i < PQntuples(names); i++) {
		struct mr_str name = mr_pg_text(names, i, "name");
		unsigned distance = mr_str_distance(ref, name, reach);

		if (distance < reach)
			add_near(&n, name, distance);
	}
	for (unsigned i = 0; i < n.len; i++) {
		struct mr_str more = mr_arena_printf(r->arena, "%.*s%s\"%.*s\"%s", MR_STR_ARG(text),
		    i == 0 ? "; did you mean " : " or ", MR_STR_ARG(n.names[i]),
		    i + 1 == n.len ? "?" : "");

		text = more.p != NULL ? more : text;
	}
	return text;
}

static void judge(struct mr_request *r, const struct mr_agent_ref *ref, struct mr_str status,
    const PGresult *names, struct mr_faults *faults)
{
	bool by_name = ref->ref.kind != MR_VALUE_LIST;
	struct mr_str hint = names != NULL && status.p == NULL && by_name
	                         ? suggest(r, text_of(r, &ref->ref), names)
	                         : MR_STR("");

	if (status.p == NULL)
		mr_fault_add(faults, ref->path, "unknown_agent", "%s%.*s",
		    by_name ? "no agent has this name or id"
		            : "no active agent has all of these capabilities",
		    MR_STR_ARG(hint));
	else if (!mr_str_eqz(status, "active"))
		mr_fault_add(faults, ref->path, "agent_not_active",
		    "the agent is not active: its status is %.*s", MR_STR_ARG(status));
}

/* The status of the I-th agent; absent: there is none. ROWS are in that order, some missing. */
static struct mr_str status_of(const PGresult *rows, size_t i, int *at)
{
	if (*at >= PQntuples(rows) || mr_pg_i64(rows, *at, "n", -1) != (int64_t)i)
		return MR_STR_NONE;
	return mr_pg_text(rows, (*at)++, "status");
}

int mr_agent_refs_check(
    struct mr_request *r, const struct mr_definition *d, struct mr_faults *faults)
{
	const PGresult *rows, *names = NULL;
	struct mr_array refs;
	int at = 0;

	if (d->agents_len == 0)
		return 0;
	mr_array_init(&refs, r->arena);
	for (size_t i = 0; i < d->agents_len; i++)
		mr_array_add(&refs, text_of(r, &d->agents[i].ref));
	const struct mr_pair extra[] = {
		{ MR_STR("refs"), mr_array_end(&refs) },
		{ MR_STR_NONE, MR_STR_NONE },
	};

	if (mr_dispatch_query(r, MR_SQL_AGENTS_KNOWN, extra, &rows) < 0)
		return MR_E_CONFLICT;
	if ((size_t)PQntuples(rows) < d->agents_len &&
	    mr_dispatch_query(r, MR_SQL_AGENT_NAMES, NULL, &names) < 0)
		return MR_E_CONFLICT;
	for (size_t i = 0; i < d->agents_len; i++)
		judge(r, &d->agents[i], status_of(rows, i, &at), names, faults);
	return 0;
}
