-- name:    saga_list
-- purpose: one page of the tenant's sagas, newest first, without their steps
-- params:  status text[]?, saga_type text?, correlation_id text?, after_key text?, after_id int8?, page_limit int4, page_offset int4, want_total bool
-- returns: list
-- flags:   read
-- order:   -created_at = r.created_at timestamptz, -id = r.created_at timestamptz
-- index:   runs_saga_idx
with sought as (
	select coalesce(array_to_string(:status, ''), :saga_type, :correlation_id) is not null as filtered
-- include: _window
), looked_at as materialized (
	select r.*, ({key})::text as key
	from runs r
	where r.mode = 'saga'
		and ({key}, r.id) {cmp} (:after_key::{type}, :after_id) -- ?after_id
	order by {key} {dir}, r.id {dir}
	limit (select w.n from wanted w)
	offset (select w.skip from wanted w)
), found as materialized (
	select l.*
	from looked_at l
	where true
		and l.status = any (:status) -- ?status
		and l.saga_type = :saga_type -- ?saga_type
		and l.correlation_id = :correlation_id -- ?correlation_id
), countable as (
	select 1
	from runs r
	where r.mode = 'saga'
-- include: _window_page
), listed as (
	select coalesce(json_agg(json_build_object(
			'id', p.id,
			'saga_id', p.id,
			'run_id', p.id,
			'execution_id', p.id,
			'workflow_id', p.workflow_id,
			'workflow_name', (select w.name from workflows w where w.id = p.workflow_id),
			'version', p.version,
			'saga_type', p.saga_type,
			'tenant_id', p.saga_label,
			'correlation_id', p.correlation_id,
			'status', p.status,
			'is_terminal', is_terminal(p.status),
			'progress', p.progress,
			'error', p.error,
			'created_at', ts(p.created_at),
			'started_at', ts(p.started_at),
			'completed_at', ts(p.completed_at)) order by p.n) filter (where p.n <= :page_limit), '[]') as items,
-- include: _window_end
