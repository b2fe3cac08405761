-- name:    admin_files
-- purpose: the file of each table; another one means that it was written anew
-- params:
-- returns: many (name text, part text, file int8)
-- flags:   read
select r.relname::text as name, c.relname::text as part, pg_relation_filenode(c.oid)::bigint as file
from pg_class c
join pg_class r on r.oid = coalesce(pg_partition_root(c.oid), c.oid)
where c.relnamespace = to_regnamespace('millrace')
	and c.relkind = 'r'
order by c.relname
