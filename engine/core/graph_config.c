/*
 * The config of each step type: which members it has, of what kind, in which range. One table;
 * what no row can say (members that exclude each other) is a check of the type. Values that are
 * computed ({{…}}) are checked when they are known, by whoever carries the step out.
 */
#include "engine/core/graph_private.h"

#include "lib/clock.h"

#define SECOND_US INT64_C(1000000)

enum kind {
	K_ANY,
	K_TEXT,
	K_FULL_TEXT, /* a text with something in it */
	K_URL,
	K_WORD,
	K_NUMBER,
	K_BOOL,
	K_DURATION,
	K_TIME,
	K_ID,
	K_TEXT_MAP, /* name → text, number or bool */
	K_PAIRS,    /* the same, or lists of them */
	K_TEXT_LIST,
	K_STATUS_LIST,
	K_AUTH,
	K_CONDITION,
	K_ACTION,
	K_TRANSFORMS,
};

struct row {
	const char *name;
	enum kind kind;
	bool required;
	double min, max;
	const char *const *words;
	const char *const *later; /* words that a later version carries out */
};

static const char *const methods[] = { "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS",
	NULL };
static const char *const levels[] = { "debug", "info", "warning", "warn", "error", "critical",
	NULL };
static const char *const auth_types[] = { "none", "bearer", "basic", "api_key", NULL };
static const char *const later_auth_types[] = { "oauth2", "mtls", NULL };
static const char *const places[] = { "header", "query", NULL };
static const char *const file_actions[] = { "validate", "extract", "ocr_extract", NULL };
static const char *const later_file_actions[] = { "convert", "checksum", NULL };
static const char *const channels[] = { "webhook", "log", NULL };
static const char *const later_channels[] = { "email", "slack", NULL };

