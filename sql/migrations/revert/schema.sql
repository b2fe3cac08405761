-- Revert millrace:schema
begin;
set local role millrace_owner;
drop function millrace.bus_listen();
drop function millrace.from_us(bigint);
drop function millrace.us(timestamptz);
drop function millrace.quoted(timestamptz);
drop function millrace.quoted(text);
drop function millrace.ts(timestamptz);
drop function millrace.current_tenant();
drop schema millrace;
alter default privileges grant execute on functions to public;
commit;
