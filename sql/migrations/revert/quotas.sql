-- Revert millrace:quotas
begin;
set local lock_timeout = '5s';
set local role millrace_owner;
set local search_path = millrace, pg_temp;

drop function spawn_run(bigint, bigint, bigint, bigint, int, text, int, json, boolean, bigint, int);
create function spawn_run(engine bigint, parent bigint, parent_fence bigint, step_execution bigint, step_attempt int,
	workflow text, workflow_version int, run_input json, cascades boolean,
	out child_run_id bigint, out code text, out message text)
language plpgsql security definer set search_path = millrace, pg_temp
as $$
declare
	most constant int := 20;
	p runs;
	w workflows;
	deep int;
begin
	select r.* into p from runs r
	where r.id = parent and r.owner_id = engine and r.fence = parent_fence
	for no key update;
	if not found then
		code := 'PARENT_GONE';
		message := 'The run was taken over, or has been given a command.';
		return;
	end if;
	select c.child_run_id into child_run_id from run_children c
	where c.parent_run_id = parent and c.step_execution_id = step_execution and c.attempt = step_attempt;
	if found then
		return;
	end if;
	with recursive above (id, n) as (
		select p.parent_run_id, 1
		union all
		select r.parent_run_id, a.n + 1 from above a join runs r on r.id = a.id where a.n <= most
	)
	select max(n) into deep from above;
	if deep > most then
		code := 'SUBWORKFLOW_DEPTH';
		message := format('Runs can start each other %s deep, no deeper.', most);
		return;
	end if;
	-- by id where it looks like one and there is one, else by name
	select o.* into w from workflows o
	where o.tenant_id = p.tenant_id and o.id = substring(workflow from '^(?:wf_)?([0-9]{1,15})$')::bigint
		and o.status <> 'deleted';
	if not found then
		select o.* into w from workflows o
		where o.tenant_id = p.tenant_id and o.name = workflow and o.status <> 'deleted';
	end if;
	if w.id is null then
		code := 'SUBWORKFLOW_NOT_FOUND';
		message := format('There is no workflow %s.', to_json(workflow));
	elsif w.status <> 'active' then
		code := 'SUBWORKFLOW_DISABLED';
		message := format('The workflow %s is %s.', to_json(w.name), w.status);
	elsif workflow_version is not null and not exists (
		select 1 from workflow_versions v where v.workflow_id = w.id and v.version = workflow_version)
	then
		code := 'SUBWORKFLOW_NOT_FOUND';
		message := format('The workflow %s has no version %s.', to_json(w.name), workflow_version);
	end if;
	if code is not null then
		return;
	end if;
	child_run_id := nextval('run_id_seq');
	insert into runs (id, tenant_id, workflow_id, version, priority, seq, trigger_type, triggered_by, correlation_id,
		traceparent, parent_run_id, parent_step_execution_id, input)
	values (child_run_id, p.tenant_id, w.id, coalesce(workflow_version, w.version), p.priority, 1, 'workflow',
		p.triggered_by, p.correlation_id, p.traceparent, parent, step_execution, coalesce(run_input, '{}'));
	insert into journal (id, tenant_id, run_id, seq, kind, at, data)
	values (nextval('journal_id_seq'), p.tenant_id, child_run_id, 1, 'created', clock_timestamp(),
		json_build_object('trigger_type', 'workflow', 'triggered_by', p.triggered_by, 'parent_run_id', parent));
	insert into run_children (parent_run_id, step_execution_id, attempt, child_run_id, tenant_id, cascades)
	values (parent, step_execution, step_attempt, child_run_id, p.tenant_id, cascades);
end
$$;

grant execute on function spawn_run(bigint, bigint, bigint, bigint, int, text, int, json, boolean) to millrace_engine;

drop index runs_root_idx;
alter table runs drop column root_run_id;
drop table tenant_payloads;
drop table run_payloads;

commit;
