/*
 * Reading the dialects: where a definition keeps its steps, what their members are called there,
 * what they are named. The outcome is a draft for each step, conditionals' inner steps included,
 * breadth first: a step's index is larger than that of the conditional that holds it.
 */
#include "engine/core/graph_private.h"

#include <string.h>

/* Objects that may hold the steps instead of the body itself. They come first. */
static const struct mr_member_row top_rows[] = {
	{ "workflow_config", MR_MEMBER_USED },
	{ "template_config", MR_MEMBER_USED },
	{ "definition", MR_MEMBER_USED },
	{ "workflow_template", MR_MEMBER_USED },
#define CONTAINERS 4
	{ "steps", MR_MEMBER_USED },
	{ "process_steps", MR_MEMBER_USED },
	{ "start_step", MR_MEMBER_USED },
	{ "output", MR_MEMBER_USED },
	{ "timeout_seconds", MR_MEMBER_USED },
	{ "max_retries", MR_MEMBER_USED },
	{ "retry", MR_MEMBER_USED },
	{ "settings", MR_MEMBER_USED },
	{ "mode", MR_MEMBER_USED },
	/* what the workflow is and when it starts: others look after that */
	{ "name", MR_MEMBER_ACCEPTED },
	{ "description", MR_MEMBER_ACCEPTED },
	{ "tags", MR_MEMBER_ACCEPTED },
	{ "labels", MR_MEMBER_ACCEPTED },
	{ "workflow_type", MR_MEMBER_ACCEPTED },
	{ "template_type", MR_MEMBER_ACCEPTED },
	{ "category", MR_MEMBER_ACCEPTED },
	{ "is_enabled", MR_MEMBER_ACCEPTED },
	{ "is_public", MR_MEMBER_ACCEPTED },
	{ "priority", MR_MEMBER_ACCEPTED },
	{ "sla", MR_MEMBER_ACCEPTED },
	{ "input_schema", MR_MEMBER_ACCEPTED },
	{ "variables", MR_MEMBER_ACCEPTED },
	{ "graph_spec", MR_MEMBER_ACCEPTED },
	{ "triggers", MR_MEMBER_ACCEPTED },
	{ "trigger_config", MR_MEMBER_ACCEPTED },
	{ "trigger_conditions", MR_MEMBER_ACCEPTED },
	{ "trigger_on_file_upload", MR_MEMBER_ACCEPTED },
	{ "trigger_file_extensions", MR_MEMBER_ACCEPTED },
	{ "cron_schedule", MR_MEMBER_ACCEPTED },
	{ "is_scheduled", MR_MEMBER_ACCEPTED },
	{ "default_trigger_config", MR_MEMBER_ACCEPTED },
	{ "default_cron_schedule", MR_MEMBER_ACCEPTED },
	/* starting a run together with saving */
	{ "start", MR_MEMBER_ACCEPTED },
	{ "input", MR_MEMBER_ACCEPTED },
	{ "input_data", MR_MEMBER_ACCEPTED },
	{ "trigger_data", MR_MEMBER_ACCEPTED },
	{ "parameters", MR_MEMBER_ACCEPTED },
	/* what an answer holds and a client sends back */
	{ "id", MR_MEMBER_ACCEPTED },
	{ "workflow_id", MR_MEMBER_ACCEPTED },
	{ "status", MR_MEMBER_ACCEPTED },
	{ "version", MR_MEMBER_ACCEPTED },
	{ "owner", MR_MEMBER_ACCEPTED },
	{ "created_by", MR_MEMBER_ACCEPTED },
	{ "created_at", MR_MEMBER_ACCEPTED },
	{ "updated_at", MR_MEMBER_ACCEPTED },
	{ "deleted_at", MR_MEMBER_ACCEPTED },
	{ "latest_run", MR_MEMBER_ACCEPTED },
	{ "usage_count", MR_MEMBER_ACCEPTED },
	/* of later versions */
	{ "vars", MR_MEMBER_LATER },
	{ "secrets", MR_MEMBER_LATER },
	{ "concurrency", MR_MEMBER_LATER },
	{ "on_failure", MR_MEMBER_LATER },
	{ "finally", MR_MEMBER_LATER },
};

