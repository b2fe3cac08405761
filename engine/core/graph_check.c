/*
 * What the members of configs may hold. Values that are computed ({{…}}) are checked when they are
 * known, by whoever carries the step out.
 */
#include "engine/core/graph_config.h"

#include "lib/clock.h"

#define RANGE_MAX INT64_C(1000000000000)

static const char *const auth_types[] = { "none", "bearer", "basic", "api_key", NULL };
static const char *const later_auth_types[] = { "oauth2", "mtls", NULL };
static const char *const places[] = { "header", "query", NULL };

static const struct mr_config_row auth_rows[] = {
	{ .name = "type",
	    .kind = K_WORD,
	    .required = true,
	    .words = auth_types,
	    .later = later_auth_types },
	{ .name = "token", .kind = K_FULL_TEXT },
	{ .name = "username", .kind = K_TEXT },
	{ .name = "password", .kind = K_TEXT },
	{ .name = "key", .kind = K_FULL_TEXT },
	{ .name = "value", .kind = K_FULL_TEXT },
	{ .name = "header", .kind = K_FULL_TEXT },
	{ .name = "name", .kind = K_FULL_TEXT },
	{ .name = "in", .kind = K_WORD, .words = places },
};

const struct mr_config_row *mr_graph_config_row(
    const struct mr_config_row *rows, size_t len, struct mr_str key)
{
	for (size_t i = 0; i < len; i++)
		if (mr_str_eqz(key, rows[i].name))
			return &rows[i];
	return NULL;
}

bool mr_graph_auth_wants_text(struct mr_str key)
{
	const struct mr_config_row *row =
	    mr_graph_config_row(auth_rows, MR_ARRAY_LEN(auth_rows), key);

	return row != NULL && row->kind == K_FULL_TEXT;
}

/* ---- one value ---- */

static void check_word(struct mr_compile *c, const struct mr_config_row *row,
    const struct mr_value *v, struct mr_str path)
{
	struct mr_str list = MR_STR("");

	for (size_t i = 0; v->kind == MR_VALUE_STRING && row->words[i] != NULL; i++)
		if (mr_str_ieqz(v->s, row->words[i]))
			return;
	for (size_t i = 0;
	     v->kind == MR_VALUE_STRING && row->later != NULL && row->later[i] != NULL; i++) {
		if (!mr_str_ieqz(v->s, row->later[i]))
			continue;
		mr_graph_fault(c, path, "not_supported", "this version does not carry out \"%s\"",
		    row->later[i]);
		return;
	}
	for (size_t i = 0; row->words[i] != NULL; i++)
		list = mr_arena_printf(
		    c->scratch, "%.*s%s%s", MR_STR_ARG(list), i > 0 ? ", " : "", row->words[i]);
	mr_graph_fault(c, path, "value", "must be one of: %.*s", MR_STR_ARG(list));
}

/* What stands before the first {{ must already be a URL's beginning. */
static bool is_url(struct mr_str s)
{
	struct mr_value v = mr_value_str(s);
	bool computed = mr_graph_is_dynamic(&v);
	struct mr_str rest;

	if (s.len >= 2 && s.p[0] == '{' && s.p[1] == '{')
		return true;
	for (size_t i = 0; !computed && i < s.len; i++)
		if ((unsigned char)s.p[i] <= 0x20 || s.p[i] == 0x7F)
			return false;
	if (s.len > 7 && mr_str_ieqz((struct mr_str){ s.p, 7 }, "http://"))
		rest = (struct mr_str){ s.p + 7, s.len - 7 };
	else if (s.len > 8 && mr_str_ieqz((struct mr_str){ s.p, 8 }, "https://"))
		rest = (struct mr_str){ s.p + 8, s.len - 8 };
	else
		return false;
	return rest.p[0] != '/' && rest.p[0] != '?' && rest.p[0] != '#' && rest.p[0] != ':';
}

static void check_url(struct mr_compile *c, const struct mr_value *v, struct mr_str path)
{
	if (v->kind == MR_VALUE_STRING && v->s.len == 0 && c->is_template)
		return;
	if (v->kind != MR_VALUE_STRING || !is_url(v->s))
		mr_graph_fault(c, path, "format", "must be an absolute http(s) URL");
}

static void check_time(struct mr_compile *c, const struct mr_value *v, struct mr_str path)
{
	int64_t us;

	if (v->kind != MR_VALUE_STRING || mr_time_parse(v->s, &us) < 0)
		mr_graph_fault(
		    c, path, "format", "must be a time such as \"2026-01-31T12:00:00Z\"");
}

