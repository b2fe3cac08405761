/*
 * Random definitions of every construct: text with ' for ". Not all of them compile (a random next
 * may lead nowhere); those that don't are drawn anew.
 */
#ifndef MR_TESTS_UNIT_RUN_RANDOM_H
#define MR_TESTS_UNIT_RUN_RANDOM_H

#include "run_world.h"

#define RANDOM_DEPTH 3

/* Where chance comes from, and how far it may go. */
struct random_text {
	struct mr_buf b;
	uint64_t *chance;
	unsigned steps; /* left */
	unsigned names; /* drawn so far, for inner names */
};

static uint64_t random_draw(uint64_t *chance, uint64_t below)
{
	struct mr_rand r = mr_rand_seeded(chance);

	return r.next(r.ctx) % below;
}

static unsigned pick(struct random_text *t, unsigned below)
{
	return (unsigned)random_draw(t->chance, below);
}

static void random_steps(struct random_text *t, unsigned depth, unsigned most);

static void random_branches(struct random_text *t, unsigned depth)
{
	static const char *const joins[] = { "", ",'join':'any'",
		",'join':'any','cancel_rest':true", ",'join':'done'", ",'join':{'n':2}",
		",'on_branch_failure':'wait_all'" };
	unsigned n = 2 + pick(t, 2);

	mr_buf_addz(&t->b, "'type':'parallel','config':{'branches':{");
	for (unsigned i = 0; i < n; i++) {
		mr_buf_addf(&t->b, "%s'b%u':", i > 0 ? "," : "", i);
		random_steps(t, depth + 1, 2);
	}
	mr_buf_addf(&t->b, "}%s}", joins[pick(t, (unsigned)MR_ARRAY_LEN(joins))]);
}

static void random_foreach(struct random_text *t, unsigned depth)
{
	static const char *const items[] = { "[1,2,3]", "[]", "{'a':1,'b':{'c':2}}",
		"{'from':0,'to':4}", "'{{[trigger.n, trigger.n + 1]}}'", "'{{trigger.n}}'" };

	mr_buf_addf(&t->b, "'type':'foreach','config':{'items':%s,'concurrency':%u,'tolerate':%u,",
	    items[pick(t, (unsigned)MR_ARRAY_LEN(items))], 1 + pick(t, 3), pick(t, 3));
	mr_buf_addz(&t->b, "'steps':");
	random_steps(t, depth + 1, 2);
	mr_buf_addc(&t->b, '}');
}

static void random_while(struct random_text *t, unsigned depth)
{
	mr_buf_addf(&t->b,
	    "'type':'while','config':{'condition':'index < %u','check':'%s','max_iterations':%u,",
	    pick(t, 4), pick(t, 2) == 0 ? "before" : "after", 1 + pick(t, 3));
	if (pick(t, 3) == 0)
		mr_buf_addz(&t->b, "'delay':1,");
	mr_buf_addz(&t->b, "'steps':");
	random_steps(t, depth + 1, 2);
	mr_buf_addc(&t->b, '}');
}

static void random_switch(struct random_text *t, unsigned depth)
{
	mr_buf_addf(&t->b,
	    "'type':'switch','config':{'value':'{{trigger.n}}','match':'%s','cases':[",
	    pick(t, 2) == 0 ? "first" : "all");
	for (unsigned i = 0; i < 2; i++) {
		if (i > 0)
			mr_buf_addc(&t->b, ',');
		if (pick(t, 2) == 0)
			mr_buf_addf(&t->b, "{'equals':%u,'steps':", pick(t, 5));
		else
			mr_buf_addf(&t->b, "{'when':'trigger.n > %u','steps':", pick(t, 5));
		random_steps(t, depth + 1, 2);
		mr_buf_addc(&t->b, '}');
	}
	mr_buf_addc(&t->b, ']');
	if (pick(t, 2) == 0) {
		mr_buf_addz(&t->b, ",'default':{'steps':");
		random_steps(t, depth + 1, 2);
		mr_buf_addc(&t->b, '}');
	}
	mr_buf_addc(&t->b, '}');
}

static void random_conditional(struct random_text *t, unsigned depth)
{
	mr_buf_addf(&t->b,
	    "'type':'conditional','config':{'condition':'trigger.n %% %u == 0','true_action':",
	    1 + pick(t, 3));
	random_steps(t, depth + 1, 3);
	if (pick(t, 2) == 0) {
		mr_buf_addz(&t->b, ",'false_action':");
		random_steps(t, depth + 1, 3);
	}
	mr_buf_addc(&t->b, '}');
}

