#include "handlers/definition.h"

#include <string.h>

#include "engine/core/graph.h"
#include "fcgi/slice.h"

#define TEXT_MAX (64u * 1024u * 1024u)

/* Members that may hold the steps; an earlier one goes before a later one that says the same. */
static const struct {
	const char *name;
	bool is_container; /* the steps are a member of it; else they are it */
} sources[] = {
	{ "workflow_config", true },
	{ "definition", true },
	{ "steps", false },
	{ "process_steps", false },
};

#define SOURCES MR_ARRAY_LEN(sources)

/* The other members of a definition, in the order in which its text holds them. */
static const char *const others[] = { "start_step", "settings", "mode", "timeout_seconds",
	"max_retries", "retry", "output", "input_schema", "variables", "trigger_conditions", "vars",
	"secrets", "concurrency", "on_failure", "finally", "labels", "sla" };

/* Those that a workflow shows as members of its own; workflow_config shows the others. */
static const char *const columns[] = { "timeout_seconds", "max_retries", "input_schema" };

/* A JSON object with the raw texts of its members. */
struct object {
	const struct mr_map *map; /* NULL: nothing */
	const struct mr_str *raw;
};

/* A member of the definition that comes of it. */
struct part {
	struct mr_member member;
	struct mr_str raw;
	bool in_config;
};

enum form {
	KEPT,      /* as it is stored, but for columns */
	CONTAINER, /* the body's container, which says all but the columns */
	FLAT, /* the members side by side: the body's, and the stored ones that it doesn't say */
};

struct reader {
	struct mr_arena *arena;
	struct mr_faults *faults;
	/* the body; the stored definition; its workflow_config as clients read it */
	struct object body, old, config;
	struct mr_str config_text;
	const struct mr_value *old_config, *old_steps; /* NULL: none */
	enum form form;
	/* what is taken, in order; the steps, or what holds them, first */
	struct part *parts;
	size_t len;
};

static int find(const struct object *o, const char *name)
{
	for (size_t i = 0; o->map != NULL && i < o->map->len; i++) {
		if (mr_str_eqz(o->map->members[i].key.s, name))
			return (int)i;
	}
	return -1;
}

static bool is_column(const char *name)
{
	for (size_t i = 0; i < MR_ARRAY_LEN(columns); i++) {
		if (strcmp(columns[i], name) == 0)
			return true;
	}
	return false;
}

static void take(struct reader *d, const struct object *from, int i, bool in_config)
{
	if (from->map->members[i].value.kind != MR_VALUE_NULL)
		d->parts[d->len++] =
		    (struct part){ from->map->members[i], from->raw[i], in_config };
}

bool mr_definition_touched(const struct mr_value *body)
{
	for (size_t i = 0; i < SOURCES; i++) {
		if (mr_value_get(body, sources[i].name) != NULL)
			return true;
	}
	for (size_t i = 0; i < MR_ARRAY_LEN(others); i++) {
		if (mr_value_get(body, others[i]) != NULL)
			return true;
	}
	return false;
}

/* ---- which member holds the steps ---- */

/* The list (or object) of steps in source S of VALUE. */
static const struct mr_value *steps_in(size_t s, const struct mr_value *value)
{
	const struct mr_value *steps;

	if (!sources[s].is_container)
		return value;
	steps = mr_value_get(value, "steps");
	return steps != NULL ? steps : mr_value_get(value, "process_steps");
}

static bool same(const struct mr_value *a, const struct mr_value *b)
{
	return a != NULL && b != NULL && mr_value_eq(a, b);
}

/* What a client read is what it sends back, when it didn't mean to change it. */
static bool is_unchanged(const struct reader *d, size_t s, const struct mr_value *value)
{
	if (sources[s].is_container)
		return same(value, d->old_config);
	return same(value, d->old_steps) ||
	       (d->old_config != NULL &&
	           (same(value, mr_value_get(d->old_config, "steps")) ||
	               same(value, mr_value_get(d->old_config, "process_steps"))));
}

/* Two containers say the same as a whole, others the same steps. */
static bool alike(size_t s, const struct mr_value *a, size_t t, const struct mr_value *b)
{
	if (sources[s].is_container && sources[t].is_container)
		return same(a, b);
	return same(steps_in(s, a), steps_in(t, b));
}

