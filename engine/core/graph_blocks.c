/*
 * Lists of steps become drafts, one block after the other: a step's number is larger than that of
 * the step that holds it, and the steps of a block stand together.
 */
#include "engine/core/graph_private.h"

#include <string.h>

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
	{ "cancel_rest", MR_MEMBER_USED },
	{ "output", MR_MEMBER_USED },
	{ "retry", MR_MEMBER_USED },
	{ "max_retries", MR_MEMBER_USED },
	{ "timeout_seconds", MR_MEMBER_USED },
	{ "timeouts", MR_MEMBER_USED },
	{ "idempotency_key", MR_MEMBER_USED },
	{ "on_error", MR_MEMBER_USED },
	{ "catch", MR_MEMBER_USED },
	{ "compensate", MR_MEMBER_USED },
	{ "disabled", MR_MEMBER_USED },
	{ "description", MR_MEMBER_ACCEPTED },
	{ "mock", MR_MEMBER_ACCEPTED }, /* simulation's business */
	{ "step", MR_MEMBER_ACCEPTED }, /* S3's number: the order of the list says the same */
	{ "agent", MR_MEMBER_USED },
	{ "agent_name", MR_MEMBER_USED },
	{ "requires", MR_MEMBER_USED },
	{ "input_mapping", MR_MEMBER_USED },
	{ "approver", MR_MEMBER_LATER },
	{ "approvers", MR_MEMBER_LATER },
};

/* Step types of the language that a later version carries out. */
static const char *const later_types[] = { "approval", "auto_approve", "task", "update",
	"validation" };

/* ---- growing ---- */

