-- name:    api_key_list
-- purpose: one page of the tenant's API keys
-- params:  status text[]?, search text?, after_key text?, after_id int8?, page_limit int4, page_offset int4, want_total bool
-- returns: list
-- flags:   read
-- order:   created_at = k.created_at timestamptz, -id = k.created_at timestamptz, name = k.name text
-- index:   api_keys_tenant_idx
with page as materialized (
	select k as row, k.id, p.name as principal_name, ({key})::text as key
	from api_keys k
	join principals p on p.id = k.principal_id
	where true
		and api_key_status(k) = any (:status) -- ?status
		and strpos(lower(k.name), lower(:search)) > 0 -- ?search
		and ({key}, k.id) {cmp} (:after_key::{type}, :after_id) -- ?after_id
	order by {key} {dir}, k.id {dir}
	limit :page_limit + 1
	offset :page_offset
), numbered as (
	select p.*, row_number() over () as n
	from page p
), counted as (
	select count(*) as n
	from (
		select 1
		from api_keys k
		where true
			and api_key_status(k) = any (:status) -- ?status
			and strpos(lower(k.name), lower(:search)) > 0 -- ?search
		limit 10001
	) c
)
select coalesce(json_agg(json_build_object(
			'id', (p.row).id,
			'name', (p.row).name,
			'prefix', (p.row).prefix,
			'scopes', (p.row).scopes,
			'roles', (p.row).roles,
			'status', api_key_status(p.row),
			'is_active', api_key_status(p.row) = 'active',
			'principal_id', (p.row).principal_id,
			'principal_name', p.principal_name,
			'created_by', (p.row).created_by,
			'created_at', ts((p.row).created_at),
			'updated_at', ts((p.row).updated_at),
			'expires_at', ts((p.row).expires_at),
			'last_used_at', ts((p.row).last_used_at),
			'rotated_at', ts((p.row).rotated_at),
			'revoked_at', ts((p.row).revoked_at)) order by p.n) filter (where p.n <= :page_limit), '[]') as items,
	case when count(*) > :page_limit then max(p.key) filter (where p.n = :page_limit) end as next_key,
	case when count(*) > :page_limit then max(p.id) filter (where p.n = :page_limit) end as next_id,
	case when :want_total then (select n from counted) end as total,
	null::int8 as total_estimate
from numbered p
