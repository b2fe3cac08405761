-- Deploy millrace:agents
-- Services that carry out steps, what they are called with, and the calls of them that are under way.
-- What a service is authorised by is sealed by the API with a key that the database doesn't have
-- (lib/seal); tenant and id are vouched for, so it opens in its own row only.
begin;
set local lock_timeout = '5s';
set local role millrace_owner;
set local search_path = millrace, pg_temp;

create sequence agent_id_seq maxvalue 9007199254740991;

create table agents (
	id bigint primary key default nextval('agent_id_seq'),
	tenant_id bigint not null references tenants,
	name text not null,
	url text not null,
	description text,
	capabilities text[] not null default '{}',
	auth_type text not null default 'none',
	auth_sealed bytea,                          -- auth_config
	timeout_ms int not null default 30000,
	retry_config json,                          -- as given; what it lacks is retry_defaults
	max_concurrency int,                        -- null: any number of calls at a time
	health_url text,                            -- null: url/health
	health json,                                -- what the last look at it found
	status text not null default 'active',
	revision bigint not null default 1,         -- of the row, for ETag
	created_by_id bigint,
	created_by text,
	created_at timestamptz not null default now(),
	updated_at timestamptz not null default now(),
	deleted_at timestamptz,
	-- no name looks like an id, so what names an agent is never ambiguous
	constraint agents_name_check check (length(name) between 1 and 100 and name !~ '^(agent_)?[0-9]+$'
		and name !~ '[/{}[:cntrl:]]' and name = btrim(name)),
	constraint agents_url_check check (length(url) <= 2048),
	constraint agents_auth_type_check check (auth_type in ('none', 'api_key', 'bearer', 'basic', 'oauth2', 'mtls')),
	constraint agents_auth_sealed_check check ((auth_type = 'none') = (auth_sealed is null)),
	constraint agents_timeout_ms_check check (timeout_ms between 100 and 600000),
	constraint agents_max_concurrency_check check (max_concurrency between 1 and 10000),
	constraint agents_status_check check (status in ('active', 'inactive', 'maintenance'))
);
create unique index agents_tenant_id_name_key on agents (tenant_id, name) where deleted_at is null;
create index agents_tenant_idx on agents (tenant_id, created_at, id);

-- Whether an agent is called at all, after it failed: closed as long as open_until is null, open until
-- then, half-open after it: one call may try. The row is what engines lock to count calls.
create table agent_breakers (
	agent_id bigint primary key,
	tenant_id bigint not null,
	failures int not null default 0,            -- in a row
	opened_at timestamptz,
	open_until timestamptz,
	trips bigint not null default 0
) with (fillfactor = 50);

-- Steps that wait for their turn at an agent, and those that call it. One counts while its engine lives.
create table agent_calls (
	step_execution_id bigint not null,
	attempt int not null,
	tenant_id bigint not null,
	agent_id bigint not null,
	run_id bigint not null,
	engine_id bigint not null,
	turn bigint generated always as identity,   -- who came first goes first
	calling boolean not null default false,
	probe boolean not null default false,       -- the one call of a half-open breaker
	since timestamptz not null default clock_timestamp(),
	primary key (step_execution_id, attempt)
) with (fillfactor = 70);
create index agent_calls_agent_idx on agent_calls (agent_id, turn);
create index agent_calls_engine_idx on agent_calls (engine_id);

-- How calls of the last hour ended.
create table agent_outcomes (
	agent_id bigint not null,
	tenant_id bigint not null,
	at timestamptz not null default clock_timestamp(),
	ok boolean not null,
	duration_ms int not null
);
create index agent_outcomes_agent_idx on agent_outcomes (agent_id, at) include (ok, duration_ms);
create index agent_outcomes_at_idx on agent_outcomes using brin (at);

do $$
declare
	t text;
begin
	foreach t in array '{agents,agent_breakers,agent_calls,agent_outcomes}'::text[] loop
		execute format('alter table %I enable row level security, force row level security', t);
		execute format('create policy owner_all on %I to millrace_owner using (true) with check (true)', t);
		execute format('create policy api_tenant on %I to millrace_api using (tenant_id = (select current_tenant())) with check (tenant_id = (select current_tenant()))', t);
		execute format('create policy engine_all on %I to millrace_engine using (true) with check (true)', t);
	end loop;