/* The source to take from the body: its place in SOURCES, or -1 to keep the stored one. */
static int choose(struct reader *d)
{
	const struct mr_value *taken = NULL;
	int chosen = -1;

	for (size_t s = 0; s < SOURCES; s++) {
		int i = find(&d->body, sources[s].name);
		const struct mr_value *v = i >= 0 ? &d->body.map->members[i].value : NULL;

		if (v == NULL || v->kind == MR_VALUE_NULL || is_unchanged(d, s, v))
			continue;
		if (chosen < 0) {
			chosen = (int)s;
			taken = v;
		} else if (!alike((size_t)chosen, taken, s, v)) {
			mr_fault_add(d->faults, mr_str(sources[s].name), "conflict",
			    "says something else than %s; send only one of them",
			    sources[chosen].name);
		}
	}
	return chosen;
}

/* ---- what is taken ---- */

/* The object that holds the stored NAME, and its place there; NULL: it isn't stored. */
static const struct object *stored(const struct reader *d, const char *name, int *ret)
{
	*ret = find(&d->config, name);
	if (*ret >= 0)
		return &d->config;
	*ret = find(&d->old, name);
	return *ret >= 0 ? &d->old : NULL;
}

/* Does the body say something else than what is stored? Null says that it isn't there. */
static bool changes(const struct reader *d, const char *name)
{
	int i = find(&d->body, name), j;
	const struct object *from = stored(d, name, &j);
	const struct mr_value *v = i >= 0 ? &d->body.map->members[i].value : NULL;

	if (v == NULL)
		return false;
	if (v->kind == MR_VALUE_NULL)
		return from != NULL;
	return from == NULL || !mr_value_eq(v, &from->map->members[j].value);
}

static enum form form_of(const struct reader *d, int source)
{
	if (source >= 0)
		return sources[source].is_container ? CONTAINER : FLAT;
	for (size_t n = 0; n < MR_ARRAY_LEN(others); n++) {
		bool beside = is_column(others[n]) && find(&d->config, others[n]) < 0;

		if (!beside && changes(d, others[n]))
			return FLAT;
	}
	return KEPT;
}

/* SOURCE is the body's, or -1. False when there are no steps at all. */
static bool take_source(struct reader *d, int source)
{
	const struct object *from;
	int i;

	if (source >= 0) {
		take(d, &d->body, find(&d->body, sources[source].name), true);
		return true;
	}
	for (size_t n = 0; n < SOURCES; n++) {
		if (d->form == FLAT && sources[n].is_container)
			continue;
		i = find(&d->old, sources[n].name);
		from = d->form == KEPT && i >= 0 ? &d->old : stored(d, sources[n].name, &i);
		if (from != NULL) {
			take(d, from, i, true);
			return true;
		}
	}
	return false;
}

/* Where the member NAME is taken from, when the body doesn't say it; NULL: nowhere. */
static const struct object *left(const struct reader *d, const char *name, bool new_steps, int *ret)
{
	switch (d->form) {
	case KEPT:
		*ret = find(&d->old, name);
		return *ret >= 0 ? &d->old : NULL;
	case CONTAINER:
		*ret = is_column(name) && mr_value_get(&d->parts[0].member.value, name) == NULL
		           ? find(&d->old, name)
		           : -1;
		return *ret >= 0 ? &d->old : NULL;
	case FLAT:
		break;
	}
	/* where new steps begin isn't said by the old ones */
	return new_steps && strcmp(name, others[0]) == 0 ? NULL : stored(d, name, ret);
}

static void take_others(struct reader *d, bool new_steps)
{
	for (size_t n = 0; n < MR_ARRAY_LEN(others); n++) {
		const struct object *from = &d->body;
		int i = find(&d->body, others[n]);

		if (i < 0)
			from = left(d, others[n], new_steps, &i);
		if (from != NULL)
			take(d, from, i, from == &d->config || !is_column(others[n]));
	}
}

