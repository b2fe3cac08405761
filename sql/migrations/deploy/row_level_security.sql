-- Deploy millrace:row_level_security
-- The tenant wall. millrace_api sees the rows of app.tenant and nothing without it. millrace_engine
-- serves all tenants, limited by what it is granted. The owner (migrations, administration, the
-- security definer functions) sees all. Nobody bypasses row security.
begin;
set local lock_timeout = '5s';
set local role millrace_owner;
set local search_path = millrace, pg_temp;

do $$
declare
	t text;
begin
	foreach t in array '{tenants,issuers,principals,api_keys,client_certificates,workflows,workflow_versions,runs,run_states,journal,run_commands,run_tallies,files,audit_logs,idempotency_keys}'::text[] loop
		execute format('alter table %I enable row level security, force row level security', t);
		execute format('create policy owner_all on %I to millrace_owner using (true) with check (true)', t);
	end loop;
	foreach t in array '{principals,api_keys,client_certificates,workflows,workflow_versions,runs,journal,run_commands,files,audit_logs,idempotency_keys}'::text[] loop
		execute format('create policy api_tenant on %I to millrace_api using (tenant_id = (select current_tenant())) with check (tenant_id = (select current_tenant()))', t);
	end loop;
	foreach t in array '{workflows,workflow_versions,runs,run_states,journal,run_commands,run_tallies,files,idempotency_keys}'::text[] loop
		execute format('create policy engine_all on %I to millrace_engine using (true) with check (true)', t);
	end loop;
end
$$;
create policy api_tenant on tenants to millrace_api using (id = (select current_tenant()));

-- API
grant select on tenants, principals, engines, auth_revision to millrace_api;
grant select, insert on api_keys to millrace_api;
grant insert on principals to millrace_api;
grant update (name, hash, prefix, scopes, roles, rate_limits, expires_at, rotated_at, revoked_at, updated_at,
	revision) on api_keys to millrace_api;
grant select, insert on workflows to millrace_api;
grant update (name, description, status, version, revision, digest, tags, trigger_config, trigger_on_file_upload,
	trigger_file_extensions, timeout_seconds, max_retries, input_schema, updated_at, deleted_at,
	rendered_definition) on workflows to millrace_api;
grant select, insert on workflow_versions, journal, audit_logs to millrace_api;
grant select, insert on runs, run_commands to millrace_api;
grant update (applied_at) on run_commands to millrace_api;
grant update (status, queued, fence, wake_at, seq, retry_count, progress, result, error, completed_at,
	cancelled_at, cancelled_by) on runs to millrace_api;
grant select, insert on files to millrace_api;
grant update (deleted_at) on files to millrace_api;
grant select, insert, delete on idempotency_keys to millrace_api;
grant update (status, body, location, version) on idempotency_keys to millrace_api;
grant usage on sequence run_id_seq, journal_id_seq to millrace_api;

-- Engine
grant select, insert, update, delete on engines to millrace_engine;
grant select on runs, journal, run_commands, run_states, run_tallies, workflows, workflow_versions, files
	to millrace_engine;
grant update (status, queued, owner_id, fence, wake_at, seq, waiter, progress, result, error, started_at,
	completed_at, cancelled_at, cancelled_by) on runs to millrace_engine;
grant insert on journal, run_tallies to millrace_engine;
grant insert, update, delete on run_states to millrace_engine;
grant update (applied_at) on run_commands to millrace_engine;
grant usage on sequence journal_id_seq to millrace_engine;

commit;
