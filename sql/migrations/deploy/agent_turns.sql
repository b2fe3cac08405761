-- Deploy millrace:agent_turns
-- Turns at agents are given for all that an engine asks and gives back at a time: by priority, then fair
-- between runs, then age. What a step waits for is told by explain.
begin;
set local lock_timeout = '5s';
set local role millrace_owner;
set local search_path = millrace, pg_temp;

drop function agent_call_ask(bigint, bigint, int, bigint, bigint, bigint);
drop function agent_call_end(bigint, bigint, int, text, int, int, int);

-- opened_at: since when it has not been closed; open_until: when the next call may try
-- The default comes after the column: with it, the server would look for whoever holds rows of this type, and
-- 15.20 counts functions among them.
alter table agent_breakers
	add column round bigint; -- of the last turn that was given
alter table agent_breakers
	alter column round set default 0;
update agent_breakers set round = 0;
alter table agent_breakers
	alter column round set not null;

alter table agent_calls
	add column priority smallint not null default 0,  -- of the run
	-- Runs take turns: the first step of a run that waits stands in the round that is under way, its
	-- next one in the round after that, however many it has.
	add column round bigint not null default 0,
	add column requires text[];                 -- what it asked for, when it named no agent

drop index agent_calls_agent_idx;
create index agent_calls_waiting_idx on agent_calls (agent_id, priority desc, round, turn) where not calling;
create index agent_calls_calling_idx on agent_calls (agent_id) where calling;
create index agent_calls_run_idx on agent_calls (run_id, agent_id, round);

-- Whether an engine lives, so that what it has in hand counts.
create function engine_lives(engine bigint) returns boolean
language sql stable
return exists (select 1 from engines e where e.id = engine and e.lease_until > now());

-- Calls of an agent that are under way, of engines that live.
create function agent_running(agent bigint) returns bigint
language sql stable
return (
	select count(*)
	from agent_calls c
	where c.agent_id = agent
		and c.calling
		and engine_lives(c.engine_id));

create or replace function agent_load(agent bigint, out running bigint, out queued bigint)
language sql stable
begin atomic
	select agent_running(agent), count(*)
	from agent_calls c
	where c.agent_id = agent
		and not c.calling
		and engine_lives(c.engine_id);
end;

-- A step execution of this engine no longer has to do with its agent. Verdict: ok, failed (the service's
-- fault), or none, which says nothing about the service. Its agent is locked when that changes its breaker.
create function agent_call_end(engine bigint, execution bigint, tried int, verdict text, took_ms int, most_failures int,
	open_ms int, locked bigint[], out change text, out agent bigint)
language plpgsql
set search_path = millrace, pg_temp
as $$
declare
	c agent_calls;
	b agent_breakers;
	opens boolean;
begin
	delete from agent_calls x
	where x.step_execution_id = execution and x.attempt = tried and x.engine_id = engine
	returning x.* into c;
	if not found or not c.calling or verdict = 'none' then
		return;
	end if;
	agent := c.agent_id;
	insert into agent_outcomes (agent_id, tenant_id, ok, duration_ms)
	values (c.agent_id, c.tenant_id, verdict = 'ok', took_ms);
	select x.* into b from agent_breakers x where x.agent_id = c.agent_id;
	-- while it is open, the one that tries decides, not those that were under way before
	if c.agent_id <> all (locked) or b.open_until is not null and not c.probe then
		return;
	end if;
	if verdict = 'ok' then
		if b.failures > 0 or b.open_until is not null then
			update agent_breakers x set failures = 0, opened_at = null, open_until = null where x.agent_id = c.agent_id;
		end if;
		change := case when b.open_until is not null then 'closed' end;
		return;
	end if;
	opens := c.probe or b.failures + 1 >= most_failures;
	update agent_breakers x
	set failures = x.failures + 1,
		opened_at = case when opens then coalesce(x.opened_at, clock_timestamp()) end,
		open_until = case when opens then clock_timestamp() + make_interval(secs => open_ms / 1000.0) end,
		trips = x.trips + case when opens then 1 else 0 end
	where x.agent_id = c.agent_id;
	change := case when opens then 'opened' end;
end
$$;

