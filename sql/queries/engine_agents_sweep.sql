-- name:    engine_agents_sweep
-- purpose: calls of agents that dead engines left behind, and outcomes that are too old to be shown
-- params:
-- returns: one (gone int4)
-- flags:   write system
select agents_sweep() as gone
