-- name:    _file_members
-- purpose: what is said of a file f, in a json_build_object()
-- params:  
			'id', f.id,
			'file_id', f.id,
			'name', f.name,
			'filename', f.name,
			'extension', f.extension,
			'content_type', f.content_type,
			'size', f.size,
			'sha256', f.sha256,
			'url', '/api/v1/files/' || f.id || '/content',
			'run_id', f.run_id,
			'created_by', f.created_by,
			'created_at', ts(f.created_at)
