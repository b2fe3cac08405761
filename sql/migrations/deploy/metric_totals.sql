-- Deploy millrace:metric_totals
-- What engines counted outlives them: when an engine's row goes, its counters go into the totals. Figures for /metrics
-- are looked up in bounded time.
begin;
set local lock_timeout = '5s';
set local role millrace_owner;
set local search_path = millrace, pg_temp;

-- series: a metric's name and labels, without the tenant's. numbers: a counter's, or a histogram's sum and buckets.
create table metric_totals (
	tenant_id int8 not null,                    -- 0: no tenant's
	series text collate "C" not null,
	numbers float8[] not null,
	primary key (tenant_id, series)
) with (fillfactor = 70);
alter table metric_totals enable row level security, force row level security;
create policy owner_all on metric_totals to millrace_owner using (true) with check (true);

create function numbers_add(a float8[], b float8[]) returns float8[]
language sql immutable strict parallel safe
return (select array_agg(coalesce(x, 0) + coalesce(y, 0) order by i) from unnest(a, b) with ordinality as u (x, y, i));
create aggregate numbers_sum(float8[]) (sfunc = numbers_add, stype = float8[], parallel = safe);

-- The counters in what an engine writes into its row: of all tenants, or of one.
create function metrics_counted(metrics jsonb, of_tenant bigint) returns table (tenant_id bigint, series text, numbers float8[])
language sql immutable parallel safe
begin atomic
	select (c.value ->> 0)::int8, (c.value ->> 1) collate "C", array(select e.n::float8 from jsonb_array_elements_text(c.value -> 2) e (n))
	from jsonb_array_elements(case when jsonb_typeof(metrics -> 'counted') = 'array' then metrics -> 'counted' end) c
	where of_tenant is null
		or (c.value ->> 0)::int8 = of_tenant;
end;

-- Adds what engines had that are no more. In one order of rows, so that two who do so never wait for each other. A
-- tenant's names are its own: of more than 2,000 series the rest is counted under the metric's bare name.
create function metric_totals_add(metrics jsonb[]) returns bigint
language sql security definer set search_path = millrace, pg_temp
begin atomic
	with given as (
		select c.tenant_id, c.series, numbers_sum(c.numbers) as numbers
		from unnest(metrics) as m (one)
		cross join lateral metrics_counted(m.one, null) c
		group by 1, 2
	), placed as (
		select g.tenant_id, case when g.n > 2000 and t.series is null then split_part(g.series, '{', 1) else g.series end as series, g.numbers
		from (
			select x.*, row_number() over (partition by x.tenant_id order by x.series)
				+ (select count(*) from (select 1 from metric_totals o where o.tenant_id = x.tenant_id limit 2001) k) as n
			from given x
		) g
		left join metric_totals t on t.tenant_id = g.tenant_id and t.series = g.series
	), added as (
		insert into metric_totals as t (tenant_id, series, numbers)
		select p.tenant_id, p.series, numbers_sum(p.numbers)
		from placed p
		group by 1, 2
		order by 1, 2
		on conflict (tenant_id, series) do update
		set numbers = numbers_add(t.numbers, excluded.numbers)
		returning 1
	)
	select count(*) from added;
end;
grant execute on function metric_totals_add(jsonb[]) to millrace_engine;

-- Everything that was ever counted: by engines that are and that were, and the sums of analytics; of all tenants, or
-- of one. Sums only: no run is looked at.
create function metric_series(of_tenant bigint) returns table (tenant_id bigint, series text, numbers float8[])
language sql stable
begin atomic
	with counted as materialized (
		select c.tenant_id, c.series, numbers_sum(c.numbers) as numbers
		from (
			select t.tenant_id, t.series, t.numbers
			from metric_totals t
			where of_tenant is null
				or t.tenant_id = of_tenant
			union all
			select m.tenant_id, m.series, m.numbers
			from engines e
			cross join lateral metrics_counted(e.metrics, of_tenant) m
		) c
		group by 1, 2
	), steps as (
		select c.tenant_id, substring(c.series from 'action_type="([^"]*)"') as action_type,
			sum(c.numbers[1]) filter (where c.series like '%outcome="completed"}') as completed,
			sum(c.numbers[1]) filter (where c.series like '%outcome="completed"}' or c.series like '%outcome="failed"}') as ended
		from counted c
		where c.series like 'millrace\_step\_executions\_total{%'
		group by 1, 2
	)
	select c.tenant_id, c.series, c.numbers
	from counted c
	union all
	select s.tenant_id, format('action_success_rate{action_type="%s"}', s.action_type), array[round((coalesce(s.completed, 0) / s.ended)::numeric, 6)::float8]
	from steps s
	where s.ended > 0
		and s.action_type is not null
	union all
	select r.tenant_id, format('millrace_runs_ended_total{status="%s"}', r.outcome), array[r.n::float8]
	from tenants t
	join rollups r on r.tenant_id = t.id and r.what = 'run' and r.grain = 'ever'
	where of_tenant is null
		or t.id = of_tenant;