end
$$;
grant select, insert on agents to millrace_api;
grant update (name, url, description, capabilities, auth_type, auth_sealed, timeout_ms, retry_config, max_concurrency,
	health_url, health, status, revision, updated_at, deleted_at) on agents to millrace_api;
grant usage on sequence agent_id_seq to millrace_api;
grant select, insert on agent_breakers to millrace_api;
grant select on agent_calls, agent_outcomes to millrace_api;
grant select on agents to millrace_engine;
grant select, insert, update, delete on agent_breakers, agent_calls to millrace_engine;
grant select, insert, delete on agent_outcomes to millrace_engine;

-- The id behind what names an agent: its name, or an id as any other resource has.
create function agent_id(tenant bigint, ref text) returns bigint
language sql stable parallel safe
return (
	select a.id
	from agents a
	where a.tenant_id = tenant
		and a.deleted_at is null
		and case when ref ~ '^(agent_)?[0-9]{1,16}$' then a.id = substring(ref from '[0-9]+$')::bigint else a.name = ref end
);

-- A retry_config with all its members.
create function agent_retry(given json) returns json
language sql immutable parallel safe
return json_build_object(
	'max_retries', coalesce((given ->> 'max_retries')::int, 3),
	'initial_delay_ms', coalesce((given ->> 'initial_delay_ms')::int, 1000),
	'max_delay_ms', coalesce((given ->> 'max_delay_ms')::int, 60000),
	'backoff_multiplier', coalesce((given ->> 'backoff_multiplier')::float8, 2),
	'jitter', coalesce((given ->> 'jitter')::boolean, true));

-- An agent as answers show it: without what it is authorised by.
create function agent_body(a agents) returns json
language sql stable parallel safe
return json_build_object(
	'id', a.id,
	'name', a.name,
	'url', a.url,
	'description', a.description,
	'capabilities', a.capabilities,
	'auth_type', a.auth_type,
	'has_auth_config', a.auth_sealed is not null,
	'timeout_ms', a.timeout_ms,
	'retry_config', agent_retry(a.retry_config),
	'max_concurrency', a.max_concurrency,
	'health_url', a.health_url,
	'status', a.status,
	'health', coalesce(a.health, '{"status": "unknown"}'),
	'created_by', a.created_by,
	'created_at', ts(a.created_at),
	'updated_at', ts(a.updated_at));

-- What the audit log keeps of it.
create function agent_changes(a agents, with_auth boolean) returns jsonb
language sql stable parallel safe
return jsonb_strip_nulls(jsonb_build_object('name', a.name, 'url', a.url, 'auth_type', a.auth_type, 'status', a.status,
	'capabilities', a.capabilities, 'timeout_ms', a.timeout_ms, 'max_concurrency', a.max_concurrency,
	'auth_config', case when with_auth then '[redacted]' end));

-- Workflows that can still run and whose present definition names the agent: by its name, or by its id.
create function agent_uses(agent_id bigint, agent_name text) returns table (id bigint, name text)
language sql stable
as $$
	select w.id, w.name
	from workflows w
	join workflow_versions v on v.workflow_id = w.id and v.version = w.version
	where w.status in ('active', 'paused')
		and strpos(v.steps::text, '"agent"') > 0
		and jsonb_path_exists(v.steps::jsonb,
			'$.** ? (@.type == "agent").config.agent ? (@ == $name || @ == $id || @ == $digits || @ == $prefixed)',
			jsonb_build_object('name', agent_name, 'id', agent_id, 'digits', agent_id::text, 'prefixed', 'agent_' || agent_id))
	order by w.id
	limit 100
$$;

-- Names of them, for a sentence.
create function agent_uses_words(agent_id bigint, agent_name text) returns text
language sql stable
as $$
	select string_agg(format('%s (%s)', u.name, u.id), ', ' order by u.id) filter (where u.n <= 5)
		|| case when count(*) > 5 then ', …' else '' end
	from (select x.*, row_number() over (order by x.id) as n from agent_uses(agent_id, agent_name) x) u
$$;

create function agent_circuit(b agent_breakers) returns text
language sql stable
return case
	when (b).open_until is null then 'closed'
	when (b).open_until > now() then 'open'
	else 'half_open' end;

