#include "handlers/definition.h"

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

#define MEMBERS_MAX (MR_ARRAY_LEN(others) + 1)

/* A JSON object with the raw texts of its members. */
struct object {
	const struct mr_map *map; /* NULL: nothing */
	const struct mr_str *raw;
};

struct reader {
	struct mr_arena *arena;
	struct mr_faults *faults;
	struct object body, old;
	const struct mr_value *old_config, *old_steps; /* NULL: none */
	/* what is taken, in order */
	struct mr_member members[MEMBERS_MAX];
	struct mr_str raw[MEMBERS_MAX];
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

static void take(struct reader *d, const struct object *from, int i)
{
	if (from->map->members[i].value.kind == MR_VALUE_NULL)
		return;
	d->members[d->len] = from->map->members[i];
	d->raw[d->len++] = from->raw[i];
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

/* The source to take from the body: its place in SOURCES, or -1 to keep the old one. */
static int choose(struct reader *d)
{
	const struct mr_value *chosen_steps = NULL;
	int chosen = -1;

	for (size_t s = 0; s < SOURCES; s++) {
		int i = find(&d->body, sources[s].name);
		const struct mr_value *v = i >= 0 ? &d->body.map->members[i].value : NULL;

		if (v == NULL || v->kind == MR_VALUE_NULL || is_unchanged(d, s, v))
			continue;
		if (chosen < 0) {
			chosen = (int)s;
			chosen_steps = steps_in(s, v);
		} else if (!same(chosen_steps, steps_in(s, v))) {
			mr_fault_add(d->faults, mr_str(sources[s].name), "conflict",
			    "says something else than %s; send only one of them",
			    sources[chosen].name);
		}
	}
	return chosen;
}

static int take_source(struct reader *d, bool *ret_new)
{
	int s = choose(d), i;

	*ret_new = s >= 0;
	if (s >= 0) {
		take(d, &d->body, find(&d->body, sources[s].name));
		return s;
	}
	for (size_t n = 0; n < SOURCES; n++) {
		i = find(&d->old, sources[n].name);
		if (i >= 0) {
			take(d, &d->old, i);
			return (int)n;
		}
	}
	return -1;
}

static void take_others(struct reader *d, bool new_source)
{
	for (size_t n = 0; n < MR_ARRAY_LEN(others); n++) {
		int i = find(&d->body, others[n]);

		if (i >= 0) {
			take(d, &d->body, i);
			continue;
		}
		/* where new steps begin isn't said by the old ones */
		if (new_source && n == 0)
			continue;
		i = find(&d->old, others[n]);
		if (i >= 0)
			take(d, &d->old, i);
	}
}

/* ---- what comes of it ---- */

static struct mr_str object_text(struct reader *d, size_t len)
{
	struct mr_str s;
	struct mr_buf b;

	mr_buf_init(&b, TEXT_MAX);
	mr_buf_addc(&b, '{');
	for (size_t i = 0; i < len; i++) {
		if (i > 0)
			mr_buf_addc(&b, ',');
		mr_buf_add_json(&b, d->members[i].key.s);
		mr_buf_addc(&b, ':');
		mr_buf_adds(&b, d->raw[i]);
	}
	mr_buf_addc(&b, '}');
	s = mr_buf_failed(&b) ? MR_STR_NONE : mr_arena_str(d->arena, mr_buf_str(&b));
	mr_buf_done(&b);
	return s;
}

static int object_value(struct reader *d, struct mr_value *ret)
{
	struct mr_map *m = mr_map_create(d->arena, d->len);

	if (m == NULL)
		return MR_E_NOMEM;
	for (size_t i = 0; i < d->len; i++)
		m->members[i] = d->members[i];
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

static int finish(struct reader *d, int source, struct mr_definition *ret)
{
	struct mr_value v;
	int r = object_value(d, &v);

	if (r == 0)
		r = compile(d, &v, ret);
	if (r == 0)
		r = make_digest(d, &v, ret->digest);
	if (r < 0)
		return r;
	ret->text = object_text(d, d->len);
	if (source >= 0 && sources[source].is_container) {
		ret->config = d->raw[0];
	} else {
		/* the source, and where it begins if that is said */
		bool starts = d->len > 1 && mr_str_eqz(d->members[1].key.s, others[0]);

		ret->config = object_text(d, starts ? 2 : 1);
	}
	return ret->text.p != NULL && ret->config.p != NULL ? 0 : MR_E_NOMEM;
}

static int read_old(struct reader *d, const struct mr_definition_old *old)
{
	struct mr_value *v = mr_arena_array(d->arena, 3, sizeof(*v));

	if (v == NULL)
		return MR_E_NOMEM;
	if (mr_json_parse(d->arena, old->definition, NULL, NULL, &v[0]) < 0 ||
	    v[0].kind != MR_VALUE_MAP)
		return MR_E_IO; /* it was valid when it was stored */
	d->old.map = v[0].map;
	d->old.raw = mr_slice_members(d->arena, old->definition, v[0].map);
	if (d->old.raw == NULL)
		return MR_E_NOMEM;
	if (old->workflow_config.p != NULL &&
	    mr_json_parse(d->arena, old->workflow_config, NULL, NULL, &v[1]) == 0)
		d->old_config = &v[1];
	if (old->steps.p != NULL && mr_json_parse(d->arena, old->steps, NULL, NULL, &v[2]) == 0)
		d->old_steps = &v[2];
	return 0;
}

int mr_definition_read(struct mr_arena *a, const struct mr_value *body, struct mr_str text,
    const struct mr_definition_old *old, struct mr_faults *faults, struct mr_definition *ret)
{
	struct reader d = { .arena = a, .faults = faults };
	size_t before = faults->count;
	bool is_new;
	int source, r;

	d.body.map = body->map;
	d.body.raw = mr_slice_members(a, text, body->map);
	if (d.body.raw == NULL)
		return MR_E_NOMEM;
	r = old != NULL ? read_old(&d, old) : 0;
	if (r < 0)
		return r;
	source = take_source(&d, &is_new);
	take_others(&d, is_new);
	if (faults->count > before)
		return MR_E_INVALID;
	if (source < 0) {
		mr_fault_add(faults, MR_STR("steps"), "required",
		    "is required: the steps, as steps, definition or workflow_config");
		return MR_E_INVALID;
	}
	return finish(&d, source, ret);
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
