-- Deploy millrace:schema
-- Everything Millrace owns lives in one schema, owned by millrace_owner. The roles exist already
-- (sql/roles/roles.sql); this runs as millrace_owner or as somebody who may become it.
begin;
set local lock_timeout = '5s';
set local role millrace_owner;

create schema millrace;
revoke all on schema millrace from public;
grant usage on schema millrace to millrace_api, millrace_engine;
alter default privileges revoke execute on functions from public;
set local search_path = millrace, pg_temp;

-- The tenant that the unit has set, or null. Policies call it inside a sub-select, so that it is
-- evaluated once a statement.
create function current_tenant() returns bigint
language sql stable parallel safe
return nullif(current_setting('app.tenant', true), '')::bigint;

-- RFC 3339 in UTC with Z, for JSON. Half the price of to_char; the roles' DateStyle is ISO. Stable,
-- not immutable, so that it is inlined.
create function ts(t timestamptz) returns text
language sql stable parallel safe
return replace((t at time zone 'UTC')::text, ' ', 'T') || 'Z';

-- JSON of a text or time that may be null, for lists: they are put together by concat(), which
-- takes three quarters of the time of json_build_object().
create function quoted(t text) returns text
language sql stable parallel safe
return coalesce(to_json(t)::text, 'null');

create function quoted(t timestamptz) returns text
language sql stable parallel safe
return coalesce('"' || ts(t) || '"', 'null');

-- Microseconds since 1970, as the programs count time, and back.
create function us(t timestamptz) returns bigint
language sql immutable parallel safe
return (extract(epoch from t) * 1000000)::bigint;

create function from_us(t bigint) returns timestamptz
language sql immutable parallel safe
return to_timestamp(t / 1000000.0::double precision);

-- LISTEN takes no parameters and is no SELECT; this makes it a statement like all others.
create function bus_listen() returns void
language plpgsql
as $$
begin
	listen millrace;
end
$$;

grant execute on function current_tenant(), ts(timestamptz), quoted(text), quoted(timestamptz), us(timestamptz), from_us(bigint),
	bus_listen() to millrace_api, millrace_engine;

commit;
