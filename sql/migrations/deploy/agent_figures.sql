-- Deploy millrace:agent_figures
-- How many agents there are for /metrics, by what their breakers are.
begin;
set local lock_timeout = '5s';
set local role millrace_owner;
set local search_path = millrace, pg_temp;

-- Of all tenants, for the operator: who asks has no tenant.
create function agent_figures() returns json
language sql stable security definer set search_path = millrace, pg_temp
begin atomic
	select coalesce(json_agg(json_build_object('tenant', t.name, 'state', g.state, 'count', g.n) order by t.name, g.state), '[]')
	from (
		select a.tenant_id, case when a.status = 'active' then agent_circuit(b) else a.status end as state, count(*) as n
		from agents a
		join agent_breakers b on b.agent_id = a.id
		where a.deleted_at is null
		group by 1, 2
	) g
	join tenants t on t.id = g.tenant_id;
end;
grant execute on function agent_figures() to millrace_api;

commit;
