-- Deploy millrace:blocks_events
-- What steps inside of steps, events, child runs and limits on runs at once need of the database:
-- columns, tables, and the functions by which API and engines hand things to each other.
--
-- Whoever changes several runs locks them in ascending order of their ids. Locks on events
-- (lock_event) and limits (lock_limit) are taken before any row; the functions here that take them are
-- therefore called in units of their own, never in the transaction of a flush. What a unit that was
-- lost would have done, mend() does.
begin;
set local lock_timeout = '5s';
set local role millrace_owner;
set local search_path = millrace, pg_temp;

-- the step execution that holds this one; null outside of any block
alter table journal add column parent_id bigint;

alter table workflows
	add column retention_days int,              -- of its ended runs; null: the setting decides
	add constraint workflows_retention_days_check check (retention_days between 1 and 36500);

alter table runs
	add column mode text,                       -- 'saga'; null: standard
	add column saga_type text,
	add column saga_label text,                 -- what the caller named tenant_id; means nothing here
	add column rerun_of bigint,                 -- run that this one repeats
	add column parent_step_execution_id bigint, -- with parent_run_id: the step that started this run
	add column awaits int not null default 0,   -- how many of its steps wait for an event or a child
	add column vars json,                       -- its variables as last written
	add column limit_key text,                  -- of the limit that it counts for
	add column limit_max int,
	add column on_full text,
	add column admitted boolean not null default true, -- false: it waits for a place under its limit
	add constraint runs_mode_check check (mode in ('standard', 'saga')),
	add constraint runs_on_full_check check (on_full in ('queue', 'skip', 'cancel_oldest', 'fail'));
create index runs_limit_idx on runs (limit_key, id)
	where limit_key is not null and status in ('pending', 'running', 'paused', 'compensating');
create index runs_saga_idx on runs (tenant_id, created_at, id) where mode = 'saga';
create index runs_parent_idx on runs (parent_run_id, id)
	where parent_run_id is not null and status in ('pending', 'running', 'paused', 'compensating');

-- {"reason", "by"}; signal and event: what event_command() makes; child: {"step_execution_id",
-- "child_run_id", "status", "output", "error"}; variables: {"vars", "by"}; fail: {"type", "message"}
alter table run_commands
	drop constraint run_commands_kind_check,
	add constraint run_commands_kind_check check (kind in
		('cancel', 'pause', 'resume', 'signal', 'event', 'child', 'variables', 'fail'));

-- Steps that wait for something from outside of their run.
create table run_waits (
	run_id bigint not null,
	step_execution_id bigint not null,
	tenant_id bigint not null,
	step text not null,
	kind text not null,
	event_type text not null default '',        -- of kind event
	child_run_id bigint not null default 0,     -- of kind child
	since timestamptz not null default now(),
	checked boolean not null default false,     -- what had happened before it was here has been delivered
	primary key (run_id, step_execution_id, event_type, child_run_id),
	constraint run_waits_kind_check check (kind in ('event', 'child')
		and (kind = 'event') = (event_type <> '') and (kind = 'child') = (child_run_id <> 0))
) with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
create index run_waits_event_idx on run_waits (tenant_id, event_type) where kind = 'event';
create index run_waits_child_idx on run_waits (child_run_id) where kind = 'child';
create index run_waits_unchecked_idx on run_waits (since) where not checked;

-- Runs that steps have started: one for each attempt of a step execution.
create table run_children (
	parent_run_id bigint not null,
	step_execution_id bigint not null,
	attempt int not null,
	child_run_id bigint not null,
	tenant_id bigint not null,
	cascades boolean not null,                  -- the child is cancelled when its step or its parent ends first
	primary key (parent_run_id, step_execution_id, attempt)
);
create index run_children_child_idx on run_children (child_run_id);

-- Ids of events, and of signals to one run.
create sequence event_id_seq;
-- The order in which events were offered to those who wait, dense enough and, within a type,
-- in the order of commits.
create sequence event_offer_seq;

create table events (
	id bigint primary key default nextval('event_id_seq'),
	tenant_id bigint not null,
	event_type text not null,
	source text,
	data json not null default 'null',
	correlation_id text,
	published_at timestamptz not null default clock_timestamp(),
	published_by text,
	run_id bigint,                              -- the run whose step emitted it
	run_fact_id bigint,                         -- and the journal row that says so
	offer bigint,                               -- event_offer_seq; null: those who wait have not got it yet
	constraint events_event_type_check check (length(event_type) between 1 and 200)
);
create unique index events_run_fact_idx on events (run_fact_id) where run_fact_id is not null;
create index events_tenant_idx on events (tenant_id, published_at, id);
create index events_type_idx on events (tenant_id, event_type, offer);
create index events_unoffered_idx on events (id) where offer is null;
create index events_age_idx on events using brin (published_at);

