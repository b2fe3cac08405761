-- What else the tenant "big" has beside its runs, in proportion to them: workflows, files, events, audit entries,
-- people, keys, agents, secrets; and a few runs that are rare in each respect. For plans.py.
set search_path = millrace;
set synchronous_commit = off;
begin;
select id as big from tenants where name = 'big' \gset
select id as huge from workflows where name = 'history of big' \gset

insert into workflows (tenant_id, name, description, status, digest, tags, created_by, created_at, updated_at, rendered_definition)
select :big, 'workflow ' || md5(g::text), 'made for bench', case when g % 1000 = 0 then 'paused' when g % 100 = 0 then 'inactive' when g % 10 = 0 then 'deleted' else 'active' end,
	'd', case when g % 2 = 0 then '{even}' else '{odd}' end::text[] || case when g = 7 then '{rare}' else '{}' end::text[],
	case when g = 7 then 'rare' else 'bench' end, t.at, t.at + interval '1 second' * (g % 1000), '"steps":[],"workflow_config":{}'
from generate_series(1, :runs / 10) g
cross join lateral (select now() - (:runs / 10 - g) * (interval '10 days' / (:runs / 10)) as at) t;
insert into workflow_versions (workflow_id, version, tenant_id, definition, steps, digest)
select w.id, 1, w.tenant_id, '{"steps":[]}', '[]', 'd'
from workflows w
where w.tenant_id = :big
	and w.id <> :huge;
insert into workflow_versions (workflow_id, version, tenant_id, definition, steps, digest)
select :huge, g, :big, '{"steps":[]}', '[]', 'd'
from generate_series(2, :runs / 1000) g;

insert into files (tenant_id, name, content_type, size, sha256, storage_key, created_by, created_at, run_id, step_execution_id)
select :big, 'file ' || md5(g::text), 'text/plain', (g * 7919) % 1000003, repeat('a', 64), 'more-' || g, 'bench', now() - g * interval '1 second',
	case when g % 2 = 0 then g end, case when g % 2 = 0 then g end
from generate_series(1, :runs / 100) g;
insert into events (tenant_id, event_type, source, correlation_id, published_at, published_by, offer)
select :big, case when g = 7 then 'rare' else 'type ' || g % 10 end, case when g = 7 then 'rare' else 'bench' end, 'e' || g,
	now() - g * interval '1 second', 'bench', g
from generate_series(1, :runs / 100) g;
insert into audit_logs (tenant_id, at, entity_type, entity_id, action, user_id, user_name, address, correlation_id, outcome)
select :big, now() - g * interval '1 second', case when g = 7 then 'rare' when g % 2 = 0 then 'workflow' else 'kind ' || g % 10 end, g % 1000, case when g = 7 then 'rare' when g % 2 = 0 then 'update' else 'act ' || g % 10 end,
	g % 10 + 1, 'bench', '10.0.0.' || g % 100, 'a' || g, case when g % 10000 = 0 then 'refused' else 'done' end
from generate_series(1, :runs / 100) g;
insert into principals (tenant_id, name, kind, roles, groups, created_at)
select :big, 'user ' || md5(g::text), case when g % 10 = 0 then 'service' else 'user' end, case when g = 7 then '{editor}' else '{viewer}' end::text[],
	case when g % 100 = 0 then '{"group 7"}' else '{}' end::text[], now() - g * interval '1 second'
from generate_series(1, :runs / 1000) g;
insert into groups (tenant_id, name, roles, created_at)
select :big, 'group ' || g, '{viewer}', now() - g * interval '1 second'
from generate_series(1, :runs / 10000) g;
insert into api_keys (tenant_id, principal_id, name, prefix, hash, scopes, roles, created_at, revoked_at)
select :big, (select min(p.id) from principals p where p.tenant_id = :big), 'key ' || md5(g::text), 'mrk_', sha256(('more' || g)::bytea),
	'{admin}', '{admin}', now() - g * interval '1 second', case when g % 1000 = 0 then now() end
from generate_series(1, :runs / 1000) g;
insert into agents (tenant_id, name, url, capabilities, status, created_at)
select :big, 'agent-' || g, 'https://agent.test/', case when g = 7 then '{rare}' else '{common}' end::text[],
	case when g % 100 = 0 then 'inactive' else 'active' end, now() - g * interval '1 second'
from generate_series(1, :runs / 10000) g;
insert into agent_outcomes (agent_id, tenant_id, at, ok, duration_ms)
select a.id, :big, now() - g * interval '1 second', true, g % 100
from agents a
cross join generate_series(1, 100) g
where a.tenant_id = :big;
insert into rollups (tenant_id, what, grain, at, route, method, key_id, principal_id, workflow_id, outcome, error_code, n, sum_us, max_us, buckets)
select :big, 'request', 'hour', date_trunc('hour', now(), 'UTC') - g / 100 * interval '1 hour', '/api/v1/route-' || g % 100, 'GET', g % 10, 1, 0,
	case when g % 10 = 0 then '404' else '200' end, case when g % 10 = 0 then 'RUN_NOT_FOUND' else '' end, g, g * 1000, 1000, array_fill(g::int8, array[15])
from generate_series(1, :runs / 100) g;
insert into secrets (tenant_id, name, sealed, created_at)
select :big, 'SECRET_' || g, decode(repeat('00', 40), 'hex'), now() - g * interval '1 second'
from generate_series(1, :runs / 10000) g;

-- rare runs: one in a million of each kind; ten thousand that share their correlation id; some of other workflows
update runs r set status = 'cancelled' where r.id in (select g * 1000000 / (10000000 / :runs) + 3 from generate_series(0, 9) g);
update runs r set triggered_by = 'rare' where r.id in (select g * 1000000 / (10000000 / :runs) + 5 from generate_series(0, 9) g);
update runs r set mode = 'saga', saga_type = case when r.id % 1000 = 1 then 'rare' else 'common' end
where r.id in (select g * 100 + 1 from generate_series(0, :runs / 1000) g);
update runs r set correlation_id = 'one for many' where r.id between :runs / 2 and :runs / 2 + 9999;
update runs r set workflow_id = (select min(w.id) from workflows w where w.tenant_id = :big and w.id > :huge)
where r.id between :runs / 4 and :runs / 4 + 99;
-- a run with ten thousand steps
insert into journal (id, tenant_id, run_id, seq, kind, step, step_execution_id, at, duration_us, data)
select s.id, :big, :runs / 3, s.g + 3, 'step.completed', 'step ' || s.g % 100, s.id, now(), 10, '{"type":"log","order":1,"output":{"message":"one","level":"info"}}'
from (select nextval('journal_id_seq') as id, g from generate_series(1, 10000) g) s;
update runs r set seq = 10003, correlation_id = 'the long one' where r.id = :runs / 3;
commit;
vacuum (analyze);
