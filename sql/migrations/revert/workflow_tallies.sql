-- Revert millrace:workflow_tallies
begin;
set local lock_timeout = '5s';
set local role millrace_owner;
set local search_path = millrace, pg_temp;

revoke select on run_tallies from millrace_api;
drop policy api_tenant on run_tallies;
create or replace function health_figures() returns json
language sql stable security definer set search_path = millrace, pg_temp
begin atomic
	select json_build_object(
		'total_workflows', (select count(*) from workflows where status <> 'deleted'),
		'active_executions', (select count(*) from (
			select 1 from runs where status in ('pending', 'running', 'paused', 'compensating') limit 100000) a),
		'completed_executions_24h', t.completed,
		'failed_executions_24h', t.failed,
		'success_rate_24h', case when t.completed + t.failed > 0
			then round(100.0 * t.completed / (t.completed + t.failed), 1) end,
		'engines', (select count(*) from engines where lease_until > now()))
	from (
		select coalesce(sum(completed), 0) as completed, coalesce(sum(failed + timed_out), 0) as failed
		from run_tallies
		where at > now() - interval '24 hours'
	) t;
end;
drop trigger workflow_tallies_insert on workflows;
drop trigger workflow_tallies_update on workflows;
drop trigger workflow_tallies_delete on workflows;
drop function tallies_fold(), workflow_tallies_add();
drop table workflow_tallies;

commit;