static void check_number(struct mr_compile *c, const struct mr_config_row *row,
    const struct mr_value *v, struct mr_str path)
{
	double n;

	if (!mr_graph_number(v, &n))
		mr_graph_fault(c, path, "type", "must be a number");
	else if (n < row->min || n > row->max)
		mr_graph_fault(c, path, "range", "must be between %g and %g", row->min, row->max);
}

static bool is_scalar(const struct mr_value *v)
{
	return v->kind == MR_VALUE_STRING || v->kind == MR_VALUE_INT || v->kind == MR_VALUE_UINT ||
	       v->kind == MR_VALUE_DOUBLE || v->kind == MR_VALUE_BOOL;
}

static bool is_pair_value(const struct mr_value *v)
{
	if (v->kind != MR_VALUE_LIST)
		return is_scalar(v) || v->kind == MR_VALUE_NULL;
	for (size_t i = 0; i < v->list->len; i++)
		if (!is_scalar(&v->list->items[i]))
			return false;
	return true;
}

static void check_text_map(struct mr_compile *c, const struct mr_config_row *row,
    const struct mr_value *v, struct mr_str path)
{
	bool lists = row->kind == K_PAIRS;

	if (v->kind != MR_VALUE_MAP) {
		mr_graph_fault(c, path, "type", "must be an object");
		return;
	}
	for (size_t i = 0; i < v->map->len; i++) {
		const struct mr_member *m = &v->map->members[i];

		if (is_pair_value(&m->value) && (lists || m->value.kind != MR_VALUE_LIST))
			continue;
		mr_graph_fault(c, mr_graph_path(c, path, m->key.s), "type",
		    "must be a text, a number, true or false%s",
		    lists ? ", or a list of them" : "");
	}
}

static void check_text_list(struct mr_compile *c, const struct mr_value *v, struct mr_str path)
{
	if (v->kind == MR_VALUE_STRING && v->s.len > 0)
		return; /* one, or several with commas between */
	if (v->kind != MR_VALUE_LIST) {
		mr_graph_fault(c, path, "type", "must be a list of texts");
		return;
	}
	for (size_t i = 0; i < v->list->len; i++)
		if (v->list->items[i].kind != MR_VALUE_STRING || v->list->items[i].s.len == 0)
			mr_graph_fault(c, mr_graph_path_at(c, path, i), "type",
			    "must be a text that isn't empty");
}

static void check_status_list(struct mr_compile *c, const struct mr_value *v, struct mr_str path)
{
	int64_t n;

	if (v->kind == MR_VALUE_INT) {
		(void)mr_graph_check_int(c, v, path, 100, 599, &n);
		return;
	}
	if (v->kind != MR_VALUE_LIST || v->list->len == 0) {
		mr_graph_fault(c, path, "type", "must be a list of HTTP status codes");
		return;
	}
	for (size_t i = 0; i < v->list->len; i++)
		if (!mr_graph_is_dynamic(&v->list->items[i]))
			(void)mr_graph_check_int(
			    c, &v->list->items[i], mr_graph_path_at(c, path, i), 100, 599, &n);
}

static void need(struct mr_compile *c, const struct mr_value *v, struct mr_str path,
    const char *member, const char *because)
{
	if (mr_graph_get(v, member) == NULL)
		mr_graph_fault(
		    c, mr_graph_pathz(c, path, member), "required", "%s needs it", because);
}

static void check_auth(struct mr_compile *c, const struct mr_value *v, struct mr_str path)
{
	struct mr_str type;

	if (v->kind != MR_VALUE_MAP) {
		mr_graph_fault(c, path, "type", "must be an object with a type");
		return;
	}
	mr_graph_check_rows(c, auth_rows, MR_ARRAY_LEN(auth_rows), v, path);
	type = mr_value_get_str(v, "type");
	if (mr_str_ieqz(type, "bearer"))
		need(c, v, path, "token", "type \"bearer\"");
	if (mr_str_ieqz(type, "basic")) {
		need(c, v, path, "username", "type \"basic\"");
		need(c, v, path, "password", "type \"basic\"");
	}
	if (mr_str_ieqz(type, "api_key") && mr_value_get(v, "value") == NULL)
		need(c, v, path, "key", "type \"api_key\"");
}

static void check_text(struct mr_compile *c, const struct mr_config_row *row,
    const struct mr_value *v, struct mr_str path)
{
	if (v->kind != MR_VALUE_STRING)
		mr_graph_fault(c, path, "type", "must be a text");
	else if (row->kind == K_FULL_TEXT && v->s.len == 0 && !c->is_template)
		mr_graph_fault(c, path, "required", "must not be empty");
	else if (row->max > 0 && (double)v->s.len > row->max)
		mr_graph_fault(c, path, "limit", "must be at most %g bytes", row->max);
}

