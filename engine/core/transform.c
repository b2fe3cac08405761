/* data_transform: compiling a list of transformations, and running them one after the other. */
#include "engine/core/transform.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "engine/core/transform_private.h"

struct compile {
	struct mr_arena *arena;
	struct mr_faults *faults;
	struct mr_str path; /* of the transformation */
	struct mr_transform_step *step;
	unsigned given; /* members seen */
	bool faulty;
};

static void fault(struct compile *c, const char *member, const char *code, const char *fmt, ...)
    MR_PRINTF(4, 5);

static void fault(struct compile *c, const char *member, const char *code, const char *fmt, ...)
{
	char message[320], path[256];
	va_list ap;

	if (c->faults != NULL && mr_faults_ignore(c->faults, code))
		return;
	va_start(ap, fmt);
	(void)vsnprintf(message, sizeof(message), fmt, ap); /* a cut sentence still tells */
	va_end(ap);
	(void)snprintf(path, sizeof(path), "%.*s%s%s", c->path.len > 180 ? 180 : (int)c->path.len,
	    c->path.p, member[0] != '\0' && c->path.len > 0 ? "." : "", member);
	mr_expr_clean(message);
	mr_expr_clean(path);
	mr_fault_add(c->faults, mr_str(path), code, "%s", message);
	c->faulty = true;
}

/* ---- members ---- */

static int read_string(
    struct compile *c, const char *name, const struct mr_value *v, struct mr_str *ret)
{
	if (v->kind != MR_VALUE_STRING || v->s.len == 0) {
		fault(c, name, "type", "must be a text that isn't empty");
		return 0;
	}
	*ret = mr_arena_str(c->arena, v->s);
	return ret->p != NULL ? 0 : MR_E_NOMEM;
}

static int read_path(struct compile *c, const char *name, const struct mr_value *v)
{
	struct mr_str text = MR_STR_NONE;
	const char *why;
	int r = read_string(c, name, v, &text);

	if (r < 0 || text.p == NULL)
		return r;
	r = mr_path_parse(c->arena, text, &c->step->path, &why);
	if (r == 0 && why != NULL)
		fault(c, name, "path", "%s", why);
	c->step->has_path = true;
	return r;
}

static int read_key(struct compile *c, const char *name, const struct mr_value *v)
{
	return read_string(c, name, v, &c->step->key);
}

/* expression, condition and by: {{ }} are parentheses. */
static int read_expr(struct compile *c, const char *name, const struct mr_value *v)
{
	struct mr_expr_error err;
	int r;

	if (strcmp(name, "condition") != 0 && v->kind != MR_VALUE_STRING) {
		fault(c, name, "type", "must be an expression in a text");
		return 0;
	}
	r = mr_condition_compile(c->arena, v, &c->step->expr, &err);
	if (r == MR_E_NOMEM)
		return r;
	if (r < 0)
		fault(c, name, "expression", "line %zu, column %zu: %s", err.line, err.column,
		    err.message);
	return 0;
}

static int read_template(struct compile *c, const char *name, const struct mr_value *v)
{
	struct mr_str path = mr_arena_printf(
	    c->arena, "%.*s%s%s", MR_STR_ARG(c->path), c->path.len > 0 ? "." : "", name);
	int r;

	if (path.p == NULL)
		return MR_E_NOMEM;
	r = mr_template_compile(c->arena, v, path, c->faults, &c->step->template);
	if (r == MR_E_NOMEM)
		return r;
	if (r < 0)
		c->faulty = true;
	return 0;
}

static int read_names(struct compile *c, const char *name, const struct mr_value *v)
{
	struct mr_value copy;
	int r;

	if (v->kind != MR_VALUE_LIST) {
		fault(c, name, "type", "must be a list of names");
		return 0;
	}
	for (size_t i = 0; i < v->list->len; i++) {
		if (v->list->items[i].kind != MR_VALUE_STRING) {
			fault(c, name, "type", "must be a list of names; [%zu] is none", i);
			return 0;
		}
		for (size_t j = 0; j < i && j < 100; j++) {
			if (mr_str_eq(v->list->items[i].s, v->list->items[j].s)) {
				fault(c, name, "duplicate", "[%zu] stands there already", i);
				return 0;
			}
		}
	}
	r = mr_value_copy(c->arena, v, &copy);
	if (r == 0)
		c->step->fields = copy.list;
	return r;
}

