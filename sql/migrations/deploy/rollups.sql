-- Deploy millrace:rollups
-- Who asked for what, how it was answered and how long it took; how runs ended. Summed up by hour, then by day.
begin;
set local lock_timeout = '5s';
set local role millrace_owner;
set local search_path = millrace, pg_temp;

-- grain: "hour" rows become "day" rows, which are removed one day; "ever" rows have neither caller nor workflow,
-- and are never removed: counters for Prometheus, that never fall.
-- outcome: an answer's status, or a run's. buckets: how many took at most each of rollup_bounds(what), and longer.
create table rollups (
	tenant_id int8 not null references tenants,
	what text not null check (what in ('request', 'run')),
	grain text not null check (grain in ('hour', 'day', 'ever')),
	at timestamptz not null,
	route text not null,
	method text not null,
	key_id int8 not null,
	principal_id int8 not null,
	workflow_id int8 not null,
	outcome text not null,
	error_code text not null,
	n int8 not null,
	sum_us int8 not null,
	max_us int8 not null,
	buckets int8[] not null,
	primary key (tenant_id, what, grain, at, route, method, key_id, principal_id, workflow_id, outcome, error_code)
) with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
create index rollups_age_idx on rollups (grain, at);

-- What ended in one flush of an engine, in the flush's own transaction; summed up into rollups soon after.
create table run_ends (
	at timestamptz not null,
	tenant_id int8 not null references tenants,
	workflow_id int8 not null,
	outcome text not null,
	error_code text not null,
	bucket int4 not null,
	n int8 not null,
	sum_us int8 not null,
	max_us int8 not null
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000);
create index run_ends_idx on run_ends (at);

-- The last sums that each writer had taken: one that is sent again is not counted again.
create table rollup_writers (
	writer text primary key,
	batch int8 not null,
	at timestamptz not null
) with (fillfactor = 50);

do $$
declare
	t text;
begin
	foreach t in array '{rollups,run_ends,rollup_writers}'::text[] loop
		execute format('alter table %I enable row level security, force row level security', t);
		execute format('create policy owner_all on %I to millrace_owner using (true) with check (true)', t);
	end loop;
end
$$;
create policy api_tenant on rollups to millrace_api using (tenant_id = (select current_tenant()));
create policy engine_all on run_ends to millrace_engine using (true) with check (true);
grant select on rollups to millrace_api;
grant insert on run_ends to millrace_engine;

-- Microseconds: of requests those of http_request_duration_seconds, of runs up to a day.
create function rollup_bounds(what text) returns int8[]
language sql immutable parallel safe
return case what
	when 'run' then '{10000,50000,100000,250000,500000,1000000,2500000,5000000,10000000,30000000,60000000,300000000,3600000000,86400000000}'::int8[]
	else '{500,1000,2500,5000,10000,25000,50000,100000,250000,500000,1000000,2500000,5000000,10000000}'::int8[] end;

create function run_bucket(took_us bigint) returns int
language sql immutable parallel safe
return width_bucket(took_us - 1, rollup_bounds('run'));

create function buckets_add(a int8[], b int8[]) returns int8[]
language sql immutable strict parallel safe
return (select array_agg(coalesce(x, 0) + coalesce(y, 0) order by i) from unnest(a, b) with ordinality as u (x, y, i));

-- The moment (in milliseconds) below which the share P lies: the estimate, evenly within its bucket, and the bucket's
-- bounds, between which the true one lies.
create function rollup_quantile(buckets int8[], bounds int8[], most_us bigint, p float8) returns float8[]
language sql immutable parallel safe
begin atomic
	with counted as (
		select u.n, coalesce(bounds[u.i - 1], 0)::float8 as low, least(coalesce(bounds[u.i], most_us), most_us)::float8 as high,
			sum(u.n) over (order by u.i) as upto, sum(u.n) over () as n_all
		from unnest(buckets) with ordinality as u (n, i)
	)
	select array[round((c.low + (greatest(c.high, c.low) - c.low) * (p * c.n_all - (c.upto - c.n)) / c.n)::numeric / 1000, 3)::float8,
		c.low / 1000, greatest(c.high, c.low) / 1000]
	from counted c
	where c.n > 0
		and c.upto >= p * c.n_all
	order by c.upto
	limit 1;
end;

create type rollup_delta as (
	tenant_id int8, what text, at timestamptz, route text, method text, key_id int8, principal_id int8, workflow_id int8,
	outcome text, error_code text, n int8, sum_us int8, max_us int8, buckets int8[]);