-- Up to which offer a run has got the events of a type.
create table run_event_marks (
	run_id bigint not null,
	event_type text not null,
	tenant_id bigint not null,
	offer bigint not null,
	primary key (run_id, event_type)
) with (fillfactor = 80);

do $$
declare
	t text;
begin
	foreach t in array '{run_waits,run_children,events,run_event_marks}'::text[] loop
		execute format('alter table %I enable row level security, force row level security', t);
		execute format('create policy owner_all on %I to millrace_owner using (true) with check (true)', t);
		execute format('create policy api_tenant on %I to millrace_api using (tenant_id = (select current_tenant())) with check (tenant_id = (select current_tenant()))', t);
		execute format('create policy engine_all on %I to millrace_engine using (true) with check (true)', t);
	end loop;
end
$$;

grant select on run_waits, run_children to millrace_api;
grant select, insert on events to millrace_api;
grant select, insert on run_event_marks to millrace_api;
grant update (offer) on run_event_marks to millrace_api;
grant update (vars) on runs to millrace_api;
grant update (retention_days) on workflows to millrace_api;
grant usage on sequence event_id_seq, event_offer_seq to millrace_api;

grant select, insert, delete on run_waits to millrace_engine;
grant select on run_children to millrace_engine;
grant select, insert on events to millrace_engine;
grant update (awaits, vars) on runs to millrace_engine;
grant usage on sequence event_id_seq to millrace_engine;

-- ---- waking ----

-- Whether a released run may be claimed because of a command of this kind.
create function command_moves(kind text, status text, admitted boolean, wake_at timestamptz) returns boolean
language sql stable parallel safe
return case
	when kind in ('cancel', 'fail') then status in ('pending', 'running', 'paused', 'compensating')
	when kind = 'resume' then status in ('pending', 'running', 'paused', 'compensating') and not starts_later(status, wake_at)
	else status in ('pending', 'running', 'compensating') and admitted and not starts_later(status, wake_at) end;

-- Lets engines claim these runs, for what was put down for them (signals, events, ends of children).
-- Every row is written, also that of a run that somebody holds: so this waits for a flush that is
-- about to release the run, and sees it released.
create function wake_runs(run_ids bigint[]) returns void
language sql volatile
begin atomic
	with locked as materialized (
		select r.id
		from runs r
		where r.id = any (run_ids)
		order by r.id
		for no key update
	)
	update runs r
	set queued = r.queued or r.owner_id is null and command_moves('signal', r.status, r.admitted, r.wake_at),
		wake_at = case when r.owner_id is null and command_moves('signal', r.status, r.admitted, r.wake_at)
			then null else r.wake_at end
	from locked l
	where r.id = l.id;
end;

-- For the runs that a flush releases, as a later statement of its transaction: what was put down for
-- them meanwhile queues them. Gives back how many.
create function requeue_released(run_ids bigint[]) returns bigint
language sql volatile
begin atomic
	with moved as (
		update runs r
		set queued = true,
			wake_at = null
		where r.id = any (run_ids)
			and r.owner_id is null
			and not r.queued
			and exists (
				select 1
				from run_commands c
				where c.run_id = r.id
					and c.applied_at is null
					and command_moves(c.kind, r.status, r.admitted, r.wake_at)
			)
		returning 1
	)
	select count(*) from moved;
end;

-- ---- events ----

create function lock_event(tenant bigint, type text) returns void
language sql volatile
return pg_advisory_xact_lock(1, hashtext(tenant::text || ':' || type));

-- What a run is told of an event.
create function event_command(e events) returns json
language sql stable parallel safe
return json_build_object('id', e.id, 'type', e.event_type, 'data', e.data, 'source', e.source,
	'at', ts(e.published_at), 'correlation_id', e.correlation_id, 'by', e.published_by);

-- Gives an event to the runs that wait for its type; its lock is held. A run with a wait that
-- hasn't been checked gets it from check_waits(), after those before it.
create function offer_event(e events) returns bigint[]
language plpgsql volatile
as $$
declare
	woken bigint[];
begin
	with waiting as materialized (
		select w.run_id
		from run_waits w
		where w.tenant_id = e.tenant_id
			and w.event_type = e.event_type
			and w.kind = 'event'
		group by w.run_id
		having bool_and(w.checked)
	), marked as (
		insert into run_event_marks (run_id, tenant_id, event_type, offer)
		select w.run_id, e.tenant_id, e.event_type, e.offer
		from waiting w
		on conflict (run_id, event_type) do update
		set offer = excluded.offer
	), told as (
		insert into run_commands (tenant_id, run_id, kind, data)
		select e.tenant_id, w.run_id, 'event', event_command(e)
		from waiting w
		order by w.run_id
		returning run_id
	)
	select coalesce(array_agg(t.run_id order by t.run_id), '{}')
	into woken
	from told t;
	perform wake_runs(woken);
	return woken;
