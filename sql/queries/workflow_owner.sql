-- name:    workflow_owner
-- purpose: whether the caller made this workflow, which then is theirs to change whatever their role
-- params:  id int8, principal_id int8?
-- returns: one (is_owner bool)
-- flags:   read
select w.created_by_id = :principal_id as is_owner
from workflows w
where w.id = :id
