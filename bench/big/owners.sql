-- Whose runs the big database has: one tenant has nearly all, another one few of every age.
set search_path = millrace;
begin;
insert into tenants (name) values ('big'), ('few');
insert into workflows (tenant_id, name, digest, rendered_definition)
select t.id, 'history of ' || t.name, 'd', '"steps":[],"workflow_config":{}'
from tenants t
where t.name in ('big', 'few');
insert into workflow_versions (workflow_id, version, tenant_id, definition, steps, digest)
select w.id, 1, w.tenant_id, '{"steps":[]}', '[]', 'd'
from workflows w
where w.name like 'history of %';
commit;
