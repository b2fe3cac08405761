-- name:    admin_agents_reseal
-- purpose: puts newly sealed auth_configs where the old ones still are; one that came meanwhile stays
-- params:  ids int8[], old text[], new text[]
-- returns: one (changed int8)
-- flags:   write system slow
with given as materialized (
	select g.id, decode(g.old, 'hex') as old, decode(g.new, 'hex') as new
	from unnest(:ids, :old, :new) as g (id, old, new)
), changed as (
	update agents a
	set auth_sealed = g.new
	from given g
	where a.id = g.id
		and a.auth_sealed = g.old
	returning a.id
)
select count(*) as changed
from changed