int mr_graph_add_block(struct mr_compile *c, const struct mr_draft_block *b, int *ret)
{
	*ret = -1;
	if (b->depth > MR_GRAPH_MAX_DEPTH) {
		mr_graph_fault(
		    c, b->path, "limit", "steps may be nested %d deep", MR_GRAPH_MAX_DEPTH);
		return 0;
	}
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
	*ret = (int)c->blocks_len;
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

/* ---- one step ---- */

static void unknown_type(struct mr_compile *c, struct mr_str path, struct mr_str name)
{
	const char *nearest = NULL;
	unsigned dist = mr_graph_reach(name);
	struct mr_str shown = mr_graph_shown(name, 60);

	for (size_t i = 0; i < MR_ARRAY_LEN(later_types); i++) {
		if (!mr_str_eqz(name, later_types[i]))
			continue;
		mr_graph_fault(c, path, "not_supported",
		    "this version does not carry out steps of type \"%s\"", later_types[i]);
		return;
	}
	for (int t = 0; t < MR_STEP_TYPE_COUNT && c->faults->count < MR_GRAPH_HELPFUL; t++)
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
			return MR_STEP_AGENT;
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

/* KEY is the step's name where steps are an object, else absent. */
static void read_name(struct mr_compile *c, struct mr_draft *d, struct mr_str key)
{
	const struct mr_value *name = mr_graph_get(d->raw, "name");
	const char *member = "name";
	struct mr_value key_value = mr_value_str(key);

	if (name == NULL && key.p == NULL) {
		member = "id";
		name = mr_graph_get(d->raw, "id");
	}
	d->name_path = name != NULL ? mr_graph_pathz(c, d->path, member) : d->path;
	if (key.p != NULL && name != NULL && !mr_value_eq(name, &key_value))
		mr_graph_fault(
		    c, d->name_path, "conflict", "differs from the member that holds this step");
	if (key.p != NULL)
		name = &key_value;
	if (name != NULL && mr_graph_check_name(c, name, d->name_path))
		d->short_name = name->s;
}

/* What executor files write beside the config, and what it is called inside. */
static const char *const agent_members[][2] = { { "agent", "agent" }, { "agent_name", "agent" },
	{ "requires", "requires" }, { "input_mapping", "payload" } };

static bool is_for_agents(struct mr_str key)
{
	for (size_t i = 0; i < MR_ARRAY_LEN(agent_members); i++)
		if (mr_str_eqz(key, agent_members[i][0]))
			return true;
	return false;
}

static void check_step_members(struct mr_compile *c, const struct mr_draft *d)
{
	for (size_t i = 0; i < d->raw->map->len; i++) {
		const struct mr_member *m = &d->raw->map->members[i];

		if (mr_graph_member_row(step_rows, MR_ARRAY_LEN(step_rows), m->key.s) == NULL &&
		    d->type >= 0 && mr_graph_config_knows(d->type, m->key.s))
			mr_graph_fault(c, mr_graph_path(c, d->path, m->key.s), "misplaced",
			    "\"%.*s\" belongs inside \"config\"", MR_STR_ARG(m->key.s));
		else if (is_for_agents(m->key.s) && d->type >= 0 && d->type != MR_STEP_AGENT)
			mr_graph_fault(c, mr_graph_path(c, d->path, m->key.s), "misplaced",
			    "\"%.*s\" belongs to steps of type \"agent\"", MR_STR_ARG(m->key.s));
		else
			mr_graph_check_member(c, m, d->path, step_rows, MR_ARRAY_LEN(step_rows));
	}
}

/* The members of a step that an agent carries out, as its config: those of the step itself and
 * those inside "config". */
static int join_agent_config(struct mr_compile *c, struct mr_draft *d)
{
	size_t len = d->config != NULL ? d->config->map->len : 0;
	struct mr_map *m = mr_map_create(c->arena, len + MR_ARRAY_LEN(agent_members));
	struct mr_value *v = mr_arena_alloc(c->arena, sizeof(*v));
	size_t n = 0;

	if (m == NULL || v == NULL)
		return MR_E_NOMEM;
	for (; n < len; n++)
		m->members[n] = d->config->map->members[n];
	for (size_t i = 0; i < MR_ARRAY_LEN(agent_members); i++) {
		const struct mr_value *given = mr_graph_get(d->raw, agent_members[i][0]);
		struct mr_value key = mr_value_strz(agent_members[i][1]);
		bool twice = false;

		for (size_t k = 0; given != NULL && k < n; k++)
			twice = twice || mr_str_eq(m->members[k].key.s, key.s);
		if (twice)
			mr_graph_fault(c, mr_graph_pathz(c, d->path, agent_members[i][0]),
			    "conflict", "says what another member says already; keep one of them");
		else if (given != NULL)
			m->members[n++] = (struct mr_member){ key, *given };
	}
	if (len == 0)
		d->config_path = d->path; /* that is where they stand */
	m->len = n;
	*v = mr_value_map(m);
	d->config = v;
	return mr_map_seal(c->arena, m);
}

static void read_config(struct mr_compile *c, struct mr_draft *d)
{
	const struct mr_value *config = mr_graph_get(d->raw, "config");

	d->config_path = mr_graph_pathz(c, d->path, "config");
	if (config != NULL && config->kind == MR_VALUE_MAP)
		d->config = config;
	else if (config != NULL)
		mr_graph_fault(c, d->config_path, "type", "must be an object");
}

static int read_step(struct mr_compile *c, unsigned block, const struct mr_value *raw,
    struct mr_str path, struct mr_str key)
{
	struct mr_draft_block *b = &c->blocks[block];
	unsigned index = (unsigned)c->drafts_len;
	struct mr_draft *d;

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
		.block = block,
		.pos = b->len,
		.prev = b->len > 0 ? (int)index - 1 : -1,
		.body = -1,
		.compensate = -1 };
	b->len++;
	d->type = read_type(c, raw, path);
	read_name(c, d, key);
	read_config(c, d);
	if (d->type == MR_STEP_AGENT && join_agent_config(c, d) < 0)
		return MR_E_NOMEM;
	check_step_members(c, d);
	return mr_graph_read_held(c, index);
}

/* ---- all blocks ---- */

static int read_block(struct mr_compile *c, unsigned block)
{
	struct mr_draft_block b = c->blocks[block]; /* reading may move the array */
	bool is_list = b.value->kind == MR_VALUE_LIST;
	size_t len = is_list ? b.value->list->len : b.value->map->len;
	int r = 0;

	c->blocks[block].first = (unsigned)c->drafts_len;
	if (b.is_single)
		len = 1;
	for (size_t i = 0; i < len && r == 0; i++) {
		if (b.is_single)
			r = read_step(c, block, b.value, b.path, MR_STR_NONE);
		else if (is_list)
			r = read_step(c, block, &b.value->list->items[i],
			    mr_graph_path_at(c, b.path, i), MR_STR_NONE);
		else
			r = read_step(c, block, &b.value->map->members[i].value,
			    mr_graph_path(c, b.path, b.value->map->members[i].key.s),
			    b.value->map->members[i].key.s);
		if (c->drafts_len <= MR_GRAPH_MAX_STEPS)
			continue;
		mr_graph_fault(
		    c, b.path, "limit", "a definition has at most %d steps", MR_GRAPH_MAX_STEPS);
		return MR_E_INVALID;
	}
	return r;
}

int mr_graph_read_blocks(struct mr_compile *c)
{
	int r = 0;

	for (unsigned b = 0; b < c->blocks_len && r == 0; b++)
		r = read_block(c, b);
	return r;
}
