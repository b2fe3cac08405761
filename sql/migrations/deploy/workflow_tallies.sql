-- Deploy millrace:workflow_tallies
-- How many workflows of each status every tenant has, without counting them: each statement that changes it adds what it
-- changed, which waits for nobody, and an engine sums that up now and then.
begin;
set local lock_timeout = '5s';
set local role millrace_owner;
set local search_path = millrace, pg_temp;

create table if not exists workflow_tallies (
	tenant_id int8 not null references tenants,
	status text not null,
	n int8 not null,
	is_sum boolean not null default false
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
create index if not exists workflow_tallies_idx on workflow_tallies (tenant_id);
create index if not exists workflow_tallies_new_idx on workflow_tallies (tenant_id) where not is_sum;
alter table workflow_tallies enable row level security, force row level security;
drop policy if exists owner_all on workflow_tallies;
create policy owner_all on workflow_tallies to millrace_owner using (true) with check (true);
drop policy if exists api_tenant on workflow_tallies;
create policy api_tenant on workflow_tallies for select to millrace_api using (tenant_id = (select current_tenant()));
grant select on workflow_tallies to millrace_api;

create or replace function workflow_tallies_add() returns trigger
language plpgsql security definer set search_path = millrace, pg_temp
as $$
begin
	if tg_op = 'INSERT' then
		insert into workflow_tallies (tenant_id, status, n)
		select tenant_id, status, count(*)
		from added
		group by 1, 2;
	elsif tg_op = 'DELETE' then
		insert into workflow_tallies (tenant_id, status, n)
		select tenant_id, status, -count(*)
		from gone
		group by 1, 2;
	else
		insert into workflow_tallies (tenant_id, status, n)
		select c.tenant_id, c.status, sum(c.n)
		from (
			select tenant_id, status, 1 as n from added
			union all
			select tenant_id, status, -1 from gone
		) c
		group by 1, 2
		having sum(c.n) <> 0;
	end if;
	return null;
end
$$;
create or replace trigger workflow_tallies_insert after insert on workflows referencing new table as added
for each statement execute function workflow_tallies_add();
create or replace trigger workflow_tallies_update after update on workflows referencing old table as gone new table as added
for each statement execute function workflow_tallies_add();
create or replace trigger workflow_tallies_delete after delete on workflows referencing old table as gone
for each statement execute function workflow_tallies_add();

-- What was added since becomes sums, some tenants at a time; what ended in a minute becomes one row a tenant, which
-- housekeeping adds to its hour.
create or replace function tallies_fold() returns void
language sql volatile security definer set search_path = millrace, pg_temp
begin atomic
	with gone as (
		delete from workflow_tallies
		where tenant_id in (select t.tenant_id from workflow_tallies t where not t.is_sum limit 1000)
		returning tenant_id, status, n
	)
	insert into workflow_tallies (tenant_id, status, n, is_sum)
	select tenant_id, status, sum(n), true
	from gone
	group by 1, 2
	having sum(n) <> 0;

	with gone as (
		delete from run_tallies
		where at >= date_trunc('hour', now())
			and at < date_trunc('minute', now())
			and at <> date_trunc('minute', at)
		returning *
	)
	insert into run_tallies (at, tenant_id, completed, failed, cancelled, timed_out)
	select date_trunc('minute', at), tenant_id, sum(completed), sum(failed), sum(cancelled), sum(timed_out)
	from gone
	group by 1, 2;
end;

commit;

begin;
set local role millrace_owner;
set local search_path = millrace, pg_temp;
-- From here on every change adds its own. One statement sees one moment: what was added up to then is in the count.
with counted as (
	delete from workflow_tallies
)
insert into workflow_tallies (tenant_id, status, n, is_sum)
select tenant_id, status, count(*), true
from workflows
group by 1, 2;
grant execute on function tallies_fold() to millrace_engine;

-- As before, but nothing is counted that is many, and the share is a number where no run ended.
create or replace function health_figures() returns json
language sql stable security definer set search_path = millrace, pg_temp
begin atomic
	select json_build_object(
		'total_workflows', (select coalesce(sum(n), 0) from workflow_tallies where status <> 'deleted'),
		'active_executions', (select count(*) from (
			select 1 from runs where status in ('pending', 'running', 'paused', 'compensating') limit 100000) a),
		'completed_executions_24h', t.completed,
		'failed_executions_24h', t.failed,
		'success_rate_24h', coalesce(round(100.0 * t.completed / nullif(t.completed + t.failed, 0), 1), 100),
		'engines', (select count(*) from engines where lease_until > now()))
	from (
		select coalesce(sum(completed), 0) as completed, coalesce(sum(failed + timed_out), 0) as failed
		from run_tallies
		where at > now() - interval '24 hours'
	) t;
end;

-- The last 24 hours of the caller's tenant: sums of hours, and what ended since the last full one.
create policy api_tenant on run_tallies for select to millrace_api using (tenant_id = (select current_tenant()));
grant select on run_tallies to millrace_api;

commit;
