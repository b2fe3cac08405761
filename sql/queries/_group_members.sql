-- name:    _group_members
-- purpose: what a group of sums is of, in a json_build_object()
-- params:  
			'time', ts(p.at),
			'method', p.method,
			'route', p.route,
			'key_id', nullif(p.key_id, 0),
			'key_name', (select k.name from api_keys k where k.id = p.key_id),
			'principal_id', nullif(p.principal_id, 0),
			'principal_name', (select n.name from principals n where n.id = p.principal_id),
			'workflow_id', nullif(p.workflow_id, 0),
			'workflow_name', (select w.name from workflows w where w.id = p.workflow_id),
			'status', p.status,
			'error_code', nullif(p.error_code, ''),
