-- name:    session_tenant_read
-- purpose: sets the tenant for the rest of a read-only unit
-- params:  tenant text
-- returns: none
-- flags:   read
select set_config('app.tenant', :tenant, true), set_config('transaction_read_only', 'on', true)
