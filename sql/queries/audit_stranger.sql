-- name:    audit_stranger
-- purpose: an attempt of somebody unknown; one with a key that has ended goes to that key's tenant
-- params:  key_hash bytea?, entity_type text, entity_id int8?, attempt text, answered int4, omitted int4?, remote_address text?, correlation_id text?
-- returns: none
-- flags:   write system
select audit_stranger(:key_hash, :entity_type, :entity_id, :attempt, :answered, :omitted, :remote_address, :correlation_id)
