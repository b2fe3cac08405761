-- name:    workflow_list
-- purpose: one page of the tenant's workflows; deleted ones only when asked for
-- params:  status text[]?, tag text[]?, owner text?, search text?, after_key text?, after_id int8?, page_limit int4, page_offset int4, want_total bool
-- returns: list
-- flags:   read
-- order:   created_at = w.created_at timestamptz, -id = w.created_at timestamptz, updated_at = w.updated_at timestamptz, name = w.name text, status = w.status text
-- index:   workflows_tenant_idx
with page as materialized (
	select w.id, w.rendered_summary, ({key})::text as key
	from workflows w
	where true
		and w.status <> 'deleted' -- ?!status
		and w.status = any (:status) -- ?status
		and w.tags @> :tag -- ?tag
		and w.created_by = :owner -- ?owner
		and (strpos(lower(w.name), lower(:search)) > 0 or strpos(lower(w.description), lower(:search)) > 0) -- ?search
		and ({key}, w.id) {cmp} (:after_key::{type}, :after_id) -- ?after_id
	order by {key} {dir}, w.id {dir}
	limit :page_limit + 1
	offset :page_offset
), numbered as (
	select p.*, row_number() over () as n
	from page p
), counted as materialized (
	select count(*) as n
	from (
		select 1
		from workflows w
		where true
			and w.status <> 'deleted' -- ?!status
			and w.status = any (:status) -- ?status
			and w.tags @> :tag -- ?tag
			and w.created_by = :owner -- ?owner
			and (strpos(lower(w.name), lower(:search)) > 0 or strpos(lower(w.description), lower(:search)) > 0) -- ?search
		limit 10001
	) c
)
select ('[' || coalesce(string_agg('{' || rendered_summary || '}', ',' order by n) filter (where n <= :page_limit), '') || ']') as items,
	case when count(*) > :page_limit then max(key) filter (where n = :page_limit) end as next_key,
	case when count(*) > :page_limit then max(id) filter (where n = :page_limit) end as next_id,
	case when :want_total then (select n from counted) end as total,
	null::int8 as total_estimate
from numbered