static int read_renames(struct compile *c, const char *name, const struct mr_value *v)
{
	struct mr_value copy;
	int r;

	if (v->kind != MR_VALUE_MAP) {
		fault(c, name, "type", "must be an object, {\"old name\": \"new name\"}");
		return 0;
	}
	for (size_t i = 0; i < v->map->len; i++) {
		if (v->map->members[i].value.kind != MR_VALUE_STRING) {
			fault(c, name, "type", "the new name of \"%.*s\" must be a text",
			    MR_STR_ARG(v->map->members[i].key.s));
			return 0;
		}
	}
	r = mr_value_copy(c->arena, v, &copy);
	if (r == 0)
		c->step->renames = copy.map;
	return r;
}

/* What libjq has to say of it is known when it runs. */
static int read_program(struct compile *c, const char *name, const struct mr_value *v)
{
	if (v->kind == MR_VALUE_STRING && v->s.len > MR_TRANSFORM_JQ) {
		fault(c, name, "limit", "must be at most %u bytes", MR_TRANSFORM_JQ);
		return 0;
	}
	return read_string(c, name, v, &c->step->program);
}

static int read_depth(struct compile *c, const char *name, const struct mr_value *v)
{
	if (v->kind != MR_VALUE_INT || v->i < 1 || v->i > 1000)
		fault(c, name, "range", "must be a number from 1 to 1000");
	else
		c->step->depth = v->i;
	return 0;
}

static int read_order(struct compile *c, const char *name, const struct mr_value *v)
{
	if (v->kind == MR_VALUE_STRING && mr_str_eqz(v->s, "desc"))
		c->step->descending = true;
	else if (v->kind != MR_VALUE_STRING || !mr_str_eqz(v->s, "asc"))
		fault(c, name, "enum", "must be asc or desc");
	return 0;
}

static int read_op(struct compile *c, const char *name, const struct mr_value *v)
{
	static const char *const ops[] = {
		[MR_AGG_SUM] = "sum",
		[MR_AGG_AVG] = "avg",
		[MR_AGG_MIN] = "min",
		[MR_AGG_MAX] = "max",
		[MR_AGG_COUNT] = "count",
	};

	for (size_t i = 0; i < MR_ARRAY_LEN(ops); i++) {
		if (v->kind == MR_VALUE_STRING && mr_str_eqz(v->s, ops[i])) {
			c->step->op = (enum mr_aggregate)i;
			return 0;
		}
	}
	fault(c, name, "enum", "must be sum, avg, min, max or count");
	return 0;
}

/* ---- one transformation ---- */

static const struct member {
	const char *name;
	unsigned bit; /* 0: every type has it */
	int (*read)(struct compile *c, const char *name, const struct mr_value *v);
} members[] = {
	{ "path", 0, read_path },
	{ "key", 0, read_key },
	{ "default", MR_TRANSFORM_DEFAULT, read_template },
	{ "expression", MR_TRANSFORM_EXPRESSION, read_expr },
	{ "template", MR_TRANSFORM_TEMPLATE, read_template },
	{ "condition", MR_TRANSFORM_CONDITION, read_expr },
	{ "fields", MR_TRANSFORM_FIELDS, read_names },
	{ "fields", MR_TRANSFORM_RENAMES, read_renames },
	{ "with", MR_TRANSFORM_WITH, read_template },
	{ "depth", MR_TRANSFORM_DEPTH, read_depth },
	{ "by", MR_TRANSFORM_BY, read_expr },
	{ "order", MR_TRANSFORM_ORDER, read_order },
	{ "op", MR_TRANSFORM_OP, read_op },
	{ "program", MR_TRANSFORM_PROGRAM, read_program },
	{ "filter", MR_TRANSFORM_FILTER, read_program },
};

static bool allows(const struct mr_transform_type *type, const struct member *m)
{
	return m->bit == 0 || (type->members & m->bit) != 0;
}

static void unknown_member(struct compile *c, struct mr_str name)
{
	const char *nearest = NULL;
	unsigned best = 4, d;
	char copy[64];

	for (size_t i = 0; i < MR_ARRAY_LEN(members); i++) {
		if (!allows(c->step->type, &members[i]))
			continue;
		d = mr_str_distance(name, mr_str(members[i].name), best);
		if (d < best) {
			best = d;
			nearest = members[i].name;
		}
	}
	(void)snprintf(copy, sizeof(copy), "%.*s", name.len > 60 ? 60 : (int)name.len, name.p);
	if (nearest != NULL)
		fault(c, copy, "unknown_member", "%s has no such member; did you mean %s?",
		    c->step->type->name, nearest);
	else
		fault(c, copy, "unknown_member", "%s has no such member", c->step->type->name);
}

