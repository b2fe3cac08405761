-- Deploy millrace:maintenance_functions
begin;
set local lock_timeout = '5s';
set local role millrace_owner;
set local search_path = millrace, pg_temp;

-- Everything that must be done now and then, in bounded pieces. One at a time.
create function housekeeping(out partitions int, out idempotency_keys bigint, out commands bigint, out tallies bigint)
language plpgsql security definer set search_path = millrace, pg_temp
as $$
declare
	this_hour constant timestamptz := date_trunc('hour', now());
begin
	partitions := 0;
	idempotency_keys := 0;
	commands := 0;
	tallies := 0;
	if not pg_try_advisory_xact_lock(hashtext('millrace.housekeeping')) then
		return;
	end if;
	partitions := partitions_ensure();

	delete from millrace.idempotency_keys k
	where k.ctid = any (array(
		select o.ctid from millrace.idempotency_keys o
		where o.created_at < now() - interval '24 hours'
		limit 10000));
	get diagnostics idempotency_keys = row_count;

	delete from run_commands c
	where c.id = any (array(
		select o.id from run_commands o
		where o.applied_at < now() - interval '1 day'
			or o.applied_at is null and o.created_at < now() - interval '1 day'
				and not exists (select 1 from runs r
					where r.id = o.run_id and r.status in ('pending', 'running', 'paused', 'compensating'))
		limit 10000));
	get diagnostics commands = row_count;

	with old as (
		delete from run_tallies
		where at < this_hour and at <> date_trunc('hour', at)
		returning *
	)
	insert into run_tallies (at, tenant_id, completed, failed, cancelled, timed_out)
	select date_trunc('hour', at), tenant_id, sum(completed), sum(failed), sum(cancelled), sum(timed_out)
	from old
	group by 1, 2;
	get diagnostics tallies = row_count;
end
$$;

-- Partitions whose runs have all ended, the last of them before KEEP ago: dropped, with their
-- states. Gives back how many. Only the owner may.
create function partitions_drop(keep interval) returns int
language plpgsql set search_path = millrace, pg_temp
as $$
declare
	part record;
	old boolean;
	dropped int := 0;
begin
	perform pg_advisory_xact_lock(hashtext('millrace.partitions'));
	for part in
		select substr(c.relname, 7)::bigint as p
		from pg_inherits i
		join pg_class c on c.oid = i.inhrelid
		where i.inhparent = 'millrace.runs'::regclass
			and c.relname ~ '^runs_p[0-9]+$'
		order by 1
	loop
		exit when (part.p + 1) * 20000000 > (select last_value from run_id_seq);
		-- through the parent: the partition itself shows its rows to nobody
		old := not exists (select 1 from runs r
			where r.id >= part.p * 20000000 and r.id < (part.p + 1) * 20000000
				and (not is_terminal(r.status) or r.completed_at is null or r.completed_at > now() - keep));
		continue when not old;
		delete from run_states where run_id >= part.p * 20000000 and run_id < (part.p + 1) * 20000000;
		execute format('drop table millrace.runs_p%1$s, millrace.journal_p%1$s', part.p);
		dropped := dropped + 1;
	end loop;
	return dropped;
end
$$;

-- How many runs of the caller's tenant a list would have, as the planner sees it.
create function estimate_runs(workflow bigint, statuses text[]) returns bigint
language plpgsql volatile security definer set search_path = millrace, pg_temp
as $$
declare
	plan json;
begin
	execute format('explain (format json) select 1 from runs where tenant_id = %s%s%s', current_tenant(),
		case when workflow is not null then format(' and workflow_id = %s', workflow) else '' end,
		case when statuses is not null then format(' and status = any (%L::text[])', statuses) else '' end)
		into plan;
	return (plan -> 0 -> 'Plan' ->> 'Plan Rows')::float8::bigint;
end
$$;

-- Figures of the last 24 hours for /health: counts only, of all tenants.
create function health_figures() returns json
language sql stable security definer set search_path = millrace, pg_temp
begin atomic
	select json_build_object(
		'total_workflows', (select count(*) from workflows where status <> 'deleted'),
		'active_executions', (select count(*) from (
			select 1 from runs where status in ('pending', 'running', 'paused', 'compensating') limit 100000) a),
		'completed_executions_24h', t.completed,
		'failed_executions_24h', t.failed,
		'success_rate_24h', case when t.completed + t.failed > 0
			then round(100.0 * t.completed / (t.completed + t.failed), 1) end,
		'engines', (select count(*) from engines where lease_until > now()))
	from (
		select coalesce(sum(completed), 0) as completed, coalesce(sum(failed + timed_out), 0) as failed
		from run_tallies
		where at > now() - interval '24 hours'
	) t;
end;

-- Figures for the operator's /metrics: counts by tenant, and the engines' own counters.
create function metrics_figures() returns json
language sql stable security definer set search_path = millrace, pg_temp
begin atomic
	select json_build_object(
		'queue', coalesce((
			select json_agg(json_build_object('tenant', t.name, 'depth', q.depth, 'oldest_seconds', q.oldest_seconds) order by t.name)
			from (
				select r.tenant_id, count(*) as depth, extract(epoch from now() - min(r.created_at)) as oldest_seconds
				from runs r
				where r.queued
				group by r.tenant_id
			) q
			join tenants t on t.id = q.tenant_id), '[]'::json),
		'runs', coalesce((
			select json_agg(json_build_object('tenant', t.name, 'status', a.status, 'count', a.n) order by t.name, a.status)
			from (
				select r.tenant_id, r.status, count(*) as n
				from runs r
				where r.status in ('pending', 'running', 'paused', 'compensating')
				group by r.tenant_id, r.status
			) a
			join tenants t on t.id = a.tenant_id), '[]'::json),
		'ended', coalesce((
			select json_agg(json_build_object('tenant', t.name, 'completed', e.completed, 'failed', e.failed,
				'cancelled', e.cancelled, 'timed_out', e.timed_out) order by t.name)
			from (
				select tenant_id, sum(completed) as completed, sum(failed) as failed,
					sum(cancelled) as cancelled, sum(timed_out) as timed_out
				from run_tallies
				group by tenant_id
			) e
			join tenants t on t.id = e.tenant_id), '[]'::json),
		'sleeping', (select count(*) from runs where wake_at is not null),
		'due', (select count(*) from runs where wake_at <= now()),
		'engines', coalesce((
			select json_agg(json_build_object('id', id, 'name', name, 'host', host, 'alive', lease_until > now(),
				'metrics', metrics) order by id)
			from engines), '[]'::json),
		'pending_commands', (select count(*) from run_commands where applied_at is null),
		'journal_horizon_age_seconds', coalesce((
			select extract(epoch from now() - min(xact_start))
			from pg_stat_activity
			where backend_xid is not null and pid <> pg_backend_pid()), 0),
		'connections', (select count(*) from pg_stat_activity where datname = current_database()));
end;

grant execute on function housekeeping() to millrace_engine;
grant execute on function estimate_runs(bigint, text[]), health_figures(), metrics_figures() to millrace_api;

commit;