-- Calls of an agent that are under way, and steps that wait for their turn, of engines that live.
create function agent_load(agent bigint, out running bigint, out queued bigint)
language sql stable
begin atomic
	select count(*) filter (where c.calling), count(*) filter (where not c.calling)
	from agent_calls c
	where c.agent_id = agent
		and exists (select 1 from engines e where e.id = c.engine_id and e.lease_until > now());
end;

-- Whether an agent takes work, how much it has, and how the calls of the last hour ended.
create function agent_state(a agents) returns json
language sql stable
begin atomic
	select json_build_object(
		'id', a.id,
		'agent_id', a.id,
		'name', a.name,
		'status', a.status,
		'available', x.availability <> 'unavailable',
		'availability', x.availability,
		'reason', case
			when a.status <> 'active' then format('The agent is %s.', case a.status when 'inactive' then 'inactive' else 'under maintenance' end)
			when x.circuit = 'open' then format('It failed %s times in a row; it is called again at %s.', b.failures, ts(b.open_until))
			when x.availability = 'busy' then format('As many calls as it takes at a time (%s) are under way.', a.max_concurrency) end,
		'circuit', json_build_object('state', coalesce(x.circuit, 'closed'), 'failures', coalesce(b.failures, 0),
			'opened_at', ts(b.opened_at), 'open_until', ts(b.open_until), 'trips', coalesce(b.trips, 0)),
		'load', json_build_object('running', l.running, 'queued', l.queued, 'max_concurrency', a.max_concurrency),
		'running', l.running,
		'queued', l.queued,
		'window_seconds', 3600,
		'calls', o.calls,
		'success_rate', o.success_rate,
		'p95_ms', o.p95,
		'health', coalesce(a.health, '{"status": "unknown"}'))
	from agent_load(a.id) l
	left join agent_breakers b on b.agent_id = a.id
	cross join lateral (
		select agent_circuit(b) as circuit,
			case
				when a.status <> 'active' or b.open_until > now() then 'unavailable'
				when l.running >= a.max_concurrency then 'busy'
				else 'available' end as availability
	) x
	cross join lateral (
		select count(*) as calls,
			round(100.0 * count(*) filter (where h.ok) / nullif(count(*), 0), 1) as success_rate,
			round(percentile_cont(0.95) within group (order by h.duration_ms)::numeric) as p95
		from agent_outcomes h
		where h.agent_id = a.id
			and h.at > now() - interval '1 hour'
	) o;
end;

-- The agent that carries a step out: the one it names, or of those that are active and have all that it
-- requires the one that has the least to do.
create function agent_pick(tenant bigint, ref text, requires text[]) returns bigint
language sql stable
return case when ref is not null then agent_id(tenant, ref) else (
	select a.id
	from agents a
	left join agent_breakers b on b.agent_id = a.id
	cross join lateral agent_load(a.id) l
	where a.tenant_id = tenant
		and a.deleted_at is null
		and a.status = 'active'
		and a.capabilities @> requires
	order by coalesce(b.open_until > now(), false), (l.running + l.queued)::float8 / coalesce(a.max_concurrency, 1000),
		l.running + l.queued, a.id
	limit 1
) end;

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

-- What is left of calls whose engine is gone, and outcomes older than what is shown.
create function agents_sweep() returns int
language plpgsql
set search_path = millrace, pg_temp
as $$
declare
	n int;
begin
	delete from agent_calls c
	where c.ctid = any (array(
		select x.ctid
		from agent_calls x
		where not exists (select 1 from engines e where e.id = x.engine_id)
		limit 1000));
	get diagnostics n = row_count;
	delete from agent_outcomes o
	where o.ctid = any (array(select x.ctid from agent_outcomes x where x.at < now() - interval '2 hours' limit 10000));
	return n;
end
$$;

grant execute on function agent_id(bigint, text), agent_retry(json), agent_load(bigint), agent_circuit(agent_breakers)
	to millrace_api, millrace_engine;
grant execute on function agent_body(agents), agent_changes(agents, boolean), agent_uses(bigint, text), agent_uses_words(bigint, text),
	agent_state(agents) to millrace_api;
grant execute on function agent_pick(bigint, text, text[]),
	agent_call_end(bigint, bigint, int, text, int, int, int),
	agent_call_ask(bigint, bigint, int, bigint, bigint, bigint), agents_sweep() to millrace_engine;

commit;
