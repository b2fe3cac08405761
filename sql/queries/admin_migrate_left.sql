-- name:    admin_migrate_left
-- purpose: sessions in which changes are rehearsed or deployed, whoever began them
-- params:
-- returns: one (sessions int8, pid int4)
-- flags:   read
select count(*) as sessions, min(pid) as pid
from pg_stat_activity
where application_name = 'millrace-migrate'
	and datname in (current_database(), current_database() || '_rehearsal', 'postgres', 'template1')
