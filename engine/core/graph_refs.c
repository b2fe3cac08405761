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

static const char *const run_members[] = { "id", "workflow_id", "version", "created_at",
	"started_at", NULL };
static const char *const workflow_members[] = { "id", "name", "version", NULL };
static const char *const meta_members[] = { "status", "attempts", "error", NULL };

struct collect {
	struct mr_compile *c;
	const struct mr_draft *d; /* NULL: the output of the whole run */
	struct mr_str path;
	bool in_output;   /* the step's own raw result may be named */
	bool is_recorded; /* secrets must not get in */
	bool has_secret;
	bool all;
	size_t len;
	unsigned steps[MAX_REFS];
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

/* The step of that name as seen from where the expression stands: in its block, else around. */
static int find_in_scope(const struct collect *k, struct mr_str name)
{
	unsigned block = k->d != NULL ? k->d->block : 0;

	for (unsigned depth = 0; depth <= MR_GRAPH_MAX_DEPTH; depth++) {
		int found = mr_graph_draft_find(k->c, block, name);
		int parent = k->c->blocks[block].parent;

		if (found >= 0 || parent < 0)
			return found;
		block = k->c->drafts[parent].block;
	}
	return -1;
}

static void step_ref(struct collect *k, struct mr_str path, const struct mr_expr_ref *ref)
{
	struct mr_str name = ref->part[1];
	int step = find_in_scope(k, name);
	const char *root = mr_str_eqz(ref->part[0], "meta") ? "meta" : "steps";
	int shown = (int)(name.len < 100 ? name.len : 100);

	if (step < 0) {
		mr_graph_fault(k->c, path, "unknown_reference",
		    "%s.%.*s: no step here is named so%.*s", root, shown, name.p,
		    MR_STR_ARG(mr_graph_step_hint(k->c, k->d != NULL ? k->d->block : 0, name)));
		return;
	}
	if (k->d != NULL && &k->c->drafts[step] == k->d && !k->in_output)
		mr_graph_fault(k->c, path, "not_upstream", "%s.%.*s: a step cannot see itself",
		    root, shown, name.p);
	else if (k->d != NULL && &k->c->drafts[step] != k->d && !k->c->order_broken &&
	         !mr_graph_is_upstream(k->d, (unsigned)step))
		mr_graph_fault(k->c, path, "not_upstream",
		    "%s.%.*s: that step does not come before this one; add it to depends_on", root,
		    shown, name.p);
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
	    MR_STR_ARG(ref->part[0]), (int)(ref->part[part].len < 60 ? ref->part[part].len : 60),
	    ref->part[part].p, nearest != NULL ? "; did you mean \"" : "",
	    nearest != NULL ? nearest : "", nearest != NULL ? "\"?" : "");
}

static void secret_ref(struct collect *k, struct mr_str path, const struct mr_expr_ref *ref)
{
	k->has_secret = true;
	if (k->is_recorded)
		mr_graph_fault(k->c, path, "secret_recorded",
		    "%.*s cannot be used here, since the outcome is recorded; use it in the config "
		    "of a step that reaches outside",
		    MR_STR_ARG(ref->part[0]));
}

static void any_ref(void *ctx, struct mr_str path, const struct mr_expr_ref *ref)
{
	struct collect *k = ctx;
	struct mr_str root = ref->n > 0 ? ref->part[0] : MR_STR("");

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
	} else if (mr_str_eqz(root, "vars") && ref->n > 1 && !ref->optional) {
		mr_graph_fault(k->c, path, "unknown_reference",
		    "vars.%.*s: nothing sets variables in this version",
		    (int)(ref->part[1].len < 60 ? ref->part[1].len : 60), ref->part[1].p);
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

static void config_refs(struct collect *k, struct mr_step *s, const struct mr_draft *d)
{
	k->is_recorded = s->type == MR_STEP_DATA_TRANSFORM;
	for (size_t i = 0; i < s->config_len; i++) {
		k->has_secret = false;
		mr_template_refs(d->members[i].value, any_ref, k);
		d->members[i].secret = k->has_secret;
	}
	if (s->transform != NULL)
		transform_refs(
		    k, s->transform, mr_graph_pathz(k->c, d->config_path, "transformations"));
	k->is_recorded = false;
	k->path = mr_graph_pathz(k->c, d->config_path, "condition");
	if (s->condition != NULL)
		mr_expr_refs(s->condition, condition_ref, k);
}

static int step_refs(struct mr_compile *c, unsigned i, struct collect *k)
{
	const struct mr_draft *d = &c->drafts[i];
	struct mr_step *s = &c->steps[i];

	k->c = c;
	k->d = d;
	k->len = 0;
	k->in_output = k->is_recorded = k->all = false;
	config_refs(k, s, d);
	k->path = mr_graph_pathz(
	    c, d->path, mr_value_get(d->raw, "when") != NULL ? "when" : "conditions");
	if (s->when != NULL)
		mr_expr_refs(s->when, condition_ref, k);
	if (s->idempotency_key != NULL)
		mr_template_refs(s->idempotency_key, any_ref, k);
	k->in_output = k->is_recorded = true;
	if (s->output != NULL)
		mr_template_refs(s->output, any_ref, k);
	return keep_refs(c, k, &s->refs);
}

int mr_graph_refs(struct mr_compile *c)
{
	struct collect *k = mr_arena_zalloc(c->scratch, sizeof(*k));
	int r = 0;

	if (k == NULL)
		return MR_E_NOMEM;
	for (unsigned i = 0; i < c->drafts_len && r == 0; i++)
		r = step_refs(c, i, k);
	if (r < 0 || c->graph->output == NULL)
		return r;
	*k = (struct collect){ .c = c, .is_recorded = true };
	mr_template_refs(c->graph->output, any_ref, k);
	return keep_refs(c, k, &c->graph->output_refs);
}
