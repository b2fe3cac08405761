#include "engine/core/parameters.h"

#include <string.h>

#include "engine/core/graph_config.h"

#define SCHEMA_MAX (4u * 1024u * 1024u)
#define REFS_MAX   200u /* in one text */

/* Names that mean something by themselves, whatever the definition says. */
static const char *const reserved[] = { "trigger", "input", "steps", "meta", "vars", "env",
	"secrets", "run", "workflow", "execution_id", "workflow_id", "item", "index", "error",
	"event", "result", "last", "int", "uint", "double", "bool", "string", "bytes", "list",
	"map", "null_type", "type" };

/* Members in which a bare name is something else: the input, or a member of the item at hand. */
static const char *const apart[] = { "transformations", "vars", "concurrency", "variables",
	"settings", "input_schema" };

struct frame {
	struct mr_value *v;
	size_t next;
	struct mr_str path;
	bool is_apart;
	int type;     /* of the step whose config this is; negative: it is none */
	bool is_auth; /* the config's "auth" */
	struct mr_str step;
};

struct ref {
	size_t at; /* bytes */
	struct mr_str name;
};

struct walk {
	struct mr_arena *arena;
	struct mr_faults *faults;
	const struct mr_value *definition, *variables, *given;
	struct mr_parameters found;
	bool fills;
	struct mr_str text; /* at hand, with its references */
	struct ref refs[REFS_MAX];
	size_t refs_len;
	struct mr_faults unheard;
};

/* ---- which names ---- */

static bool is_reserved(struct mr_str name)
{
	for (size_t i = 0; i < MR_ARRAY_LEN(reserved); i++)
		if (mr_str_eqz(name, reserved[i]))
			return true;
	return false;
}

static bool is_apart(struct mr_str key)
{
	for (size_t i = 0; i < MR_ARRAY_LEN(apart); i++)
		if (mr_str_eqz(key, apart[i]))
			return true;
	return false;
}

/* A child of F's value, or NULL when there is none left. *RET_KEY is absent in a list. */
static struct mr_value *next_child(struct frame *f, struct mr_str *ret_key)
{
	*ret_key = MR_STR_NONE;
	if (f->v->kind == MR_VALUE_LIST && f->next < f->v->list->len)
		return (struct mr_value *)(uintptr_t)&f->v->list->items[f->next++];
	if (f->v->kind != MR_VALUE_MAP || f->next >= f->v->map->len)
		return NULL;
	*ret_key = f->v->map->members[f->next].key.s;
	return (struct mr_value *)(uintptr_t)&f->v->map->members[f->next++].value;
}

/* Whether some block or catch entry binds NAME: "as" or "index" says so. */
static bool is_bound(const struct mr_value *definition, struct mr_str name)
{
	struct frame stack[MR_GRAPH_MAX_BRACKETS] = {
		{ .v = (struct mr_value *)(uintptr_t)definition }
	};
	size_t depth = 1;
	struct mr_str key;

	while (depth > 0) {
		struct mr_value *v = next_child(&stack[depth - 1], &key);

		if (v == NULL)
			depth--;
		else if (v->kind == MR_VALUE_STRING && mr_str_eq(v->s, name) && key.p != NULL &&
		         (mr_str_eqz(key, "as") || mr_str_eqz(key, "index")))
			return true;
		else if ((v->kind == MR_VALUE_LIST || v->kind == MR_VALUE_MAP) &&
		         depth < MR_GRAPH_MAX_BRACKETS)
			stack[depth++] = (struct frame){ .v = v };
	}
	return false;
}

static bool is_input(const struct mr_value *definition, struct mr_str name)
{
	const struct mr_value *schema = mr_value_get_kind(definition, "input_schema", MR_VALUE_MAP);
	const struct mr_value *properties =
	    schema != NULL ? mr_value_get_kind(schema, "properties", MR_VALUE_MAP) : NULL;

	return properties != NULL && mr_value_gets(properties, name) != NULL;
}

static const struct mr_value *described(const struct mr_value *variables, struct mr_str name)
{
	for (size_t i = 0;
	     variables != NULL && variables->kind == MR_VALUE_LIST && i < variables->list->len; i++)
		if (mr_str_eq(mr_value_get_str(&variables->list->items[i], "name"), name))
			return &variables->list->items[i];
	return NULL;
}

static struct mr_parameter *find(struct walk *w, struct mr_str name)
{
	for (size_t i = 0; i < w->found.len; i++)
		if (mr_str_eq(w->found.list[i].name, name))
			return &w->found.list[i];
	return NULL;
}

