-- name:    workflow_version_restored
-- purpose: the definition of an earlier version, for whoever makes it the current one again
-- params:  id int8, version int4
-- returns: one (current_version int4, definition json, error text)
-- flags:   read
select w.version as current_version, v.definition,
	case when v.version is null then 'VERSION_NOT_FOUND' end as error
from workflows w
left join workflow_versions v on v.workflow_id = w.id and v.version = :version
where w.id = :id
