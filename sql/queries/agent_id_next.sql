-- name:    agent_id_next
-- purpose: the id of an agent that is about to be made, for sealing what belongs to it
-- params:
-- returns: one (id int8)
-- flags:   write system
select nextval('agent_id_seq') as id
where (select current_tenant()) is not null
