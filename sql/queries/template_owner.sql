-- name:    template_owner
-- purpose: whether the caller made this template, which then is theirs to change whatever their role
-- params:  template text, principal_id int8?
-- returns: one (is_owner bool)
-- flags:   read
select t.owner_id = :principal_id as is_owner
from templates t
where t.id = (select template_find(:template, :principal_id, false))
