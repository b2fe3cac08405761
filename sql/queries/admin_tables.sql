-- name:    admin_tables
-- purpose: Millrace's tables with their size, partitions counted with their table; rows are reckoned as the planner does
-- params:
-- returns: many (name text, rows int8, bytes int8)
-- flags:   read
select r.relname::text as name,
	sum(case when c.relkind = 'p' then 0
		when c.relpages > 0 then c.reltuples / c.relpages * s.bytes / current_setting('block_size')::int
		else s.bytes / 100 end)::bigint as rows,
	sum(case when c.relkind = 'p' then 0 else s.bytes end)::bigint as bytes
from pg_class c
join pg_class r on r.oid = coalesce(pg_partition_root(c.oid), c.oid)
cross join lateral (
	select coalesce(pg_relation_size(c.oid), 0) as bytes
) s
where c.relnamespace = to_regnamespace('millrace')
	and c.relkind in ('r', 'p')
group by r.relname
order by r.relname
