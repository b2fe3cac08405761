/*
 * What the expressions of a definition name: unknown steps, steps that are not upstream, secrets
 * where they would be recorded. What a step names is kept with it, so that a run shows its
 * expressions those results only.
 */
#include "engine/core/graph_private.h"

#include <string.h>

#include "engine/core/transform_private.h"

/* Beyond so many a step is shown everything upstream. */
#define MAX_REFS 64
/* Beyond so many names of secrets all of the tenant's are there for a run. */
#define MAX_SECRETS 256

static const char *const run_members[] = { "id", "workflow_id", "version", "created_at",
	"started_at", NULL };
static const char *const workflow_members[] = { "id", "name", "version", NULL };
static const char *const meta_members[] = { "status", "attempts", "error", NULL };

/* What the expressions at hand may see. */
enum view {
	VIEW_STEP,
	VIEW_OUTPUT, /* of a step: its own raw result, too */
	VIEW_MAIN,   /* output of the run: all steps of the main block */
	VIEW_INPUT,  /* before the run begins: trigger.* and input.* alone */
};

struct collect {
	struct mr_compile *c;
	const struct mr_draft *d; /* NULL: the definition */
	struct mr_str path;
	enum view view;
	bool is_recorded; /* secrets must not get in */
	bool has_secret;
	bool all, vars;
	size_t len;
	unsigned steps[MAX_REFS];
	struct mr_str *secrets; /* MAX_SECRETS of them; made when there is one */
	size_t secrets_len;
	int failed; /* 0, or what it fails with at last */
};

static void add_ref(struct collect *k, unsigned step)
{
	for (size_t i = 0; i < k->len; i++)
		if (k->steps[i] == step)
			return;
	if (k->len == MAX_REFS)
		k->all = true;
	else
		k->steps[k->len++] = step;
}

/* The step of that name as seen from where the expression stands: in its block, else around. What
 * comes after the main block sees that one, too. */
static int find_in_scope(const struct collect *k, struct mr_str name)
{
	unsigned block = k->d != NULL ? k->d->block : 0;

	for (;;) {
		const struct mr_draft_block *b = &k->c->blocks[block];
		int found = mr_graph_draft_find(k->c, block, name);

		if (found >= 0 || block == 0)
			return found;
		block = b->holder >= 0 ? k->c->drafts[b->holder].block : 0;
	}
}

/* The block of D, or one around it, is held by STEP. */
static const struct mr_draft_block *held_by(
    const struct mr_compile *c, const struct mr_draft *d, unsigned step)
{
	const struct mr_draft_block *b = &c->blocks[d->block];

	while (b->holder >= 0 && (unsigned)b->holder != step)
		b = &c->blocks[c->drafts[b->holder].block];
	return b->holder >= 0 ? b : NULL;
}

/* Why the step doesn't come before the one that names it, and what to do. */
static const char *why_not(const struct collect *k, unsigned step)
{
	const struct mr_draft_block *b = held_by(k->c, k->d, step);

	if (b == NULL)
		return "that step does not come before this one; add it to depends_on";
	if (b->role == MR_BLOCK_CATCH)
		return "that step has failed; the error says what is known of it";
	return "that step is around this one and has no result yet";
}

static void step_ref(struct collect *k, struct mr_str path, const struct mr_expr_ref *ref)
{
	struct mr_str name = ref->part[1], shown = mr_graph_shown(name, 100);
	int step = find_in_scope(k, name);
	const char *root = mr_str_eqz(ref->part[0], "meta") ? "meta" : "steps";
	bool is_self = k->d != NULL && step >= 0 && &k->c->drafts[step] == k->d;

	if (step < 0) {
		mr_graph_fault(k->c, path, "unknown_reference",
		    "%s.%.*s: no step here is named so%.*s", root, MR_STR_ARG(shown),
		    MR_STR_ARG(mr_graph_step_hint(k->c, k->d != NULL ? k->d->block : 0, name)));
		return;
	}
	if (is_self && k->view != VIEW_OUTPUT)
		mr_graph_fault(k->c, path, "not_upstream", "%s.%.*s: a step cannot see itself",
		    root, MR_STR_ARG(shown));
	else if (k->d != NULL && !is_self && !k->c->order_broken &&
	         !mr_graph_is_upstream(k->d, (unsigned)step))
		mr_graph_fault(k->c, path, "not_upstream", "%s.%.*s: %s", root, MR_STR_ARG(shown),
		    why_not(k, (unsigned)step));
	add_ref(k, (unsigned)step);
}

static void check_part(struct collect *k, struct mr_str path, const struct mr_expr_ref *ref,
    unsigned part, const char *const *known)
{
	const char *nearest = NULL;
	unsigned dist;

	if (ref->n <= part)
		return;
	dist = mr_graph_reach(ref->part[part]);
	for (size_t i = 0; known[i] != NULL; i++) {
		if (mr_str_eqz(ref->part[part], known[i]))
			return;
		mr_graph_nearer(ref->part[part], known[i], &nearest, &dist);
	}
	mr_graph_fault(k->c, path, "unknown_reference", "%.*s has no \"%.*s\"%s%s%s",
	    MR_STR_ARG(ref->part[0]), MR_STR_ARG(mr_graph_shown(ref->part[part], 60)),
	    nearest != NULL ? "; did you mean \"" : "", nearest != NULL ? nearest : "",
	    nearest != NULL ? "\"?" : "");
}

