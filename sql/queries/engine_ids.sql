-- name:    engine_ids
-- purpose: draws blocks of journal ids: base … base + 999 each
-- params:  blocks int4
-- returns: many (base int8)
-- flags:   write system
select nextval('journal_id_seq') as base
from generate_series(1, :blocks)
