-- Revert millrace:agents
begin;
set local lock_timeout = '5s';
set local role millrace_owner;
set local search_path = millrace, pg_temp;

drop function agents_sweep();
drop function agent_call_ask(bigint, bigint, int, bigint, bigint, bigint);
drop function agent_call_end(bigint, bigint, int, text, int, int, int);
drop function agent_pick(bigint, text, text[]);
drop function agent_state(agents);
drop function agent_load(bigint);
drop function agent_circuit(agent_breakers);
drop function agent_uses_words(bigint, text);
drop function agent_uses(bigint, text);
drop function agent_changes(agents, boolean);
drop function agent_body(agents);
drop function agent_retry(json);
drop function agent_id(bigint, text);
drop table agent_outcomes;
drop table agent_calls;
drop table agent_breakers;
drop table agents;
drop sequence agent_id_seq;

commit;