/* What a run of this definition needs at hand. */
static void add_secret(struct collect *k, const struct mr_expr_ref *ref)
{
	struct mr_graph *g = k->c->graph;

	if (ref->n < 2 || k->secrets_len == MAX_SECRETS) {
		g->all_secrets = true;
		return;
	}
	for (size_t i = 0; i < k->secrets_len; i++)
		if (mr_str_eq(k->secrets[i], ref->part[1]))
			return;
	if (k->secrets == NULL)
		k->secrets = mr_arena_array(k->c->arena, MAX_SECRETS, sizeof(k->secrets[0]));
	if (k->secrets == NULL ||
	    (k->secrets[k->secrets_len] = mr_arena_str(k->c->arena, ref->part[1])).p == NULL) {
		k->failed = MR_E_NOMEM;
		return;
	}
	g->secrets = k->secrets;
	g->secrets_len = ++k->secrets_len;
}

static void secret_ref(struct collect *k, struct mr_str path, const struct mr_expr_ref *ref)
{
	k->has_secret = true;
	if (mr_str_eqz(ref->part[0], "secrets"))
		add_secret(k, ref);
	if (k->is_recorded)
		mr_graph_fault(k->c, path, "secret_recorded",
		    "%.*s cannot be used here, since the outcome is recorded; use it in the config "
		    "of a step that reaches outside",
		    MR_STR_ARG(ref->part[0]));
}

static void var_ref(struct collect *k, struct mr_str path, const struct mr_expr_ref *ref)
{
	if (ref->n < 2 || ref->optional || mr_graph_vars_known(k->c, ref->part[1]))
		return;
	mr_graph_fault(k->c, path, "unknown_reference",
	    "vars.%.*s: neither \"vars\" nor any step of type \"set\" defines it",
	    MR_STR_ARG(mr_graph_shown(ref->part[1], 60)));
}

/* Before the run begins there is its input and nothing else. */
static bool input_ref(struct collect *k, struct mr_str path, struct mr_str root)
{
	static const char *const later[] = { "steps", "meta", "vars", "run", "workflow",
		"execution_id", "workflow_id" };

	for (size_t i = 0; i < MR_ARRAY_LEN(later); i++) {
		if (!mr_str_eqz(root, later[i]))
			continue;
		mr_graph_fault(k->c, path, "unknown_reference",
		    "%s is not there before the run begins; trigger.* (or input.*) is", later[i]);
		return true;
	}
	return false;
}

static void any_ref(void *ctx, struct mr_str path, const struct mr_expr_ref *ref)
{
	struct collect *k = ctx;
	struct mr_str root = ref->n > 0 ? ref->part[0] : MR_STR("");

	if (k->view == VIEW_INPUT && input_ref(k, path, root))
		return;
	if (mr_str_eqz(root, "steps") || mr_str_eqz(root, "meta")) {
		if (ref->n < 2)
			k->all = true;
		else
			step_ref(k, path, ref);
		if (mr_str_eqz(root, "meta"))
			check_part(k, path, ref, 2, meta_members);
	} else if (mr_str_eqz(root, "run")) {
		check_part(k, path, ref, 1, run_members);
	} else if (mr_str_eqz(root, "workflow")) {
		check_part(k, path, ref, 1, workflow_members);
	} else if (mr_str_eqz(root, "env") || mr_str_eqz(root, "secrets")) {
		secret_ref(k, path, ref);
	} else if (mr_str_eqz(root, "vars")) {
		k->vars = true;
		var_ref(k, path, ref);
	}
}

static void condition_ref(void *ctx, const struct mr_expr_ref *ref)
{
	any_ref(ctx, ((struct collect *)ctx)->path, ref);
}

static int keep_refs(struct mr_compile *c, const struct collect *k, struct mr_step_refs *ret)
{
	unsigned *steps;

	ret->all = k->all;
	ret->vars = k->vars;
	if (k->len == 0)
		return 0;
	steps = mr_arena_array(c->arena, k->len, sizeof(*steps));
	if (steps == NULL)
		return MR_E_NOMEM;
	memcpy(steps, k->steps, k->len * sizeof(*steps));
	ret->steps = steps;
	ret->len = k->len;
	return 0;
}

static void transform_refs(struct collect *k, const struct mr_transform *t, struct mr_str path)
{
	for (size_t i = 0; i < t->len; i++) {
		k->path = mr_graph_path_at(k->c, path, i);
		if (t->steps[i].expr != NULL)
			mr_expr_refs(t->steps[i].expr, condition_ref, k);
		if (t->steps[i].template != NULL)
			mr_template_refs(t->steps[i].template, any_ref, k);
	}
}