end;

-- For the operator.
create function metrics_series() returns table (tenant text, series text, numbers float8[])
language sql stable security definer set search_path = millrace, pg_temp
begin atomic
	select t.name, s.series, s.numbers
	from metric_series(null) s
	left join tenants t on t.id = s.tenant_id
	where t.id is not null
		or s.tenant_id = 0
	order by split_part(s.series, '{', 1) collate "C", t.name, s.series;
end;

-- For the caller's tenant: its requests as well, which are no tenant's in the workers' own counters.
create function tenant_metrics_series() returns table (series text, numbers float8[])
language sql stable security definer set search_path = millrace, pg_temp
begin atomic
	select s.series, s.numbers
	from (
		select m.series, m.numbers
		from metric_series(current_tenant()) m
		where current_tenant() <> 0
		union all
		select format('http_requests_total{method="%s",route="%s",status="%s"}', r.method, r.route, r.outcome), array[r.n::float8]
		from rollups r
		where r.tenant_id = current_tenant()
			and r.what = 'request'
			and r.grain = 'ever'
		union all
		select format('http_request_duration_seconds{method="%s",route="%s"}', r.method, r.route),
			(sum(r.sum_us) / 1000000.0)::float8 || array[sum(r.buckets[1]), sum(r.buckets[2]), sum(r.buckets[3]), sum(r.buckets[4]), sum(r.buckets[5]), sum(r.buckets[6]), sum(r.buckets[7]), sum(r.buckets[8]), sum(r.buckets[9]), sum(r.buckets[10]), sum(r.buckets[11]), sum(r.buckets[12]), sum(r.buckets[13]), sum(r.buckets[14]), sum(r.buckets[15])]::float8[]
		from rollups r
		where r.tenant_id = current_tenant()
			and r.what = 'request'
			and r.grain = 'ever'
		group by r.method, r.route
	) s
	order by split_part(s.series, '{', 1) collate "C", s.series;
end;
grant execute on function metrics_series(), tenant_metrics_series() to millrace_api;

-- Counts by tenant are bounded: a queue of ten million is not counted to its end.
create or replace function metrics_figures() returns json
language sql stable security definer set search_path = millrace, pg_temp
begin atomic
	with recursive groups (priority, tenant_id, created_at, n) as (
		-- one step for each tenant that has something queued at a priority, with its oldest
		(
			select r.priority, r.tenant_id, r.created_at, 1
			from runs r
			where r.queued
			order by r.priority desc, r.tenant_id desc, r.id
			limit 1
		)
		union all
		select next.priority, next.tenant_id, next.created_at, g.n + 1
		from groups g
		cross join lateral (
			select r.priority, r.tenant_id, r.created_at
			from runs r
			where r.queued
				and (r.priority, r.tenant_id) < (g.priority, g.tenant_id)
			order by r.priority desc, r.tenant_id desc, r.id
			limit 1
		) next
		where g.n < 1000
	), queue as (
		select g.tenant_id, sum(c.n) as depth, extract(epoch from now() - min(g.created_at)) as oldest_seconds
		from groups g
		cross join lateral (
			select count(*) as n
			from (select 1 from runs r where r.queued and r.priority = g.priority and r.tenant_id = g.tenant_id limit 100000) q
		) c
		group by g.tenant_id
	)
	select json_build_object(
		'queue', coalesce((
			select json_agg(json_build_object('tenant', t.name, 'depth', coalesce(q.depth, 0),
				'oldest_seconds', coalesce(q.oldest_seconds, 0)) order by t.name)
			from tenants t
			left join queue q on q.tenant_id = t.id), '[]'::json),
		'runs', coalesce((
			select json_agg(json_build_object('tenant', t.name, 'status', s.status, 'count', c.n) order by t.name, s.status)
			from tenants t
			cross join unnest('{pending,running,paused,compensating}'::text[]) as s (status)
			cross join lateral (
				select count(*) as n
				from (select 1 from runs r where r.tenant_id = t.id and r.status = s.status limit 100000) a
			) c
			where c.n > 0), '[]'::json),
		'sleeping', (select count(*) from (select 1 from runs where wake_at is not null limit 100000) s),
		'due', (select count(*) from (select 1 from runs where wake_at <= now() limit 100000) d),
		'engines', coalesce((
			select json_agg(json_build_object('id', id, 'name', name, 'host', host, 'alive', lease_until > now(),
				'now', metrics -> 'now') order by id)
			from engines), '[]'::json),
		'pending_commands', (select count(*) from (select 1 from run_commands where applied_at is null limit 100000) c),
		'journal_horizon_age_seconds', coalesce((
			select extract(epoch from now() - min(xact_start))
			from pg_stat_activity
			where backend_xid is not null and pid <> pg_backend_pid()), 0),
		'connections', (select count(*) from pg_stat_activity where datname = current_database()));
end;

commit;