static int read_member(struct compile *c, struct mr_str name, const struct mr_value *v)
{
	for (size_t i = 0; i < MR_ARRAY_LEN(members); i++) {
		if (!mr_str_eqz(name, members[i].name) || !allows(c->step->type, &members[i]))
			continue;
		c->given |= members[i].bit;
		return members[i].read(c, members[i].name, v);
	}
	if (!mr_str_eqz(name, "type"))
		unknown_member(c, name);
	return 0;
}

static void require(struct compile *c)
{
	const struct mr_transform_type *type = c->step->type;
	const char *first = NULL;

	if (type->path_required && !c->step->has_path)
		fault(c, "path", "required", "%s needs a path", type->name);
	if (type->required != 0 && (c->given & type->required) == 0) {
		for (size_t i = 0; i < MR_ARRAY_LEN(members) && first == NULL; i++)
			first = (type->required & members[i].bit) != 0 ? members[i].name : NULL;
		fault(c, first != NULL ? first : "", "required", "%s needs %s%s", type->name,
		    first != NULL ? first : "more",
		    (type->required & MR_TRANSFORM_EXPRESSION) != 0 ? " or template"
		    : (type->required & MR_TRANSFORM_FILTER) != 0   ? " or filter"
		                                                    : "");
	}
	if ((c->given & MR_TRANSFORM_PROGRAM) != 0 && (c->given & MR_TRANSFORM_FILTER) != 0)
		fault(c, "filter", "conflict", "give program or filter, not both");
	if ((c->given & MR_TRANSFORM_EXPRESSION) != 0 && (c->given & MR_TRANSFORM_TEMPLATE) != 0)
		fault(c, "template", "conflict", "give expression or template, not both");
}

static const struct mr_transform_type *find_type(struct compile *c, const struct mr_value *v)
{
	struct mr_str name = mr_value_get_str(v, "type");
	char known[256];
	size_t len = 0;

	for (size_t i = 0; i < mr_transform_types_len; i++) {
		int n;

		if (mr_str_eqz(name, mr_transform_types[i].name))
			return &mr_transform_types[i];
		n = snprintf(known + len, sizeof(known) - len, "%s%s", i > 0 ? ", " : "",
		    mr_transform_types[i].name);
		len += n > 0 ? (size_t)n : 0;
	}
	if (mr_value_get(v, "type") == NULL)
		fault(c, "type", "required", "must be one of %s", known);
	else
		fault(c, "type", "enum", "must be one of %s", known);
	return NULL;
}

static int compile_step(struct compile *c, const struct mr_value *v)
{
	int r = 0;

	c->given = 0;
	c->step->depth = 1;
	if (v->kind != MR_VALUE_MAP) {
		fault(c, "", "type", "must be an object with a type");
		return 0;
	}
	c->step->type = find_type(c, v);
	if (c->step->type == NULL)
		return 0;
	for (size_t i = 0; r == 0 && i < v->map->len; i++)
		r = read_member(c, v->map->members[i].key.s, &v->map->members[i].value);
	if (r == 0)
		require(c);
	return r;
}

/* Results are a map: each name once, and "result" is the last value. */
static void check_key(struct compile *c, const struct mr_transform *t, size_t at, size_t len)
{
	struct mr_str key = t->steps[at].key;

	if (key.p == NULL)
		return;
	if (mr_str_eqz(key, "result") && at + 1 < len)
		fault(c, "key", "reserved", "\"result\" is the name of the last value");
	for (size_t i = 0; i < at; i++) {
		if (t->steps[i].key.p != NULL && mr_str_eq(t->steps[i].key, key)) {
			fault(c, "key", "duplicate", "another transformation has this key");
			return;
		}
	}
}

int mr_transform_compile(struct mr_arena *a, const struct mr_value *source, struct mr_str path,
    struct mr_faults *faults, const struct mr_transform **ret)
{
	struct compile c = { .arena = a, .faults = faults, .path = path };
	struct mr_transform *t;
	size_t len;
	int r = 0;

