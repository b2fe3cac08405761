-- Deploy millrace:schema_state
-- What sqitch has written down, for programs that may not read it: whether the schema has the change they
-- were built with. Where nothing was written down, no change is known.
begin;
set local lock_timeout = '2s';
set local role millrace_owner;
set local search_path = millrace, pg_temp;

create function schema_state(needed text, out known boolean, out latest text)
language plpgsql stable security definer set search_path = millrace, pg_temp
as $$
begin
	known := false;
	if to_regclass('sqitch.changes') is null then
		return;
	end if;
	execute 'select coalesce(bool_or(change = $1), false), (array_agg(change order by committed_at desc))[1]
		from sqitch.changes
		where project = $2'
		into known, latest
		using needed, 'millrace';
end
$$;
grant execute on function schema_state(text) to millrace_api, millrace_engine;

commit;
