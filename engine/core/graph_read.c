/*
 * Reading the dialects: where a definition keeps its steps and the rest of its members. The outcome
 * is a draft for each step, those inside of others included.
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
	{ "vars", MR_MEMBER_USED },
	{ "secrets", MR_MEMBER_USED },
	{ "concurrency", MR_MEMBER_USED },
	{ "on_failure", MR_MEMBER_USED },
	{ "finally", MR_MEMBER_USED },
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
};

static const struct mr_member_row settings_rows[] = {
	{ "timeout", MR_MEMBER_USED },
	{ "max_retries", MR_MEMBER_USED },
};

/* ---- the definition as a whole ---- */

const struct mr_value *mr_graph_top(
    struct mr_compile *c, const char *member, struct mr_str *ret_path)
{
	const struct mr_value *in = c->inner != NULL ? mr_graph_get(c->inner, member) : NULL;
	const struct mr_value *out = mr_graph_get(&c->body, member);

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
	if (c->inner != NULL && strcmp(c->inner_name, "template_config") == 0)
		c->is_template = true;
}

/* Several places may hold the steps as long as they say the same. */
static const struct mr_value *find_steps(struct mr_compile *c, struct mr_str *ret_path)
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
		} else if (!mr_value_eq(found, v)) {
			mr_graph_fault(c, path, "conflict", "differs from %.*s; give one of them",
			    MR_STR_ARG(*ret_path));
		}
	}
	return found;
}

/* ---- blocks of the definition ---- */

/* "on_failure" and "finally": lists of steps, beside the main one. */
static int add_list(struct mr_compile *c, const char *member, enum mr_block_role role, int *ret)
{
	struct mr_draft_block b = { .role = role, .holder = -1, .binds = MR_STR("error") };

	b.value = mr_graph_top(c, member, &b.path);
	*ret = -1;
	if (b.value == NULL)
		return 0;
	if (b.value->kind != MR_VALUE_LIST && b.value->kind != MR_VALUE_MAP) {
		mr_graph_fault(c, b.path, "type", "must be a list of steps");
		return 0;
	}
	b.is_single = b.value->kind == MR_VALUE_MAP;
	b.room = (unsigned)c->blocks_len;
	if (!b.is_single && b.value->list->len == 0)
		return 0;
	return mr_graph_add_block(c, &b, ret);
}

static int add_lists(struct mr_compile *c, const struct mr_draft_block *top)
{
	int main_block;
	int r = mr_graph_add_block(c, top, &main_block);

	if (r == 0)
		r = add_list(c, "on_failure", MR_BLOCK_ON_FAILURE, &c->on_failure);
	return r == 0 ? add_list(c, "finally", MR_BLOCK_FINALLY, &c->finally) : r;
}

int mr_graph_read(struct mr_compile *c)
{
	struct mr_draft_block top = { .role = MR_BLOCK_MAIN, .holder = -1 };
	int r;

	c->on_failure = c->finally = -1;
	find_container(c);
	check_top_members(c);
	top.value = find_steps(c, &top.path);
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
	r = add_lists(c, &top);
	if (r == 0)
		r = mr_graph_read_blocks(c);
	if (r < 0)
		return r;
	if (c->blocks[0].len == 0) {
		mr_graph_fault(c, top.path, "required", "a workflow needs at least one step");
		return MR_E_INVALID;
	}
	return mr_graph_name_steps(c);
}