static const struct mr_member_row step_rows[] = {
	{ "name", MR_MEMBER_USED },
	{ "id", MR_MEMBER_USED },
	{ "type", MR_MEMBER_USED },
	{ "action", MR_MEMBER_USED },
	{ "config", MR_MEMBER_USED },
	{ "when", MR_MEMBER_USED },
	{ "conditions", MR_MEMBER_USED },
	{ "depends_on", MR_MEMBER_USED },
	{ "next", MR_MEMBER_USED },
	{ "next_step", MR_MEMBER_USED },
	{ "join", MR_MEMBER_USED },
	{ "output", MR_MEMBER_USED },
	{ "retry", MR_MEMBER_USED },
	{ "max_retries", MR_MEMBER_USED },
	{ "timeout_seconds", MR_MEMBER_USED },
	{ "timeouts", MR_MEMBER_USED },
	{ "idempotency_key", MR_MEMBER_USED },
	{ "on_error", MR_MEMBER_USED },
	{ "description", MR_MEMBER_ACCEPTED },
	{ "step", MR_MEMBER_ACCEPTED }, /* S3's number: the order of the list says the same */
	{ "catch", MR_MEMBER_LATER },
	{ "compensate", MR_MEMBER_LATER },
	{ "cancel_rest", MR_MEMBER_LATER },
	{ "agent", MR_MEMBER_LATER },
	{ "agent_name", MR_MEMBER_LATER },
	{ "requires", MR_MEMBER_LATER },
	{ "approver", MR_MEMBER_LATER },
	{ "approvers", MR_MEMBER_LATER },
	{ "input_mapping", MR_MEMBER_LATER },
	{ "mock", MR_MEMBER_LATER },
	{ "disabled", MR_MEMBER_LATER },
};

static const struct mr_member_row settings_rows[] = {
	{ "timeout", MR_MEMBER_USED },
	{ "max_retries", MR_MEMBER_USED },
};

/* Step types of the language that a later version carries out. */
static const char *const later_types[] = { "agent", "approval", "assert", "auto_approve", "emit",
	"foreach", "parallel", "raise", "set", "subworkflow", "switch", "task", "terminate",
	"update", "validation", "wait", "while" };

/* ---- the definition as a whole ---- */

const struct mr_value *mr_graph_top(
    struct mr_compile *c, const char *member, struct mr_str *ret_path)
{
	const struct mr_value *in = c->inner != NULL ? mr_value_get(c->inner, member) : NULL;
	const struct mr_value *out = mr_value_get(&c->body, member);

	if (in != NULL && in->kind == MR_VALUE_NULL)
		in = NULL;
	if (out != NULL && out->kind == MR_VALUE_NULL)
		out = NULL;
	if (in != NULL && out != NULL && !mr_value_eq(in, out))
		mr_graph_fault(c, mr_str(member), "conflict",
		    "differs from %s.%s; give one of them", c->inner_name, member);
	if (in != NULL)
		*ret_path = mr_graph_pathz(c, mr_str(c->inner_name), member);
	else
		*ret_path = mr_str(member);
	return in != NULL ? in : out;
}

const struct mr_value *mr_graph_setting(
    struct mr_compile *c, const char *member, struct mr_str *ret_path)
{
	struct mr_str path;
	const struct mr_value *settings = mr_graph_top(c, "settings", &path), *v;

	if (settings == NULL || settings->kind != MR_VALUE_MAP)
		return NULL;
	v = mr_value_get(settings, member);
	*ret_path = mr_graph_pathz(c, path, member);
	return v != NULL && v->kind != MR_VALUE_NULL ? v : NULL;
}

static void check_top_members(struct mr_compile *c)
{
	struct mr_str path;
	const struct mr_value *settings;

	mr_graph_check_members(c, &c->body, MR_STR(""), top_rows, MR_ARRAY_LEN(top_rows));
	if (c->inner != NULL)
		mr_graph_check_members(c, c->inner, mr_str(c->inner_name), top_rows + CONTAINERS,
		    MR_ARRAY_LEN(top_rows) - CONTAINERS);
	settings = mr_graph_top(c, "settings", &path);
	if (settings != NULL && settings->kind == MR_VALUE_MAP)
		mr_graph_check_members(
		    c, settings, path, settings_rows, MR_ARRAY_LEN(settings_rows));
	else if (settings != NULL)
		mr_graph_fault(c, path, "type", "must be an object");
}