	if (source == NULL || source->kind != MR_VALUE_LIST || source->list->len == 0 ||
	    source->list->len > MR_TRANSFORM_STEPS) {
		fault(&c, "", "type", "must be a list of 1 to %u transformations",
		    MR_TRANSFORM_STEPS);
		return MR_E_INVALID;
	}
	len = source->list->len;
	t = mr_arena_zalloc(a, sizeof(*t) + len * sizeof(t->steps[0]));
	if (t == NULL)
		return MR_E_NOMEM;
	t->len = len;
	for (size_t i = 0; r == 0 && i < len; i++) {
		c.path = mr_arena_printf(a, "%.*s[%zu]", MR_STR_ARG(path), i);
		c.step = &t->steps[i];
		if (c.path.p == NULL)
			return MR_E_NOMEM;
		r = compile_step(&c, &source->list->items[i]);
		if (r == 0)
			check_key(&c, t, i, len);
	}
	if (r == 0 && c.faulty)
		r = MR_E_INVALID;
	if (r == 0)
		*ret = t;
	return r;
}

/* ---- the environment of an item ---- */

/* Names that mean the same everywhere, whatever members an item has. */
static bool is_reserved(struct mr_str name)
{
	static const char *const names[] = { "trigger", "input", "steps", "meta", "vars", "env",
		"secrets", "error", "run", "workflow", "execution_id", "workflow_id" };

	for (size_t i = 0; i < MR_ARRAY_LEN(names); i++) {
		if (mr_str_eqz(name, names[i]))
			return true;
	}
	return false;
}

static int look_up_outer(struct mr_transform_run *run, struct mr_arena *a, struct mr_str name,
    struct mr_value *ret, struct mr_expr_error *err)
{
	int r;

	for (size_t i = 0; i < run->cached; i++) {
		if (mr_str_eq(run->cache[i].name, name)) {
			*ret = run->cache[i].value;
			return 0;
		}
	}
	if (run->outer == NULL || run->outer->lookup == NULL)
		return MR_E_NOT_FOUND;
	r = run->outer->lookup(run->outer->ctx, a, name, ret, err);
	if (r == 0 && run->cached < MR_TRANSFORM_CACHE) {
		run->cache[run->cached].name = name; /* it lives as long as the program */
		run->cache[run->cached++].value = *ret;
	}
	return r;
}

static int look_up(void *ctx, struct mr_arena *a, struct mr_str name, struct mr_value *ret,
    struct mr_expr_error *err)
{
	struct mr_transform_run *run = ctx;
	const struct mr_value *member;

	if (mr_str_eqz(name, "item")) {
		*ret = run->item;
		return 0;
	}
	if (mr_str_eqz(name, "index")) {
		*ret = run->index;
		return 0;
	}
	member = is_reserved(name) ? NULL : mr_value_gets(&run->item, name);
	if (member != NULL) {
		*ret = *member;
		return 0;
	}
	return look_up_outer(run, a, name, ret, err);
}

static int told(struct mr_transform_run *run, int r)
{
	run->told = r < 0 && r != MR_E_NOMEM;
	return r;
}

int mr_transform_expr(struct mr_transform_run *run, const struct mr_expr *e,
    const struct mr_value *item, struct mr_value index, struct mr_value *ret)
{
	run->item = *item;
	run->index = index;
	return told(
	    run, mr_expr_eval_budget(e, &run->env, run->vm.arena, &run->vm.budget, ret, run->err));
}

int mr_transform_template(struct mr_transform_run *run, const struct mr_template *t,
    const struct mr_value *item, struct mr_value index, struct mr_value *ret)
{
	run->item = *item;
	run->index = index;
	return told(run,
	    mr_template_eval_budget(t, &run->env, run->vm.arena, &run->vm.budget, ret, run->err));
}

/* ---- running ---- */

/* What a step's path means: in the present value, else among the results so far, else in the
 * source. */
static int find_input(struct mr_transform_run *run, const struct mr_transform_step *step,
    const struct mr_value *const from[3], struct mr_value *ret)
{
	int r = MR_E_NOT_FOUND;

	if (!step->has_path) {
		*ret = *from[0];
		return 0;
	}
	for (size_t i = 0; r == MR_E_NOT_FOUND && !run->told && i < 3; i++)
		r = mr_path_get(run, &step->path, from[i], step->template, ret);
	if (r != MR_E_NOT_FOUND || run->told)
		return r;
	if (step->template != NULL && (step->type->members & MR_TRANSFORM_DEFAULT) != 0)
		return mr_transform_template(run, step->template, from[0], MR_NULL_VALUE, ret);
	return MR_E_NOT_FOUND;
}

