-- name:    workflow_version_diff
-- purpose: what turns one version of a workflow into another
-- params:  id int8, base int4, other int4
-- returns: one (body json, version int8, error text)
-- flags:   read slow
with compared as (
	select w.id, v.version as from_version, t.version as to_version,
		case when v.version is null or t.version is null then 'VERSION_NOT_FOUND' end as error,
		version_content(v) as before, version_content(t) as after
	from workflows w
	left join workflow_versions v on v.workflow_id = w.id and v.version = :base
	left join workflow_versions t on t.workflow_id = w.id and t.version = :other
	where w.id = :id
), changes as materialized (
	select d.change, d.n
	from compared c
	cross join lateral json_difference('', c.before, c.after) with ordinality as d (change, n)
	where c.error is null
), steps as (
	-- the step of the workflow itself that each change belongs to: the first name in its path
	select coalesce(json_agg(s.name order by s.n) filter (where s.fate = 'added'), '[]') as added,
		coalesce(json_agg(s.name order by s.n) filter (where s.fate = 'removed'), '[]') as removed,
		coalesce(json_agg(s.name order by s.n) filter (where s.fate = 'changed'), '[]') as changed
	from (
		select t.name, min(t.n) as n,
			case when bool_or(t.whole and t.change = 'added') then 'added'
				when bool_or(t.whole and t.change = 'removed') then 'removed' else 'changed' end as fate
		from (
			select found.name, d.n, d.change ->> 'change' as change,
				d.change ->> 'path' = 'steps[' || found.name || ']' as whole
			from changes d
			cross join lateral (
				select o.name
				from compared c
				cross join lateral unnest(names_of(c.before -> 'steps') || names_of(c.after -> 'steps')) as o (name)
				where starts_with(d.change ->> 'path', 'steps[' || o.name || ']')
				limit 1
			) found
		) t
		group by t.name
	) s
)
select case when c.error is null then json_build_object(
		'workflow_id', c.id,
		'from_version', c.from_version,
		'to_version', c.to_version,
		'is_identical', not exists (select 1 from changes),
		'steps', (select json_build_object('added', s.added, 'removed', s.removed, 'changed', s.changed) from steps s),
		'changes', coalesce((select json_agg(d.change order by d.n) from changes d), '[]')) end as body,
	c.to_version::int8 as version,
	c.error
from compared c
