-- name:    system_status
-- purpose: engines, the tenant's first 100 agents, and the tenant's workflows, runs, queue and last 24 hours in figures
-- params:
-- returns: one (body json)
-- flags:   read
-- Nothing is counted that is many: workflows and ended runs are sums, what has not ended is counted up to a hundred thousand.
with workflows_by_status as (
	select t.status, sum(t.n) as n
	from workflow_tallies t
	group by t.status
	having sum(t.n) <> 0
), runs_by_status as (
	select u.status, (
			select count(*)
			from (select 1 from runs r where r.status = u.status limit 100000) c
		) as n
	from unnest('{pending,running,paused,compensating}'::text[]) as u (status)
), ended as (
	select coalesce(sum(t.completed), 0) as completed, coalesce(sum(t.failed + t.timed_out), 0) as failed
	from run_tallies t
	where t.at > now() - interval '24 hours'
)
select json_build_object(
		'engines', coalesce((
			select json_agg(json_build_object(
				'id', e.id,
				'name', e.name,
				'version', e.version,
				'started_at', ts(e.started_at),
				'status', case when e.lease_until > now() then 'healthy' else 'lost' end) order by e.id)
			from engines e
		), '[]'),
		'agents', coalesce((
			select json_agg(agent_state(a) order by a.id)
			from (select * from agents x where x.deleted_at is null order by x.id limit 100) as s
			join agents a on a.id = s.id
		), '[]'),
		'workflows', coalesce((
			select json_object_agg(s.status, s.n)
			from workflows_by_status s
		), '{}'),
		'runs', coalesce((
			select json_object_agg(s.status, s.n)
			from runs_by_status s
		), '{}'),
		'metrics', (
			select json_build_object(
				'total_workflows', (select coalesce(sum(s.n), 0) from workflows_by_status s where s.status <> 'deleted'),
				'active_executions', (select sum(s.n) from runs_by_status s),
				'completed_executions_24h', e.completed,
				'failed_executions_24h', e.failed,
				'success_rate_24h', coalesce(round(100.0 * e.completed / nullif(e.completed + e.failed, 0), 1), 100))
			from ended e
		),
		'queue', (
			select json_build_object('depth', count(*), 'oldest_seconds',
				coalesce(extract(epoch from now() - min(q.created_at)), 0))
			from (select r.created_at from runs r where r.status = 'pending' and r.queued limit 100000) q
		)) as body
