-- name:    group_members
-- purpose: one page of a group's members
-- params:  id int8, kind text[]?, search text?, after_key text?, after_id int8?, page_limit int4, page_offset int4, want_total bool
-- returns: list
-- flags:   read
-- order:   name = p.name text, -created_at = p.created_at timestamptz, -id = p.created_at timestamptz
-- index:   principals_tenant_id_name_key
with page as materialized (
	select p as row, p.id, ({key})::text as key
	from principals p
	where true
		and p.groups @> array(select g.name from groups g where g.id = :id)
		and p.deleted_at is null
		and p.kind = any (:kind) -- ?kind
		and strpos(lower(p.name), (select lower(:search))) > 0 -- ?search
		and ({key}, p.id) {cmp} (:after_key::{type}, :after_id) -- ?after_id
	order by {key} {dir}, p.id {dir}
	limit :page_limit + 1
	offset :page_offset
), numbered as (
	select p.*, row_number() over () as n
	from page p
), counted as materialized (
	select count(*) as n
	from (
		select 1
		from principals p
		where true
			and p.groups @> array(select g.name from groups g where g.id = :id)
			and p.deleted_at is null
			and p.kind = any (:kind) -- ?kind
			and strpos(lower(p.name), (select lower(:search))) > 0 -- ?search
		limit 10001
	) c
), listed as (
	select coalesce(json_agg(user_json(p.row) order by p.n) filter (where p.n <= :page_limit), '[]') as items,
-- include: _next_place
)
select l.items, l.next_key, l.next_id,
	case when :want_total then (select n from counted) end as total,
	null::int8 as total_estimate
from groups g
cross join listed l
where g.id = :id