end
$$;

-- An event from outside: stored, and given to those who wait for it.
create function publish_event(tenant bigint, type text, event_source text, event_data json, correlation text, publisher text,
	out event events, out woken bigint[])
language plpgsql volatile
as $$
begin
	perform lock_event(tenant, type);
	insert into events (tenant_id, event_type, source, data, correlation_id, published_by, offer)
	values (tenant, type, event_source, event_data, correlation, publisher, nextval('event_offer_seq'))
	returning * into event;
	woken := offer_event(event);
end
$$;

-- Gives the events that steps emitted (rows without an offer) to those who wait. Gives back the
-- runs that were woken.
create function dispatch_events(most int) returns setof bigint
language plpgsql security definer set search_path = millrace, pg_temp
as $$
declare
	ids bigint[];
	e events;
begin
	select array_agg(id) into ids from (select id from events where offer is null order by id limit most) o;
	-- all locks first, in one order
	for e.tenant_id, e.event_type in
		select o.tenant_id, o.event_type from events o where o.id = any (ids)
		group by 1, 2 order by hashtext(o.tenant_id::text || ':' || o.event_type)
	loop
		perform lock_event(e.tenant_id, e.event_type);
	end loop;
	for e in select o.* from events o where o.id = any (ids) order by o.id loop
		update events o set offer = nextval('event_offer_seq')
		where o.id = e.id and o.offer is null
		returning o.* into e;
		continue when not found;
		return query select unnest(offer_event(e));
	end loop;
end
$$;

-- For waits that a flush has just committed: gives their runs what had happened before, an event
-- of that type published since the run was made and not given to it yet, oldest first, or the end
-- of the child. Gives back the runs that were woken.
create function check_waits(run_ids bigint[], step_execution_ids bigint[]) returns setof bigint
language plpgsql security definer set search_path = millrace, pg_temp
as $$
declare
	most constant int := 1000;
	w run_waits;
	mark bigint;
	given int;
	last bigint;
	woken bigint[] := '{}';
begin
	for w.tenant_id, w.event_type in
		select o.tenant_id, o.event_type
		from unnest(run_ids, step_execution_ids) as g (run_id, id)
		join run_waits o on o.run_id = g.run_id and o.step_execution_id = g.id
		where o.kind = 'event'
		group by 1, 2 order by hashtext(o.tenant_id::text || ':' || o.event_type)
	loop
		perform lock_event(w.tenant_id, w.event_type);
	end loop;
	for w.run_id, w.tenant_id, w.event_type in
		select distinct o.run_id, o.tenant_id, o.event_type
		from unnest(run_ids, step_execution_ids) as g (run_id, id)
		join run_waits o on o.run_id = g.run_id and o.step_execution_id = g.id
		where o.kind = 'event'
			and not o.checked
		order by 1, 3
	loop
		select m.offer into mark from run_event_marks m where m.run_id = w.run_id and m.event_type = w.event_type;
		with due as materialized (
			select e as event, e.offer
			from events e
			where e.tenant_id = w.tenant_id
				and e.event_type = w.event_type
				and e.offer > coalesce(mark, 0)
				and e.published_at >= (select r.created_at from runs r where r.id = w.run_id)
			order by e.offer
			limit most
		), told as (
			insert into run_commands (tenant_id, run_id, kind, data)
			select w.tenant_id, w.run_id, 'event', event_command(d.event)
			from due d
			order by d.offer
		)
		select count(*), max(d.offer) into given, last from due d;
		if given > 0 then
			insert into run_event_marks (run_id, tenant_id, event_type, offer)
			values (w.run_id, w.tenant_id, w.event_type, last)
			on conflict (run_id, event_type) do update set offer = excluded.offer;
			woken := woken || w.run_id;
		end if;
		if given < most then
			update run_waits o set checked = true
			where o.run_id = w.run_id and o.event_type = w.event_type and o.kind = 'event';
		end if;
	end loop;
	return query select check_children(run_ids, step_execution_ids, woken);
end
$$;

-- ---- child runs ----