/* What else the stored config says: a description, say. */
static void take_rest(struct reader *d)
{
	for (size_t i = 0; d->config.map != NULL && i < d->config.map->len; i++) {
		struct mr_str name = d->config.map->members[i].key.s;
		bool known = false;

		for (size_t n = 0; n < SOURCES; n++)
			known = known || mr_str_eqz(name, sources[n].name);
		for (size_t n = 0; n < MR_ARRAY_LEN(others); n++)
			known = known || mr_str_eqz(name, others[n]);
		if (!known)
			take(d, &d->config, (int)i, true);
	}
}

/* ---- what comes of it ---- */

static void add_member(struct mr_buf *b, const struct mr_member *m, struct mr_str raw)
{
	if (b->len > 1)
		mr_buf_addc(b, ',');
	mr_buf_add_json(b, m->key.s);
	mr_buf_addc(b, ':');
	mr_buf_adds(b, raw);
}

static struct mr_str end_object(struct reader *d, struct mr_buf *b)
{
	struct mr_str s;

	mr_buf_addc(b, '}');
	s = mr_buf_failed(b) ? MR_STR_NONE : mr_arena_str(d->arena, mr_buf_str(b));
	mr_buf_done(b);
	return s;
}

static struct mr_str whole_text(struct reader *d)
{
	struct mr_buf b;

	mr_buf_init(&b, TEXT_MAX);
	mr_buf_addc(&b, '{');
	for (size_t i = 0; i < d->len; i++)
		add_member(&b, &d->parts[i].member, d->parts[i].raw);
	return end_object(d, &b);
}

/* True when the container doesn't say P, but P belongs into what clients read as workflow_config.
 */
static bool is_beside(const struct mr_map *container, const struct part *p)
{
	return p->in_config && mr_map_find(container, &p->member.key) == NULL;
}

/* The container's members, and what stands beside it. */
static struct mr_str container_text(struct reader *d)
{
	const struct mr_map *container = d->parts[0].member.value.map;
	const struct mr_str *raw = mr_slice_members(d->arena, d->parts[0].raw, container);
	bool all = true;
	struct mr_buf b;

	if (raw == NULL)
		return MR_STR_NONE;
	mr_buf_init(&b, TEXT_MAX);
	mr_buf_addc(&b, '{');
	for (size_t i = 0; i < container->len; i++)
		add_member(&b, &container->members[i], raw[i]);
	for (size_t i = 1; i < d->len; i++) {
		if (is_beside(container, &d->parts[i])) {
			add_member(&b, &d->parts[i].member, d->parts[i].raw);
			all = false;
		}
	}
	if (!all)
		return end_object(d, &b);
	mr_buf_done(&b);
	return d->parts[0].raw; /* as it was written */
}

static struct mr_str config_text(struct reader *d)
{
	struct mr_buf b;

	if (d->form == KEPT)
		return d->config_text;
	if (d->form == CONTAINER)
		return container_text(d);
	mr_buf_init(&b, TEXT_MAX);
	mr_buf_addc(&b, '{');
	for (size_t i = 0; i < d->len; i++) {
		if (d->parts[i].in_config)
			add_member(&b, &d->parts[i].member, d->parts[i].raw);
	}
	return end_object(d, &b);
}

static int object_value(struct reader *d, struct mr_value *ret)
{
	struct mr_map *m = mr_map_create(d->arena, d->len);

	if (m == NULL)
		return MR_E_NOMEM;
	for (size_t i = 0; i < d->len; i++)
		m->members[i] = d->parts[i].member;
	if (mr_map_seal(d->arena, m) < 0)
		return MR_E_NOMEM;
	*ret = mr_value_map(m);
	return 0;
}

static int compile(struct reader *d, const struct mr_value *v, struct mr_definition *ret)
{
	const struct mr_value *steps;
	struct mr_value normal;
	struct mr_graph *graph;
	int r = mr_graph_compile(d->arena, v, d->faults, &graph);

	if (r < 0)
		return r;
	r = mr_graph_normalize(d->arena, v, graph, &normal);
	if (r < 0)
		return r;
	steps = mr_value_get(&normal, "steps");
	ret->agents = graph->agents;
	ret->agents_len = graph->agents_len;
	ret->secrets = graph->secrets;
	ret->secrets_len = graph->secrets_len;
	ret->steps = steps != NULL ? mr_json_text(d->arena, steps) : MR_STR("[]");
	return ret->steps.p != NULL ? 0 : MR_E_NOMEM;
}

