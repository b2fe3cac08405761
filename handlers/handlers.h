/*
 * The handlers: code for the few routes that a statement alone can't serve. Each decides the
 * answer of its request and returns 0, or returns negative when it couldn't (the worker then
 * answers 500). None looks at the path, the scope or the limits: the route's row did.
 */
#ifndef MR_HANDLERS_HANDLERS_H
#define MR_HANDLERS_HANDLERS_H

#include "fcgi/request.h"

/* agents.c */
int mr_handler_agent_create(struct mr_request *r);
int mr_handler_agent_update(struct mr_request *r); /* PUT and PATCH */
int mr_handler_agent_health(struct mr_request *r);

/* api_keys.c */
int mr_handler_api_key_create(struct mr_request *r);
int mr_handler_api_key_rotate(struct mr_request *r);
int mr_handler_api_key_delete(struct mr_request *r);

/* bulk.c */
int mr_handler_runs_bulk(struct mr_request *r);
int mr_handler_workflow_bulk(struct mr_request *r);

/* docs.c */
int mr_handler_language_schema(struct mr_request *r);
int mr_handler_openapi(struct mr_request *r);

/* execute.c */
int mr_handler_execute(struct mr_request *r);
int mr_handler_run_rerun(struct mr_request *r);

/* expressions.c */
int mr_handler_expression_evaluate(struct mr_request *r);

/* files.c */
int mr_handler_file_create(struct mr_request *r);
int mr_handler_file_content(struct mr_request *r);
int mr_handler_file_delete(struct mr_request *r);
int mr_handler_step_output(struct mr_request *r); /* which may lie in the file store */

/* issuers.c */
int mr_handler_issuer_create(struct mr_request *r);
int mr_handler_issuer_update(struct mr_request *r); /* PUT and PATCH */
int mr_handler_issuer_delete(struct mr_request *r);

/* people.c */
int mr_handler_access_change(struct mr_request *r); /* of users, groups, tenants, keys */
int mr_handler_me(struct mr_request *r);

/* sagas.c */
int mr_handler_saga_start(struct mr_request *r);

/* secrets.c */
int mr_handler_secret_create(struct mr_request *r);
int mr_handler_secret_update(struct mr_request *r); /* PUT and PATCH */

/* system.c */
int mr_handler_health(struct mr_request *r);         /* GET /health, GET /api/v1/health */
int mr_handler_ready(struct mr_request *r);          /* GET /health/ready */
int mr_handler_metrics(struct mr_request *r);        /* GET /metrics: all tenants */
int mr_handler_tenant_metrics(struct mr_request *r); /* GET /api/v1/metrics */
int mr_handler_status(struct mr_request *r);         /* GET /api/v1/status */

/* templates.c */
int mr_handler_template_create(struct mr_request *r);
int mr_handler_template_update(struct mr_request *r); /* PUT and PATCH */

/* template_use.c */
int mr_handler_template_use(struct mr_request *r);           /* POST /templates/create-workflow */
int mr_handler_workflow_from_template(struct mr_request *r); /* POST /workflows/from-template */
int mr_handler_workflow_template(struct mr_request *r);      /* with its parameters */

/* workflows.c */
int mr_handler_workflow_create(struct mr_request *r);
int mr_handler_workflow_normalized(struct mr_request *r);
int mr_handler_workflow_restore(struct mr_request *r); /* of an earlier version */
int mr_handler_workflow_update(struct mr_request *r);  /* PUT and PATCH */
int mr_handler_workflow_validate(struct mr_request *r);

#endif
