"""Millrace's main job with the generated Python client.

Takes MILLRACE_URL, MILLRACE_CA (the authority of the server's certificate) and MILLRACE_KEY (an API key) from the
environment, and prints what it saw as JSON.
"""
import json
import os
from typing import List

import millrace_client as millrace


def connect() -> millrace.ApiClient:
    configuration = millrace.Configuration(host=os.environ["MILLRACE_URL"], ssl_ca_cert=os.environ.get("MILLRACE_CA"))
    configuration.api_key["apiKey"] = os.environ["MILLRACE_KEY"]
    return millrace.ApiClient(configuration)


def all_names(workflows: millrace.WorkflowsApi) -> List[str]:
    """Every workflow's name, two to a page."""
    names: List[str] = []
    page = workflows.list_workflows(limit=2)
    while True:
        names += [w.name for w in page.items]
        if page.next_cursor is None:
            return names
        page = workflows.list_workflows(limit=2, cursor=page.next_cursor)


def refused(workflows: millrace.WorkflowsApi, name: str) -> millrace.Problem:
    """What the server says to a second workflow of that name."""
    try:
        workflows.create_workflow(millrace.WorkflowCreate(name=name, steps=[millrace.Step(type="noop")]))
    except millrace.ApiException as e:
        assert isinstance(e.data, millrace.Problem), e
        return e.data
    raise AssertionError("it was taken")


def main() -> None:
    client = connect()
    workflows, runs, files = millrace.WorkflowsApi(client), millrace.RunsApi(client), millrace.FilesApi(client)
    greet = millrace.Step(name="greet", type="log", config={"message": "Hello, {{trigger.name}}"})
    made = workflows.create_workflow(millrace.WorkflowCreate(name="python client", steps=[greet]))
    accepted = workflows.execute_workflow(str(made.id), wait=60, workflow_execute=millrace.WorkflowExecute(
        input={"name": "Ada"}))
    run = runs.get_run(str(accepted.run_id))
    steps = runs.list_run_steps(str(run.id)).items
    content = b"one,two\r\n1,2\r\n"
    uploaded = files.upload_file(("table.csv", content))
    back = bytes(files.get_file_content(str(uploaded.id)))
    print(json.dumps({
        "workflow": made.name,
        "status": run.status,
        "steps": [[s.step_name, s.status, s.output_data] for s in steps],
        "names": all_names(workflows),
        "error": refused(workflows, made.name).error_code,
        "file": [uploaded.name, uploaded.size, back == content],
    }))


if __name__ == "__main__":
    main()