static const struct row auth_rows[] = {
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

static const struct row http_rows[] = {
	{ .name = "url", .kind = K_URL, .required = true },
	{ .name = "method", .kind = K_WORD, .words = methods },
	{ .name = "headers", .kind = K_TEXT_MAP },
	{ .name = "query", .kind = K_PAIRS },
	{ .name = "data", .kind = K_ANY },
	{ .name = "json", .kind = K_ANY },
	{ .name = "form", .kind = K_PAIRS },
	{ .name = "auth", .kind = K_AUTH },
	{ .name = "expected_status", .kind = K_STATUS_LIST },
	{ .name = "timeout", .kind = K_DURATION, .min = 0.001, .max = 86400 },
	{ .name = "follow_redirects", .kind = K_BOOL },
};

static const struct row file_rows[] = {
	{ .name = "action",
	    .kind = K_WORD,
	    .required = true,
	    .words = file_actions,
	    .later = later_file_actions },
	{ .name = "file_id", .kind = K_ID, .required = true },
	{ .name = "allowed_types", .kind = K_TEXT_LIST },
	{ .name = "max_size_mb", .kind = K_NUMBER, .min = 0.000001, .max = 1048576 },
	{ .name = "language", .kind = K_TEXT_LIST },
	{ .name = "fail_on_invalid", .kind = K_BOOL },
};

static const struct row conditional_rows[] = {
	{ .name = "condition", .kind = K_CONDITION, .required = true },
	{ .name = "true_action", .kind = K_ACTION },
	{ .name = "false_action", .kind = K_ACTION },
};

static const struct row transform_rows[] = {
	{ .name = "source_data", .kind = K_ANY },
	{ .name = "transformations", .kind = K_TRANSFORMS, .required = true },
};

static const struct row delay_rows[] = {
	{ .name = "seconds", .kind = K_DURATION, .min = 0, .max = 366 * 86400.0 },
	{ .name = "until", .kind = K_TIME },
};

static const struct row log_rows[] = {
	{ .name = "message", .kind = K_ANY, .required = true },
	{ .name = "level", .kind = K_WORD, .words = levels },
};

static const struct row notification_rows[] = {
	{ .name = "type", .kind = K_WORD, .words = channels, .later = later_channels },
	{ .name = "webhook_url", .kind = K_URL },
	{ .name = "message", .kind = K_ANY, .required = true },
	{ .name = "level", .kind = K_WORD, .words = levels },
	{ .name = "title", .kind = K_TEXT },
	{ .name = "data", .kind = K_ANY },
	{ .name = "headers", .kind = K_TEXT_MAP },
	{ .name = "timeout", .kind = K_DURATION, .min = 0.001, .max = 86400 },
};

struct config_type {
	const struct row *rows;
	size_t len;
	void (*check)(struct mr_compile *c, const struct mr_value *config, struct mr_str path);
};

static void check_http(struct mr_compile *c, const struct mr_value *config, struct mr_str path);
static void check_delay(struct mr_compile *c, const struct mr_value *config, struct mr_str path);
static void check_notification(
    struct mr_compile *c, const struct mr_value *config, struct mr_str path);

static const struct config_type types[] = {
	[MR_STEP_HTTP_REQUEST] = { http_rows, MR_ARRAY_LEN(http_rows), check_http },
	[MR_STEP_FILE_PROCESS] = { file_rows, MR_ARRAY_LEN(file_rows), NULL },
	[MR_STEP_CONDITIONAL] = { conditional_rows, MR_ARRAY_LEN(conditional_rows), NULL },
	[MR_STEP_DATA_TRANSFORM] = { transform_rows, MR_ARRAY_LEN(transform_rows), NULL },
	[MR_STEP_DELAY] = { delay_rows, MR_ARRAY_LEN(delay_rows), check_delay },
	[MR_STEP_LOG] = { log_rows, MR_ARRAY_LEN(log_rows), NULL },
	[MR_STEP_NOTIFICATION] = { notification_rows, MR_ARRAY_LEN(notification_rows),
	    check_notification },
	[MR_STEP_NOOP] = { NULL, 0, NULL },
};
_Static_assert(MR_ARRAY_LEN(types) == MR_STEP_TYPE_COUNT, "a row for each step type");

static const struct row *find_row(const struct row *rows, size_t len, struct mr_str key)
{
	for (size_t i = 0; i < len; i++)
		if (mr_str_eqz(key, rows[i].name))
			return &rows[i];
	return NULL;
}

bool mr_graph_config_knows(int type, struct mr_str key)
{
	return type >= 0 && find_row(types[type].rows, types[type].len, key) != NULL;
}

/* ---- one value ---- */

static void check_word(
    struct mr_compile *c, const struct row *row, const struct mr_value *v, struct mr_str path)
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

static void check_number(
    struct mr_compile *c, const struct row *row, const struct mr_value *v, struct mr_str path)
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

static void check_text_map(
    struct mr_compile *c, const struct row *row, const struct mr_value *v, struct mr_str path)
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

static void check_rows(struct mr_compile *c, const struct row *rows, size_t len,
    const struct mr_value *v, struct mr_str path);

static void need(struct mr_compile *c, const struct mr_value *v, struct mr_str path,
    const char *member, const char *because)
{
	const struct mr_value *m = mr_value_get(v, member);

	if (m == NULL || m->kind == MR_VALUE_NULL)
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
	check_rows(c, auth_rows, MR_ARRAY_LEN(auth_rows), v, path);
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

static void check_text(
    struct mr_compile *c, const struct row *row, const struct mr_value *v, struct mr_str path)
{
	if (v->kind != MR_VALUE_STRING)
		mr_graph_fault(c, path, "type", "must be a text");
	else if (row->kind == K_FULL_TEXT && v->s.len == 0 && !c->is_template)
		mr_graph_fault(c, path, "required", "must not be empty");
}

static void check_id(struct mr_compile *c, const struct mr_value *v, struct mr_str path)
{
	if (v->kind == MR_VALUE_INT && v->i > 0)
		return;
	if (v->kind == MR_VALUE_STRING && (v->s.len > 0 || c->is_template))
		return;
	mr_graph_fault(c, path, "type", "must be an id: a number, or a text that holds it");
}

static void check_value(
    struct mr_compile *c, const struct row *row, const struct mr_value *v, struct mr_str path)
{
	int64_t us;

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
	case K_BOOL:
		if (v->kind != MR_VALUE_BOOL)
			mr_graph_fault(c, path, "type", "must be true or false");
		break;
	case K_DURATION:
		(void)mr_graph_check_duration(c, v, path, (int64_t)(row->min * SECOND_US),
		    (int64_t)(row->max * SECOND_US), &us);
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
	case K_ANY:
	case K_CONDITION:
	case K_ACTION:
	case K_TRANSFORMS:
		break; /* by whoever compiles it */
	}
}

/* ---- all members ---- */

static void unknown(
    struct mr_compile *c, const struct row *rows, size_t len, struct mr_str path, struct mr_str key)
{
	const char *nearest = NULL;
	unsigned dist = mr_graph_reach(key);

	for (size_t i = 0; i < len && c->faults->count < MR_GRAPH_HELPFUL; i++)
		mr_graph_nearer(key, rows[i].name, &nearest, &dist);
	mr_graph_unknown_member(c, path, key, nearest);
}

static void check_rows(struct mr_compile *c, const struct row *rows, size_t len,
    const struct mr_value *v, struct mr_str path)
{
	for (size_t i = 0; i < v->map->len; i++) {
		const struct mr_member *m = &v->map->members[i];
		const struct row *row = find_row(rows, len, m->key.s);

		if (row == NULL)
			unknown(c, rows, len, path, m->key.s);
		else if (m->value.kind != MR_VALUE_NULL)
			check_value(c, row, &m->value, mr_graph_path(c, path, m->key.s));
	}
	for (size_t i = 0; i < len; i++) {
		const struct mr_value *m = rows[i].required ? mr_value_get(v, rows[i].name) : NULL;

		if (rows[i].required && (m == NULL || m->kind == MR_VALUE_NULL))
			mr_graph_fault(c, mr_graph_pathz(c, path, rows[i].name), "required",
			    "this type of step needs it");
	}
}

static bool given(const struct mr_value *v, const char *member)
{
	const struct mr_value *m = mr_value_get(v, member);

	return m != NULL && m->kind != MR_VALUE_NULL;
}

static void check_http(struct mr_compile *c, const struct mr_value *config, struct mr_str path)
{
	static const char *const bodies[] = { "data", "json", "form" };
	const char *first = NULL;

	for (size_t i = 0; i < MR_ARRAY_LEN(bodies); i++) {
		if (!given(config, bodies[i]))
			continue;
		if (first != NULL)
			mr_graph_fault(c, mr_graph_pathz(c, path, bodies[i]), "conflict",
			    "a request has one body; \"%s\" is given already", first);
		else
			first = bodies[i];
	}
}

static void check_delay(struct mr_compile *c, const struct mr_value *config, struct mr_str path)
{
	if (given(config, "seconds") && given(config, "until"))
		mr_graph_fault(c, mr_graph_pathz(c, path, "until"), "conflict",
		    "\"seconds\" is given already; keep one of them");
	else if (!given(config, "seconds") && !given(config, "until"))
		mr_graph_fault(c, mr_graph_pathz(c, path, "seconds"), "required",
		    "a delay needs \"seconds\" or \"until\"");
}

static void check_notification(
    struct mr_compile *c, const struct mr_value *config, struct mr_str path)
{
	/* without a type it is a webhook */
	if (!given(config, "type") || mr_str_ieqz(mr_value_get_str(config, "type"), "webhook"))
		need(c, config, path, "webhook_url", "type \"webhook\"");
}

/* ---- compiling ---- */

static int compile_action(
    struct mr_compile *c, const struct mr_draft_action *a, size_t *ret_len, const unsigned **ret)
{
	size_t len = a->is_inline ? c->blocks[a->block].len : a->len;
	unsigned *steps = mr_arena_array(c->arena, len > 0 ? len : 1, sizeof(*steps));

	if (steps == NULL)
		return MR_E_NOMEM;
	for (size_t i = 0; i < len; i++)
		steps[i] = a->is_inline ? c->blocks[a->block].first + (unsigned)i : a->steps[i];
	*ret_len = len;
	*ret = steps;
	return 0;
}

static int compile_transforms(
    struct mr_compile *c, struct mr_step *s, const struct mr_value *v, struct mr_str path)
{
	int r = mr_transform_compile(c->arena, v, path, c->faults, &s->transform);

	return r == MR_E_INVALID ? 0 : r;
}

static int compile_member(struct mr_compile *c, const struct mr_draft *d, struct mr_step *s,
    struct mr_step_member *members, const struct mr_member *m)
{
	const struct row *row = find_row(types[d->type].rows, types[d->type].len, m->key.s);
	struct mr_str path = mr_graph_path(c, d->config_path, m->key.s);
	struct mr_step_member *out = &members[s->config_len];
	int r;

	if (row == NULL || (m->value.kind == MR_VALUE_NULL && row->kind != K_ANY))
		return 0;
	if (row->kind == K_CONDITION) {
		s->condition_source = m->value;
		return mr_graph_condition(c, &m->value, path, &s->condition);
	}
	if (row->kind == K_ACTION)
		return 0;
	if (row->kind == K_TRANSFORMS)
		return compile_transforms(c, s, &m->value, path);
	r = mr_template_compile(c->arena, &m->value, path, c->faults, &out->value);
	if (r < 0)
		return r == MR_E_INVALID ? 0 : r;
	out->key = m->key.s;
	s->config_len++;
	return 0;
}

/* A config without any expression is the same for every attempt of every run. */
static int constant_config(struct mr_compile *c, struct mr_step *s)
{
	struct mr_map *map = mr_map_create(c->arena, s->config_len);

	if (map == NULL)
		return MR_E_NOMEM;
	for (size_t i = 0; i < s->config_len; i++) {
		map->members[i].key = mr_value_str(s->config[i].key);
		if (!mr_template_constant(s->config[i].value, &map->members[i].value))
			return 0;
	}
	if (mr_map_seal(c->arena, map) < 0)
		return MR_E_NOMEM;
	s->config_constant = mr_value_map(map);
	return 0;
}

int mr_graph_config(struct mr_compile *c, struct mr_draft *d, struct mr_step *s)
{
	static const struct mr_map no_members;
	const struct mr_value none = { .kind = MR_VALUE_MAP, .map = &no_members };
	const struct mr_value *config = d->config != NULL ? d->config : &none;
	struct mr_step_member *members;
	size_t before = c->faults->count;
	int r = 0;

	if (d->type < 0)
		return 0;
	check_rows(c, types[d->type].rows, types[d->type].len, config, d->config_path);
	if (types[d->type].check != NULL)
		types[d->type].check(c, config, d->config_path);
	members = mr_arena_array(c->arena, config->map->len + 1, sizeof(*members));
	if (members == NULL)
		return MR_E_NOMEM;
	s->config = d->members = members;
	for (size_t i = 0; i < config->map->len && r == 0; i++)
		r = compile_member(c, d, s, members, &config->map->members[i]);
	if (r == 0)
		r = compile_action(c, &d->action[0], &s->true_len, &s->true_steps);
	if (r == 0)
		r = compile_action(c, &d->action[1], &s->false_len, &s->false_steps);
	return r == 0 && c->faults->count == before ? constant_config(c, s) : r;
}
