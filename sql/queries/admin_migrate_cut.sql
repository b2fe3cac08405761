-- name:    admin_migrate_cut
-- purpose: ends statements of changes that have waited so long for a lock behind which others queue
-- params:  patience_ms int8
-- returns: many (name text, pid int4, blocker int4, cut bool)
-- flags:   read
select l.relation::regclass::text as name, l.pid, (pg_blocking_pids(l.pid))[1] as blocker, pg_cancel_backend(l.pid) as cut
from pg_locks l
join pg_stat_activity a on a.pid = l.pid
where not l.granted
	and l.locktype = 'relation'
	and l.mode in ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
	and a.application_name = 'millrace-migrate'
	and a.datname = current_database()
	and clock_timestamp() > l.waitstart + :patience_ms * interval '1 millisecond'
