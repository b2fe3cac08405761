/* Effects that go out again, from whoever took the run over: with the same key and values. */
#include "run_told.h"

/* Engine after engine takes W's run over, through a snapshot and its text. */
static void taken_over(struct world *w)
{
	struct mr_value v;

	assert_int_equal(mr_run_snapshot(w->run, w->graph_arena, &v), 0);
	v = world_json(w->graph_arena, mr_json_text(w->graph_arena, &v).p);
	assert_int_equal(
	    mr_run_create(w->graph_arena, w->g, &w->info, world_next_id, &w->ids, &w->run), 0);
	assert_int_equal(mr_run_restore(w->run, &v), 0);
}

static void set_vars(struct world *w, const char *vars)
{
	advance(w, &(struct mr_run_event){
	               .kind = MR_RUN_EVENT_VARIABLES, .data = world_json(w->graph_arena, vars) });
}

/* Whatever has changed meanwhile. */
static void effects_go_out_again_as_they_were(void **state)
{
	static const char config[] = "{'url':'https://x/1/s','data':{'v':1,'s':'s'},"
	                             "'query':{'v':1},'headers':{'A':'s','B':1}}";
	struct world w;

	(void)state;
	world_begin(&w,
	    "{'vars':{'v':1},'steps':[{'name':'a','type':'http_request','max_retries':1,"
	    "'retry':{'delay':1},'idempotency_key':'k{{vars.v}}/{{now()}}','config':{"
	    "'url':'https://x/{{vars.v}}/{{secrets.T}}','data':{'v':'{{vars.v}}',"
	    "'s':'{{secrets.T}}'},'query':{'v':'{{vars.v}}'},"
	    "'headers':{'A':'{{secrets.T}}','B':'{{vars.v}}'}}}]}",
	    "{}");
	w.secrets = world_json(w.graph_arena, "{'T':'s'}");
	wake(&w);
	assert_str(mr_value_get_str(&w.out.facts[1].data, "key"), "k1/2026-01-01T00:00:00Z");
	assert_json(&w, w.out.effects[0].config, config);
	(void)told(&w);
	w.now += SECOND;
	set_vars(&w, "{'vars':{'v':'two'}}");
	(void)told(&w);
	for (int i = 0; i < 2; i++) { /* here, and by who takes it over */
		assert_int_equal(mr_run_restart_effects(w.run, w.now, &w.out), 0);
		assert_json(&w, w.out.effects[0].config, config);
		assert_str(w.out.effects[0].idempotency_key, "k1/2026-01-01T00:00:00Z");
		assert_str(told(&w), " [a]");
		taken_over(&w);
	}
	/* another attempt is another request with the same key: the first may have been heard */
	failed(&w, "a", "connect");
	assert_str(told(&w), "step.retrying a");
	taken_over(&w);
	w.now += SECOND;
	wake(&w);
	assert_str(w.out.effects[0].idempotency_key, "k1/2026-01-01T00:00:00Z");
	assert_json(&w, w.out.effects[0].config,
	    "{'url':'https://x/two/s','data':{'v':'two','s':'s'},'query':{'v':'two'},"
	    "'headers':{'A':'s','B':'two'}}");
	world_end(&w);
}

/* What is upstream and not waited for may end while the effect is under way. */
static void effects_go_out_again_without_what_ended_later(void **state)
{
	static const char config[] = "{'url':'https://x/0','data':{'s':'t','b':0}}";
	struct world w;

	(void)state;
	world_begin(&w,
	    "{'steps':[" HTTP("a", ",'depends_on':[]") "," HTTP(
	        "b", ",'depends_on':[]") ","
	                                 "{'name':'c','type':'http_request','depends_on':['a','b'],"
	                                 "'join':'any','config':{"
	                                 "'url':'https://x/{{steps.b.id ?? "
	                                 "0}}','data':{'s':'{{secrets.T}}',"
	                                 "'b':'{{steps.b.id ?? 0}}'}}}]}",
	    "{}");
	w.secrets = world_json(w.graph_arena, "{'T':'s'}");
	wake(&w);
	done(&w, "a", "{}");
	(void)told(&w);
	done(&w, "b", "{'id':5}");
	(void)told(&w);
	w.secrets = world_json(w.graph_arena, "{'T':'t'}"); /* a new one is the one to use */
	assert_int_equal(mr_run_restart_effects(w.run, w.now, &w.out), 0);
	assert_json(&w, w.out.effects[0].config, config);
	world_end(&w);
}

static void jq_entries_see_the_same_variables(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w,
	    "{'vars':{'v':1},'steps':[{'name':'t','type':'data_transform','config':{"
	    "'source_data':['{{vars.v}}'],'transformations':[{'type':'jq','program':'.'},"
	    "{'type':'map','expression':'item + vars.v'},{'type':'jq','program':'.'}]}}]}",
	    "{}");
	wake(&w);
	assert_json(&w, w.out.effects[0].config, "{'program':'.','input':[1]}");
	(void)told(&w);
	set_vars(&w, "{'vars':{'v':10}}");
	(void)told(&w);
	taken_over(&w);
	assert_int_equal(mr_run_restart_effects(w.run, w.now, &w.out), 0);
	assert_json(&w, w.out.effects[0].config, "{'program':'.','input':[1]}");
	(void)told(&w);
	done(&w, "t", "[[1]]");
	assert_json(&w, w.out.effects[0].config, "{'program':'.','input':[2]}");
	world_end(&w);
}

/* A run that is retried does a step anew: the default key is the same, a template is asked again.
 */
static void keys_of_a_retried_run(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w,
	    "{'vars':{'v':1},'steps':[" HTTP("a", ",'depends_on':[]") "," HTTP(
	        "b", ",'depends_on':[],'idempotency_key':'k{{vars.v}}'") "]}",
	    "{}");
	wake(&w);
	(void)told(&w);
	failed(&w, "b", "validation");
	assert_str(told(&w), "step.failed b; step.cancelled a; failed [-a]");
	retried(&w, "{}");
	set_vars(&w, "{'vars':{'v':2}}");
	assert_str(w.out.effects[0].idempotency_key, "77/a/0");
	assert_str(w.out.effects[1].idempotency_key, "k2");
	world_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(effects_go_out_again_as_they_were),
		cmocka_unit_test(effects_go_out_again_without_what_ended_later),
		cmocka_unit_test(jq_entries_see_the_same_variables),
		cmocka_unit_test(keys_of_a_retried_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