/* Fills ERR for a failure that no expression has told, and says which transformation it was. */
static int tell(
    struct mr_transform_run *run, const struct mr_transform_step *step, size_t at, int r)
{
	struct mr_expr_error *err = run->err;
	char message[sizeof(err->message)];
	const char *what = run->vm.fail.message;

	if (err == NULL)
		return r;
	if (run->told) {
		(void)snprintf(message, sizeof(message), "%s", err->message);
		what = message;
	} else {
		*err = (struct mr_expr_error){ .line = 1, .column = 1 };
		if (r == MR_E_NOT_FOUND)
			(void)snprintf(err->path, sizeof(err->path), "%.*s",
			    step->path.text.len > 120 ? 120 : (int)step->path.text.len,
			    step->path.text.p);
	}
	if (r == MR_E_NOMEM)
		what = "the values are too large for the memory allowed";
	else if (r == MR_E_NOT_FOUND && !run->told)
		(void)snprintf(message, sizeof(message), "%s: no such value", err->path);
	if (r == MR_E_NOT_FOUND && !run->told)
		what = message;
	(void)snprintf(err->message, sizeof(err->message), "transformations[%zu] (%s): %.*s", at,
	    step->type->name, 200, what);
	mr_expr_clean(err->message);
	mr_expr_clean(err->path);
	return r;
}

/* The names and values so far, and "result" when all is done. */
static int results(struct mr_arena *a, const struct mr_transform *t, const struct mr_value *values,
    size_t done, struct mr_value *ret)
{
	struct mr_map *m = mr_map_create(a, done + 1);
	int r;

	if (m == NULL)
		return MR_E_NOMEM;
	m->len = 0;
	for (size_t i = 0; i < done; i++) {
		if (t->steps[i].key.p == NULL ||
		    (done == t->len && mr_str_eqz(t->steps[i].key, "result")))
			continue;
		m->members[m->len++] =
		    (struct mr_member){ mr_value_str(t->steps[i].key), values[i] };
	}
	if (done == t->len)
		m->members[m->len++] =
		    (struct mr_member){ mr_value_strz("result"), values[done - 1] };
	r = mr_map_seal(a, m);
	if (r == 0)
		*ret = mr_value_map(m);
	return r;
}

static void init(struct mr_transform_run *run, const struct mr_expr_env *env, struct mr_arena *a,
    struct mr_expr_error *err)
{
	run->vm = (struct mr_vm){ .env = &run->env,
		.arena = a,
		.err = err,
		.budget = env != NULL && env->max_cost > 0 ? env->max_cost : MR_TRANSFORM_COST };
	run->outer = env;
	run->env = (struct mr_expr_env){
		.lookup = look_up, .ctx = run, .now_us = env != NULL ? env->now_us : 0
	};
	run->cached = 0;
	run->err = err;
	run->told = false;
}

static int eval_entries(struct mr_transform_run *run, const struct mr_transform *t,
    const struct mr_value *input, struct mr_value *values, size_t *at, struct mr_value *present)
{
	struct mr_value named = MR_NULL_VALUE, in = MR_NULL_VALUE;
	int r = 0;

	for (; *at < t->len; ++*at) {
		const struct mr_transform_step *step = &t->steps[*at];
		const struct mr_value *const from[3] = { present, &named, input };

		r = step->has_path ? results(run->vm.arena, t, values, *at, &named) : 0;
		if (r == 0)
			r = mr_vm_charge(&run->vm, 1);
		if (r == 0)
			r = find_input(run, step, from, &in);
		if (r == 0 && step->type->fn == NULL) {
			*present = in;
			return 0;
		}
		if (r == 0)
			r = step->type->fn(run, step, &in, present);
		if (r < 0)
			return tell(run, step, *at, r);
		values[*at] = *present;
	}
	return 0;
}

/* From entry *AT on, up to the end or to a jq entry, whose input is then in *PRESENT. */
static int eval_steps(struct mr_transform_run *run, const struct mr_transform *t,
    const struct mr_value *input, struct mr_value *values, size_t *at, struct mr_value *present)
{
	uint64_t budget = run->vm.budget;
	int r = eval_entries(run, t, input, values, at, present);

	if (run->outer != NULL && run->outer->spent != NULL)
		*run->outer->spent += budget - run->vm.budget;
	return r;
}