static struct mr_parameter *add(struct walk *w, struct mr_str name, struct mr_str path)
{
	struct mr_parameter *p = find(w, name);

	if (p != NULL || w->found.len == MR_PARAMETERS_MAX)
		return p;
	p = &w->found.list[w->found.len++];
	p->name = name;
	p->path = path;
	p->description = described(w->variables, name);
	return p;
}

static void add_name(struct walk *w, struct mr_str name, struct mr_str path)
{
	const struct mr_value *required;
	struct mr_parameter *p;

	if (is_reserved(name) || is_bound(w->definition, name) || is_input(w->definition, name))
		return;
	p = add(w, name, path);
	required =
	    p != NULL && p->description != NULL ? mr_value_get(p->description, "required") : NULL;
	if (p != NULL && p->description != NULL)
		p->is_required =
		    (required == NULL || required->kind != MR_VALUE_BOOL || required->b) &&
		    mr_value_get(p->description, "default") == NULL;
}

/* ---- one text ---- */

static size_t byte_of(struct mr_str s, size_t code_points)
{
	size_t at = 0;

	while (code_points > 0 && at < s.len) {
		at++;
		while (at < s.len && ((unsigned char)s.p[at] & 0xC0) == 0x80)
			at++;
		code_points--;
	}
	return at;
}

static void take_ref(void *ctx, struct mr_str path, const struct mr_expr_ref *ref)
{
	struct walk *w = ctx;
	size_t at = byte_of(w->text, ref->offset), i = w->refs_len;
	struct mr_str name = ref->n > 0 ? ref->part[0] : MR_STR("");

	(void)path; /* the text is all there is */
	if (name.len == 0 || w->refs_len == REFS_MAX || at + name.len > w->text.len ||
	    memcmp(w->text.p + at, name.p, name.len) != 0)
		return;
	for (; i > 0 && w->refs[i - 1].at >= at; i--) {
		if (w->refs[i - 1].at == at)
			return;
	}
	memmove(&w->refs[i + 1], &w->refs[i], (w->refs_len - i) * sizeof(w->refs[0]));
	w->refs[i] = (struct ref){ at, { w->text.p + at, name.len } };
	w->refs_len++;
}

/* The names in the braces of V, in order. A text that can't be read has none: the compiler says
 * why. */
static void read_refs(struct walk *w, const struct mr_value *v)
{
	const struct mr_template *t;

	w->refs_len = 0;
	w->text = v->s;
	if (mr_graph_is_dynamic(v) &&
	    mr_template_compile(w->arena, v, MR_STR(""), &w->unheard, &t) == 0)
		mr_template_refs(t, take_ref, w);
}

/* What was given for P, or its default; NULL: nothing. */
static const struct mr_value *value_of(const struct walk *w, const struct mr_parameter *p)
{
	const struct mr_value *v = w->given != NULL ? mr_value_gets(w->given, p->name) : NULL;

	if (v == NULL && p->is_short && w->given != NULL)
		v = mr_value_gets(w->given, p->key);
	if (v == NULL && p->description != NULL)
		v = mr_value_get(p->description, "default");
	return v != NULL && v->kind != MR_VALUE_NULL ? v : NULL;
}

/* "{{secrets.TOKEN}}" → "secrets.TOKEN"; absent when V isn't one expression and nothing else. */
static struct mr_str expression_in(const struct mr_value *v)
{
	struct mr_str inside;

	if (v->kind != MR_VALUE_STRING || v->s.len < 5 || memcmp(v->s.p, "{{", 2) != 0 ||
	    memcmp(v->s.p + v->s.len - 2, "}}", 2) != 0)
		return MR_STR_NONE;
	inside = (struct mr_str){ v->s.p + 2, v->s.len - 4 };
	return memmem(inside.p, inside.len, "{{", 2) == NULL ? inside : MR_STR_NONE;
}