/* The object that holds the steps, when it isn't the body. */
static void find_container(struct mr_compile *c)
{
	for (size_t i = 0; i < CONTAINERS; i++) {
		const char *name = top_rows[i].name;
		const struct mr_value *v = mr_value_get(&c->body, name);

		if (v == NULL || v->kind == MR_VALUE_NULL)
			continue;
		if (v->kind != MR_VALUE_MAP) {
			mr_graph_fault(c, mr_str(name), "type", "must be an object with steps");
		} else if (c->inner == NULL) {
			c->inner = v;
			c->inner_name = name;
		} else if (!mr_value_eq(c->inner, v)) {
			mr_graph_fault(c, mr_str(name), "conflict",
			    "differs from \"%s\"; give one of them", c->inner_name);
		}
	}
	c->is_template = c->inner != NULL && strcmp(c->inner_name, "template_config") == 0;
}

/* Several places may hold the steps as long as they say the same. */
static const struct mr_value *find_steps(
    struct mr_compile *c, struct mr_str *ret_path, bool *ret_process)
{
	static const char *const members[] = { "steps", "process_steps" };
	const struct mr_value *found = NULL;

	for (size_t i = 0; i < 4; i++) {
		const struct mr_value *level = i < 2 ? c->inner : &c->body;
		const char *member = members[i % 2];
		const struct mr_value *v = level != NULL ? mr_value_get(level, member) : NULL;
		struct mr_str path = MR_STR("");

		if (v == NULL || v->kind == MR_VALUE_NULL)
			continue;
		if (i < 2)
			path = mr_str(c->inner_name);
		path = mr_graph_pathz(c, path, member);
		if (found == NULL) {
			found = v;
			*ret_path = path;
			*ret_process = i % 2 == 1;
		} else if (!mr_value_eq(found, v)) {
			mr_graph_fault(c, path, "conflict", "differs from %.*s; give one of them",
			    MR_STR_ARG(*ret_path));
		}
	}
	return found;
}

/* ---- blocks ---- */

static int add_block(struct mr_compile *c, const struct mr_draft_block *b)
{
	if (c->blocks_len == c->blocks_cap) {
		size_t cap = c->blocks_cap == 0 ? 8 : c->blocks_cap * 2;
		struct mr_draft_block *blocks = mr_arena_array(c->scratch, cap, sizeof(*blocks));

		if (blocks == NULL)
			return MR_E_NOMEM;
		if (c->blocks_len > 0)
			memcpy(blocks, c->blocks, c->blocks_len * sizeof(*blocks));
		c->blocks = blocks;
		c->blocks_cap = cap;
	}
	c->blocks[c->blocks_len++] = *b;
	return 0;
}

static struct mr_draft *add_draft(struct mr_compile *c)
{
	if (c->drafts_len == c->drafts_cap) {
		size_t cap = c->drafts_cap == 0 ? 8 : c->drafts_cap * 2;
		struct mr_draft *drafts = mr_arena_array(c->scratch, cap, sizeof(*drafts));

		if (drafts == NULL)
			return NULL;
		if (c->drafts_len > 0)
			memcpy(drafts, c->drafts, c->drafts_len * sizeof(*drafts));
		c->drafts = drafts;
		c->drafts_cap = cap;
	}
	return &c->drafts[c->drafts_len++];
}

static bool all_names(const struct mr_value *v)
{
	if (v->kind == MR_VALUE_STRING)
		return true;
	if (v->kind != MR_VALUE_LIST || v->list->len == 0)
		return false;
	for (size_t i = 0; i < v->list->len; i++)
		if (v->list->items[i].kind != MR_VALUE_STRING)
			return false;
	return true;
}

