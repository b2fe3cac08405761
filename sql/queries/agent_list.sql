-- name:    agent_list
-- purpose: one page of the tenant's agents
-- params:  status text[]?, capability text[]?, auth_type text[]?, search text?, after_key text?, after_id int8?, page_limit int4, page_offset int4, want_total bool
-- returns: list
-- flags:   read
-- order:   created_at = a.created_at timestamptz, -id = a.created_at timestamptz, name = a.name text
-- index:   agents_tenant_idx
with page as materialized (
	select a as row, a.id, ({key})::text as key
	from agents a
	where a.deleted_at is null
		and a.status = any (:status) -- ?status
		and a.capabilities @> :capability -- ?capability
		and a.auth_type = any (:auth_type) -- ?auth_type
		and strpos(lower(a.name || ' ' || coalesce(a.description, '')), (select lower(:search))) > 0 -- ?search
		and ({key}, a.id) {cmp} (:after_key::{type}, :after_id) -- ?after_id
	order by {key} {dir}, a.id {dir}
	limit :page_limit + 1
	offset :page_offset
), numbered as (
	select p.*, row_number() over () as n
	from page p
), counted as (
	select count(*) as n
	from (
		select 1
		from agents a
		where a.deleted_at is null
			and a.status = any (:status) -- ?status
			and a.capabilities @> :capability -- ?capability
			and a.auth_type = any (:auth_type) -- ?auth_type
			and strpos(lower(a.name || ' ' || coalesce(a.description, '')), (select lower(:search))) > 0 -- ?search
		limit 10001
	) c
)
select coalesce(json_agg(agent_body(p.row) order by p.n) filter (where p.n <= :page_limit), '[]') as items,
-- include: _page_end
