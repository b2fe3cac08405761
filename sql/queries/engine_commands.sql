-- name:    engine_commands
-- purpose: commands not obeyed yet of runs that are this engine's, or that any may claim, with the run's present fence
-- params:  engine_id int8
-- returns: many (command_id int8, run_id int8, kind text, data json, fence int8, status text, seq int4)
-- flags:   read
select c.id as command_id, c.run_id, c.kind, c.data, r.fence, r.status, r.seq
from run_commands c
join runs r on r.id = c.run_id
where c.applied_at is null
	and (r.owner_id = :engine_id or r.owner_id is null and (r.queued or r.wake_at <= now()))
order by c.run_id, c.id
