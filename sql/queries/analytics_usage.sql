-- name:    analytics_usage
-- purpose: how much was asked for and how it was answered, or how many runs ended and how, in sums
-- params:  of text?, group_by text[]?, from timestamptz?, to timestamptz?, route text?, method text?, key_id int8?, principal_id int8?, workflow_id int8?, status text[]?, error_code text?, after_key text?, after_id int8?, page_limit int4, page_offset int4, want_total bool
-- returns: list
-- flags:   read slow
-- order:   -count = g.n int8, -errors = (g.client_errors + g.server_errors) int8, -error_rate = ((g.client_errors + g.server_errors)::float8 / g.n) float8, -average_ms = (g.sum_us::float8 / g.n) float8, time = coalesce(g.at, '-infinity') timestamptz, route = coalesce(g.route, '') text
-- It costs what the sums between the two moments cost, however many requests and runs they sum up.
with grouped as materialized (
	select g.*
	from rollup_groups(:of, :from, :to, :route, :method, :key_id, :principal_id, :workflow_id, :status, :error_code, false, coalesce(:group_by, '{route}')) g
-- include: _group_page
), numbered as (
	select p.*, row_number() over () as n_row
	from page p
)
select coalesce(json_agg(json_build_object(
-- include: _group_members
			'count', p.n,
			'succeeded', p.n - p.client_errors - p.server_errors,
			'errors', p.client_errors + p.server_errors,
			'error_rate', round((p.client_errors + p.server_errors)::numeric / p.n, 6),
			'average_ms', round(p.sum_us::numeric / p.n / 1000, 3)) order by p.n_row) filter (where p.n_row <= :page_limit), '[]') as items,
-- include: _group_end
