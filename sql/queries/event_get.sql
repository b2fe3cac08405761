-- name:    event_get
-- purpose: one published event
-- params:  id int8
-- returns: one (body json, version int8)
-- flags:   read
-- index:   events_pkey
-- An event never changes.
select json_build_object(
	'id', e.id,
	'event_id', e.id,
	'event_type', e.event_type,
	'source', e.source,
	'data', e.data,
	'correlation_id', e.correlation_id,
	'published_at', ts(e.published_at),
	'published_by', e.published_by,
	'run_id', e.run_id) as body, 1::int8 as version
from events e
where e.id = :id
