-- name:    _latest_run
-- purpose: the latest run of the workflow c as its answer shows it, a text
-- params:
			coalesce((
				select json_build_object('id', r.id, 'run_id', r.id, 'status', r.status, 'version', r.version,
					'created_at', ts(r.created_at), 'started_at', ts(r.started_at), 'completed_at', ts(r.completed_at))::text
				from runs r
				where r.workflow_id = c.id
				order by r.created_at desc, r.id desc
				limit 1
			), 'null')