-- Tells parents the ends of these children, once for each end. Gives back the parents.
create function tell_parents(child_run_ids bigint[]) returns bigint[]
language sql volatile
begin atomic
	with told as (
		insert into run_commands (tenant_id, run_id, kind, data)
		select w.tenant_id, w.run_id, 'child', json_build_object('step_execution_id', w.step_execution_id,
			'child_run_id', r.id, 'status', r.status, 'output', r.result, 'error', r.error)
		from run_waits w
		join runs r on r.id = w.child_run_id
		where w.kind = 'child'
			and w.child_run_id = any (child_run_ids)
			and is_terminal(r.status)
			and not exists (
				select 1
				from run_commands c
				where c.run_id = w.run_id
					and c.kind = 'child'
					and c.applied_at is null
					and c.data ->> 'step_execution_id' = w.step_execution_id::text
			)
		order by w.run_id
		returning run_id
	)
	select coalesce(array_agg(distinct t.run_id order by t.run_id), '{}') from told t;
end;

-- The part of check_waits() that is about children; WOKEN are to be woken too. Locking the child
-- waits for a flush that ends it; whoever ends it later sees the wait.
create function check_children(run_ids bigint[], step_execution_ids bigint[], woken bigint[]) returns setof bigint
language plpgsql volatile
as $$
declare
	children bigint[];
	parents bigint[];
	all_woken bigint[] := woken;
begin
	select coalesce(array_agg(w.child_run_id), '{}'), array_agg(w.run_id) into children, parents
	from unnest(run_ids, step_execution_ids) as g (run_id, id)
	join run_waits w on w.run_id = g.run_id and w.step_execution_id = g.id
	where w.kind = 'child'
		and not w.checked;
	if children <> '{}' then
		perform 1 from runs r where r.id = any (children || parents || woken) order by r.id for no key update;
		all_woken := woken || tell_parents(children);
		update run_waits w set checked = true where w.kind = 'child' and w.child_run_id = any (children);
	end if;
	perform wake_runs(all_woken);
	return query select unnest(all_woken);
end
$$;

-- For children that a flush has ended, after its commit. Gives back the parents that were woken.
create function notify_parents(child_run_ids bigint[]) returns setof bigint
language plpgsql security definer set search_path = millrace, pg_temp
as $$
declare
	woken bigint[] := tell_parents(child_run_ids);
begin
	perform wake_runs(woken);
	return query select unnest(woken);
end
$$;

-- Starts the run of a subworkflow step, while that engine holds the parent; asked again it gives
-- back the same run. Or a code and a sentence.
create function spawn_run(engine bigint, parent bigint, parent_fence bigint, step_execution bigint, step_attempt int,
	workflow text, workflow_version int, run_input json, cascades boolean,
	out child_run_id bigint, out code text, out message text)
language plpgsql security definer set search_path = millrace, pg_temp
as $$
declare
	most constant int := 20;
	p runs;
	w workflows;
	deep int;
begin
	select r.* into p from runs r
	where r.id = parent and r.owner_id = engine and r.fence = parent_fence
	for no key update;
	if not found then
		code := 'PARENT_GONE';
		message := 'The run was taken over, or has been given a command.';
		return;
	end if;
	select c.child_run_id into child_run_id from run_children c
	where c.parent_run_id = parent and c.step_execution_id = step_execution and c.attempt = step_attempt;
	if found then
		return;
	end if;
	with recursive above (id, n) as (
		select p.parent_run_id, 1
		union all
		select r.parent_run_id, a.n + 1 from above a join runs r on r.id = a.id where a.n <= most
	)
	select max(n) into deep from above;
	if deep > most then
		code := 'SUBWORKFLOW_DEPTH';
		message := format('Runs can start each other %s deep, no deeper.', most);
		return;
	end if;
	-- by id where it looks like one and there is one, else by name
	select o.* into w from workflows o
	where o.tenant_id = p.tenant_id and o.id = substring(workflow from '^(?:wf_)?([0-9]{1,15})$')::bigint
		and o.status <> 'deleted';
	if not found then
		select o.* into w from workflows o
		where o.tenant_id = p.tenant_id and o.name = workflow and o.status <> 'deleted';
	end if;
	if w.id is null then
		code := 'SUBWORKFLOW_NOT_FOUND';
		message := format('There is no workflow %s.', to_json(workflow));
	elsif w.status <> 'active' then
		code := 'SUBWORKFLOW_DISABLED';
		message := format('The workflow %s is %s.', to_json(w.name), w.status);
	elsif workflow_version is not null and not exists (
		select 1 from workflow_versions v where v.workflow_id = w.id and v.version = workflow_version)
	then
		code := 'SUBWORKFLOW_NOT_FOUND';
		message := format('The workflow %s has no version %s.', to_json(w.name), workflow_version);
	end if;
	if code is not null then
		return;
	end if;
	child_run_id := nextval('run_id_seq');
	insert into runs (id, tenant_id, workflow_id, version, priority, seq, trigger_type, triggered_by, correlation_id,
		traceparent, parent_run_id, parent_step_execution_id, input)
	values (child_run_id, p.tenant_id, w.id, coalesce(workflow_version, w.version), p.priority, 1, 'workflow',
		p.triggered_by, p.correlation_id, p.traceparent, parent, step_execution, coalesce(run_input, '{}'));
	insert into journal (id, tenant_id, run_id, seq, kind, at, data)
	values (nextval('journal_id_seq'), p.tenant_id, child_run_id, 1, 'created', clock_timestamp(),
		json_build_object('trigger_type', 'workflow', 'triggered_by', p.triggered_by, 'parent_run_id', parent));
	insert into run_children (parent_run_id, step_execution_id, attempt, child_run_id, tenant_id, cascades)
	values (parent, step_execution, step_attempt, child_run_id, p.tenant_id, cascades);
