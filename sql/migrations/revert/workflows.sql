-- Revert millrace:workflows
begin;
set local role millrace_owner;
set local search_path = millrace, pg_temp;
drop function definition_members(json, json);
drop function workflow_members(workflows);
drop table workflow_versions, workflows;
drop function workflows_render();
drop function members(json);
drop function words(text);
commit;
