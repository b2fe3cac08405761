-- Revert millrace:agent_turns
begin;
set local lock_timeout = '5s';
set local role millrace_owner;
set local search_path = millrace, pg_temp;

drop function agent_waits(bigint);
drop function agent_turns(bigint, bigint[], int[], bigint[], bigint[], text[], text[], bigint[], int[], text[], int[], int, int, int);
drop function agents_lock(bigint, bigint[], text[], text[], bigint[], int[], text[]);
drop function agent_calls_admit(bigint, bigint);
drop function agent_calls_refuse(bigint, int);
drop function agent_call_ask(bigint, bigint, int, bigint, bigint, text, text[]);
drop function agent_call_end(bigint, bigint, int, text, int, int, int, bigint[]);
drop function agent_is_tried(bigint);

-- Calls of an agent that are under way, and steps that wait for their turn, of engines that live.
create or replace function agent_load(agent bigint, out running bigint, out queued bigint)
language sql stable
begin atomic
	select count(*) filter (where c.calling), count(*) filter (where not c.calling)
	from agent_calls c
	where c.agent_id = agent
		and exists (select 1 from engines e where e.id = c.engine_id and e.lease_until > now());
end;

drop function agent_running(bigint);
drop function engine_lives(bigint);

drop index agent_calls_waiting_idx, agent_calls_calling_idx, agent_calls_run_idx;
create index agent_calls_agent_idx on agent_calls (agent_id, turn);
alter table agent_calls drop column priority, drop column round, drop column requires;
alter table agent_breakers drop column round;

-- A step execution of this engine no longer has to do with its agent. Verdict: ok, failed (the service's
-- fault), or none, which says nothing about the service.
create function agent_call_end(engine bigint, execution bigint, tried int, verdict text, took_ms int, most_failures int,
	open_seconds int) returns text
language plpgsql
set search_path = millrace, pg_temp
as $$
declare
	c agent_calls;
	b agent_breakers;
begin
	delete from agent_calls x
	where x.step_execution_id = execution and x.attempt = tried and x.engine_id = engine
	returning x.* into c;
	if not found or not c.calling or verdict = 'none' then
		return null;
	end if;
	insert into agent_outcomes (agent_id, tenant_id, ok, duration_ms)
	values (c.agent_id, c.tenant_id, verdict = 'ok', took_ms);
	select x.* into b from agent_breakers x where x.agent_id = c.agent_id;
	-- while it is open, the one that tries decides, not those that were under way before
	if b.open_until is not null and not c.probe then
		return null;
	end if;
	if verdict = 'ok' then
		if b.failures > 0 or b.open_until is not null then
			update agent_breakers x set failures = 0, opened_at = null, open_until = null where x.agent_id = c.agent_id;
		end if;
		return case when b.open_until is not null then 'closed' end;
	end if;
	update agent_breakers x
	set failures = x.failures + 1,
		opened_at = case when x.failures + 1 >= most_failures or c.probe then clock_timestamp() end,
		open_until = case when x.failures + 1 >= most_failures or c.probe
			then clock_timestamp() + make_interval(secs => open_seconds) end,
		trips = x.trips + case when x.failures + 1 >= most_failures or c.probe then 1 else 0 end
	where x.agent_id = c.agent_id
	returning x.* into b;
	return case when b.open_until is not null then 'opened' end;
end
$$;

-- Asks for a turn: go, full (others are before it), open (its breaker), missing or inactive.
create function agent_call_ask(engine bigint, execution bigint, tried int, tenant bigint, run bigint, picked bigint,
	out verdict text, out until timestamptz)
language plpgsql
set search_path = millrace, pg_temp
as $$
declare
	a agents;
	b agent_breakers;
	mine agent_calls;
	before bigint;
	is_probe boolean;
begin
	select x.* into a from agents x where x.id = picked and x.tenant_id = tenant and x.deleted_at is null;
	if not found then
		verdict := 'missing';
		return;
	end if;
	if a.status <> 'active' then
		verdict := 'inactive';
		return;
	end if;
	-- one that another engine began, or that asks again, keeps its turn
	insert into agent_calls as c (step_execution_id, attempt, tenant_id, agent_id, run_id, engine_id)
	values (execution, tried, tenant, a.id, run, engine)
	on conflict (step_execution_id, attempt) do update
	set agent_id = excluded.agent_id, engine_id = excluded.engine_id, calling = false, probe = false
	returning c.* into mine;
	select x.* into b from agent_breakers x where x.agent_id = a.id;
	if b.open_until > clock_timestamp() then
		verdict := 'open';
		until := b.open_until;
		return;
	end if;
	select count(*) filter (where c.calling or c.turn < mine.turn), coalesce(bool_or(c.probe), false)
	into before, is_probe
	from agent_calls c
	join engines e on e.id = c.engine_id and e.lease_until > now()
	where c.agent_id = a.id
		and (c.step_execution_id, c.attempt) <> (execution, tried);
	if b.open_until is not null and is_probe or before >= a.max_concurrency then
		verdict := case when b.open_until is not null and is_probe then 'open' else 'full' end;
		until := b.open_until;
		return;
	end if;
	update agent_calls c
	set calling = true, probe = b.open_until is not null
	where c.step_execution_id = execution and c.attempt = tried;
	verdict := 'go';
end
$$;

grant execute on function agent_call_end(bigint, bigint, int, text, int, int, int),
	agent_call_ask(bigint, bigint, int, bigint, bigint, bigint) to millrace_engine;

create or replace function step_code(kind text, data json, waits text) returns text
language sql immutable parallel safe
return case
	when kind is null then 'NOT_STARTED'
	when kind = 'step.waiting' and waits = 'event' then 'WAITING_FOR_EVENT'
	when kind in ('step.waiting', 'step.started') and waits = 'child' then 'WAITING_FOR_CHILD'
	when kind = 'step.waiting' then 'WAITING_FOR_TIME'
	when kind = 'step.retrying' then 'RETRYING'
	when kind = 'step.catching' then 'CATCHING'
	when kind in ('step.started', 'step.iterating') then 'RUNNING'
	when kind = 'step.completed' and data -> 'error' is not null then 'COMPLETED_BY_CATCH'
	when kind = 'step.failed' and data ->> 'handled' is not null then 'FAILED_HANDLED'
	else upper(substr(kind, 6)) end;

commit;
