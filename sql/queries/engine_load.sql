-- name:    engine_load
-- purpose: what the engine must know of runs that are not fresh: the rows of the journal that its state names (kind "lent"), the state (kind "state", its data), and the journal after it
-- params:  run_ids int8[]
-- returns: many (run_id int8, seq int4, kind text, id int8, step text, step_execution_id int8, parent_id int8, iteration int4, attempt int4, at_us int8, duration_us int8, data json, place int4)
-- flags:   read
with wanted as materialized (
	select w.run_id, coalesce(s.seq, 0) as seq, s.state
	from unnest(:run_ids) as w (run_id)
	left join run_states s on s.run_id = w.run_id
), lent as materialized (
	-- the text begins with them if there are any: no need to take it apart
	select w.run_id, string_to_array(substring(w.state::text from '^{"facts":\[([0-9,]+)\]'), ',')::int4[] as seqs
	from wanted w
	where starts_with(w.state::text, '{"facts":[')
)
select run_id, seq, 'state' as kind, 0::int8 as id, null as step, null::int8 as step_execution_id,
	null::int8 as parent_id, null::int4 as iteration, null::int4 as attempt, 0::int8 as at_us, null::int8 as duration_us, state as data,
	1 as place
from wanted
where state is not null
union all
select j.run_id, j.seq, 'lent', j.id, j.step, j.step_execution_id, j.parent_id, j.iteration, j.attempt, us(j.at), j.duration_us, j.data,
	0 as place
from lent l
join journal j on j.run_id = l.run_id and j.seq = any(l.seqs)
union all
select j.run_id, j.seq, j.kind, j.id, j.step, j.step_execution_id, j.parent_id, j.iteration, j.attempt, us(j.at), j.duration_us, j.data,
	2 as place
from wanted w
join journal j on j.run_id = w.run_id and j.seq > w.seq
order by run_id, place, seq
