-- Revert millrace:expiry_by_workflow
begin;
set local lock_timeout = '5s';
set local role millrace_owner;
set local search_path = millrace, pg_temp;

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

commit;