static int rewrite(struct walk *w, struct mr_value *v)
{
	struct mr_buf b;
	size_t from = 0;

	mr_buf_init(&b, 4u * 1024u * 1024u);
	for (size_t i = 0; i < w->refs_len; i++) {
		const struct mr_parameter *p = find(w, w->refs[i].name);
		const struct mr_value *value = p != NULL && !p->is_place ? value_of(w, p) : NULL;
		struct mr_str expression;

		if (value == NULL)
			continue;
		expression = expression_in(value);
		mr_buf_adds(&b, (struct mr_str){ w->text.p + from, w->refs[i].at - from });
		if (expression.p != NULL)
			mr_buf_addf(&b, "(%.*s)", MR_STR_ARG(expression));
		else
			mr_buf_addf(&b, "vars.%.*s", MR_STR_ARG(p->name));
		from = w->refs[i].at + p->name.len;
	}
	mr_buf_adds(&b, (struct mr_str){ w->text.p + from, w->text.len - from });
	if (from > 0)
		v->s = mr_buf_failed(&b) ? MR_STR_NONE : mr_arena_str(w->arena, mr_buf_str(&b));
	mr_buf_done(&b);
	return v->s.p != NULL ? 0 : MR_E_NOMEM;
}

static bool wants_text(const struct frame *f, struct mr_str key)
{
	if (key.p == NULL)
		return false;
	return f->is_auth ? mr_graph_auth_wants_text(key)
	                  : f->type >= 0 && mr_graph_config_wants_text(f->type, key);
}

/* An empty text that must not stay empty: its place is a parameter. */
static int place(struct walk *w, const struct frame *f, struct mr_str key, struct mr_str path,
    struct mr_value *v)
{
	struct mr_parameter *p;
	struct mr_str name;

	if (f->is_auth)
		key = mr_arena_printf(w->arena, "auth.%.*s", MR_STR_ARG(key));
	name = mr_arena_printf(w->arena, "%.*s.%.*s", MR_STR_ARG(f->step), MR_STR_ARG(key));
	if (key.p == NULL || name.p == NULL)
		return MR_E_NOMEM;
	p = w->fills ? find(w, name) : add(w, name, path);
	if (p != NULL && w->fills && value_of(w, p) != NULL)
		*v = *value_of(w, p);
	else if (p != NULL && !w->fills) {
		p->key = key;
		p->is_place = p->is_required = true;
		if (p->description == NULL)
			p->description = described(w->variables, key);
	}
	return 0;
}

static int text(struct walk *w, const struct frame *f, struct mr_str key, struct mr_str path,
    struct mr_value *v)
{
	if (v->s.len == 0 && wants_text(f, key))
		return place(w, f, key, path, v);
	if (f->is_apart)
		return 0;
	read_refs(w, v);
	for (size_t i = 0; !w->fills && i < w->refs_len; i++)
		add_name(w, w->refs[i].name, path);
	return w->fills && w->refs_len > 0 ? rewrite(w, v) : 0;
}

/* ---- the walk ---- */

/* Whether the child "config" of V belongs to a step, and to which. */
static int step_type(const struct mr_value *v, struct mr_str *ret_name)
{
	struct mr_str type = mr_value_get_str(v, "type");

	if (type.p == NULL)
		type = mr_value_get_str(v, "action");
	*ret_name = mr_value_get_str(v, "name");
	if (ret_name->p == NULL)
		*ret_name = type;
	return type.p != NULL ? mr_step_type_by_name(type) : -1;
}

static int walk(struct walk *w, struct mr_value *definition)
{
	struct frame stack[MR_GRAPH_MAX_BRACKETS] = {
		{ .v = definition, .path = MR_STR(""), .type = -1 }
	};
	size_t depth = 1;
	int r = 0;

	while (depth > 0 && r == 0) {
		struct frame *f = &stack[depth - 1];
		struct mr_str key, path;
		struct mr_value *v = next_child(f, &key);

		if (v == NULL) {
			depth--;
			continue;
		}
		path = key.p == NULL ? mr_arena_printf(
		                           w->arena, "%.*s[%zu]", MR_STR_ARG(f->path), f->next - 1)
		       : f->path.len == 0 ? key
		                          : mr_arena_printf(w->arena, "%.*s.%.*s",
		                                MR_STR_ARG(f->path), MR_STR_ARG(key));
		if (path.p == NULL)
			return MR_E_NOMEM;
		if (v->kind == MR_VALUE_STRING) {
			r = text(w, f, key, path, v);
		} else if ((v->kind == MR_VALUE_LIST || v->kind == MR_VALUE_MAP) &&
		           depth < MR_GRAPH_MAX_BRACKETS) {
			struct frame inner = { .v = v,
				.path = path,
				.type = -1,
				.is_apart = f->is_apart || (key.p != NULL && is_apart(key)) };

			if (key.p != NULL && mr_str_eqz(key, "config"))
				inner.type = step_type(f->v, &inner.step);
			else if (key.p != NULL && mr_graph_config_is_auth(f->type, key)) {
				inner.is_auth = true;
				inner.step = f->step;
			}
			stack[depth++] = inner;
		}
	}
	return r;
}

