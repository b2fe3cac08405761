-- $1, $2: runs and their fences; $3 …: the journal's rows.
with held as (
	update runs r
	set status = 'completed', seq = 6, progress = 100, owner_id = null, completed_at = clock_timestamp(),
		result = '{"one":{"message":"one"},"two":{"message":"two"},"three":{"message":"three"}}'
	from unnest($1::int8[], $2::int8[]) as g (id, fence)
	where r.id = g.id
		and r.fence = g.fence
	returning r.id, r.tenant_id
)
insert into journal (id, tenant_id, run_id, seq, kind, step, step_execution_id, attempt, at, duration_us, data)
select j.id, h.tenant_id, j.run_id, j.seq, j.kind, j.step, j.id, 1, now(), 0, j.data::json
from unnest($3::int8[], $4::int8[], $5::int4[], $6::text[], $7::text[], $8::text[])
	as j (run_id, id, seq, kind, step, data)
join held h on h.id = j.run_id
