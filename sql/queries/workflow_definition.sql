-- name:    workflow_definition
-- purpose: the current definition as it is stored, for whoever changes it
-- params:  id int8
-- returns: one (workflow_id int8, version int4, revision int8, status text, name text, digest text, timeout_seconds int4, max_retries int4, definition json, workflow_config json, steps json)
-- flags:   read
select w.id as workflow_id, w.version, w.revision, w.status, w.name, w.digest, w.timeout_seconds, w.max_retries,
	v.definition, coalesce(v.config, v.definition) as workflow_config, v.steps
from workflows w
join workflow_versions v on v.workflow_id = w.id and v.version = w.version
where w.id = :id
