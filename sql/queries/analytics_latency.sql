-- name:    analytics_latency
-- purpose: how long requests or runs took, in sums
-- params:  of text?, group_by text[]?, from timestamptz?, to timestamptz?, route text?, method text?, key_id int8?, principal_id int8?, workflow_id int8?, status text[]?, error_code text?, after_key text?, after_id int8?, page_limit int4, page_offset int4, want_total bool
-- returns: list
-- flags:   read slow
-- order:   -count = g.n int8, -average_ms = (g.sum_us::float8 / g.n) float8, -max_ms = g.max_us int8, -p95_ms = g.p95[1] float8, time = coalesce(g.at, '-infinity') timestamptz, route = coalesce(g.route, '') text
-- It costs what the sums between the two moments cost, however many requests and runs they sum up.
with grouped as materialized (
	select g.*, rollup_quantile(g.buckets, rollup_bounds(coalesce(:of, 'request')), g.max_us, 0.95) as p95
	from rollup_groups(:of, :from, :to, :route, :method, :key_id, :principal_id, :workflow_id, :status, :error_code, false, coalesce(:group_by, '{route}')) g
-- include: _group_page
), numbered as (
	select p.*,
		rollup_quantile(p.buckets, rollup_bounds(coalesce(:of, 'request')), p.max_us, 0.5) as p50,
		rollup_quantile(p.buckets, rollup_bounds(coalesce(:of, 'request')), p.max_us, 0.9) as p90,
		rollup_quantile(p.buckets, rollup_bounds(coalesce(:of, 'request')), p.max_us, 0.99) as p99,
		row_number() over () as n_row
	from page p
)
select coalesce(json_agg(json_build_object(
-- include: _group_members
			'count', p.n,
			'average_ms', round(p.sum_us::numeric / p.n / 1000, 3),
			'max_ms', round(p.max_us::numeric / 1000, 3),
			'p50_ms', p.p50[1], 'p50_bounds_ms', p.p50[2:3],
			'p90_ms', p.p90[1], 'p90_bounds_ms', p.p90[2:3],
			'p95_ms', p.p95[1], 'p95_bounds_ms', p.p95[2:3],
			'p99_ms', p.p99[1], 'p99_bounds_ms', p.p99[2:3]) order by p.n_row) filter (where p.n_row <= :page_limit), '[]') as items,
-- include: _group_end