static void random_wait(struct random_text *t)
{
	static const char *const configs[] = { "'duration':2", "'event':{'type':'e'}",
		"'event':{'type':'f','count':2}",
		"'any':[{'duration':3},{'event':{'type':'e','match':'event.data.n > 2'}}]",
		"'all':[{'duration':1},{'event':{'type':'e'}},{'event':{'type':'f'}}]" };

	mr_buf_addf(&t->b, "'type':'wait','config':{%s}",
	    configs[pick(t, (unsigned)MR_ARRAY_LEN(configs))]);
}

static void random_simple(struct random_text *t)
{
	static const char *const configs[] = {
		"'type':'http_request','config':{'url':'https://x/{{now()}}',"
		"'data':{'t':'{{trigger.n}}','s':'{{secrets.T}}'}}",
		"'type':'http_request','config':{'url':'https://x/'}",
		"'type':'http_request','config':{'url':'https://y/{{vars.v}}/"
		"{{secrets.T}}','data':'{{vars.v}}'}",
		"'type':'log','config':{'message':'{{trigger.n}}'}",
		"'type':'log','config':{'message':'{{trigger.missing}}'}",
		"'type':'data_transform','config':{'source_data':{'at':'{{now()}}',"
		"'d':'{{duration(\\'5s\\')}}','u':'{{uint(3)}}'},'transformations':["
		"{'type':'extract','path':'at','key':'k'}]}",
		"'type':'noop'",
		"'type':'set','config':{'v':'{{vars.v + 1}}'}",
		"'type':'assert','config':{'condition':'vars.v < 3','message':'too many'}",
		"'type':'raise','config':{'type':'mine','message':'{{trigger.n}}','data':{'v':1}}",
		"'type':'terminate','config':{'status':'completed','output':{'n':'{{trigger.n}}'}}",
		"'type':'terminate','config':{'status':'failed','reason':'enough'}",
		"'type':'emit','config':{'type':'e','data':{'n':'{{trigger.n}}'}}",
		"'type':'subworkflow','config':{'workflow':'w','input':{'n':'{{trigger.n}}'}}",
		"'type':'subworkflow','config':{'workflow':'w','wait':false}",
		"'type':'delay','config':{'seconds':1}",
		"'type':'delay','config':{'seconds':3}",
	};

	mr_buf_addz(&t->b, configs[pick(t, (unsigned)MR_ARRAY_LEN(configs))]);
}

static void random_config(struct random_text *t, unsigned depth)
{
	if (depth >= RANDOM_DEPTH || pick(t, 3) > 0) {
		if (pick(t, 8) == 0)
			random_wait(t);
		else
			random_simple(t);
		return;
	}
	switch (pick(t, 5)) {
	case 0:
		random_branches(t, depth);
		break;
	case 1:
		random_foreach(t, depth);
		break;
	case 2:
		random_while(t, depth);
		break;
	case 3:
		random_switch(t, depth);
		break;
	default:
		random_conditional(t, depth);
		break;
	}
}

/* NEXT is the number of the step after this one in its block; 0: it is the last. */
static void random_catch(struct random_text *t, unsigned depth, unsigned next)
{
	static const char *const on[] = { "", "'on':['mine'],", "'on':['http.5xx','expression'],",
		"'on':['*'],'as':'e'," };

	mr_buf_addf(&t->b, ",'catch':[{%s", on[pick(t, (unsigned)MR_ARRAY_LEN(on))]);
	if (pick(t, 3) == 0) {
		mr_buf_addz(&t->b, "'value':{'caught':true}}]");
		return;
	}
	if (next > 0 && pick(t, 3) == 0) {
		mr_buf_addf(&t->b, "'next':'s%u'}]", next);
		return;
	}
	mr_buf_addz(&t->b, "'steps':");
	random_steps(t, depth + 1, 2);
	mr_buf_addz(&t->b, "}]");
}

/* How a step hangs together with those before it in its block: FIRST … I - 1. */
static void random_order(struct random_text *t, const char *prefix, unsigned first, unsigned i)
{
	static const char *const joins[] = { "'all'", "'any'", "'any','cancel_rest':true", "'done'",
		"{'n':2}" };
	unsigned n;

	if (i == first || pick(t, 2) == 0)
		return;
	n = pick(t, 3);
	mr_buf_addz(&t->b, ",'depends_on':[");
	for (unsigned k = 0; k < n; k++)
		mr_buf_addf(
		    &t->b, "%s'%s%u'", k > 0 ? "," : "", prefix, first + pick(t, i - first));
	mr_buf_addc(&t->b, ']');
	if (n > 1 && pick(t, 3) == 0)
		mr_buf_addf(&t->b, ",'join':%s", joins[pick(t, (unsigned)MR_ARRAY_LEN(joins))]);
}