-- Asks for a turn. Verdict: null while it waits, go where an agent takes any number of calls, missing or
-- inactive. One that another engine began, or that asks again, keeps its place.
create function agent_call_ask(engine bigint, execution bigint, tried int, tenant bigint, run bigint, ref text, required text[],
	out verdict text, out agent bigint)
language plpgsql
set search_path = millrace, pg_temp
as $$
declare
	a agents;
	b agent_breakers;
	at_once boolean;
begin
	agent := agent_pick(tenant, ref, required);
	select x.* into a from agents x where x.id = agent and x.tenant_id = tenant and x.deleted_at is null;
	verdict := case when not found then 'missing' when a.status <> 'active' then 'inactive' end;
	if verdict is not null then
		delete from agent_calls c where c.step_execution_id = execution and c.attempt = tried;
		return;
	end if;
	select x.* into b from agent_breakers x where x.agent_id = a.id;
	at_once := b.open_until is null and a.max_concurrency is null;
	insert into agent_calls as c (step_execution_id, attempt, tenant_id, agent_id, run_id, engine_id, requires, calling, priority, round)
	values (execution, tried, tenant, a.id, run, engine, case when ref is null then required end, at_once,
		coalesce((select r.priority from runs r where r.id = run), 0),
		greatest(b.round, (select max(x.round) + 1 from agent_calls x where x.run_id = run and x.agent_id = a.id)))
	on conflict (step_execution_id, attempt) do update
	set agent_id = excluded.agent_id, engine_id = excluded.engine_id, calling = excluded.calling, probe = false,
		round = case when c.agent_id = excluded.agent_id then c.round else excluded.round end;
	if at_once then
		verdict := 'go';
	end if;
end
$$;

-- Steps of this engine that wait at an agent which can't take them: one that said what it requires goes to
-- another agent that has it and can be called. Verdict of the others: missing, inactive, or open, when the
-- breaker has been open for longer than they wait.
create function agent_calls_refuse(engine bigint, wait_ms int)
returns table (execution bigint, tried int, verdict text, agent bigint)
language plpgsql
set search_path = millrace, pg_temp
as $$
declare
	c record;
	other bigint;
begin
	for c in
		select w.step_execution_id, w.attempt, w.tenant_id, w.agent_id, w.run_id, w.requires,
			case
				when a.deleted_at is not null then 'missing'
				when a.status <> 'active' then 'inactive'
				when greatest(w.since, b.opened_at) < clock_timestamp() - make_interval(secs => wait_ms / 1000.0) then 'open'
			end as verdict
		from agent_calls w
		join agents a on a.id = w.agent_id
		join agent_breakers b on b.agent_id = w.agent_id
		where w.engine_id = engine
			and not w.calling
			and (a.deleted_at is not null or a.status <> 'active' or b.open_until is not null)
	loop
		other := case when c.requires is not null then agent_pick(c.tenant_id, null, c.requires) end;
		if other <> c.agent_id and not exists (select 1 from agent_breakers b where b.agent_id = other and b.open_until > now()) then
			update agent_calls x
			set agent_id = other, round = (select b.round from agent_breakers b where b.agent_id = other)
			where x.step_execution_id = c.step_execution_id and x.attempt = c.attempt;
		elsif c.verdict is not null then
			delete from agent_calls x where x.step_execution_id = c.step_execution_id and x.attempt = c.attempt;
			execution := c.step_execution_id;
			tried := c.attempt;
			verdict := c.verdict;
			agent := c.agent_id;
			return next;
		end if;
	end loop;
end
$$;

-- Gives what room a locked agent has to those that come next; of them, this engine's. The others see at
-- their next question that it is theirs. Of a half-open breaker one may try.
create function agent_calls_admit(engine bigint, agent bigint)
returns table (execution bigint, tried int, verdict text)
language plpgsql
set search_path = millrace, pg_temp
as $$
declare
	a agents;
	b agent_breakers;
	room bigint;
