-- name:    engine_commands
-- purpose: commands not obeyed yet of runs that are this engine's, or that any may claim, with the run's present fence: those that decide, and the first 64 others of each run
-- params:  engine_id int8, run_ids int8[]?, owner_id int8?, seq int4?
-- returns: many (command_id int8, run_id int8, kind text, data json, fence int8, status text, seq int4)
-- flags:   read
-- run_ids: of these runs only; owner_id: of runs that an engine has already; seq: of runs that have come so
-- far only. An event may have sent one to each of ten thousand runs: nobody reads more than it needs.
with pending as (
	select c.id, c.run_id, c.kind, c.data, r.fence, r.status, r.seq,
		row_number() over (partition by c.run_id, c.kind in ('cancel', 'pause', 'resume') order by c.id) as place
	from run_commands c
	join runs r on r.id = c.run_id
	where c.applied_at is null
		and (r.owner_id = :engine_id or r.owner_id is null and (r.queued or r.wake_at <= now()))
		and c.run_id = any (:run_ids) -- ?run_ids
		and r.owner_id = :owner_id -- ?owner_id
		and r.seq = :seq -- ?seq
)
select id as command_id, run_id, kind, data, fence, status, seq
from pending
where place <= 64
	or kind in ('cancel', 'pause', 'resume')
order by run_id, id