-- Adds what is given to the rows of a grain; what comes first comes by the hour, and is counted for ever as well.
-- In one order of rows, so that two writers never wait for each other.
create function rollups_store(given rollup_delta[], grain text) returns void
language sql set search_path = millrace, pg_temp
begin atomic
	insert into rollups as r (tenant_id, what, grain, at, route, method, key_id, principal_id, workflow_id, outcome, error_code,
		n, sum_us, max_us, buckets)
	select s.*
	from (
		select g.tenant_id, g.what, rollups_store.grain, date_trunc(rollups_store.grain, g.at, 'UTC') as at, g.route, g.method, g.key_id,
			g.principal_id, g.workflow_id, g.outcome, g.error_code,
			sum(g.n)::int8, sum(g.sum_us)::int8, max(g.max_us), array[sum(g.buckets[1]), sum(g.buckets[2]), sum(g.buckets[3]), sum(g.buckets[4]), sum(g.buckets[5]), sum(g.buckets[6]), sum(g.buckets[7]), sum(g.buckets[8]), sum(g.buckets[9]), sum(g.buckets[10]), sum(g.buckets[11]), sum(g.buckets[12]), sum(g.buckets[13]), sum(g.buckets[14]), sum(g.buckets[15])]::int8[]
		from unnest(given) g
		group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
		union all
		select g.tenant_id, g.what, 'ever', '-infinity', g.route, g.method, 0, 0, 0, g.outcome, '',
			sum(g.n)::int8, sum(g.sum_us)::int8, max(g.max_us), array[sum(g.buckets[1]), sum(g.buckets[2]), sum(g.buckets[3]), sum(g.buckets[4]), sum(g.buckets[5]), sum(g.buckets[6]), sum(g.buckets[7]), sum(g.buckets[8]), sum(g.buckets[9]), sum(g.buckets[10]), sum(g.buckets[11]), sum(g.buckets[12]), sum(g.buckets[13]), sum(g.buckets[14]), sum(g.buckets[15])]::int8[]
		from unnest(given) g
		where rollups_store.grain = 'hour'
		group by 1, 2, 5, 6, 10
	) s
	order by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
	on conflict (tenant_id, what, grain, at, route, method, key_id, principal_id, workflow_id, outcome, error_code) do update
	set n = r.n + excluded.n,
		sum_us = r.sum_us + excluded.sum_us,
		max_us = greatest(r.max_us, excluded.max_us),
		buckets = buckets_add(r.buckets, excluded.buckets);
end;

-- What one worker counted since it last wrote. A workflow that isn't the tenant's is none: the id is what a client sent.
create function rollups_add(writer text, batch bigint, tenants int8[], hours int8[], routes text[], methods text[], keys int8[],
	principals int8[], workflows int8[], outcomes text[], codes text[], counts int8[], sums int8[], most int8[], buckets text[])
returns void
language plpgsql security definer set search_path = millrace, pg_temp
as $$
begin
	insert into rollup_writers as w (writer, batch, at)
	values (rollups_add.writer, rollups_add.batch, now())
	on conflict on constraint rollup_writers_pkey do update
	set batch = excluded.batch, at = excluded.at
	where w.batch < excluded.batch;
	if not found then
		return;
	end if;
	perform rollups_store(array_agg(row(g.tenant_id, 'request', to_timestamp(g.hour * 3600), g.route, g.method, g.key_id, g.principal_id,
			coalesce(w.id, 0), g.outcome, g.code, g.n, g.sum_us, g.max_us, g.buckets::int8[])::rollup_delta), 'hour')
	from unnest(rollups_add.tenants, hours, routes, methods, keys, principals, workflows, outcomes, codes, counts, sums, most,
			rollups_add.buckets)
		as g (tenant_id, hour, route, method, key_id, principal_id, workflow_id, outcome, code, n, sum_us, max_us, buckets)
	join tenants t on t.id = g.tenant_id
	left join workflows w on w.id = g.workflow_id and w.tenant_id = g.tenant_id;
end
$$;

-- Ends of runs summed up; hours become days; days go. One at a time, in bounded pieces.
create function rollups_upkeep(hours_days int, days int, batch int, out ends bigint, out hours bigint, out gone bigint)
language plpgsql security definer set search_path = millrace, pg_temp
as $$
declare
	today constant timestamptz := date_trunc('day', now(), 'UTC');
	given rollup_delta[];
begin
	ends := 0;
	hours := 0;
	gone := 0;
	if not pg_try_advisory_xact_lock(hashtext('millrace.rollups')) then
		return;
	end if;
	with taken as (
		delete from run_ends e
		where e.ctid = any (array(select o.ctid from run_ends o order by o.at limit batch))
		returning *
	)
	select count(*), array_agg(row(t.tenant_id, 'run', t.at, '', '', 0, 0, t.workflow_id, t.outcome, t.error_code, t.n, t.sum_us, t.max_us,
		array_fill(0::int8, array[t.bucket]) || t.n || array_fill(0::int8, array[14 - t.bucket]))::rollup_delta)
	into ends, given
	from taken t;
	perform rollups_store(given, 'hour');

	with old as (
		delete from rollups r
		where r.ctid = any (array(
			select o.ctid
			from rollups o
			where o.grain = 'hour'
				and o.at < today - make_interval(days => hours_days)
			order by o.at
			limit batch))
		returning *
	)
	select count(*), array_agg(row(o.tenant_id, o.what, o.at, o.route, o.method, o.key_id, o.principal_id, o.workflow_id, o.outcome,
		o.error_code, o.n, o.sum_us, o.max_us, o.buckets)::rollup_delta)
	into hours, given
	from old o;
	perform rollups_store(given, 'day');

	delete from rollups r
	where r.ctid = any (array(
		select o.ctid
		from rollups o
		where o.grain = 'day'
			and o.at < today - make_interval(days => days)
		order by o.at
		limit batch));
	get diagnostics gone = row_count;
	delete from rollup_writers
	where at < today - interval '7 days';
