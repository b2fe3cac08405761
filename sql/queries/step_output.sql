-- name:    step_output
-- purpose: the result of a step, or where it lies in the file store
-- params:  id int8, name text, iteration int4?
-- returns: one (output json, ref text, error text, detail text)
-- flags:   read
-- index:   journal_pkey
-- Of the latest execution that completed, or the latest in that round of its block.
with found as materialized (
	select r.id
	from runs r
	where r.id = :id
), ended as (
	select j.data
	from journal j
	where j.run_id = :id
		and j.step = :name
		and j.kind = 'step.completed'
		and j.iteration = :iteration -- ?iteration
	order by j.seq desc
	limit 1
)
select coalesce(e.data -> 'output', 'null') as output, e.data -> 'output_ref' ->> 'ref' as ref,
	case when e.data is null then 'STEP_NOT_FOUND' end as error,
	case when e.data is null then 'No step of this name has completed in this run, or in that round.' end as detail
from found f
left join ended e on true