static void condition_refs(struct collect *k, const struct mr_expr *e, struct mr_str path)
{
	if (e == NULL)
		return;
	k->path = path;
	mr_expr_refs(e, condition_ref, k);
}

static void template_refs(struct collect *k, const struct mr_template *t)
{
	if (t != NULL)
		mr_template_refs(t, any_ref, k);
}

/* Whether what is rendered of the config comes back: in a result, in variables, in an error, in an
 * event or in another run. */
static bool is_recorded(enum mr_step_type type)
{
	switch (type) {
	case MR_STEP_DATA_TRANSFORM:
	case MR_STEP_FOREACH:
	case MR_STEP_SUBWORKFLOW:
	case MR_STEP_SET:
	case MR_STEP_ASSERT:
	case MR_STEP_RAISE:
	case MR_STEP_TERMINATE:
	case MR_STEP_EMIT:
		return true;
	default:
		return false;
	}
}

struct mr_str mr_graph_wait_path(struct mr_compile *c, const struct mr_draft *d, size_t i)
{
	struct mr_str path = d->config_path;
	const char *const lists[] = { "any", "all" };

	for (size_t k = 0; k < MR_ARRAY_LEN(lists); k++)
		if (mr_graph_get(d->config, lists[k]) != NULL)
			path = mr_graph_path_at(c, mr_graph_pathz(c, path, lists[k]), i);
	return mr_graph_pathz(c, mr_graph_pathz(c, path, "event"), "match");
}

struct mr_str mr_graph_when_path(struct mr_compile *c, const struct mr_draft *d)
{
	return mr_graph_pathz(
	    c, d->path, mr_graph_get(d->raw, "when") != NULL ? "when" : "conditions");
}

static void wait_refs(struct collect *k, const struct mr_step *s, const struct mr_draft *d)
{
	k->is_recorded = true;
	for (size_t i = 0; i < s->waits_len; i++) {
		const struct mr_wait_item *w = &s->waits[i];

		template_refs(k, w->duration);
		template_refs(k, w->until);
		template_refs(k, w->event_type);
		template_refs(k, w->count);
		condition_refs(k, w->match, mr_graph_wait_path(k->c, d, i));
	}
	k->is_recorded = false;
}

static void branch_refs(struct collect *k, const struct mr_step *s, const struct mr_draft *d)
{
	template_refs(k, s->value);
	for (size_t i = 0; i < s->branches_len; i++) {
		const struct mr_branch *b = &s->branches[i];

		condition_refs(k, b->when, mr_graph_pathz(k->c, d->branches[i].path, "when"));
		template_refs(k, b->equals);
	}
}

static void config_refs(struct collect *k, struct mr_step *s, const struct mr_draft *d)
{
	k->is_recorded = is_recorded(s->type);
	for (size_t i = 0; i < s->config_len; i++) {
		k->has_secret = false;
		template_refs(k, d->members[i].value);
		d->members[i].secret = k->has_secret;
	}
	if (s->transform != NULL)
		transform_refs(
		    k, s->transform, mr_graph_pathz(k->c, d->config_path, "transformations"));
	k->is_recorded = false;
	condition_refs(k, s->condition, mr_graph_pathz(k->c, d->config_path, "condition"));
	branch_refs(k, s, d);
	wait_refs(k, s, d);
}

static int step_refs(struct mr_compile *c, unsigned i, struct collect *k)
{
	const struct mr_draft *d = &c->drafts[i];
	struct mr_step *s = &c->steps[i];

	k->c = c;
	k->d = d;
	k->len = 0;
	k->view = VIEW_STEP;
	k->is_recorded = k->all = k->vars = false;
	config_refs(k, s, d);
	condition_refs(k, s->when, mr_graph_when_path(c, d));
	k->is_recorded = true;
	template_refs(k, s->idempotency_key);
	for (size_t n = 0; n < s->catches_len; n++)
		template_refs(k, s->catches[n].value);
	k->view = VIEW_OUTPUT;
	template_refs(k, s->output);
	return keep_refs(c, k, &s->refs);
}

static int top_refs(struct mr_compile *c, struct collect *k)
{
	k->c = c;
	k->d = NULL;
	k->len = 0;
	k->all = k->vars = false;
	k->is_recorded = true;
	k->view = VIEW_INPUT;
	template_refs(k, c->graph->vars);
	template_refs(k, c->graph->concurrency.key);
	k->view = VIEW_MAIN;
	template_refs(k, c->graph->output);
	return keep_refs(c, k, &c->graph->output_refs);
}

int mr_graph_refs(struct mr_compile *c)
{
	struct collect *k = mr_arena_zalloc(c->scratch, sizeof(*k));
	int r = 0;

	if (k == NULL)
		return MR_E_NOMEM;
	for (unsigned i = 0; i < c->drafts_len && r == 0; i++)
		r = step_refs(c, i, k);
	if (r == 0)
		r = top_refs(c, k);
	return r == 0 ? k->failed : r;
}
