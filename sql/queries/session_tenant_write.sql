-- name:    session_tenant_write
-- purpose: sets the tenant for the rest of a unit that writes
-- params:  tenant text
-- returns: none
-- flags:   read
select set_config('app.tenant', :tenant, true)
