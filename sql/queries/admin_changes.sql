-- name:    admin_changes
-- purpose: what sqitch has written down as deployed, oldest first; nothing where it was never at work
-- params:
-- returns: many (name text, script_hash text, deployed_at text)
-- flags:   read
-- The inner query is text, since its table need not be there when this is prepared.
select x.name, x.script_hash, left(x.deployed_at, 19) || 'Z' as deployed_at
from xmltable('/table/row' passing case when to_regclass('sqitch.changes') is null then '<table/>'::xml
		else query_to_xml(concat_ws(' ',
			'select change, script_hash, committed_at at time zone ''UTC'' as at',
			'from sqitch.changes',
			'where project = ''millrace''',
			'order by committed_at'), true, false, '') end
	columns nr for ordinality, name text path 'change', script_hash text path 'script_hash', deployed_at text path 'at') x
order by x.nr
