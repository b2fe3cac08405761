/*
 * The config of each step type: which members it has, of what kind, in which range. One table;
 * what no row can say (members that exclude each other) is a check of the type. Values that are
 * computed ({{…}}) are checked when they are known, by whoever carries the step out.
 */
#include "engine/core/graph_config.h"

static const char *const methods[] = { "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS",
	NULL };
static const char *const levels[] = { "debug", "info", "warning", "warn", "error", "critical",
	NULL };
static const char *const file_actions[] = { "validate", "extract", "ocr_extract", "convert",
	"checksum", NULL };
static const char *const formats[] = { "json", "csv", "txt", "png", NULL };
static const char *const channels[] = { "webhook", "log", NULL };
static const char *const later_channels[] = { "email", "slack", NULL };

static const char *const cancels[] = { "cascade", "abandon", NULL };
static const char *const ends[] = { "completed", "failed", "cancelled", NULL };

static const struct mr_config_row http_rows[] = {
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

static const struct mr_config_row file_rows[] = {
	{ .name = "action", .kind = K_WORD, .required = true, .words = file_actions },
	{ .name = "file_id", .kind = K_ID, .required = true },
	{ .name = "allowed_types", .kind = K_TEXT_LIST },
	{ .name = "max_size_mb", .kind = K_NUMBER, .min = 0.000001, .max = 1048576 },
	{ .name = "language", .kind = K_TEXT_LIST },
	{ .name = "fail_on_invalid", .kind = K_BOOL },
	{ .name = "algorithm", .kind = K_TEXT_LIST },
	{ .name = "expected", .kind = K_FULL_TEXT },
	{ .name = "to", .kind = K_WORD, .words = formats },
	{ .name = "delimiter", .kind = K_FULL_TEXT, .max = 16 },
	{ .name = "header", .kind = K_BOOL },
	{ .name = "name", .kind = K_FULL_TEXT, .max = 255 },
};

static const struct mr_config_row conditional_rows[] = {
	{ .name = "condition", .kind = K_CONDITION, .required = true },
	{ .name = "true_action", .kind = K_ELSEWHERE },
	{ .name = "false_action", .kind = K_ELSEWHERE },
};

static const struct mr_config_row transform_rows[] = {
	{ .name = "source_data", .kind = K_ANY },
	{ .name = "transformations", .kind = K_TRANSFORMS, .required = true },
};

static const struct mr_config_row delay_rows[] = {
	{ .name = "seconds", .kind = K_DURATION, .min = 0, .max = 366 * 86400.0 },
	{ .name = "until", .kind = K_TIME },
};

static const struct mr_config_row log_rows[] = {
	{ .name = "message", .kind = K_ANY, .required = true },
	{ .name = "level", .kind = K_WORD, .words = levels },
};

static const struct mr_config_row notification_rows[] = {
	{ .name = "type", .kind = K_WORD, .words = channels, .later = later_channels },
	{ .name = "webhook_url", .kind = K_URL },
	{ .name = "message", .kind = K_ANY, .required = true },
	{ .name = "level", .kind = K_WORD, .words = levels },
	{ .name = "title", .kind = K_TEXT },
	{ .name = "data", .kind = K_ANY },
	{ .name = "headers", .kind = K_TEXT_MAP },
	{ .name = "timeout", .kind = K_DURATION, .min = 0.001, .max = 86400 },
};

static const struct mr_config_row switch_rows[] = {
	{ .name = "value", .kind = K_ELSEWHERE },
	{ .name = "cases", .kind = K_ELSEWHERE, .required = true },
	{ .name = "default", .kind = K_ELSEWHERE },
	{ .name = "match", .kind = K_ELSEWHERE },
};

static const struct mr_config_row parallel_rows[] = {
	{ .name = "branches", .kind = K_ELSEWHERE, .required = true },
	{ .name = "on_branch_failure", .kind = K_ELSEWHERE },
	{ .name = "join", .kind = K_ELSEWHERE },
	{ .name = "cancel_rest", .kind = K_ELSEWHERE },
};

static const struct mr_config_row foreach_rows[] = {
	{ .name = "items", .kind = K_ITEMS, .required = true },
	{ .name = "as", .kind = K_ELSEWHERE },
	{ .name = "index", .kind = K_ELSEWHERE },
	{ .name = "steps", .kind = K_ELSEWHERE, .required = true },
	{ .name = "concurrency", .kind = K_ELSEWHERE },
	{ .name = "tolerate", .kind = K_ELSEWHERE },
};

static const struct mr_config_row while_rows[] = {
	{ .name = "condition", .kind = K_CONDITION, .required = true },
	{ .name = "check", .kind = K_ELSEWHERE },
	{ .name = "max_iterations",
	    .kind = K_ELSEWHERE,
	    .required = true,
	    .because = "a loop needs a bound: how many rounds at most" },
	{ .name = "steps", .kind = K_ELSEWHERE, .required = true },
	{ .name = "delay", .kind = K_ELSEWHERE },
};

static const struct mr_config_row subworkflow_rows[] = {
	{ .name = "workflow", .kind = K_ID, .required = true },
	{ .name = "version", .kind = K_COUNT, .min = 1, .max = 2147483647 },
	{ .name = "input", .kind = K_ANY },
	{ .name = "wait", .kind = K_BOOL },
	{ .name = "cancel", .kind = K_WORD, .words = cancels },
};

static const struct mr_config_row agent_rows[] = {
	{ .name = "agent", .kind = K_ID },
	{ .name = "requires", .kind = K_TEXT_LIST },
	{ .name = "payload", .kind = K_ANY },
};

static const struct mr_config_row wait_rows[] = {
	{ .name = "duration", .kind = K_ELSEWHERE },
	{ .name = "until", .kind = K_ELSEWHERE },
	{ .name = "event", .kind = K_ELSEWHERE },
	{ .name = "any", .kind = K_ELSEWHERE },
	{ .name = "all", .kind = K_ELSEWHERE },
};

static const struct mr_config_row assert_rows[] = {
	{ .name = "condition", .kind = K_CONDITION, .required = true },
	{ .name = "message", .kind = K_ANY },
};

static const struct mr_config_row raise_rows[] = {
	{ .name = "type", .kind = K_FULL_TEXT, .required = true, .max = MR_GRAPH_MAX_NAME },
	{ .name = "message", .kind = K_ANY },
	{ .name = "data", .kind = K_ANY },
};

static const struct mr_config_row terminate_rows[] = {
	{ .name = "status", .kind = K_WORD, .words = ends },
	{ .name = "output", .kind = K_ANY },
	{ .name = "reason", .kind = K_ANY },
};

static const struct mr_config_row emit_rows[] = {
	{ .name = "type", .kind = K_FULL_TEXT, .required = true, .max = MR_GRAPH_MAX_EVENT },
	{ .name = "data", .kind = K_ANY },
};

struct config_type {
	const struct mr_config_row *rows;
	size_t len;
	mr_config_check_fn *check;
	mr_graph_flow_fn *flow;
	bool any_member; /* names of the client's own */
};

#define ROWS(name) .rows = name, .len = MR_ARRAY_LEN(name)

static const struct config_type types[] = {
	[MR_STEP_HTTP_REQUEST] = { ROWS(http_rows), .check = mr_graph_check_http },
	[MR_STEP_FILE_PROCESS] = { ROWS(file_rows), .check = mr_graph_check_file },
	[MR_STEP_CONDITIONAL] = { ROWS(conditional_rows) },
	[MR_STEP_DATA_TRANSFORM] = { ROWS(transform_rows) },
	[MR_STEP_DELAY] = { ROWS(delay_rows), .check = mr_graph_check_delay },
	[MR_STEP_LOG] = { ROWS(log_rows) },
	[MR_STEP_NOTIFICATION] = { ROWS(notification_rows), .check = mr_graph_check_notification },
	[MR_STEP_NOOP] = { .len = 0 },
	[MR_STEP_SWITCH] = { ROWS(switch_rows), .flow = mr_graph_flow_switch },
	[MR_STEP_PARALLEL] = { ROWS(parallel_rows), .flow = mr_graph_flow_parallel },
	[MR_STEP_FOREACH] = { ROWS(foreach_rows), .flow = mr_graph_flow_foreach },
	[MR_STEP_WHILE] = { ROWS(while_rows), .flow = mr_graph_flow_while },
	[MR_STEP_AGENT] = { ROWS(agent_rows), .check = mr_graph_check_agent },
	[MR_STEP_SUBWORKFLOW] = { ROWS(subworkflow_rows) },
	[MR_STEP_WAIT] = { ROWS(wait_rows), .flow = mr_graph_flow_wait },
	[MR_STEP_SET] = { .check = mr_graph_check_set, .any_member = true },
	[MR_STEP_ASSERT] = { ROWS(assert_rows) },
	[MR_STEP_RAISE] = { ROWS(raise_rows) },
	[MR_STEP_TERMINATE] = { ROWS(terminate_rows) },
	[MR_STEP_EMIT] = { ROWS(emit_rows) },
};
_Static_assert(MR_ARRAY_LEN(types) == MR_STEP_TYPE_COUNT, "a row for each step type");

bool mr_graph_config_knows(int type, struct mr_str key)
{
	return type >= 0 && mr_graph_config_row(types[type].rows, types[type].len, key) != NULL;
}

bool mr_graph_config_wants_text(int type, struct mr_str key)
{
	const struct mr_config_row *row =
	    type >= 0 ? mr_graph_config_row(types[type].rows, types[type].len, key) : NULL;

	return row != NULL && (row->kind == K_URL || row->kind == K_FULL_TEXT || row->kind == K_ID);
}

bool mr_graph_config_is_auth(int type, struct mr_str key)
{
	const struct mr_config_row *row =
	    type >= 0 ? mr_graph_config_row(types[type].rows, types[type].len, key) : NULL;

	return row != NULL && row->kind == K_AUTH;
}

/* ---- compiling ---- */

static int compile_transforms(
    struct mr_compile *c, struct mr_step *s, const struct mr_value *v, struct mr_str path)
{
	int r = mr_transform_compile(c->arena, v, path, c->faults, &s->transform);

	/* jq is carried out by a helper process, so such a step reaches outside */
	if (r == 0 && mr_transform_has_jq(s->transform))
		s->kind = MR_STEP_OUTSIDE;
	return r == MR_E_INVALID ? 0 : r;
}

/* Only what holds expressions needs a path: a config may have thousands of members. */
static struct mr_str member_path(
    struct mr_compile *c, const struct mr_draft *d, const struct mr_member *m)
{
	bool may_fail = m->value.kind == MR_VALUE_LIST || m->value.kind == MR_VALUE_MAP ||
	                mr_graph_is_dynamic(&m->value);

	return may_fail ? mr_graph_path(c, d->config_path, m->key.s) : d->config_path;
}

static int add_member(
    struct mr_compile *c, struct mr_draft *d, struct mr_step *s, const struct mr_member *m)
{
	struct mr_step_member *out = &d->members[s->config_len];
	int r = mr_graph_template(c, &m->value, member_path(c, d, m), &out->value);

	if (r < 0 || out->value == NULL)
		return r;
	out->key = m->key.s;
	s->config_len++;
	return 0;
}

static int compile_member(
    struct mr_compile *c, struct mr_draft *d, struct mr_step *s, const struct mr_member *m)
{
	const struct config_type *type = &types[d->type];
	const struct mr_config_row *row = mr_graph_config_row(type->rows, type->len, m->key.s);
	struct mr_str path;

	if (type->any_member)
		return add_member(c, d, s, m);
	if (row == NULL || row->kind == K_ELSEWHERE ||
	    (m->value.kind == MR_VALUE_NULL && row->kind != K_ANY))
		return 0;
	path = mr_graph_path(c, d->config_path, m->key.s);
	if (row->kind == K_CONDITION) {
		s->condition_source = m->value;
		return mr_graph_condition(c, &m->value, path, &s->condition);
	}
	if (row->kind == K_TRANSFORMS)
		return compile_transforms(c, s, &m->value, path);
	return add_member(c, d, s, m);
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

/* Nothing may end the run from where it has ended already, or is being undone. */
static void check_terminate(struct mr_compile *c, const struct mr_draft *d)
{
	const struct mr_draft_block *b = &c->blocks[d->block];
	const char *where = NULL;

	for (;; b = &c->blocks[c->drafts[b->holder].block]) {
		if (b->role == MR_BLOCK_COMPENSATE)
			where = "compensate";
		else if (b->role == MR_BLOCK_ON_FAILURE)
			where = "on_failure";
		else if (b->role == MR_BLOCK_FINALLY)
			where = "finally";
		if (where != NULL || b->holder < 0)
			break;
	}
	if (where != NULL)
		mr_graph_fault(c, mr_graph_pathz(c, d->path, "type"), "misplaced",
		    "the run cannot be ended by a step inside \"%s\"", where);
}

int mr_graph_config(struct mr_compile *c, struct mr_draft *d, struct mr_step *s)
{
	static const struct mr_map no_members;
	const struct mr_value none = { .kind = MR_VALUE_MAP, .map = &no_members };
	const struct mr_value *config = d->config != NULL ? d->config : &none;
	size_t before = c->faults->count;
	int r = 0;

	if (d->type < 0)
		return 0;
	if (!types[d->type].any_member)
		mr_graph_check_rows(
		    c, types[d->type].rows, types[d->type].len, config, d->config_path);
	if (types[d->type].check != NULL)
		types[d->type].check(c, config, d->config_path);
	if (d->type == MR_STEP_TERMINATE)
		check_terminate(c, d);
	d->members = mr_arena_array(c->arena, config->map->len + 1, sizeof(*d->members));
	if (d->members == NULL)
		return MR_E_NOMEM;
	s->config = d->members;
	for (size_t i = 0; i < config->map->len && r == 0; i++)
		r = compile_member(c, d, s, &config->map->members[i]);
	if (r == 0)
		r = mr_graph_flow_branches(c, d, s);
	if (r == 0 && types[d->type].flow != NULL)
		r = types[d->type].flow(c, d, config, s);
	return r == 0 && c->faults->count == before ? constant_config(c, s) : r;
}
