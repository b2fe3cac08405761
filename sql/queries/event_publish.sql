-- name:    event_publish
-- purpose: stores an event and gives it to the runs that wait for its type
-- params:  event_type text, source text?, data json?, body json, tenant_id int8, principal_name text?, correlation_id text?
-- returns: one (status int4, body json, location text, version int8, error text, entity_type text, entity_id int8, action text, changes jsonb, wake text)
-- flags:   write
-- correlation_id is the request's; one in the body goes first.
with published as materialized (
	select p.event, p.woken
	from publish_event(:tenant_id, :event_type, :source, coalesce(:data, 'null'),
		coalesce(:body ->> 'correlation_id', :correlation_id), :principal_name) p
), answer as (
	select 201 as status,
		json_build_object(
			'id', (p.event).id,
			'event_id', (p.event).id,
			'event_type', (p.event).event_type,
			'source', (p.event).source,
			'data', (p.event).data,
			'correlation_id', (p.event).correlation_id,
			'published_at', ts((p.event).published_at),
			'published_by', (p.event).published_by,
			'run_id', (p.event).run_id,
			'woken_runs', cardinality(p.woken)) as body,
		'/api/v1/events/' || (p.event).id as location,
		null::int8 as version,
		null as error,
		'event' as entity_type,
		(p.event).id as entity_id,
		'published' as action,
		jsonb_build_object('event_type', (p.event).event_type, 'woken_runs', cardinality(p.woken)) as changes,
		case when cardinality(p.woken) > 0 then 'c:0' end as wake
	from published p
)