begin
	select x.* into a from agents x where x.id = agent;
	select x.* into b from agent_breakers x where x.agent_id = agent;
	if a.deleted_at is not null or a.status <> 'active' or b.open_until > clock_timestamp() then
		return;
	end if;
	room := coalesce(a.max_concurrency, 1000000) - agent_running(agent);
	if b.open_until is not null then
		room := case when agent_is_tried(agent) then 0 else least(room, 1) end;
	end if;
	return query
	with next as materialized (
		select c.step_execution_id, c.attempt, c.engine_id
		from agent_calls c
		where c.agent_id = agent
			and not c.calling
			and engine_lives(c.engine_id)
		order by c.priority desc, c.round, c.turn
		limit greatest(room, 0)
	), admitted as (
		update agent_calls c
		set calling = true, probe = b.open_until is not null
		from next n
		where c.step_execution_id = n.step_execution_id
			and c.attempt = n.attempt
			and n.engine_id = engine
		returning c.step_execution_id, c.attempt, c.round
	), counted as (
		update agent_breakers x
		set round = m.round
		from (select max(d.round) as round from admitted d) m
		where x.agent_id = agent
			and x.round < m.round
	)
	select d.step_execution_id, d.attempt, 'go'
	from admitted d;
end
$$;

-- Whether a call tries a half-open breaker.
create function agent_is_tried(agent bigint) returns boolean
language sql stable
return exists (
	select 1
	from agent_calls c
	where c.agent_id = agent
		and c.calling
		and c.probe
		and engine_lives(c.engine_id));

-- Locks, in one order, the agents whose breaker or whose turns a batch may change.
create function agents_lock(engine bigint, tenant_ids bigint[], refs text[], requirements text[], ended_ids bigint[],
	ended_attempts int[], verdicts text[]) returns bigint[]
language sql
as $$
	with asked as (
		select agent_id(u.tenant_id, u.ref) as id
		from unnest(tenant_ids, refs) as u (tenant_id, ref)
		where u.ref <> ''
		union
		select a.id
		from unnest(tenant_ids, refs, requirements) as u (tenant_id, ref, required)
		join agents a on a.tenant_id = u.tenant_id and a.capabilities @> u.required::text[]
		where u.ref = ''
			and a.deleted_at is null
	), ended as (
		select c.agent_id as id, bool_or(u.verdict = 'failed') as failed
		from unnest(ended_ids, ended_attempts, verdicts) as u (id, attempt, verdict)
		join agent_calls c on c.step_execution_id = u.id and c.attempt = u.attempt
		where c.engine_id = engine
		group by c.agent_id
	), waited_for as (
		select distinct c.agent_id as id
		from agent_calls c
		where c.engine_id = engine
			and not c.calling
	), touched as (
		select b.agent_id as id
		from (select x.id from asked x union select e.id from ended e) t
		join agents a on a.id = t.id
		join agent_breakers b on b.agent_id = t.id
		where a.max_concurrency is not null
			or b.failures > 0
			or exists (select 1 from ended e where e.id = t.id and e.failed)
		union
		select b.agent_id
		from waited_for w
		join agents a on a.id = w.id
		join agent_breakers b on b.agent_id = w.id
		where a.status = 'active'
			and case
				when b.open_until is null then coalesce(agent_running(a.id) < a.max_concurrency, true)
				else b.open_until <= clock_timestamp() and not agent_is_tried(a.id) end
	)
	select array(
		select b.agent_id
		from agent_breakers b
		where b.agent_id = any (array(select t.id from touched t))
		order by b.agent_id
		for update)
$$;

-- What one engine asks of agents, and what it gives back: first what has ended, then who asks, then who
-- comes next. Verdict: go, missing, inactive or open of a step that asked, opened or closed of a breaker. Of
-- those that wait there is no row. refs: a name or an id, or empty: then requirements has capabilities, as
-- an array is written.
create function agent_turns(engine bigint, ids bigint[], attempts int[], tenant_ids bigint[], run_ids bigint[], refs text[],
	requirements text[], ended_ids bigint[], ended_attempts int[], verdicts text[], took_ms int[], most_failures int, open_ms int,
	wait_ms int)
returns table (execution bigint, tried int, verdict text, agent bigint)
language plpgsql
set search_path = millrace, pg_temp
as $$
declare
	locked bigint[] := agents_lock(engine, tenant_ids, refs, requirements, ended_ids, ended_attempts, verdicts);
	one bigint;