static void check_id(struct mr_compile *c, const struct mr_value *v, struct mr_str path)
{
	if (v->kind == MR_VALUE_INT && v->i > 0)
		return;
	if (v->kind == MR_VALUE_STRING && (v->s.len > 0 || c->is_template))
		return;
	mr_graph_fault(c, path, "type", "must be an id: a number, or a text that holds it");
}

/* A list, an object, or from and to: whole numbers. */
static void check_items(struct mr_compile *c, const struct mr_value *v, struct mr_str path)
{
	static const char *const bounds[] = { "from", "to", "step" };
	int64_t n = 1;

	if (v->kind != MR_VALUE_LIST && v->kind != MR_VALUE_MAP) {
		mr_graph_fault(c, path, "type",
		    "must be a list, an object, a range such as {\"from\": 0, \"to\": 10}, or an "
		    "expression that gives one");
		return;
	}
	if (mr_graph_get(v, "from") == NULL || mr_graph_get(v, "to") == NULL ||
	    v->map->len > 2u + (mr_graph_get(v, "step") != NULL))
		return;
	for (size_t i = 0; i < MR_ARRAY_LEN(bounds); i++) {
		const struct mr_value *m = mr_graph_get(v, bounds[i]);
		struct mr_str at = mr_graph_pathz(c, path, bounds[i]);

		if (m == NULL || mr_graph_is_dynamic(m) ||
		    !mr_graph_check_int(c, m, at, -RANGE_MAX, RANGE_MAX, &n))
			continue;
		if (i == 2 && n == 0)
			mr_graph_fault(c, at, "range", "a range with step 0 has no end");
	}
}

static void check_value(struct mr_compile *c, const struct mr_config_row *row,
    const struct mr_value *v, struct mr_str path)
{
	int64_t us, whole;

	if (mr_graph_is_dynamic(v) && row->kind != K_URL)
		return;
	switch (row->kind) {
	case K_TEXT:
	case K_FULL_TEXT:
		check_text(c, row, v, path);
		break;
	case K_URL:
		check_url(c, v, path);
		break;
	case K_WORD:
		check_word(c, row, v, path);
		break;
	case K_NUMBER:
		check_number(c, row, v, path);
		break;
	case K_COUNT:
		(void)mr_graph_check_int(c, v, path, (int64_t)row->min, (int64_t)row->max, &whole);
		break;
	case K_BOOL:
		if (v->kind != MR_VALUE_BOOL)
			mr_graph_fault(c, path, "type", "must be true or false");
		break;
	case K_DURATION:
		(void)mr_graph_check_duration(c, v, path,
		    (int64_t)(row->min * (double)MR_GRAPH_SECOND_US),
		    (int64_t)(row->max * (double)MR_GRAPH_SECOND_US), &us);
		break;
	case K_TIME:
		check_time(c, v, path);
		break;
	case K_ID:
		check_id(c, v, path);
		break;
	case K_TEXT_MAP:
	case K_PAIRS:
		check_text_map(c, row, v, path);
		break;
	case K_TEXT_LIST:
		check_text_list(c, v, path);
		break;
	case K_STATUS_LIST:
		check_status_list(c, v, path);
		break;
	case K_AUTH:
		check_auth(c, v, path);
		break;
	case K_ITEMS:
		check_items(c, v, path);
		break;
	case K_ANY:
	case K_CONDITION:
	case K_TRANSFORMS:
	case K_ELSEWHERE:
		break; /* by whoever compiles it */
	}
}

/* ---- all members ---- */

static void unknown(struct mr_compile *c, const struct mr_config_row *rows, size_t len,
    struct mr_str path, struct mr_str key)
{
	const char *nearest = NULL;
	unsigned dist = mr_graph_reach(key);

	for (size_t i = 0; i < len && c->faults->count < MR_GRAPH_HELPFUL; i++)
		mr_graph_nearer(key, rows[i].name, &nearest, &dist);
	mr_graph_unknown_member(c, path, key, nearest);
}

