-- name:    api_key_list
-- purpose: one page of the tenant's API keys
-- params:  status text[]?, search text?, after_key text?, after_id int8?, page_limit int4, page_offset int4, want_total bool
-- returns: list
-- flags:   read
-- order:   created_at = k.created_at timestamptz, -id = k.created_at timestamptz, name = k.name text
-- index:   api_keys_tenant_idx
with sought as (
	select coalesce(:status::text, :search) is not null as filtered
-- include: _window
), looked_at as materialized (
	select k.id, ({key})::text as key, (
		true
		and api_key_status(k) = any (:status) -- ?status
		and strpos(lower(k.name), (select lower(:search))) > 0 -- ?search
	) as fits
	from api_keys k
	where true
		and ({key}, k.id) {cmp} (:after_key::{type}, :after_id) -- ?after_id
	order by {key} {dir}, k.id {dir}
	limit (select w.n from wanted w)
	offset (select w.skip from wanted w)
-- include: _window_fits
), countable as (
	select 1
	from api_keys k
-- include: _window_page
), listed as (
	select coalesce(json_agg((
			select api_key_body(k, h.name)
			from api_keys k
			join principals h on h.id = k.principal_id
			where k.id = p.id) order by p.n) filter (where p.n <= :page_limit), '[]') as items,
-- include: _window_end