begin
	return query
	select u.id, u.attempt, e.change, e.agent
	from unnest(ended_ids, ended_attempts, verdicts, took_ms) as u (id, attempt, verdict, ms)
	cross join lateral agent_call_end(engine, u.id, u.attempt, u.verdict, u.ms, most_failures, open_ms, locked) e
	where e.change is not null;
	return query
	select u.id, u.attempt, q.verdict, q.agent
	from unnest(ids, attempts, tenant_ids, run_ids, refs, requirements) as u (id, attempt, tenant_id, run_id, ref, required)
	cross join lateral agent_call_ask(engine, u.id, u.attempt, u.tenant_id, u.run_id, nullif(u.ref, ''), u.required::text[]) q
	where q.verdict is not null;
	return query
	select r.execution, r.tried, r.verdict, r.agent
	from agent_calls_refuse(engine, wait_ms) r;
	foreach one in array locked loop
		return query
		select m.execution, m.tried, m.verdict, one
		from agent_calls_admit(engine, one) m;
	end loop;
end
$$;

-- What steps of a run wait for at agents, and why, in words.
create function agent_waits(run bigint)
returns table (step_execution_id bigint, since timestamptz, until timestamptz, agent text, words text)
language sql stable
begin atomic
	select c.step_execution_id, c.since, case when b.open_until > now() then b.open_until end, a.name,
		concat('It waits for agent ', a.name, case
			when b.open_until > now() then concat(', which failed ', b.failures, ' times in a row and is called again at ', ts(b.open_until), '.')
			when b.open_until is not null then concat(', which failed ', b.failures, ' times in a row and is being tried by another step.')
			when l.running >= a.max_concurrency then concat(': as many calls as it takes at a time (', a.max_concurrency,
				') are under way; ', p.before, case when p.before = 1 then ' step comes' else ' steps come' end, ' before this one.')
			else '; its turn comes next.' end)
	from agent_calls c
	join agents a on a.id = c.agent_id
	join agent_breakers b on b.agent_id = c.agent_id
	cross join lateral agent_load(c.agent_id) l
	cross join lateral (
		select count(*) as before
		from agent_calls x
		where x.agent_id = c.agent_id
			and not x.calling
			and (x.priority > c.priority or x.priority = c.priority and (x.round, x.turn) < (c.round, c.turn))
			and engine_lives(x.engine_id)
	) p
	where c.run_id = run
		and not c.calling;
end;

create or replace function step_code(kind text, data json, waits text) returns text
language sql immutable parallel safe
return case
	when kind is null then 'NOT_STARTED'
	when kind = 'step.waiting' and waits = 'event' then 'WAITING_FOR_EVENT'
	when kind in ('step.waiting', 'step.started') and waits = 'child' then 'WAITING_FOR_CHILD'
	when kind = 'step.started' and waits = 'agent' then 'WAITING_FOR_AGENT'
	when kind = 'step.waiting' then 'WAITING_FOR_TIME'
	when kind = 'step.retrying' then 'RETRYING'
	when kind = 'step.catching' then 'CATCHING'
	when kind in ('step.started', 'step.iterating') then 'RUNNING'
	when kind = 'step.completed' and data -> 'error' is not null then 'COMPLETED_BY_CATCH'
	when kind = 'step.failed' and data ->> 'handled' is not null then 'FAILED_HANDLED'
	else upper(substr(kind, 6)) end;

grant execute on function engine_lives(bigint), agent_running(bigint), agent_is_tried(bigint) to millrace_api, millrace_engine;
grant execute on function agent_waits(bigint) to millrace_api;
grant execute on function agents_lock(bigint, bigint[], text[], text[], bigint[], int[], text[]),
	agent_call_end(bigint, bigint, int, text, int, int, int, bigint[]),
	agent_call_ask(bigint, bigint, int, bigint, bigint, text, text[]),
	agent_calls_refuse(bigint, int),
	agent_calls_admit(bigint, bigint),
	agent_turns(bigint, bigint[], int[], bigint[], bigint[], text[], text[], bigint[], int[], text[], int[], int, int, int)
	to millrace_engine;

commit;