void mr_graph_check_rows(struct mr_compile *c, const struct mr_config_row *rows, size_t len,
    const struct mr_value *v, struct mr_str path)
{
	for (size_t i = 0; i < v->map->len; i++) {
		const struct mr_member *m = &v->map->members[i];
		const struct mr_config_row *row = mr_graph_config_row(rows, len, m->key.s);

		if (row == NULL)
			unknown(c, rows, len, path, m->key.s);
		else if (m->value.kind != MR_VALUE_NULL)
			check_value(c, row, &m->value, mr_graph_path(c, path, m->key.s));
	}
	for (size_t i = 0; i < len; i++) {
		if (rows[i].required && mr_graph_get(v, rows[i].name) == NULL)
			mr_graph_fault(c, mr_graph_pathz(c, path, rows[i].name), "required", "%s",
			    rows[i].because != NULL ? rows[i].because
			                            : "this type of step needs it");
	}
}

/* ---- members that exclude or need each other ---- */

void mr_graph_check_http(struct mr_compile *c, const struct mr_value *config, struct mr_str path)
{
	static const char *const bodies[] = { "data", "json", "form" };
	const char *first = NULL;

	for (size_t i = 0; i < MR_ARRAY_LEN(bodies); i++) {
		if (mr_graph_get(config, bodies[i]) == NULL)
			continue;
		if (first != NULL)
			mr_graph_fault(c, mr_graph_pathz(c, path, bodies[i]), "conflict",
			    "a request has one body; \"%s\" is given already", first);
		else
			first = bodies[i];
	}
}

void mr_graph_check_delay(struct mr_compile *c, const struct mr_value *config, struct mr_str path)
{
	bool seconds = mr_graph_get(config, "seconds") != NULL;
	bool until = mr_graph_get(config, "until") != NULL;

	if (seconds && until)
		mr_graph_fault(c, mr_graph_pathz(c, path, "until"), "conflict",
		    "\"seconds\" is given already; keep one of them");
	else if (!seconds && !until)
		mr_graph_fault(c, mr_graph_pathz(c, path, "seconds"), "required",
		    "a delay needs \"seconds\" or \"until\"");
}

void mr_graph_check_file(struct mr_compile *c, const struct mr_value *config, struct mr_str path)
{
	const struct mr_value *action = mr_graph_get(config, "action");

	if (action != NULL && action->kind == MR_VALUE_STRING &&
	    mr_str_ieqz(action->s, "convert") && mr_graph_get(config, "to") == NULL)
		mr_graph_fault(c, mr_graph_pathz(c, path, "to"), "required",
		    "\"convert\" needs the format \"to\" which: json, csv, txt or png");
}

void mr_graph_check_notification(
    struct mr_compile *c, const struct mr_value *config, struct mr_str path)
{
	/* without a type it is a webhook */
	if (mr_graph_get(config, "type") == NULL ||
	    mr_str_ieqz(mr_value_get_str(config, "type"), "webhook"))
		need(c, config, path, "webhook_url", "type \"webhook\"");
}

void mr_graph_check_set(struct mr_compile *c, const struct mr_value *config, struct mr_str path)
{
	if (config->map->len == 0)
		mr_graph_fault(
		    c, path, "required", "names the variables that it sets, such as {\"n\": 1}");
	for (size_t i = 0; i < config->map->len; i++) {
		const struct mr_value *key = &config->map->members[i].key;

		(void)mr_graph_check_name(c, key, mr_graph_path(c, path, key->s));
	}
}

/* Which agent: by name or id, or by what it is capable of. What no template computes is kept, so
 * that it can be looked for when the definition is saved. */
void mr_graph_check_agent(struct mr_compile *c, const struct mr_value *config, struct mr_str path)
{
	const struct mr_value *agent = mr_graph_get(config, "agent");
	const struct mr_value *requires = mr_graph_get(config, "requires");
	const struct mr_value *v = agent != NULL ? agent : requires;
	struct mr_graph *g = c->graph;
	struct mr_agent_ref *all;
	struct mr_str where;

	if ((agent == NULL) == (requires == NULL))
		mr_graph_fault(c, path, agent == NULL ? "required" : "conflict",
		    "names its agent by \"agent\", or says by \"requires\" what it must be capable "
		    "of");
	if (v == NULL || mr_graph_is_dynamic(v))
		return;
	all = g->agents;
	if ((g->agents_len & (g->agents_len - 1)) == 0) { /* full: twice as many */
		all = mr_arena_array(
		    c->arena, g->agents_len == 0 ? 1 : 2 * g->agents_len, sizeof(*all));
		for (size_t i = 0; all != NULL && i < g->agents_len; i++)
			all[i] = g->agents[i];
	}
	where =
	    mr_arena_str(c->arena, mr_graph_pathz(c, path, agent != NULL ? "agent" : "requires"));
	if (all == NULL || where.p == NULL)
		return; /* then it isn't looked for, and the run says so */
	all[g->agents_len++] = (struct mr_agent_ref){ *v, where };
	g->agents = all;
}