end
$$;

-- Sums of the caller's tenant between two moments, one row for each of what is in GROUPED: time, route, key, principal,
-- workflow, status, error_code. Hours count from the hour in which AFTER lies, days from its day.
-- id tells the row on further pages; it comes from what the row is for.
create function rollup_groups(what text, after timestamptz, before timestamptz, route text, method text, key_id bigint, principal_id bigint,
	workflow_id bigint, statuses text[], error_code text, only_errors boolean, grouped text[])
returns table (at timestamptz, route text, method text, key_id bigint, principal_id bigint, workflow_id bigint, status text, error_code text,
	id bigint, n bigint, client_errors bigint, server_errors bigint, sum_us bigint, max_us bigint, buckets int8[])
language sql stable
begin atomic
	with asked as materialized (
		select coalesce(rollup_groups.what, 'request') as what, coalesce(after, now() - interval '24 hours') as after
	), read as (
		select r.*
		from asked a
		join rollups r on r.what = a.what
			and r.grain = 'hour'
			and r.at >= date_trunc('hour', a.after, 'UTC')
			and r.at < coalesce(before, 'infinity')
		union all
		select r.*
		from asked a
		join rollups r on r.what = a.what
			and r.grain = 'day'
			and r.at >= date_trunc('day', a.after, 'UTC')
			and r.at < coalesce(before, 'infinity')
	), summed as (
		select case when 'hour' = any (grouped) then date_trunc('hour', r.at, 'UTC') when 'day' = any (grouped) then date_trunc('day', r.at, 'UTC') end as at,
			case when 'route' = any (grouped) then r.route end as route,
			case when 'route' = any (grouped) then r.method end as method,
			case when 'key' = any (grouped) then r.key_id end as key_id,
			case when 'key' = any (grouped) then r.principal_id end as principal_id,
			case when 'workflow' = any (grouped) then r.workflow_id end as workflow_id,
			case when 'status' = any (grouped) then r.outcome end as status,
			case when 'error_code' = any (grouped) then r.error_code end as error_code,
			sum(r.n)::int8 as n,
			coalesce(sum(r.n) filter (where r.outcome ~ '^4' or r.outcome in ('failed', 'compensated')), 0)::int8 as client_errors,
			coalesce(sum(r.n) filter (where r.outcome ~ '^5' or r.outcome = 'timed_out'), 0)::int8 as server_errors,
			sum(r.sum_us)::int8 as sum_us,
			max(r.max_us) as max_us,
			array[sum(r.buckets[1]), sum(r.buckets[2]), sum(r.buckets[3]), sum(r.buckets[4]), sum(r.buckets[5]), sum(r.buckets[6]), sum(r.buckets[7]), sum(r.buckets[8]), sum(r.buckets[9]), sum(r.buckets[10]), sum(r.buckets[11]), sum(r.buckets[12]), sum(r.buckets[13]), sum(r.buckets[14]), sum(r.buckets[15])]::int8[] as buckets
		from read r
		where (rollup_groups.route is null or r.route = rollup_groups.route)
			and (rollup_groups.method is null or r.method = upper(rollup_groups.method))
			and (rollup_groups.key_id is null or r.key_id = rollup_groups.key_id)
			and (rollup_groups.principal_id is null or r.principal_id = rollup_groups.principal_id)
			and (rollup_groups.workflow_id is null or r.workflow_id = rollup_groups.workflow_id)
			and (statuses is null or r.outcome = any (statuses) or left(r.outcome, 1) || 'xx' = any (statuses))
			and (rollup_groups.error_code is null or r.error_code = rollup_groups.error_code)
			and (not only_errors or r.outcome ~ '^[45]' or r.outcome in ('failed', 'compensated', 'timed_out'))
		group by 1, 2, 3, 4, 5, 6, 7, 8
	)
	select s.at, s.route, s.method, s.key_id, s.principal_id, s.workflow_id, s.status, s.error_code,
		hashtextextended(concat_ws('/', s.at::text, s.route, s.method, s.key_id, s.principal_id, s.workflow_id, s.status, s.error_code), 0) & 9007199254740991,
		s.n, s.client_errors, s.server_errors, s.sum_us, s.max_us, s.buckets
	from summed s;
end;
grant execute on function rollups_add(text, bigint, int8[], int8[], text[], text[], int8[], int8[], int8[], text[], text[], int8[], int8[], int8[], text[])
	to millrace_api;
grant execute on function rollup_bounds(text), rollup_quantile(int8[], int8[], bigint, float8),
	rollup_groups(text, timestamptz, timestamptz, text, text, bigint, bigint, bigint, text[], text, boolean, text[]) to millrace_api;
grant execute on function rollup_bounds(text), run_bucket(bigint), rollups_upkeep(int, int, int) to millrace_engine;

commit;
