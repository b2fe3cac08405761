-- name:    health_figures
-- purpose: figures for /health: counts of all tenants together
-- params:
-- returns: one (body json)
-- flags:   read
select health_figures() as body