end
$$;

-- Cancels runs for whoever started them: as run_cancel does it. Runs that somebody has locked are
-- told and not woken, so that this may stand in the transaction of a flush. Gives back those told.
create function cancel_runs(run_ids bigint[], reason text) returns setof bigint
language sql volatile
begin atomic
	with told as (
		insert into run_commands (tenant_id, run_id, kind, data)
		select r.tenant_id, r.id, 'cancel', json_build_object('reason', reason, 'by', null)
		from runs r
		where r.id = any (run_ids)
			and r.status in ('pending', 'running', 'paused', 'compensating')
			and not exists (
				select 1 from run_commands c where c.run_id = r.id and c.kind = 'cancel' and c.applied_at is null)
		order by r.id
		returning run_id
	), free as materialized (
		select r.id
		from runs r
		where r.id in (select t.run_id from told t)
		order by r.id
		for update skip locked
	), stopped as (
		update runs r
		set fence = r.fence + 1,
			queued = r.owner_id is null or r.queued,
			wake_at = case when r.owner_id is null then null else r.wake_at end
		from free f
		where r.id = f.id
			and r.status in ('pending', 'running', 'paused', 'compensating')
	)
	select t.run_id from told t;
end;

-- Cancels the active runs that these steps have started. Gives them back.
create function cancel_children(parent_run_ids bigint[], step_execution_ids bigint[]) returns setof bigint
language sql volatile security definer set search_path = millrace, pg_temp
begin atomic
	select cancel_runs(array(
		select c.child_run_id
		from unnest(parent_run_ids, step_execution_ids) as g (run_id, id)
		join run_children c on c.parent_run_id = g.run_id and c.step_execution_id = g.id
	), 'The step that started it has ended.');
end;

-- ---- runs at once ----

create function lock_limit(key text) returns void
language sql volatile
return pg_advisory_xact_lock(2, hashtext(key));

-- How many places of a limit are taken. Derived from the rows, so none can get lost.
create function places_taken(key text) returns bigint
language sql stable
begin atomic
	select count(*)
	from runs r
	where r.limit_key = key
		and r.admitted
		and r.status in ('pending', 'running', 'paused', 'compensating');
end;

-- Admits runs that wait under a limit while there is room, higher priority first, then the oldest;
-- the lock is held. SELF waits as well, though an engine holds it. Gives back those admitted.
create function admit_waiting(key text, self bigint) returns bigint[]
language plpgsql volatile
as $$
declare
	taken bigint := places_taken(key);
	ids bigint[];
begin
	select coalesce(array_agg(c.id order by c.id), '{}') into ids
	from (
		select r.id, r.limit_max, row_number() over (order by r.priority desc, r.id) as n
		from runs r
		where r.limit_key = key
			and not r.admitted
			and r.status in ('pending', 'running', 'compensating')
			and (r.owner_id is null and not r.queued or r.id = self)
	) c
	where taken + c.n <= c.limit_max;
	perform 1 from runs r where r.id = any (ids) order by r.id for update;
	update runs r
	set admitted = true,
		queued = r.owner_id is null,
		wake_at = null
	where r.id = any (ids)
		and not r.admitted
		and r.status in ('pending', 'running', 'compensating');
	return ids;
end
$$;

-- Asks for a place for a claimed run: 'admitted'; 'waiting', then it has been released and nothing of
-- it may be written any more; 'skip' or 'fail', then a command says what becomes of it; 'gone' when
-- the engine doesn't hold it.
create function request_slot(run bigint, run_fence bigint, key text, most int, full_policy text) returns text
language plpgsql volatile security definer set search_path = millrace, pg_temp
as $$
declare
	r runs;
	oldest bigint[];
