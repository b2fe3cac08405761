-- Deploy millrace:expiry_by_workflow
-- Expired runs are found from the old end of each workflow's list. To walk over all runs once a minute
-- costs the more the more are kept, and drives what is in use out of memory.
begin;
set local lock_timeout = '5s';
set local role millrace_owner;
set local search_path = millrace, pg_temp;

-- Ended runs that are older than their workflow keeps them (DAYS where it says nothing; null: for
-- ever) go with all that belongs to them: at most MOST, of workflows after AFTER. UPTO is the workflow
-- to go on after, null when there are no more: begin again at 0.
create or replace function expire_runs(after bigint, most int, days int, out upto bigint, out run_ids bigint[])
language plpgsql volatile security definer set search_path = millrace, pg_temp
as $$
declare
	-- a transaction that deletes for minutes is ended by the timeout, and readers of the journal wait for it
	rows_most constant bigint := 200000;
	workflows_most constant int := 1000;
	flow record;
	looked_at int := 0;
	found_ids bigint[];
	rows_found bigint := 0;
	is_full boolean := false;
begin
	run_ids := '{}';
	for flow in
		select o.id, now() - coalesce(o.retention_days, days) * interval '1 day' as before
		from workflows o
		where o.id > after
			and coalesce(o.retention_days, days) is not null
		order by o.id
		limit workflows_most
	loop
		looked_at := looked_at + 1;
		-- none has ended before it was made
		select coalesce(array_agg(d.id) filter (where d.rows_before < rows_most), '{}'),
			coalesce(max(d.rows_before + d.seq), rows_found),
			count(*) = most - cardinality(run_ids) or coalesce(max(d.rows_before), 0) >= rows_most
		into found_ids, rows_found, is_full
		from (
			select r.id, r.seq, rows_found + sum(r.seq) over (order by r.created_at, r.id) - r.seq as rows_before
			from (
				select o.id, o.seq, o.created_at
				from runs o
				where o.workflow_id = flow.id
					and o.created_at < flow.before
					and is_terminal(o.status)
					and o.completed_at < flow.before
				order by o.created_at, o.id
				limit most - cardinality(run_ids)
			) r
		) d;
		run_ids := run_ids || found_ids;
		upto := case when is_full then flow.id - 1 else flow.id end;
		exit when is_full;
	end loop;
	if not is_full and looked_at < workflows_most then
		upto := null;
	end if;
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

commit;
