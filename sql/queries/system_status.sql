-- name:    system_status
-- purpose: engines, the tenant's first 100 agents, and the tenant's workflows, runs and queue in figures
-- params:
-- returns: one (body json)
-- flags:   read
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
			from (select w.status, count(*) as n from workflows w group by w.status) s
		), '{}'),
		'runs', coalesce((
			select json_object_agg(s.status, s.n)
			from (
				select u.status, (
						select count(*)
						from (select 1 from runs r where r.status = u.status limit 100000) c
					) as n
				from unnest('{pending,running,paused,compensating}'::text[]) as u (status)
			) s
		), '{}'),
		'queue', (
			select json_build_object('depth', count(*), 'oldest_seconds',
				coalesce(extract(epoch from now() - min(q.created_at)), 0))
			from (select r.created_at from runs r where r.status = 'pending' and r.queued limit 100000) q
		)) as body
