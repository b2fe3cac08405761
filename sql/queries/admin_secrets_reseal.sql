-- name:    admin_secrets_reseal
-- purpose: puts newly sealed texts where the old ones still are; a value that came meanwhile stays
-- params:  ids int8[], old text[], new text[]
-- returns: one (changed int8)
-- flags:   write system slow
with given as materialized (
	select g.id, decode(g.old, 'hex') as old, decode(g.new, 'hex') as new
	from unnest(:ids, :old, :new) as g (id, old, new)
), changed as (
	update secrets s
	set sealed = g.new
	from given g
	where s.id = g.id
		and s.sealed = g.old
	returning s.id
)
select count(*) as changed
from changed
