-- Deploy millrace:version_history
-- Deleted workflows remember what they were, and two definitions can be compared.
begin;
set local lock_timeout = '2s';
set local role millrace_owner;
set local search_path = millrace, pg_temp;

alter table workflows add column status_before text; -- of a deleted one; null: deleted before this column was
grant select (status_before), update (status_before) on workflows to millrace_api;

create function workflows_deleted() returns trigger
language plpgsql
as $$
begin
	new.status_before := old.status;
	return new;
end
$$;
create trigger workflows_deleted before update of status on workflows
for each row when (new.status = 'deleted' and old.status <> 'deleted') execute function workflows_deleted();

-- The names of a list's items, when each is an object with a name of its own; else null.
create function names_of(list jsonb) returns text[]
language sql immutable parallel safe
return (
	select case when count(*) > 0
			and count(*) = count(distinct i.value ->> 'name') filter (where jsonb_typeof(i.value -> 'name') = 'string')
		then array_agg(i.value ->> 'name' order by i.n) end
	from jsonb_array_elements(list) with ordinality as i (value, n)
);

-- Such items by their names.
create function items_by_name(list jsonb) returns jsonb
language sql immutable parallel safe
return (select jsonb_object_agg(i.value ->> 'name', i.value) from jsonb_array_elements(list) as i (value));

-- What turns the one value into the other, leaf by leaf, as {path, change, from?, to?}: change is added,
-- removed, changed or, of a list whose items have names, reordered. Items with names are compared by name
-- (steps[fetch].config.url), other lists as a whole.
create function json_difference(place text, before jsonb, after jsonb) returns setof jsonb
language plpgsql immutable parallel safe
as $$
declare
	is_map boolean := jsonb_typeof(before) = 'object' and jsonb_typeof(after) = 'object';
	is_list boolean := jsonb_typeof(before) = 'array' and jsonb_typeof(after) = 'array';
	old_names text[] := case when is_map then array(select jsonb_object_keys(before)) when is_list then names_of(before) end;
	new_names text[] := case when is_map then array(select jsonb_object_keys(after)) when is_list then names_of(after) end;
	name text;
	path text;
begin
	if before = after then
		return;
	end if;
	if old_names is null or new_names is null then
		return next jsonb_build_object('path', place, 'change', 'changed', 'from', before, 'to', after);
		return;
	end if;
	if is_list then
		if array(select n from unnest(old_names) n where n = any (new_names))
				<> array(select n from unnest(new_names) n where n = any (old_names)) then
			return next jsonb_build_object('path', place, 'change', 'reordered', 'from', old_names, 'to', new_names);
		end if;
		before := items_by_name(before);
		after := items_by_name(after);
	end if;
	for name in
		select n.name
		from unnest(old_names || new_names) with ordinality as n (name, at)
		group by n.name
		order by min(n.at)
	loop
		path := case when is_list then place || '[' || name || ']' when place = '' then name else place || '.' || name end;
		if not before ? name then
			return next jsonb_build_object('path', path, 'change', 'added', 'to', after -> name);
		elsif not after ? name then
			return next jsonb_build_object('path', path, 'change', 'removed', 'from', before -> name);
		else
			return query select json_difference(path, before -> name, after -> name);
		end if;
	end loop;
end
$$;

-- What of a version is compared: its steps in normal form, whatever dialect they were written in, and
-- everything beside them as it was written.
create function version_content(v workflow_versions) returns jsonb
language sql stable parallel safe
return (v.definition::jsonb - '{steps,process_steps,start_step,definition,workflow_config}'::text[])
	|| coalesce((
		select jsonb_object_agg(c.name, c.value)
		from unnest('{definition,workflow_config}'::text[]) as m (name)
		cross join lateral (
			select m.name, case when jsonb_typeof(v.definition::jsonb -> m.name) = 'object'
				then (v.definition::jsonb -> m.name) - '{steps,process_steps,start_step}'::text[] end as value
		) c
		where c.value <> '{}'
	), '{}')
	|| jsonb_build_object('steps', v.steps::jsonb);

grant execute on function names_of(jsonb), items_by_name(jsonb), json_difference(text, jsonb, jsonb),
	version_content(workflow_versions) to millrace_api;

commit;