/* One action of a conditional: steps to come, or names of other steps. */
static int read_action(struct mr_compile *c, unsigned index, unsigned branch)
{
	static const char *const members[] = { "true_action", "false_action" };
	struct mr_draft *d = &c->drafts[index];
	struct mr_draft_action *a = &d->action[branch - 1];
	const struct mr_value *v = mr_value_get(d->config, members[branch - 1]);
	struct mr_draft_block b = { .parent = (int)index, .branch = branch, .value = v };

	if (v == NULL || v->kind == MR_VALUE_NULL)
		return 0;
	a->path = mr_graph_pathz(c, d->config_path, members[branch - 1]);
	if (all_names(v)) {
		a->names = v;
		return 0;
	}
	if (v->kind != MR_VALUE_MAP && v->kind != MR_VALUE_LIST) {
		mr_graph_fault(c, a->path, "type",
		    "must be a step, a list of steps, or the name of another step");
		return 0;
	}
	b.depth = c->blocks[d->block].depth + 1;
	if (b.depth > MR_GRAPH_MAX_DEPTH) {
		mr_graph_fault(
		    c, a->path, "limit", "conditionals may be nested %d deep", MR_GRAPH_MAX_DEPTH);
		return 0;
	}
	a->is_inline = true;
	a->block = (unsigned)c->blocks_len;
	b.is_single = v->kind == MR_VALUE_MAP;
	b.path = a->path;
	return add_block(c, &b);
}

/* ---- one step ---- */

static void unknown_type(struct mr_compile *c, struct mr_str path, struct mr_str name)
{
	const char *nearest = NULL;
	unsigned dist = mr_graph_reach(name);
	struct mr_str shown = { name.p, name.len < 60 ? name.len : 0 };

	for (size_t i = 0; i < MR_ARRAY_LEN(later_types); i++) {
		if (!mr_str_eqz(name, later_types[i]))
			continue;
		mr_graph_fault(c, path, "not_supported",
		    "this version does not carry out steps of type \"%s\"", later_types[i]);
		return;
	}
	for (int t = 0; t < MR_STEP_TYPE_COUNT; t++)
		mr_graph_nearer(name, mr_step_type_name((enum mr_step_type)t), &nearest, &dist);
	if (nearest != NULL)
		mr_graph_fault(c, path, "unknown_type",
		    "\"%.*s\" is no step type; did you mean \"%s\"?", MR_STR_ARG(shown), nearest);
	else
		mr_graph_fault(
		    c, path, "unknown_type", "\"%.*s\" is no step type", MR_STR_ARG(shown));
}

static int read_type(struct mr_compile *c, const struct mr_value *raw, struct mr_str path)
{
	struct mr_str at = MR_STR_NONE;
	const struct mr_value *v = mr_graph_member(c, raw, path, "type", "action", &at);
	int type;

	if (v == NULL) {
		if (mr_value_get(raw, "agent") != NULL || mr_value_get(raw, "agent_name") != NULL)
			return -1; /* named already as a thing of later versions */
		mr_graph_fault(c, mr_graph_pathz(c, path, "type"), "required",
		    "a step needs a type, such as \"http_request\"");
		return -1;
	}
	if (v->kind != MR_VALUE_STRING) {
		mr_graph_fault(c, at, "type", "must be the name of a step type");
		return -1;
	}
	type = mr_step_type_by_name(v->s);
	if (type < 0)
		unknown_type(c, at, v->s);
	return type;
}

static bool check_name(struct mr_compile *c, const struct mr_value *v, struct mr_str path)
{
	size_t chars = 0;

	if (v->kind != MR_VALUE_STRING) {
		mr_graph_fault(c, path, "type", "must be a text");
		return false;
	}
	for (size_t i = 0; i < v->s.len; i++) {
		unsigned char ch = (unsigned char)v->s.p[i];

		chars += (ch & 0xC0) != 0x80;
		if (ch >= 0x20 && ch != 0x7F)
			continue;
		mr_graph_fault(c, path, "value", "must not hold control characters");
		return false;
	}
	if (mr_str_trim(v->s).len == 0 || chars > MR_GRAPH_MAX_NAME) {
		mr_graph_fault(c, path, chars > 0 ? "limit" : "required",
		    "a name has 1 to %d characters", MR_GRAPH_MAX_NAME);
		return false;
	}
	return true;
}

/* KEY is the step's name where steps are an object, else absent. */
static void read_name(struct mr_compile *c, struct mr_draft *d, struct mr_str key)
{
	const struct mr_value *name = mr_value_get(d->raw, "name");
	const char *member = "name";
	struct mr_value key_value = mr_value_str(key);

	if (name != NULL && name->kind == MR_VALUE_NULL)
		name = NULL;
	if (name == NULL && key.p == NULL) {
		member = "id";
		name = mr_value_get(d->raw, "id");
		if (name != NULL && name->kind == MR_VALUE_NULL)
			name = NULL;
	}
	d->name_path = name != NULL ? mr_graph_pathz(c, d->path, member) : d->path;
	if (key.p != NULL && name != NULL && !mr_value_eq(name, &key_value))
		mr_graph_fault(
		    c, d->name_path, "conflict", "differs from the member that holds this step");
	if (key.p != NULL)
		name = &key_value;
	if (name != NULL && check_name(c, name, d->name_path))
		d->short_name = name->s;
}

