-- Takes the empty first partition of :table out and its indexes away: what is copied into a table that
-- was truncated in the same transaction is frozen at once and, at wal_level minimal, not logged.
set search_path = millrace;
set synchronous_commit = off;
set maintenance_work_mem = '1GB';
select format('alter table %s detach partition %1$s_p0', :'table') \gexec
select format('alter table %s drop constraint %I', conrelid::regclass, conname)
from pg_constraint
where conrelid = (:'table' || '_p0')::regclass
	and contype in ('p', 'u') \gexec
select format('drop index %s', indexrelid::regclass)
from pg_index
where indrelid = (:'table' || '_p0')::regclass \gexec
select format('truncate %s_p0', :'table') \gexec
