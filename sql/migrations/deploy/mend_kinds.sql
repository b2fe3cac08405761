-- Deploy millrace:mend_kinds
-- Events that nobody handed out are found by the sweep, every two seconds; mend() was never asked for them.
begin;
set local lock_timeout = '5s';
set local role millrace_owner;
set local search_path = millrace, pg_temp;

-- Does what a lost unit left undone, of one kind, at most so many: waits, orphans, commands, places.
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

commit;