begin
	perform lock_limit(key);
	if full_policy = 'cancel_oldest' then
		-- so many that there is room for this one
		select array_agg(o.id) into oldest
		from (
			select a.id, count(*) over () as n, row_number() over (order by a.id) as place
			from runs a
			where (a.limit_key = key or a.id = run)
				and a.status in ('pending', 'running', 'paused', 'compensating')
				and not exists (
					select 1 from run_commands c where c.run_id = a.id and c.kind = 'cancel' and c.applied_at is null)
		) o
		where o.place <= o.n - most and o.id <> run;
	end if;
	perform 1 from runs o where o.id = any (oldest || run) order by o.id for update;
	update runs o
	set limit_key = key, limit_max = most, on_full = full_policy, admitted = false
	where o.id = run and o.owner_id is not null and o.fence = run_fence
	returning o.* into r;
	if not found then
		return 'gone';
	end if;
	if run = any (admit_waiting(key, run)) then
		return 'admitted';
	end if;
	if full_policy in ('skip', 'fail') then
		insert into run_commands (tenant_id, run_id, kind, data)
		values (r.tenant_id, run, case full_policy when 'skip' then 'cancel' else 'fail' end,
			case full_policy when 'skip' then json_build_object('reason', 'concurrency limit reached', 'by', null)
				else json_build_object('type', 'limit', 'message',
					format('As many runs as may run at once (%s) are running.', most)) end);
		return full_policy;
	end if;
	update runs o
	set owner_id = null, queued = false, wake_at = null,
		status = case when o.seq = 1 then 'pending' else o.status end,
		started_at = case when o.seq = 1 then null else o.started_at end
	where o.id = run;
	perform requeue_released(array[run]);
	perform cancel_runs(oldest, 'A newer run took its place.');
	return 'waiting';
end
$$;

-- After runs of these limits have ended. Gives back the runs that may go on now.
create function admit_next(keys text[]) returns setof bigint
language plpgsql volatile security definer set search_path = millrace, pg_temp
as $$
declare
	key text;
begin
	for key in select k from unnest(keys) as k group by k order by hashtext(k) loop
		perform lock_limit(key);
	end loop;
	for key in select distinct unnest(keys) loop
		return query select unnest(admit_waiting(key, null));
	end loop;
end
$$;

-- ---- what is left over when a unit was lost ----

-- Does what a process that was killed between two units has left undone: of one kind, at most so
-- many. Nothing to be found is the normal case. Gives back how many. Kinds: 'waits', 'events',
-- 'orphans', 'commands', 'places'. One kind a unit, since each takes locks.
create function mend(what text, most int) returns bigint
language plpgsql volatile security definer set search_path = millrace, pg_temp
as $$
declare
	a bigint[];
	b bigint[];
	keys text[];
begin
	if what = 'waits' then
		-- registered and not checked, or for a child whose end nobody told; and those of ended runs
		delete from run_waits w
		where (w.run_id, w.step_execution_id) in (
			select o.run_id, o.step_execution_id
			from run_waits o
			where o.since < now() - interval '1 minute'
				and not exists (select 1 from runs r where r.id = o.run_id and not is_terminal(r.status))
			limit most);
		select array_agg(l.run_id), array_agg(l.step_execution_id) into a, b
		from (
			select w.run_id, w.step_execution_id
			from run_waits w
			where not w.checked
				and w.since < now() - interval '2 seconds'
			order by w.since
			limit most
		) l;
		perform check_waits(a, b);
		perform notify_parents(array(
			select w.child_run_id
			from run_waits w
			join runs r on r.id = w.child_run_id
			where w.kind = 'child'
				and w.checked
				and is_terminal(r.status)
				and not exists (
					select 1 from run_commands c
					where c.run_id = w.run_id and c.kind = 'child' and c.applied_at is null
						and c.data ->> 'step_execution_id' = w.step_execution_id::text)
			limit most));
		return coalesce(cardinality(a), 0);
	elsif what = 'events' then
		select array_agg(id) into a from events where offer is null;
		perform dispatch_events(most);
		return coalesce(cardinality(a), 0);
	elsif what = 'orphans' then
		a := array(
			select r.id
			from runs r
			join runs p on p.id = r.parent_run_id
			join run_children c on c.parent_run_id = r.parent_run_id and c.child_run_id = r.id
			where r.parent_run_id is not null
				and r.status in ('pending', 'running', 'paused', 'compensating')
				and is_terminal(p.status)
				and p.completed_at < now() - interval '2 seconds'
				and c.cascades
			limit most);
		perform cancel_runs(a, 'The run that started it has ended.');
		return cardinality(a);
	elsif what = 'commands' then
		a := array(
			select distinct c.run_id
			from run_commands c
			join runs r on r.id = c.run_id
			where c.applied_at is null
				and c.created_at < now() - interval '1 second'
				and r.owner_id is null
				and not r.queued
				and command_moves(c.kind, r.status, r.admitted, r.wake_at)
			order by 1
			limit most);
		perform 1 from runs r where r.id = any (a) order by r.id for update;
		return requeue_released(a);
	elsif what = 'places' then
		keys := array(
			select distinct r.limit_key
			from runs r
			where r.limit_key is not null
				and not r.admitted
				and r.owner_id is null
				and not r.queued
				and r.status in ('pending', 'running', 'paused', 'compensating')
			limit most);
		return (select count(*) from admit_next(keys));
	end if;
	raise exception 'mend() knows no %', what using errcode = '22023';
