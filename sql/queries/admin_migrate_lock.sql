-- name:    admin_migrate_lock
-- purpose: takes this session's right to change the schema, or tells who has it
-- params:
-- returns: one (held bool, holder int4)
-- flags:   read
select pg_try_advisory_lock(3, hashtext('millrace.migrate')) as held, (
	select l.pid
	from pg_locks l
	where l.locktype = 'advisory'
		and l.classid = 3
		and l.objid = (hashtext('millrace.migrate')::bigint & 4294967295)::oid
		and l.objsubid = 2
		and l.granted
		and l.database = (select oid from pg_database where datname = current_database())
	limit 1
) as holder
