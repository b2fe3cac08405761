-- Revert millrace:secrets
begin;
set local lock_timeout = '5s';
set local role millrace_owner;
set local search_path = millrace, pg_temp;

drop function secret_members(bigint, text, text, int, text, text, timestamptz, timestamptz, timestamptz);
drop function secret_uses(text);
drop function secret_id(text);
drop table secrets;
drop table secret_revisions;
drop function secret_changed();

commit;
