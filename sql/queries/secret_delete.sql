-- name:    secret_delete
-- purpose: deletes a secret, unless a workflow that can run names it
-- params:  secret text, if_match int8?, force bool?
-- returns: one (status int4, body json, location text, version int8, error text, detail text, entity_type text, entity_id int8, action text, changes jsonb, wake text)
-- flags:   write slow
with found as materialized (
	select s.id, s.tenant_id, s.name, s.description, s.version, s.revision, s.created_by, s.updated_by, s.created_at,
		s.updated_at, s.value_updated_at
	from secrets s
	where s.id = (select secret_id(:secret))
	for update
), uses as materialized (
	select u.id, u.name
	from found f
	cross join lateral secret_uses(f.name) u
	where :force is not true
), judged as materialized (
	select f.id,
		case
			when f.revision <> :if_match then 'PRECONDITION_FAILED'
			when exists (select 1 from uses) then 'SECRET_IN_USE'
		end as error
	from found f
), deleted as (
	delete from secrets s
	using judged j
	where s.id = j.id
		and j.error is null
	returning s.id
), answer as (
	select case when j.error is null then 200 end as status,
		case when j.error is null then secret_members(f.id, f.name, f.description, f.version, f.created_by, f.updated_by,
			f.created_at, f.updated_at, f.value_updated_at) end as body,
		null as location,
		f.revision as version,
		j.error,
		case when j.error = 'SECRET_IN_USE' then 'Workflows use this secret: '
			|| (select string_agg(format('%s (%s)', u.name, u.id), ', ' order by u.id) from (select * from uses limit 5) u)
			|| case when (select count(*) from uses) > 5 then ', …' else '' end
			|| '. Change them first, or delete it all the same with force=true.' end as detail,
		'secret' as entity_type,
		f.id as entity_id,
		'deleted' as action,
		jsonb_build_object('name', f.name) as changes,
		's:' || f.tenant_id as wake
	from found f
	join judged j on j.id = f.id
)
