-- Revert millrace:row_level_security
begin;
set local role millrace_owner;
set local search_path = millrace, pg_temp;

do $$
declare
	p record;
begin
	for p in select polname, polrelid::regclass as t from pg_policy where polrelid in
		(select oid from pg_class where relnamespace = 'millrace'::regnamespace) loop
		execute format('drop policy %I on %s', p.polname, p.t);
		execute format('alter table %s no force row level security, disable row level security', p.t);
	end loop;
end
$$;
revoke all on all tables in schema millrace from millrace_api, millrace_engine;
revoke all on all sequences in schema millrace from millrace_api, millrace_engine;

commit;
