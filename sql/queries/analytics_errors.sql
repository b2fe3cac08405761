-- name:    analytics_errors
-- purpose: requests that were refused or failed, or runs that did, in sums
-- params:  of text?, group_by text[]?, from timestamptz?, to timestamptz?, route text?, method text?, key_id int8?, principal_id int8?, workflow_id int8?, status text[]?, error_code text?, after_key text?, after_id int8?, page_limit int4, page_offset int4, want_total bool
-- returns: list
-- flags:   read slow
-- order:   -count = g.n int8, time = coalesce(g.at, '-infinity') timestamptz, route = coalesce(g.route, '') text
-- It costs what the sums between the two moments cost, however many requests and runs they sum up.
with grouped as materialized (
	select g.*
	from rollup_groups(:of, :from, :to, :route, :method, :key_id, :principal_id, :workflow_id, :status, :error_code, true, coalesce(:group_by, '{error_code,status}')) g
-- include: _group_page
), numbered as (
	select p.*, row_number() over () as n_row
	from page p
)
select coalesce(json_agg(json_build_object(
-- include: _group_members
			'count', p.n,
			'share', round(p.n::numeric / (select sum(g.n) from grouped g), 6),
			'client_errors', p.client_errors,
			'server_errors', p.server_errors,
			'average_ms', round(p.sum_us::numeric / p.n / 1000, 3)) order by p.n_row) filter (where p.n_row <= :page_limit), '[]') as items,
-- include: _group_end
