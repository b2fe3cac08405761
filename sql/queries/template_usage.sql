-- name:    template_usage
-- purpose: what the caller's tenant has made of a template, and how the runs of it ended
-- params:  template text, principal_id int8?, principal_is_admin bool?
-- returns: one (body json, version int8)
-- flags:   read
-- Sums alone: it costs the same however many workflows and runs there were.
select json_build_object(
		'template_id', t.id,
		'template_name', t.name,
		'template_version', t.version,
		'usage_count', coalesce(u.workflows, 0),
		'last_used_at', ts(u.last_used_at),
		'execution_count', r.n,
		'executions', json_build_object(
			'completed', r.completed,
			'failed', r.failed,
			'cancelled', r.cancelled,
			'timed_out', r.timed_out,
			'compensated', r.compensated),
		'success_rate', round(100.0 * r.completed / nullif(r.completed + r.failed + r.timed_out + r.compensated, 0), 1),
		'avg_execution_time_ms', round(r.sum_us / r.n / 1000, 3),
		'max_execution_time_ms', round(r.max_us::numeric / 1000, 3),
		'last_execution_at', ts(r.last_at)) as body,
	0::int8 as version
from templates t
left join template_usage u on u.template_id = t.id
cross join lateral (
	select coalesce(sum(x.n), 0)::int8 as n,
		coalesce(sum(x.n) filter (where x.outcome = 'completed'), 0)::int8 as completed,
		coalesce(sum(x.n) filter (where x.outcome = 'failed'), 0)::int8 as failed,
		coalesce(sum(x.n) filter (where x.outcome = 'cancelled'), 0)::int8 as cancelled,
		coalesce(sum(x.n) filter (where x.outcome = 'timed_out'), 0)::int8 as timed_out,
		coalesce(sum(x.n) filter (where x.outcome = 'compensated'), 0)::int8 as compensated,
		sum(x.sum_us) as sum_us,
		max(x.max_us) as max_us,
		max(x.last_at) as last_at
	from template_runs x
	where x.template_id = t.id
) r
where t.id = (select template_find(:template, :principal_id, :principal_is_admin))
