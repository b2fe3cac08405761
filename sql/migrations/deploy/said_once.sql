-- Deploy millrace:said_once
-- What several statements said each for itself: how an API key looks, whether a run stands paused, and what
-- it takes to tell runs something or to take them up again. Rows are locked by the statement that asks.
begin;
set local lock_timeout = '5s';
set local role millrace_owner;
set local search_path = millrace, pg_temp;

create function api_key_body(k api_keys, principal_name text) returns json
language sql stable parallel safe
return json_build_object(
	'id', k.id,
	'name', k.name,
	'prefix', k.prefix,
	'scopes', k.scopes,
	'roles', k.roles,
	'status', api_key_status(k),
	'is_active', api_key_status(k) = 'active',
	'principal_id', k.principal_id,
	'principal_name', principal_name,
	'created_by', k.created_by,
	'created_at', ts(k.created_at),
	'updated_at', ts(k.updated_at),
	'expires_at', ts(k.expires_at),
	'last_used_at', ts(k.last_used_at),
	'rotated_at', ts(k.rotated_at),
	'revoked_at', ts(k.revoked_at));

-- Whether a run is paused, or will be once it has obeyed.
create function stands_paused(r runs) returns boolean
language sql stable
return coalesce((
	select c.kind
	from run_commands c
	where c.run_id = r.id
		and c.applied_at is null
		and c.kind in ('pause', 'resume')
	order by c.id desc
	limit 1), case r.status when 'paused' then 'pause' else 'resume' end) = 'pause';

-- Cancel, pause or resume, for whoever has them in hand; gives back those that were told. Nothing that an
-- engine writes for them from here on counts any more. One that is to start later hears of a pause or
-- resume when its time comes.
create function tell_runs(ids bigint[], act text, reason text, who text) returns setof bigint
language sql volatile
begin atomic
	with stopped as (
		update runs r
		set fence = r.fence + 1,
			queued = r.queued or r.owner_id is null and (act = 'cancel' or not starts_later(r.status, r.wake_at)),
			wake_at = case when r.owner_id is null and (act = 'cancel' or not starts_later(r.status, r.wake_at)) then null
				else r.wake_at end
		where r.id = any (ids)
		returning r.tenant_id, r.id
	)
	insert into run_commands (tenant_id, run_id, kind, data)
	select s.tenant_id, s.id, act, json_build_object('reason', reason, 'by', who)
	from stopped s
	returning run_id;
end;

-- Takes runs up that have ended badly. Commands that came too late for them as they were are void.
create function retry_runs(ids bigint[], from_step text, input json, who text)
returns table (id bigint, status text, retry_count int)
language sql volatile
begin atomic
	with retried as (
		update runs r
		set status = 'running',
			retry_count = r.retry_count + 1,
			seq = r.seq + 1,
			fence = r.fence + 1,
			queued = true,
			result = null,
			error = null,
			completed_at = null,
			cancelled_at = null,
			cancelled_by = null,
			limit_key = null,
			limit_max = null,
			on_full = null,
			admitted = true,
			awaits = 0
		where r.id = any (ids)
		returning r.tenant_id, r.id, r.seq, r.status, r.retry_count
	), discarded as (
		update run_commands c
		set applied_at = now()
		from retried r
		where c.run_id = r.id
			and c.applied_at is null
	), journalled as (
		insert into journal (id, tenant_id, run_id, seq, kind, at, data)
		select nextval('journal_id_seq'), r.tenant_id, r.id, r.seq, 'retried', clock_timestamp(), (
				select coalesce(json_object_agg(d.key, d.value), '{}')
				from (values ('by', to_json(who)), ('from_step', to_json(from_step)), ('input', input)) as d (key, value)
				where d.value is not null
			)
		from retried r
	)
	select r.id, r.status, r.retry_count
	from retried r;
end;

grant execute on function api_key_body(api_keys, text), stands_paused(runs), tell_runs(bigint[], text, text, text),
	retry_runs(bigint[], text, json, text) to millrace_api;

commit;
