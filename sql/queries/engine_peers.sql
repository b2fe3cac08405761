-- name:    engine_peers
-- purpose: the other engines of this machine, boot and pid namespace, whose processes can be looked for
-- params:  engine_id int8, host text
-- returns: many (engine_id int8, pid int4)
-- flags:   read
select id as engine_id, pid
from engines
where host = :host
	and id <> :engine_id
order by id
limit 1000
