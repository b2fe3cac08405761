-- name:    engine_mend
-- purpose: does what processes that were killed left undone, of one kind: waits, orphans, commands or places
-- params:  kind text, batch int4
-- returns: one (mended int8)
-- flags:   write system slow
select mend(:kind, :batch) as mended
