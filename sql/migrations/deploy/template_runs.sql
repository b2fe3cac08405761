-- Deploy millrace:template_runs
-- How the runs of workflows that were made of a template ended: sums, kept when ends of runs are summed up, so that asking
-- costs the same however many runs there were.
begin;
set local lock_timeout = '5s';
set local role millrace_owner;
set local search_path = millrace, pg_temp;

-- Of a template of the library each tenant has rows of its own.
create table template_runs (
	template_id int8 not null references templates,
	tenant_id int8 not null references tenants,
	outcome text not null,
	n int8 not null,
	sum_us int8 not null,
	max_us int8 not null,
	last_at timestamptz not null,
	primary key (template_id, tenant_id, outcome)
) with (fillfactor = 50);
alter table template_runs enable row level security, force row level security;
create policy owner_all on template_runs to millrace_owner using (true) with check (true);
create policy api_tenant on template_runs for select to millrace_api using (tenant_id = (select current_tenant()));
grant select on template_runs to millrace_api;

-- What was taken out of run_ends is in rollups from now on, and here. In one order of rows, as there.
create function template_runs_add() returns trigger
language plpgsql security definer set search_path = millrace, pg_temp
as $$
begin
	insert into template_runs as t (template_id, tenant_id, outcome, n, sum_us, max_us, last_at)
	select w.template_id, g.tenant_id, g.outcome, sum(g.n), sum(g.sum_us), max(g.max_us), max(g.at)
	from gone g
	join workflows w on w.id = g.workflow_id
	where w.template_id is not null
	group by 1, 2, 3
	order by 1, 2, 3
	on conflict (template_id, tenant_id, outcome) do update
	set n = t.n + excluded.n,
		sum_us = t.sum_us + excluded.sum_us,
		max_us = greatest(t.max_us, excluded.max_us),
		last_at = greatest(t.last_at, excluded.last_at);
	return null;
end
$$;

-- Nobody moves ends of runs from here to the commit, while flushes add to them as ever: what was summed up before comes
-- from the sums, what is left will come by the trigger.
select pg_advisory_xact_lock(hashtext('millrace.rollups'));
insert into template_runs (template_id, tenant_id, outcome, n, sum_us, max_us, last_at)
select w.template_id, r.tenant_id, r.outcome, sum(r.n), sum(r.sum_us), max(r.max_us), max(r.at)
from rollups r
join workflows w on w.id = r.workflow_id
where r.what = 'run'
	and r.grain in ('hour', 'day')
	and w.template_id is not null
group by 1, 2, 3;
create trigger template_runs_add after delete on run_ends referencing old table as gone
for each statement execute function template_runs_add();

commit;