static void check_step_members(struct mr_compile *c, const struct mr_draft *d)
{
	for (size_t i = 0; i < d->raw->map->len; i++) {
		const struct mr_member *m = &d->raw->map->members[i];

		if (mr_graph_member_row(step_rows, MR_ARRAY_LEN(step_rows), m->key.s) == NULL &&
		    d->type >= 0 && mr_graph_config_knows(d->type, m->key.s))
			mr_graph_fault(c, mr_graph_path(c, d->path, m->key.s), "misplaced",
			    "\"%.*s\" belongs inside \"config\"", MR_STR_ARG(m->key.s));
		else
			mr_graph_check_member(c, m, d->path, step_rows, MR_ARRAY_LEN(step_rows));
	}
}

static int read_step(struct mr_compile *c, unsigned block, const struct mr_value *raw,
    struct mr_str path, struct mr_str key)
{
	struct mr_draft_block *b = &c->blocks[block];
	const struct mr_value *config;
	struct mr_draft *d;
	unsigned index = (unsigned)c->drafts_len;

	if (raw->kind != MR_VALUE_MAP) {
		mr_graph_fault(
		    c, path, "type", "must be an object: a step with name, type and config");
		return 0;
	}
	d = add_draft(c);
	if (d == NULL)
		return MR_E_NOMEM;
	*d = (struct mr_draft){ .path = path,
		.raw = raw,
		.parent = b->parent,
		.branch = b->branch,
		.block = block,
		.pos = b->len,
		.prev = b->len > 0 ? (int)index - 1 : -1 };
	b->len++;
	d->type = read_type(c, raw, path);
	read_name(c, d, key);
	config = mr_value_get(raw, "config");
	d->config_path = mr_graph_pathz(c, path, "config");
	if (config != NULL && config->kind == MR_VALUE_MAP)
		d->config = config;
	else if (config != NULL && config->kind != MR_VALUE_NULL)
		mr_graph_fault(c, d->config_path, "type", "must be an object");
	check_step_members(c, d);
	if (d->type != MR_STEP_CONDITIONAL || d->config == NULL)
		return 0;
	if (read_action(c, index, 1) < 0)
		return MR_E_NOMEM;
	return read_action(c, index, 2);
}

static int read_block(struct mr_compile *c, unsigned block)
{
	struct mr_draft_block b = c->blocks[block]; /* reading may move the array */
	size_t len = 1;
	int r = 0;

	c->blocks[block].first = (unsigned)c->drafts_len;
	if (b.is_single)
		return read_step(c, block, b.value, b.path, MR_STR_NONE);
	if (b.value->kind == MR_VALUE_LIST)
		len = b.value->list->len;
	else
		len = b.value->map->len;
	for (size_t i = 0; i < len && r == 0; i++) {
		if (b.value->kind == MR_VALUE_LIST)
			r = read_step(c, block, &b.value->list->items[i],
			    mr_graph_path_at(c, b.path, i), MR_STR_NONE);
		else
			r = read_step(c, block, &b.value->map->members[i].value,
			    mr_graph_path(c, b.path, b.value->map->members[i].key.s),
			    b.value->map->members[i].key.s);
		if (c->drafts_len > MR_GRAPH_MAX_STEPS) {
			mr_graph_fault(c, b.path, "limit", "a definition has at most %d steps",
			    MR_GRAPH_MAX_STEPS);
			return MR_E_INVALID;
		}
	}
	return r;
}

/* ---- names ---- */

static uint64_t hash_name(int parent, struct mr_str name)
{
	uint64_t h = UINT64_C(14695981039346656037);

	h ^= (unsigned)(parent + 1);
	for (size_t i = 0; i < name.len; i++)
		h = (h ^ (unsigned char)name.p[i]) * UINT64_C(1099511628211);
	return h ^ (h >> 29);
}

/* The place of a name, taken or free. Inner steps of both actions share one room of names, since
 * the journal knows them as "<conditional>/<name>". */
