-- name:    workflow_versions
-- purpose: one page of a workflow's versions, newest first, without their steps
-- params:  id int8, after_key text?, after_id int8?, page_limit int4, page_offset int4, want_total bool
-- returns: list
-- flags:   read
-- order:   -version = v.version int4
-- index:   workflow_versions_pkey
with page as materialized (
	select v.workflow_id, v.version, v.digest, v.created_by, v.created_at, ({key})::text as key
	from workflow_versions v
	where v.workflow_id = :id
		and {key} {cmp} :after_key::{type} -- ?after_id
		and :after_id is not null -- ?after_id
	order by {key} {dir}
	limit :page_limit + 1
	offset :page_offset
), numbered as (
	select p.*, row_number() over () as n
	from page p
), counted as materialized (
	select count(*) as n
	from (
		select 1
		from workflow_versions v
		where v.workflow_id = :id
		limit 10001
	) c
), listed as (
	select coalesce(json_agg(json_build_object(
			'id', p.workflow_id,
			'workflow_id', p.workflow_id,
			'version', p.version,
			'is_current', p.version = w.version,
			'name', w.name,
			'digest', p.digest,
			'created_by', p.created_by,
			'created_at', ts(p.created_at)) order by p.n) filter (where p.n <= :page_limit), '[]') as items,
		case when count(*) > :page_limit then max(p.key) filter (where p.n = :page_limit) end as next_key,
		case when count(*) > :page_limit then max(p.version::int8) filter (where p.n = :page_limit) end as next_id
	from numbered p
	join workflows w on w.id = p.workflow_id
)
select l.items, l.next_key, l.next_id,
	case when :want_total then (select n from counted) end as total,
	null::int8 as total_estimate
from workflows w
cross join listed l
where w.id = :id
