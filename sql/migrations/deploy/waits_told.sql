-- Deploy millrace:waits_told
-- A flush that ends a child run marks its parent's wait as not looked at, in the same transaction: so
-- an engine that is killed before it told the parent leaves what the next sweep finds.
begin;
set local lock_timeout = '5s';
set local role millrace_owner;
set local search_path = millrace, pg_temp;

grant update (checked, since) on run_waits to millrace_engine;

-- Waits come by the ten thousand before anybody has counted them, and plans are kept: each must be found
-- by its key, never through one of the partial indexes, which would be walked as a whole. So the other
-- conditions stand outside ("offset 0" keeps them there).
create or replace function check_children(run_ids bigint[], step_execution_ids bigint[], woken bigint[]) returns setof bigint
language plpgsql volatile
as $$
declare
	children bigint[];
	parents bigint[];
	all_woken bigint[] := woken;
begin
	select coalesce(array_agg(w.child_run_id), '{}'), array_agg(w.run_id) into children, parents
	from unnest(run_ids, step_execution_ids) as g (run_id, id)
	cross join lateral (
		select x.* from run_waits x
		where x.run_id = g.run_id and x.step_execution_id = g.id
		offset 0
	) w
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
			update run_waits o set checked = true
			where o.run_id = w.run_id and o.event_type = w.event_type;
		end if;
	end loop;
	return query select check_children(run_ids, step_execution_ids, woken);
end
$$;

commit;
