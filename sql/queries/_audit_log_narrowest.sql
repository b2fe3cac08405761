-- name:    _audit_log_narrowest
-- purpose: the condition on audit_logs a that finds the fewest of those asked for, by an index
-- params:  entity_type text?, entity_id int8?, action text?, outcome text?, user_id int8?, address text?, correlation_id text?, from timestamptz?, to timestamptz?
		and a.at >= :from -- ?from
		and a.at < :to -- ?to
		and a.correlation_id = :correlation_id -- ?correlation_id
		and a.entity_id = :entity_id -- ?entity_id ?!correlation_id
		and a.address = :address -- ?address ?!correlation_id ?!entity_id
		and a.user_id = :user_id -- ?user_id ?!correlation_id ?!entity_id ?!address
		and a.action = :action -- ?action ?!correlation_id ?!entity_id ?!address ?!user_id
		and a.entity_type = :entity_type -- ?entity_type ?!correlation_id ?!entity_id ?!address ?!user_id ?!action
		and a.outcome = :outcome -- ?outcome ?!correlation_id ?!entity_id ?!address ?!user_id ?!action ?!entity_type