/* Of the values, not of the white space between them. */
static int make_digest(struct reader *d, const struct mr_value *v, char out[MR_SHA256_HEX])
{
	unsigned char sum[MR_SHA256_LEN];
	struct mr_str text = mr_json_text(d->arena, v);

	if (text.p == NULL || mr_sha256(text, sum) < 0)
		return MR_E_NOMEM;
	mr_hex(sum, sizeof(sum), out);
	return 0;
}

static int finish(struct reader *d, struct mr_definition *ret)
{
	struct mr_value v;
	int r = object_value(d, &v);

	if (r == 0)
		r = compile(d, &v, ret);
	if (r == 0)
		r = make_digest(d, &v, ret->digest);
	if (r < 0)
		return r;
	ret->text = whole_text(d);
	ret->config = config_text(d);
	return ret->text.p != NULL && ret->config.p != NULL ? 0 : MR_E_NOMEM;
}

/* TEXT was valid when it was stored. */
static int read_object(
    struct mr_arena *a, struct mr_str text, struct mr_value *v, struct object *ret)
{
	if (mr_json_parse(a, text, NULL, NULL, v) < 0 || v->kind != MR_VALUE_MAP)
		return MR_E_IO;
	*ret = (struct object){ v->map, mr_slice_members(a, text, v->map) };
	return ret->raw != NULL ? 0 : MR_E_NOMEM;
}

static int read_old(struct reader *d, const struct mr_definition_old *old)
{
	struct mr_value *v = mr_arena_array(d->arena, 3, sizeof(*v));
	int r;

	if (v == NULL)
		return MR_E_NOMEM;
	r = read_object(d->arena, old->definition, &v[0], &d->old);
	if (r == 0)
		r = read_object(d->arena, old->workflow_config, &v[1], &d->config);
	if (r < 0)
		return r;
	d->config_text = old->workflow_config;
	d->old_config = &v[1];
	if (mr_json_parse(d->arena, old->steps, NULL, NULL, &v[2]) == 0)
		d->old_steps = &v[2];
	return 0;
}

/* Room for all that may be taken: the source, the others, and what else is stored. */
static int make_room(struct reader *d)
{
	size_t most = 1 + MR_ARRAY_LEN(others) + (d->config.map != NULL ? d->config.map->len : 0);

	d->parts = mr_arena_array(d->arena, most, sizeof(d->parts[0]));
	return d->parts != NULL ? 0 : MR_E_NOMEM;
}

int mr_definition_read(struct mr_arena *a, const struct mr_value *body, struct mr_str text,
    const struct mr_definition_old *old, struct mr_faults *faults, struct mr_definition *ret)
{
	struct reader d = { .arena = a, .faults = faults };
	size_t before = faults->count;
	int source, r;

	d.body.map = body->map;
	d.body.raw = mr_slice_members(a, text, body->map);
	if (d.body.raw == NULL)
		return MR_E_NOMEM;
	r = old != NULL ? read_old(&d, old) : 0;
	if (r == 0)
		r = make_room(&d);
	if (r < 0)
		return r;
	source = choose(&d);
	if (faults->count > before)
		return MR_E_INVALID;
	d.form = form_of(&d, source);
	if (!take_source(&d, source)) {
		mr_fault_add(faults, MR_STR("steps"), "required",
		    "is required: the steps, as steps, definition or workflow_config");
		return MR_E_INVALID;
	}
	take_others(&d, source >= 0);
	if (d.form == FLAT)
		take_rest(&d);
	return finish(&d, ret);
}

int mr_definition_normal(struct mr_arena *a, struct mr_str definition, struct mr_str *ret)
{
	struct mr_value v, normal;
	struct mr_faults faults;
	struct mr_graph *graph;
	int r = mr_json_parse(a, definition, NULL, NULL, &v);

	mr_faults_init(&faults, a, 0);
	faults.ignores_unknown = true; /* a loopback listener may have let them pass */
	if (r == 0)
		r = mr_graph_compile(a, &v, &faults, &graph);
	if (r == 0)
		r = mr_graph_normalize(a, &v, graph, &normal);
	if (r < 0)
		return r;
	*ret = mr_json_text(a, &normal);
	return ret->p != NULL ? 0 : MR_E_NOMEM;
}
