-- name:    engine_flush
-- purpose: writes what happened to a batch of runs: one update a run where the fence still holds, which takes those that are nobody's yet, then their journal rows, states and applied commands; what isn't held is dropped
-- params:  engine_id int8, run_ids int8[], fences int8[], base_seqs int4[], statuses text[], seqs int4[], release bool[], queued bool[], wake_us int8[], progress int4[], started_us int8[], results json[], errors json[], cancelled_by text[], states json[]?, ended_ids int8[]?, awaits int4[], vars json[], j_run_ids int8[], j_ids int8[], j_seqs int4[], j_kinds text[], j_steps text[], j_step_execution_ids int8[], j_parent_ids int8[], j_iterations int4[], j_attempts int4[], j_at_us int8[], j_durations_us int8[], j_data json[], command_ids int8[]?, w_run_ids int8[]?, w_step_execution_ids int8[]?, w_steps text[]?, w_event_types text[]?, w_child_run_ids int8[]?, u_run_ids int8[]?, u_step_execution_ids int8[]?, e_run_ids int8[]?, e_ids int8[]?, e_types text[]?, e_data json[]?, ended_child_ids int8[]?
-- returns: many (run_id int8)
-- flags:   write system
-- The arrays of runs are parallel, in ascending order of run id; so are those of journal rows (j_…).
-- release: owner_id becomes null; then queued or wake_us say how it goes on. states: the snapshot
-- of a run, or null; left out when there is none. ended_ids: those whose snapshot, if any, is of
-- no more use. awaits: how many events and child runs it waits for. w_…, u_…, e_…: waits that begin,
-- waits that end (step execution 0: all of the run), events that are published; all of them are left
-- out with w_run_ids. ended_child_ids: runs that end and have a parent, whose wait for them is to be
-- looked at. started_us: kept from the first flush that has it. base_seqs: with it a flush that was
-- sent twice, because its answer was lost, lands once.
-- An engine whose row is gone was taken over and writes nothing. owner_id is compared in a way that
-- no index serves, so that rows are found by their id.
-- "is true" keeps a look-up in held from becoming a join: it is hashed once.
-- The full join, with conditions that the planner can't see through, is an inner join that can't
-- become a nested loop: the planner expects ten rows of an array.
with me as materialized (
	-- it can't be taken over while this goes on
	select e.id
	from engines e
	where e.id = :engine_id
	for key share
), given as materialized (
	select g.*
	from unnest(:run_ids, :fences, :base_seqs, :statuses, :seqs, :release, :queued, :wake_us, :progress, :started_us, :results, :errors, :cancelled_by, :awaits, :vars)
		as g (run_id, fence, base_seq, status, seq, release, queued, wake_us, progress, started_us, result, error, cancelled_by, awaits, vars)
), held as (
	update runs r
	set status = g.status,
		seq = g.seq,
		progress = g.progress,
		owner_id = case when not g.release then :engine_id end,
		fence = r.fence + case when r.owner_id is null then 1 else 0 end,
		queued = g.release and g.queued,
		wake_at = case when g.release then from_us(g.wake_us) end,
		awaits = g.awaits,
		vars = coalesce(g.vars, r.vars),
		started_at = coalesce(r.started_at, from_us(g.started_us)),
		result = g.result,
		error = g.error,
		completed_at = case when g.status in ('completed', 'failed', 'cancelled', 'timed_out', 'compensated') then clock_timestamp() end,
		cancelled_at = case when g.status = 'cancelled' then clock_timestamp() end,
		cancelled_by = case when g.status = 'cancelled' then g.cancelled_by end
	from given g
	where r.id = g.run_id
		and r.fence = g.fence
		and r.seq = g.base_seq
		and coalesce(r.owner_id, :engine_id) = :engine_id
		and exists (select 1 from me)
	returning r.id, r.tenant_id, r.status, g.seq, r.workflow_id,
		greatest(0, extract(epoch from r.completed_at - coalesce(r.started_at, r.created_at)) * 1000000)::int8 as took_us, g.error ->> 'type' as error_type
), facts as (
	insert into journal (id, tenant_id, run_id, seq, kind, step, step_execution_id, parent_id, iteration, attempt, at, duration_us, data)
	select j.id, h.tenant_id, j.run_id, j.seq, j.kind, j.step, j.step_execution_id, j.parent_id, j.iteration, j.attempt,
		from_us(j.at_us), j.duration_us, j.data
	from held h
	full join unnest(:j_run_ids, :j_ids, :j_seqs, :j_kinds, :j_steps, :j_step_execution_ids, :j_parent_ids, :j_iterations, :j_attempts, :j_at_us, :j_durations_us, :j_data)
		as j (run_id, id, seq, kind, step, step_execution_id, parent_id, iteration, attempt, at_us, duration_us, data)
		on j.run_id = h.id
	where coalesce(h.id, 0) <> 0
		and coalesce(j.run_id, 0) <> 0
-- ?states {
), kept as (
	insert into run_states (run_id, tenant_id, seq, state)
	select h.id, h.tenant_id, h.seq, k.state
	from unnest(:run_ids, :states) as k (run_id, state)
	full join held h on h.id = k.run_id
	where num_nulls(k.state) = 0
		and coalesce(h.id, 0) <> 0
	on conflict (run_id) do update
	set seq = excluded.seq, state = excluded.state
-- }
-- ?ended_ids {
), forgotten as (
	delete from run_states s
	using unnest(:ended_ids) as e (run_id)
	where s.run_id = e.run_id
		and (s.run_id in (select h.id from held h)) is true
-- }
-- ?command_ids {
), applied as (
	update run_commands c
	set applied_at = now()
	from unnest(:command_ids) as o (id)
	where c.id = o.id
		and (c.run_id in (select h.id from held h)) is true
-- }
-- ?w_run_ids {
), awaited as (
	insert into run_waits (run_id, step_execution_id, tenant_id, step, kind, event_type, child_run_id, since)
	select w.run_id, w.step_execution_id, h.tenant_id, w.step, case w.child_run_id when 0 then 'event' else 'child' end,
		w.event_type, w.child_run_id, clock_timestamp()
	from unnest(:w_run_ids, :w_step_execution_ids, :w_steps, :w_event_types, :w_child_run_ids)
		as w (run_id, step_execution_id, step, event_type, child_run_id)
	full join held h on h.id = w.run_id
	where coalesce(w.run_id, 0) <> 0
		and coalesce(h.id, 0) <> 0
	on conflict do nothing
), unawaited as (
	delete from run_waits w
	using unnest(:u_run_ids, :u_step_execution_ids) as u (run_id, step_execution_id)
	where w.run_id = u.run_id
		and w.step_execution_id >= u.step_execution_id
		and w.step_execution_id <= coalesce(nullif(u.step_execution_id, 0), 9223372036854775807)
		and (w.run_id in (select h.id from held h)) is true
), emitted as (
	insert into events (tenant_id, event_type, source, data, correlation_id, run_id, run_fact_id)
	select h.tenant_id, e.event_type, concat('run/', h.id), e.data, r.correlation_id, h.id, e.id
	from unnest(:e_run_ids, :e_ids, :e_types, :e_data) as e (run_id, id, event_type, data)
	join held h on h.id = e.run_id
	join runs r on r.id = e.run_id
	order by e.id
	on conflict (run_fact_id) where run_fact_id is not null do nothing
-- }
-- ?ended_child_ids {
), told as (
	update run_waits w
	set checked = false, since = clock_timestamp()
	from unnest(:ended_child_ids) as e (id)
	where w.kind = 'child'
		and w.child_run_id = e.id
		and (w.child_run_id in (select h.id from held h)) is true
-- }
), tallied as (
	insert into run_tallies (at, tenant_id, completed, failed, cancelled, timed_out)
	select now(), h.tenant_id,
		count(*) filter (where h.status = 'completed'),
		count(*) filter (where h.status in ('failed', 'compensated')),
		count(*) filter (where h.status = 'cancelled'),
		count(*) filter (where h.status = 'timed_out')
	from held h
	where h.status in ('completed', 'failed', 'cancelled', 'timed_out', 'compensated')
	group by h.tenant_id
), summed as (
	insert into run_ends (at, tenant_id, workflow_id, outcome, error_code, bucket, n, sum_us, max_us)
	select now(), h.tenant_id, h.workflow_id, h.status, coalesce(left(h.error_type, 64), ''), run_bucket(h.took_us), count(*), sum(h.took_us), max(h.took_us)
	from held h
	where h.status in ('completed', 'failed', 'cancelled', 'timed_out', 'compensated')
	group by h.tenant_id, h.workflow_id, h.status, 5, 6
)
select id as run_id
from held