end
$$;

-- Ended runs that are older than their workflow keeps them (DAYS where it says nothing; null: for
-- ever) go with all that belongs to them. Looks at the MOST runs after AFTER; UPTO is the last of
-- these, null when there are no more: begin again at 0.
create function expire_runs(after bigint, most int, days int, out upto bigint, out run_ids bigint[])
language plpgsql volatile security definer set search_path = millrace, pg_temp
as $$
begin
	with seen as materialized (
		select r.id, r.workflow_id, r.status, r.completed_at
		from runs r
		where r.id > after
		order by r.id
		limit most
	)
	select case when count(*) = most then max(s.id) end,
		coalesce(array_agg(s.id order by s.id) filter (where is_terminal(s.status)
			and s.completed_at < now() - coalesce(w.retention_days, days) * interval '1 day'), '{}')
	into upto, run_ids
	from seen s
	left join workflows w on w.id = s.workflow_id;
	-- one that is being retried just now stays
	run_ids := array(
		select r.id from runs r
		where r.id = any (run_ids) and is_terminal(r.status)
		order by r.id
		for update skip locked);
	delete from journal j where j.run_id = any (run_ids);
	delete from run_states s where s.run_id = any (run_ids);
	delete from run_commands c where c.run_id = any (run_ids);
	delete from run_waits w where w.run_id = any (run_ids);
	delete from run_children c where c.parent_run_id = any (run_ids);
	delete from run_event_marks m where m.run_id = any (run_ids);
	delete from runs r where r.id = any (run_ids);
end
$$;

-- Events older than so many days go, at most so many. Gives back how many.
create function expire_events(most int, days int) returns bigint
language sql volatile security definer set search_path = millrace, pg_temp
begin atomic
	with gone as (
		delete from events e
		where e.id in (
			select o.id
			from events o
			where o.published_at < now() - days * interval '1 day'
				and o.offer is not null
			order by o.published_at
			limit most
		)
		returning 1
	)
	select count(*) from gone;
end;

grant execute on function starts_later(text, timestamptz), command_moves(text, text, boolean, timestamptz), wake_runs(bigint[]),
	requeue_released(bigint[]), is_terminal(text) to millrace_engine;
grant execute on function dispatch_events(int), check_waits(bigint[], bigint[]), notify_parents(bigint[]),
	spawn_run(bigint, bigint, bigint, bigint, int, text, int, json, boolean), cancel_children(bigint[], bigint[]),
	request_slot(bigint, bigint, text, int, text), admit_next(text[]), mend(text, int), expire_runs(bigint, int, int),
	expire_events(int, int) to millrace_engine;
grant execute on function command_moves(text, text, boolean, timestamptz), wake_runs(bigint[]), lock_event(bigint, text),
	event_command(events), offer_event(events), publish_event(bigint, text, text, json, text, text) to millrace_api;

-- ---- what runs and facts look like ----

create or replace function log_level(kind text, data json) returns text
language sql immutable parallel safe
return case
	when kind = 'log' then coalesce(lower(data ->> 'level'), 'info')
	when kind in ('failed', 'timed_out', 'step.failed', 'step.compensation_failed') then 'error'
	when kind in ('cancelled', 'step.cancelled', 'step.retrying', 'step.catching', 'paused', 'compensating', 'compensated',
		'step.compensated') then 'warning'
	when kind in ('step.started', 'step.waiting', 'step.skipped', 'step.iterating', 'finishing', 'variables') then 'debug'
	else 'info' end;