/* A place's key alone means it when no other place has that key, and no name is the same. */
static void find_short(struct mr_parameters *p)
{
	for (size_t i = 0; i < p->len; i++) {
		bool alone = p->list[i].is_place;

		for (size_t k = 0; k < p->len && alone; k++)
			alone = k == i ||
			        !mr_str_eq(p->list[k].is_place ? p->list[k].key : p->list[k].name,
			            p->list[i].key);
		p->list[i].is_short = alone;
	}
}

static int begin(struct walk *w, struct mr_arena *a, const struct mr_value *definition,
    const struct mr_value *variables)
{
	memset(w, 0, sizeof(*w));
	w->arena = a;
	w->definition = definition;
	w->variables = variables;
	mr_faults_init(&w->unheard, a, 0);
	w->found.list = mr_arena_array(a, MR_PARAMETERS_MAX, sizeof(w->found.list[0]));
	return w->found.list != NULL ? 0 : MR_E_NOMEM;
}

static int find_all(struct walk *w, struct mr_value *definition)
{
	int r = walk(w, definition);

	if (r == 0)
		find_short(&w->found);
	return r;
}

int mr_parameters_find(struct mr_arena *a, const struct mr_value *definition,
    const struct mr_value *variables, struct mr_parameters *ret)
{
	struct walk *w = mr_arena_zalloc(a, sizeof(*w));
	struct mr_value copy;
	int r = w == NULL ? MR_E_NOMEM : begin(w, a, definition, variables);

	if (r == 0)
		r = mr_value_copy(a, definition, &copy);
	if (r == 0)
		r = find_all(w, &copy);
	if (r == 0)
		*ret = w->found;
	return r;
}

/* ---- filling in ---- */

static struct mr_str purpose(const struct mr_parameter *p)
{
	struct mr_str s =
	    p->description != NULL ? mr_value_get_str(p->description, "description") : MR_STR_NONE;

	return s.p != NULL ? s : MR_STR("");
}

static void check(struct walk *w)
{
	for (size_t i = 0; i < w->found.len; i++) {
		const struct mr_parameter *p = &w->found.list[i];
		const struct mr_value *v = value_of(w, p);
		struct mr_str name = p->is_short ? p->key : p->name, why = purpose(p), path;

		path = mr_arena_printf(w->arena, "parameters.%.*s", MR_STR_ARG(name));
		if (path.p == NULL)
			path = MR_STR("parameters");
		if (v == NULL && p->is_required)
			mr_fault_add(w->faults, path, "required", "is needed at %.*s%s%.*s",
			    MR_STR_ARG(p->path), why.len > 0 ? ": " : "", MR_STR_ARG(why));
		else if (v != NULL && !p->is_place && mr_graph_is_dynamic(v) &&
		         expression_in(v).p == NULL)
			mr_fault_add(w->faults, path, "value",
			    "must be a value, or one {{expression}} and nothing else");
		else if (v != NULL && p->is_place && v->kind == MR_VALUE_STRING && v->s.len == 0)
			mr_fault_add(w->faults, path, "required",
			    "must not be empty: it is needed at %.*s", MR_STR_ARG(p->path));
	}
	for (size_t i = 0; w->given != NULL && i < w->given->map->len; i++) {
		struct mr_str name = w->given->map->members[i].key.s, path;
		bool known = false;

		for (size_t k = 0; k < w->found.len && !known; k++)
			known =
			    mr_str_eq(w->found.list[k].name, name) ||
			    (w->found.list[k].is_short && mr_str_eq(w->found.list[k].key, name));
		path = mr_arena_printf(w->arena, "parameters.%.*s", MR_STR_ARG(name));
		if (!known)
			mr_fault_add(w->faults, path.p != NULL ? path : MR_STR("parameters"),
			    "unknown_member", "is no parameter of this template");
	}
}

