-- The three roles, and what they may do with the database this is run in. For psql, as a
-- superuser; may be run again at any time. Passwords are set by whoever installs.
-- The owner may make databases: millrace-admin migrate rehearses changes in one of its own.
\set ON_ERROR_STOP on
begin;
do $$
declare
	r text;
begin
	foreach r in array '{millrace_owner,millrace_api,millrace_engine}'::text[] loop
		if not exists (select 1 from pg_roles where rolname = r) then
			execute format('create role %I login', r);
		end if;
		execute format('alter role %I nosuperuser nobypassrls %s nocreaterole noreplication', r,
			case r when 'millrace_owner' then 'createdb' else 'nocreatedb' end);
	end loop;
end
$$;

revoke all on database :"DBNAME" from public;
grant connect, create, temporary on database :"DBNAME" to millrace_owner;
grant connect on database :"DBNAME" to millrace_api, millrace_engine;
revoke create on schema public from public;

alter role millrace_owner in database :"DBNAME" set search_path = millrace, pg_temp;
alter role millrace_api in database :"DBNAME" set search_path = millrace, pg_temp;
alter role millrace_engine in database :"DBNAME" set search_path = millrace, pg_temp;

-- A transaction left open holds back the horizon below which the journal is read.
alter role millrace_owner in database :"DBNAME" set idle_in_transaction_session_timeout = '60s';
alter role millrace_api in database :"DBNAME" set idle_in_transaction_session_timeout = '10s';
alter role millrace_engine in database :"DBNAME" set idle_in_transaction_session_timeout = '10s';

alter role millrace_owner in database :"DBNAME" set datestyle = 'ISO';
alter role millrace_api in database :"DBNAME" set datestyle = 'ISO';
alter role millrace_engine in database :"DBNAME" set datestyle = 'ISO';

-- Statements look up rows by index, a few or a batch of them. Statistics of a table that was empty
-- a minute ago must not talk the planner into reading all of it, nor bitmaps into reading a whole
-- tenant for one page. And planning a list anew for each page's size costs more than the list.
do $$
declare
	r text;
	what text;
begin
	foreach r in array '{millrace_api,millrace_engine}'::text[] loop
		foreach what in array '{enable_seqscan,enable_bitmapscan,enable_hashjoin,enable_mergejoin,jit}'::text[] loop
			execute format('alter role %I in database %I set %s = off', r, current_database(), what);
		end loop;
		execute format('alter role %I in database %I set plan_cache_mode = force_generic_plan', r, current_database());
	end loop;
end
$$;
commit;
