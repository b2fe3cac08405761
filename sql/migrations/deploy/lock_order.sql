-- Deploy millrace:lock_order
-- One order of locks for all that hand things to runs: locks on events and limits, rows of runs in
-- ascending order, rows of run_waits. What took them otherwise could meet a flush crosswise, and one
-- of both was thrown back after a second.
begin;
set local lock_timeout = '5s';
set local role millrace_owner;
set local search_path = millrace, pg_temp;

-- The part of offer_event() that tells the runs and wakes none of them.
create function tell_event(e events) returns bigint[]
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
	return woken;
end
$$;

create or replace function offer_event(e events) returns bigint[]
language plpgsql volatile
as $$
declare
	woken bigint[] := tell_event(e);
begin
	perform wake_runs(woken);
	return woken;
end
$$;

-- Of several events the runs are woken together: else those of a later event could have lower ids
-- than those that are locked already.
create or replace function dispatch_events(most int) returns setof bigint
language plpgsql security definer set search_path = millrace, pg_temp
as $$
declare
	ids bigint[];
	e events;
	woken bigint[] := '{}';
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
		woken := woken || tell_event(e);
	end loop;
	perform wake_runs(woken);
	return query select distinct unnest(woken);
end
$$;

create or replace function check_waits(run_ids bigint[], step_execution_ids bigint[]) returns setof bigint
language plpgsql security definer set search_path = millrace, pg_temp
as $$
declare
	most constant int := 1000;
	w run_waits;
	mark bigint;
	given int;
	last bigint;
	woken bigint[] := '{}';
	done_runs bigint[] := '{}';
	done_types text[] := '{}';
begin
	for w.tenant_id, w.event_type in
		select o.tenant_id, o.event_type
		from unnest(run_ids, step_execution_ids) as g (run_id, id)
		cross join lateral (
			select x.* from run_waits x
			where x.run_id = g.run_id and x.step_execution_id = g.id
			offset 0
		) o
		where o.kind = 'event'
		group by 1, 2 order by hashtext(o.tenant_id::text || ':' || o.event_type)
	loop
		perform lock_event(w.tenant_id, w.event_type);
	end loop;
	for w.run_id, w.tenant_id, w.event_type in
		select distinct o.run_id, o.tenant_id, o.event_type
		from unnest(run_ids, step_execution_ids) as g (run_id, id)
		cross join lateral (
			select x.* from run_waits x
			where x.run_id = g.run_id and x.step_execution_id = g.id
			offset 0
		) o
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
			done_runs := done_runs || w.run_id;
			done_types := done_types || w.event_type;
		end if;
	end loop;
	return query select check_children(run_ids, step_execution_ids, woken);
	-- after the rows of runs, as flushes do it
	for w.run_id, w.event_type in select * from unnest(done_runs, done_types) loop
		update run_waits o set checked = true
		where o.run_id = w.run_id and o.event_type = w.event_type;
	end loop;
end
$$;

-- Parents are locked before it is asked whether they have been told: else two engines tell them both.
create or replace function notify_parents(child_run_ids bigint[]) returns setof bigint
language plpgsql security definer set search_path = millrace, pg_temp
as $$
declare
	woken bigint[];
begin
	perform 1
	from runs r
	where r.id in (select w.run_id from run_waits w where w.kind = 'child' and w.child_run_id = any (child_run_ids))
	order by r.id
	for no key update;
	woken := tell_parents(child_run_ids);
	perform wake_runs(woken);
	return query select unnest(woken);
end
$$;

-- A child that its step abandons stays, also when its start and the end of the step cross.
create or replace function cancel_children(parent_run_ids bigint[], step_execution_ids bigint[]) returns setof bigint
language sql volatile security definer set search_path = millrace, pg_temp
begin atomic
	select cancel_runs(array(
		select c.child_run_id
		from unnest(parent_run_ids, step_execution_ids) as g (run_id, id)
		join run_children c on c.parent_run_id = g.run_id and c.step_execution_id = g.id
		where c.cascades
	), 'The step that started it has ended.');
end;

-- Runs of one call have so many journal rows together, give or take the last one's: a transaction
-- that deletes for minutes is ended by the timeout and begins again from the start, for ever, and
-- readers of the journal wait for it.
create or replace function expire_runs(after bigint, most int, days int, out upto bigint, out run_ids bigint[])
language plpgsql volatile security definer set search_path = millrace, pg_temp
as $$
declare
	rows_most constant bigint := 200000;
begin
	with seen as materialized (
		select r.id, r.workflow_id, r.status, r.completed_at, r.seq
		from runs r
		where r.id > after
		order by r.id
		limit most
	), due as materialized (
		select s.id, sum(s.seq) over (order by s.id) - s.seq as rows_before
		from seen s
		left join workflows w on w.id = s.workflow_id
		where is_terminal(s.status)
			and s.completed_at < now() - coalesce(w.retention_days, days) * interval '1 day'
	)
	select case
			when max(d.rows_before) >= rows_most then max(d.id) filter (where d.rows_before < rows_most)
			when (select count(*) from seen) = most then (select max(s.id) from seen s) end,
		coalesce(array_agg(d.id order by d.id) filter (where d.rows_before < rows_most), '{}')
	into upto, run_ids
	from due d;
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

-- A run that completed has cancelled the children that it did not want; one that it did not wait for
-- goes on.
create or replace function mend(what text, most int) returns bigint
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
				and p.status <> 'completed'
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

-- Those that have places and those that wait for one are each found by themselves, and no more of them
-- are looked at than there is room for: else each of a hundred thousand that wait costs a walk over all.
create index runs_places_idx on runs (limit_key)
	where limit_key is not null and admitted and status in ('pending', 'running', 'paused', 'compensating');
create index runs_without_place_idx on runs (limit_key, priority desc, id)
	where limit_key is not null and not admitted and status in ('pending', 'running', 'paused', 'compensating');

create or replace function admit_waiting(key text, self bigint) returns bigint[]
language plpgsql volatile
as $$
declare
	taken bigint := places_taken(key);
	room bigint;
	ids bigint[];
begin
	-- as the first of those that wait sees it
	select r.limit_max - taken into room
	from runs r
	where r.limit_key = key
		and not r.admitted
		and r.status in ('pending', 'running', 'compensating')
		and (r.owner_id is null and not r.queued or r.id = self)
	order by r.priority desc, r.id
	limit 1;
	if coalesce(room, 0) <= 0 then
		return '{}';
	end if;
	select coalesce(array_agg(c.id order by c.id), '{}') into ids
	from (
		select r.id, r.limit_max, row_number() over (order by r.priority desc, r.id) as n
		from runs r
		where r.limit_key = key
			and not r.admitted
			and r.status in ('pending', 'running', 'compensating')
			and (r.owner_id is null and not r.queued or r.id = self)
		order by r.priority desc, r.id
		limit room
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

grant execute on function tell_event(events) to millrace_api;

commit;