create or replace function log_message(kind text, step text, attempt int, data json) returns text
language sql stable parallel safe
return case kind
	when 'log' then data ->> 'message'
	when 'created' then 'Run created by trigger ' || coalesce(data ->> 'trigger_type', 'manual')
	when 'started' then 'Run started'
	when 'step.started' then format('Step "%s" started, attempt %s', step, coalesce(attempt, 1))
	when 'step.waiting' then case
		when data ->> 'until' is not null then format('Step "%s" waits until %s', step, data ->> 'until')
		when data ->> 'child_run_id' is not null then format('Step "%s" waits for run %s', step, data ->> 'child_run_id')
		else format('Step "%s" waits', step) end
	when 'step.iterating' then format('Step "%s" goes on with its next round', step)
	when 'step.completed' then format('Step "%s" completed', step)
	when 'step.failed' then format('Step "%s" failed: %s', step, data -> 'error' ->> 'message')
	when 'step.retrying' then format('Step "%s" failed and will be tried again at %s: %s', step,
		data ->> 'next_at', data -> 'error' ->> 'message')
	when 'step.catching' then format('Step "%s" failed and handles it: %s', step, data -> 'error' ->> 'message')
	when 'step.skipped' then format('Step "%s" skipped: %s', step, data ->> 'reason')
	when 'step.cancelled' then format('Step "%s" cancelled', step)
	when 'step.compensated' then format('Step "%s" compensated', step)
	when 'step.compensation_failed' then format('Step "%s" could not be compensated: %s', step, data -> 'error' ->> 'message')
	when 'signalled' then format('Run got %s', coalesce(to_json(data ->> 'type')::text, 'an event'))
	when 'variables' then 'Variables changed'
	when 'paused' then 'Run paused'
	when 'resumed' then 'Run resumed'
	when 'finishing' then 'Run does what is to be done at its end'
	when 'compensating' then 'Run undoes what its steps did'
	when 'compensated' then 'Run compensated'
	when 'completed' then 'Run completed'
	when 'failed' then 'Run failed: ' || coalesce(data -> 'error' ->> 'message', 'unknown reason')
	when 'cancelled' then 'Run cancelled' || coalesce(': ' || (data ->> 'reason'), '')
	when 'timed_out' then 'Run timed out'
	when 'retried' then 'Run retried'
	else kind end;

create or replace function run_body(r runs, workflow_name text) returns text
language sql stable parallel safe
return concat(
	'{"id":', r.id,
	',"run_id":', r.id,
	',"execution_id":', r.id,
	',"workflow_id":', r.workflow_id,
	',"workflow_definition_id":', r.workflow_id,
	',"workflow_name":', quoted(workflow_name),
	',"version":', r.version,
	',"status":"', r.status,
	'","is_terminal":', is_terminal(r.status)::text,
	',"mode":"', coalesce(r.mode, 'standard'),
	'","trigger_type":"', r.trigger_type,
	'","triggered_by":', quoted(r.triggered_by),
	',"input_data":', r.input,
	',"vars":', coalesce(r.vars::text, 'null'),
	',"result_data":', coalesce(r.result::text, 'null'),
	',"error":', coalesce(r.error::text, 'null'),
	',"retry_count":', r.retry_count,
	',"execution_time_ms":', coalesce(run_time_ms(r)::text, 'null'),
	',"progress":', r.progress,
	',"priority":', r.priority,
	',"created_at":', quoted(r.created_at),
	',"started_at":', quoted(r.started_at),
	',"completed_at":', quoted(r.completed_at),
	',"cancelled_at":', quoted(r.cancelled_at),
	',"cancelled_by":', quoted(r.cancelled_by),
	',"wake_at":', quoted(r.wake_at),
	',"awaits":', r.awaits,
	',"correlation_id":', quoted(r.correlation_id),
	',"parent_run_id":', coalesce(r.parent_run_id::text, 'null'),
	',"rerun_of":', coalesce(r.rerun_of::text, 'null'),
	'}');

-- Whether a run may be retried.
create function is_retryable(status text) returns boolean
language sql immutable parallel safe
return status in ('failed', 'timed_out', 'cancelled', 'compensated');
grant execute on function is_retryable(text) to millrace_api;

-- adds the retention
create or replace function workflows_render() returns trigger
language plpgsql
as $$
begin
	new.rendered_summary := members(json_build_object(
		'id', new.id,
		'name', new.name,
		'description', new.description,
		'status', new.status,
		'is_enabled', new.status in ('active', 'paused'),
		'version', new.version,
		'tags', new.tags,
		'timeout_seconds', new.timeout_seconds,
		'max_retries', new.max_retries,
		'retention_days', new.retention_days,
		'trigger_on_file_upload', new.trigger_on_file_upload,
		'trigger_file_extensions', new.trigger_file_extensions,
		'created_by', new.created_by,
		'created_at', ts(new.created_at),
		'updated_at', ts(new.updated_at),
		'deleted_at', ts(new.deleted_at)));
	new.rendered_details := members(json_build_object(
		'trigger_config', new.trigger_config,
		'input_schema', new.input_schema));
	return new;
end
$$;
update workflows set revision = revision;

commit;