/* The definition's own variables, and those that parameters became. */
static int add_vars(struct walk *w, const struct mr_value *definition, struct mr_value *ret)
{
	const struct mr_value *old = mr_value_get_kind(definition, "vars", MR_VALUE_MAP);
	size_t n = 0, have = old != NULL ? old->map->len : 0;
	struct mr_map *vars = mr_map_create(w->arena, have + w->found.len), *all;

	all = mr_map_create(w->arena, definition->map->len + 1);
	if (vars == NULL || all == NULL)
		return MR_E_NOMEM;
	for (size_t i = 0; i < w->found.len; i++) {
		const struct mr_parameter *p = &w->found.list[i];
		const struct mr_value *v = p->is_place ? NULL : value_of(w, p);

		if (v != NULL && expression_in(v).p == NULL)
			vars->members[n++] = (struct mr_member){ mr_value_str(p->name), *v };
	}
	*ret = *definition;
	if (n == 0)
		return 0;
	for (size_t i = 0; i < have; i++) {
		bool again = false;

		for (size_t k = 0; k < n && !again; k++)
			again = mr_str_eq(vars->members[k].key.s, old->map->members[i].key.s);
		if (!again)
			vars->members[n++] = old->map->members[i];
	}
	vars->len = n;
	n = 0;
	for (size_t i = 0; i < definition->map->len; i++) {
		if (!mr_str_eqz(definition->map->members[i].key.s, "vars"))
			all->members[n++] = definition->map->members[i];
	}
	if (mr_map_seal(w->arena, vars) < 0)
		return MR_E_NOMEM;
	all->members[n++] = (struct mr_member){ mr_value_strz("vars"), mr_value_map(vars) };
	all->len = n;
	*ret = mr_value_map(all);
	return mr_map_seal(w->arena, all);
}

int mr_parameters_fill(struct mr_arena *a, const struct mr_value *definition,
    const struct mr_value *variables, const struct mr_value *given, struct mr_faults *faults,
    struct mr_value *ret)
{
	struct walk *w = mr_arena_zalloc(a, sizeof(*w));
	struct mr_value copy;
	int r = w == NULL ? MR_E_NOMEM : begin(w, a, definition, variables);

	if (r == 0)
		r = mr_value_copy(a, definition, &copy);
	if (r == 0)
		r = find_all(w, &copy);
	if (r < 0)
		return r;
	w->given = given;
	w->faults = faults;
	w->fills = true;
	check(w);
	r = walk(w, &copy);
	return r == 0 ? add_vars(w, &copy, ret) : r;
}

/* ---- the schema ---- */

static const char *const types[] = { "string", "number", "integer", "boolean", "array", "object" };

static void add_property(struct mr_buf *b, const struct mr_parameter *p)
{
	struct mr_str type =
	    p->description != NULL ? mr_value_get_str(p->description, "type") : MR_STR_NONE;
	const struct mr_value *otherwise =
	    p->description != NULL ? mr_value_get(p->description, "default") : NULL;
	struct mr_str why = purpose(p);

	mr_buf_add_json(b, p->is_short ? p->key : p->name);
	mr_buf_addz(b, ":{");
	for (size_t i = 0; i < MR_ARRAY_LEN(types); i++) {
		if (type.p != NULL ? mr_str_eqz(type, types[i]) : p->is_place && i == 0)
			mr_buf_addf(b, "\"type\":\"%s\",", types[i]);
	}
	if (why.len > 0) {
		mr_buf_addz(b, "\"description\":");
		mr_buf_add_json(b, why);
		mr_buf_addc(b, ',');
	}
	if (otherwise != NULL) {
		mr_buf_addz(b, "\"default\":");
		mr_json_write(b, otherwise);
		mr_buf_addc(b, ',');
	}
	mr_buf_addz(b, "\"x-path\":");
	mr_buf_add_json(b, p->path);
	mr_buf_addc(b, '}');
}

struct mr_str mr_parameters_schema(struct mr_arena *a, const struct mr_parameters *p)
{
	struct mr_str s;
	struct mr_buf b;
	bool first = true;

	mr_buf_init(&b, SCHEMA_MAX);
	mr_buf_addz(&b, "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{");
	for (size_t i = 0; i < p->len; i++) {
		if (i > 0)
			mr_buf_addc(&b, ',');
		add_property(&b, &p->list[i]);
	}
	mr_buf_addz(&b, "},\"required\":[");
	for (size_t i = 0; i < p->len; i++) {
		if (!p->list[i].is_required)
			continue;
		if (!first)
			mr_buf_addc(&b, ',');
		mr_buf_add_json(&b, p->list[i].is_short ? p->list[i].key : p->list[i].name);
		first = false;
	}
	mr_buf_addz(&b, "]}");
	s = mr_buf_failed(&b) ? MR_STR_NONE : mr_arena_str(a, mr_buf_str(&b));
	mr_buf_done(&b);
	return s;
}