int mr_transform_eval(const struct mr_transform *t, const struct mr_value *input,
    const struct mr_expr_env *env, struct mr_arena *a, struct mr_value *ret,
    struct mr_expr_error *err)
{
	struct mr_value *values = mr_arena_array(a, t->len, sizeof(*values));
	struct mr_value present = *input;
	struct mr_transform_run run;
	size_t at = 0;
	int r;

	if (values == NULL)
		return mr_expr_nomem(err);
	init(&run, env, a, err);
	r = eval_steps(&run, t, input, values, &at, &present);
	if (r < 0)
		return r;
	if (at < t->len)
		return tell(&run, &t->steps[at], at,
		    mr_vm_fail(&run.vm, "is not carried out where nothing may reach outside"));
	r = results(a, t, values, t->len, ret);
	return r == MR_E_NOMEM ? mr_expr_nomem(err) : r;
}

/* ---- with jq between ---- */

bool mr_transform_has_jq(const struct mr_transform *t)
{
	for (size_t i = 0; i < t->len; i++) {
		if (t->steps[i].type->fn == NULL)
			return true;
	}
	return false;
}

struct mr_str mr_transform_jq_program(const struct mr_transform *t, size_t index)
{
	return index < t->len && t->steps[index].type->fn == NULL ? t->steps[index].program
	                                                          : MR_STR_NONE;
}

/* The values of the entries before AT; those that nobody can ask for any more are null. */
static int keep(struct mr_arena *a, const struct mr_transform *t, const struct mr_value *values,
    size_t at, struct mr_value *ret)
{
	struct mr_list *l = mr_list_create(a, at);

	if (l == NULL)
		return MR_E_NOMEM;
	for (size_t i = 0; i < at; i++)
		l->items[i] = t->steps[i].key.p != NULL || i + 1 == at ? values[i] : MR_NULL_VALUE;
	*ret = mr_value_list(l);
	return 0;
}

int mr_transform_eval_from(const struct mr_transform *t, const struct mr_value *input,
    const struct mr_expr_env *env, struct mr_arena *a, size_t *index, struct mr_value *state,
    struct mr_value *ret, struct mr_expr_error *err)
{
	struct mr_value *values = mr_arena_array(a, t->len, sizeof(*values));
	struct mr_value present = *input;
	struct mr_transform_run run;
	int r;

	if (values == NULL)
		return mr_expr_nomem(err);
	init(&run, env, a, err);
	if (*index > t->len ||
	    (*index > 0 && (state->kind != MR_VALUE_LIST || state->list->len != *index)))
		return tell(&run, &t->steps[0], 0,
		    mr_vm_fail(&run.vm, "goes on from a state that isn't its own"));
	if (*index > 0) {
		memcpy(values, state->list->items, *index * sizeof(*values));
		present = values[*index - 1];
	}
	r = eval_steps(&run, t, input, values, index, &present);
	if (r == 0 && *index < t->len) {
		*ret = present;
		r = keep(a, t, values, *index, state);
	} else if (r == 0) {
		r = results(a, t, values, t->len, ret);
	}
	return r == MR_E_NOMEM ? mr_expr_nomem(err) : r;
}

int mr_transform_jq_done(const struct mr_transform *t, const struct mr_value *outputs,
    struct mr_arena *a, size_t *index, struct mr_value *state, struct mr_expr_error *err)
{
	size_t n = outputs->kind == MR_VALUE_LIST ? outputs->list->len : 0;
	struct mr_list *l = mr_list_create(a, *index + 1);
	struct mr_transform_run run;

	if (l == NULL)
		return mr_expr_nomem(err);
	assert(mr_transform_jq_program(t, *index).p != NULL);
	assert(*index == 0 || (state->kind == MR_VALUE_LIST && state->list->len == *index));
	init(&run, NULL, a, err);
	if (n > 1)
		return tell(&run, &t->steps[*index], *index,
		    mr_vm_fail(
		        &run.vm, "gave %zu values instead of one; put [ ] around the program", n));
	if (*index > 0)
		memcpy(l->items, state->list->items, *index * sizeof(l->items[0]));
	l->items[*index] = n == 1 ? outputs->list->items[0] : MR_NULL_VALUE;
	*state = mr_value_list(l);
	++*index;
	return 0;
}