/* Step I of those from FIRST to before END. */
static void random_step(
    struct random_text *t, unsigned depth, unsigned first, unsigned i, unsigned end)
{
	mr_buf_addf(&t->b, "{'name':'s%u',", i);
	random_config(t, depth);
	random_order(t, "s", first, i);
	if (depth == 0 && pick(t, 3) == 0)
		mr_buf_addf(&t->b, ",'idempotency_key':'s%u/{{vars.v}}/{{now()}}'", i);
	if (pick(t, 6) == 0)
		mr_buf_addf(&t->b, ",'when':'trigger.n > %u'", pick(t, 4));
	if (pick(t, 5) == 0)
		mr_buf_addz(&t->b, ",'on_error':'continue'");
	if (pick(t, 3) == 0)
		mr_buf_addf(
		    &t->b, ",'max_retries':%u,'retry':{'delay':%u}", pick(t, 3), pick(t, 3));
	if (pick(t, 8) == 0)
		mr_buf_addz(&t->b, ",'output':{'r':'{{result ?? 0}}','at':'{{now()}}'}");
	if (pick(t, 8) == 0)
		mr_buf_addf(&t->b, ",'timeouts':{'run':%u,'total':9}", 1 + pick(t, 4));
	if (depth < RANDOM_DEPTH && pick(t, 6) == 0)
		random_catch(t, depth, i + 1 < end ? i + 1 : 0);
	if (depth < RANDOM_DEPTH && pick(t, 5) == 0) {
		mr_buf_addz(&t->b, ",'compensate':");
		random_steps(t, RANDOM_DEPTH, 2);
	}
	mr_buf_addc(&t->b, '}');
}

static void random_steps(struct random_text *t, unsigned depth, unsigned most)
{
	unsigned n = 1 + pick(t, most), first = t->names;

	t->names += n;
	mr_buf_addc(&t->b, '[');
	for (unsigned i = first; i < first + n; i++) {
		if (i > first)
			mr_buf_addc(&t->b, ',');
		random_step(t, depth, first, i, first + n);
	}
	mr_buf_addc(&t->b, ']');
}

/* A definition with at most MOST steps in its main block; T's buffer is the caller's to free. */
static void random_definition(struct random_text *t, uint64_t *chance, unsigned most)
{
	*t = (struct random_text){ .chance = chance };
	mr_buf_init(&t->b, 1u << 20);
	mr_buf_addz(&t->b, "{'vars':{'v':'{{trigger.n}}'},");
	if (pick(t, 4) == 0)
		mr_buf_addf(&t->b, "'timeout_seconds':%u,", 1 + pick(t, 12));
	if (pick(t, 4) == 0)
		mr_buf_addz(&t->b, "'output':{'at':'{{now()}}','n':'{{trigger.n}}'},");
	if (pick(t, 4) == 0) {
		mr_buf_addz(&t->b, "'on_failure':");
		random_steps(t, RANDOM_DEPTH - 1, 2);
		mr_buf_addc(&t->b, ',');
	}
	if (pick(t, 4) == 0) {
		mr_buf_addz(&t->b, "'finally':");
		random_steps(t, RANDOM_DEPTH - 1, 2);
		mr_buf_addc(&t->b, ',');
	}
	if (pick(t, 4) == 0)
		mr_buf_addz(&t->b, "'mode':'saga',");
	mr_buf_addz(&t->b, "'steps':");
	random_steps(t, 0, most);
	mr_buf_addc(&t->b, '}');
}

/* Whether it compiles. */
static bool random_is_valid(const struct mr_buf *b)
{
	struct mr_arena *a = mr_arena_create(64u << 20);
	struct mr_graph *g;
	struct mr_value v;
	bool ok;

	assert_non_null(a);
	v = world_json(a, b->p);
	ok = mr_graph_compile(a, &v, NULL, &g) == 0;
	a = mr_arena_free(a);
	return ok;
}

/* The next valid one. */
static void random_valid(struct random_text *t, uint64_t *chance, unsigned most)
{
	for (unsigned tries = 0; tries < 1000; tries++) {
		random_definition(t, chance, most);
		if (random_is_valid(&t->b))
			return;
		mr_buf_done(&t->b);
	}
	fail_msg("no definition of a thousand compiles");
}

#endif
