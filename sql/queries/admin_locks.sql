-- name:    admin_locks
-- purpose: which of Millrace's tables this session holds, and how; partitions as their table
-- params:
-- returns: many (name text, mode text)
-- flags:   read
select distinct r.relname::text as name, l.mode
from pg_locks l
join pg_class c on c.oid = l.relation
join pg_class r on r.oid = coalesce(pg_partition_root(c.oid), c.oid)
where l.pid = pg_backend_pid()
	and l.locktype = 'relation'
	and c.relnamespace = to_regnamespace('millrace')
	and c.relkind in ('r', 'p')
order by 1, 2
