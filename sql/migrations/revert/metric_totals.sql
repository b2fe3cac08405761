-- Revert millrace:metric_totals
begin;
set local lock_timeout = '5s';
set local role millrace_owner;
set local search_path = millrace, pg_temp;

create or replace function metrics_figures() returns json
language sql stable security definer set search_path = millrace, pg_temp
begin atomic
	select json_build_object(
		'queue', coalesce((
			select json_agg(json_build_object('tenant', t.name, 'depth', q.depth, 'oldest_seconds', q.oldest_seconds) order by t.name)
			from (
				select r.tenant_id, count(*) as depth, extract(epoch from now() - min(r.created_at)) as oldest_seconds
				from runs r
				where r.queued
				group by r.tenant_id
			) q
			join tenants t on t.id = q.tenant_id), '[]'::json),
		'runs', coalesce((
			select json_agg(json_build_object('tenant', t.name, 'status', a.status, 'count', a.n) order by t.name, a.status)
			from (
				select r.tenant_id, r.status, count(*) as n
				from runs r
				where r.status in ('pending', 'running', 'paused', 'compensating')
				group by r.tenant_id, r.status
			) a
			join tenants t on t.id = a.tenant_id), '[]'::json),
		'ended', coalesce((
			select json_agg(json_build_object('tenant', t.name, 'completed', e.completed, 'failed', e.failed,
				'cancelled', e.cancelled, 'timed_out', e.timed_out) order by t.name)
			from (
				select tenant_id, sum(completed) as completed, sum(failed) as failed,
					sum(cancelled) as cancelled, sum(timed_out) as timed_out
				from run_tallies
				group by tenant_id
			) e
			join tenants t on t.id = e.tenant_id), '[]'::json),
		'sleeping', (select count(*) from runs where wake_at is not null),
		'due', (select count(*) from runs where wake_at <= now()),
		'engines', coalesce((
			select json_agg(json_build_object('id', id, 'name', name, 'host', host, 'alive', lease_until > now(),
				'metrics', metrics) order by id)
			from engines), '[]'::json),
		'pending_commands', (select count(*) from run_commands where applied_at is null),
		'journal_horizon_age_seconds', coalesce((
			select extract(epoch from now() - min(xact_start))
			from pg_stat_activity
			where backend_xid is not null and pid <> pg_backend_pid()), 0),
		'connections', (select count(*) from pg_stat_activity where datname = current_database()));
end;
drop function tenant_metrics_series();
drop function metrics_series();
drop function metric_series(bigint);
drop function metric_totals_add(jsonb[]);
drop function metrics_counted(jsonb, bigint);
drop aggregate numbers_sum(float8[]);
drop function numbers_add(float8[], float8[]);
drop table metric_totals;

commit;
