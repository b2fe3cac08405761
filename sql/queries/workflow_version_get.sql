-- name:    workflow_version_get
-- purpose: one version of a workflow, with its steps
-- params:  id int8, version int4
-- returns: one (body json, version int8, error text)
-- flags:   read
select case when v.version is not null then json_build_object(
		'id', w.id,
		'workflow_id', w.id,
		'version', v.version,
		'is_current', v.version = w.version,
		'name', w.name,
		'digest', v.digest,
		'steps', v.steps,
		'workflow_config', coalesce(v.config, v.definition),
		'created_by', v.created_by,
		'created_at', ts(v.created_at)) end as body,
	v.version::int8 as version,
	case when v.version is null then 'VERSION_NOT_FOUND' end as error
from workflows w
left join workflow_versions v on v.workflow_id = w.id and v.version = :version
where w.id = :id
