-- name:    workflow_bulk_execute
-- purpose: starts a run for each item, all in one commit
-- params:  workflow_id int8, items json, dry_run bool?, tenant_id int8, principal_name text?, correlation_id text?, traceparent text?
-- returns: one (status int4, body json, location text, version int8, error text, entity_type text, entity_id int8, action text, changes jsonb, wake text)
-- flags:   write slow
with target as materialized (
	select w.id, w.version, case when w.status <> 'active' then 'WORKFLOW_NOT_ACTIVE' end as error
	from workflows w
	where w.id = :workflow_id
), items as materialized (
	-- under one of its names; null is as good as absent
	select case
			when i.value ->> 'input' is not null then i.value -> 'input'
			when i.value ->> 'input_data' is not null then i.value -> 'input_data'
			else i.value -> 'trigger_data'
		end as input, i.n,
		nextval('run_id_seq') as run_id
	from target t
	cross join json_array_elements(:items) with ordinality as i (value, n)
	where t.error is null
		and not coalesce(:dry_run, false)
), blocks as materialized (
	-- one block of journal ids serves a thousand rows
	select b, nextval('journal_id_seq') as base
	from generate_series(0, (select max(n) - 1 from items) / 1000) as b
), started as (
	insert into runs (id, tenant_id, workflow_id, version, seq, trigger_type, triggered_by, correlation_id, traceparent, input)
	select i.run_id, :tenant_id, t.id, t.version, 1, 'manual', :principal_name, :correlation_id, :traceparent,
		case when json_typeof(i.input) = 'object' then i.input else '{}' end
	from items i
	cross join target t
	returning id
), journalled as (
	insert into journal (id, tenant_id, run_id, seq, kind, at, data)
	select b.base + (i.n - 1) % 1000, :tenant_id, i.run_id, 1, 'created', now(),
		json_build_object('trigger_type', 'manual', 'triggered_by', :principal_name)
	from items i
	join blocks b on b.b = (i.n - 1) / 1000
), counted as (
	select coalesce(json_agg(i.run_id order by i.n), '[]') as run_ids, count(*) as n, min(i.run_id) as first
	from items i
), answer as (
	select case when t.error is null then 202 end as status,
		json_build_object('op', 'execute', 'workflow_id', t.id, 'dry_run', coalesce(:dry_run, false),
			'accepted', case when :dry_run then json_array_length(:items) else c.n end, 'run_ids', c.run_ids) as body,
		null as location,
		null::int8 as version,
		t.error,
		case when not coalesce(:dry_run, false) then 'workflow' end as entity_type,
		t.id as entity_id,
		'executed' as action,
		jsonb_build_object('runs', c.n, 'first_run_id', c.first) as changes,
		'r' as wake
	from target t
	cross join counted c
)