static size_t name_slot(const struct mr_compile *c, int parent, struct mr_str name)
{
	size_t i = (size_t)hash_name(parent, name) & (c->names_len - 1);

	while (c->names[i] != 0) {
		const struct mr_draft *d = &c->drafts[c->names[i] - 1];

		if (d->parent == parent && mr_str_eq(d->short_name, name))
			break;
		i = (i + 1) & (c->names_len - 1);
	}
	return i;
}

int mr_graph_draft_find(const struct mr_compile *c, unsigned block, struct mr_str name)
{
	size_t slot = name_slot(c, c->blocks[block].parent, name);
	int found = (int)c->names[slot] - 1;

	return found >= 0 && c->drafts[found].block == block ? found : -1;
}

static int default_name(struct mr_compile *c, struct mr_draft *d)
{
	const char *type = d->type >= 0 ? mr_step_type_name((enum mr_step_type)d->type) : "step";
	unsigned n = d->pos + 1;

	/* a name that somebody chose is never taken by one that nobody chose */
	for (unsigned tries = 0; tries <= MR_GRAPH_MAX_STEPS; tries++, n++) {
		struct mr_str name = mr_arena_printf(c->arena, "%s_%u", type, n);

		if (name.p == NULL)
			return MR_E_NOMEM;
		d->short_name = name;
		if (c->names[name_slot(c, d->parent, name)] == 0)
			return 0;
	}
	return MR_E_LIMIT;
}

static void full_name(struct mr_compile *c, struct mr_draft *d)
{
	if (d->parent < 0)
		d->name = d->short_name;
	else
		d->name = mr_arena_printf(c->arena, "%.*s/%.*s",
		    MR_STR_ARG(c->drafts[d->parent].name), MR_STR_ARG(d->short_name));
}

/* Chosen names first, so that defaults can keep out of their way. */
static int name_steps(struct mr_compile *c)
{
	c->names_len = 16;
	while (c->names_len < c->drafts_len * 2)
		c->names_len *= 2;
	c->names = mr_arena_array(c->scratch, c->names_len, sizeof(*c->names));
	if (c->names == NULL)
		return MR_E_NOMEM;
	for (size_t i = 0; i < c->drafts_len; i++) {
		struct mr_draft *d = &c->drafts[i];
		size_t slot;

		if (d->short_name.p == NULL)
			continue;
		slot = name_slot(c, d->parent, d->short_name);
		if (c->names[slot] != 0)
			mr_graph_fault(c, d->name_path, "duplicate_name",
			    "another step has this name: %.*s",
			    MR_STR_ARG(c->drafts[c->names[slot] - 1].path));
		else
			c->names[slot] = (uint32_t)i + 1;
	}
	for (size_t i = 0; i < c->drafts_len; i++) {
		struct mr_draft *d = &c->drafts[i];

		if (d->short_name.p == NULL) {
			if (default_name(c, d) < 0)
				return MR_E_NOMEM;
			c->names[name_slot(c, d->parent, d->short_name)] = (uint32_t)i + 1;
		}
		full_name(c, d);
		if (d->name.p == NULL)
			return MR_E_NOMEM;
	}
	return 0;
}

int mr_graph_read(struct mr_compile *c)
{
	struct mr_draft_block top = { .parent = -1 };
	int r;

	find_container(c);
	check_top_members(c);
	top.value = find_steps(c, &top.path, &top.is_process);
	if (top.value == NULL) {
		mr_graph_fault(c,
		    c->inner != NULL ? mr_graph_pathz(c, mr_str(c->inner_name), "steps")
		                     : MR_STR("steps"),
		    "required", "a workflow needs a list of steps");
		return MR_E_INVALID;
	}
	if (top.value->kind != MR_VALUE_LIST && top.value->kind != MR_VALUE_MAP) {
		mr_graph_fault(c, top.path, "type", "must be a list of steps");
		return MR_E_INVALID;
	}
	r = add_block(c, &top);
	for (unsigned b = 0; b < c->blocks_len && r == 0; b++) {
		r = read_block(c, b);
		if (b == 0)
			c->top_len = c->drafts_len;
	}
	if (r < 0)
		return r;
	if (c->top_len == 0) {
		mr_graph_fault(c, top.path, "required", "a workflow needs at least one step");
		return MR_E_INVALID;
	}
	return name_steps(c);
}
