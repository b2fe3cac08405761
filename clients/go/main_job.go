// Millrace's main job with the generated Go client.
//
// Takes MILLRACE_URL, MILLRACE_CA (the authority of the server's certificate) and MILLRACE_KEY (an API key) from the
// environment, and prints what it saw as JSON.
package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"

	millrace "millrace.example/millrace/client"
)

func connect() (*millrace.APIClient, context.Context, error) {
	authority, err := os.ReadFile(os.Getenv("MILLRACE_CA"))
	if err != nil {
		return nil, nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(authority) {
		return nil, nil, errors.New("MILLRACE_CA holds no certificate")
	}
	configuration := millrace.NewConfiguration()
	configuration.Servers = millrace.ServerConfigurations{{URL: os.Getenv("MILLRACE_URL")}}
	configuration.HTTPClient = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	ctx := context.WithValue(context.Background(), millrace.ContextAPIKeys,
		map[string]millrace.APIKey{"apiKey": {Key: os.Getenv("MILLRACE_KEY")}})
	return millrace.NewAPIClient(configuration), ctx, nil
}

func id(n int64) string { return strconv.FormatInt(n, 10) }

// allNames reads every workflow's name, two to a page.
func allNames(ctx context.Context, client *millrace.APIClient) ([]string, error) {
	names := []string{}
	request := client.WorkflowsAPI.ListWorkflows(ctx).Limit(2)
	for {
		page, _, err := request.Execute()
		if err != nil {
			return nil, err
		}
		for _, w := range page.Items {
			names = append(names, w.Name)
		}
		cursor, ok := page.GetNextCursorOk()
		if !ok || cursor == nil {
			return names, nil
		}
		request = request.Cursor(*cursor)
	}
}

// refused returns the code of what the server says to a second workflow of that name.
func refused(ctx context.Context, client *millrace.APIClient, name string) (string, error) {
	again := millrace.NewWorkflowCreate(name)
	again.SetSteps([]millrace.Step{*step("again", "noop", nil)})
	_, _, err := client.WorkflowsAPI.CreateWorkflow(ctx).WorkflowCreate(*again).Execute()
	var answer *millrace.GenericOpenAPIError
	if !errors.As(err, &answer) {
		return "", fmt.Errorf("no answer of the API: %w", err)
	}
	problem, ok := answer.Model().(millrace.Problem)
	if !ok {
		return "", fmt.Errorf("no problem: %s", answer.Body())
	}
	return problem.ErrorCode, nil
}

func step(name, kind string, config map[string]interface{}) *millrace.Step {
	s := millrace.NewStep()
	s.SetName(name)
	s.SetType(kind)
	if config != nil {
		s.SetConfig(config)
	}
	return s
}

// upload sends a file and says whether the same comes back.
func upload(ctx context.Context, client *millrace.APIClient, content []byte) (*millrace.StoredFile, bool, error) {
	file, err := os.Create("table.csv")
	if err != nil {
		return nil, false, err
	}
	defer os.Remove(file.Name())
	if _, err = file.Write(content); err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, false, err
	}
	made, _, err := client.FilesAPI.UploadFile(ctx).File(file).Execute()
	if err != nil {
		return nil, false, err
	}
	back, _, err := client.FilesAPI.GetFileContent(ctx, id(made.Id)).Execute()
	if err != nil {
		return nil, false, err
	}
	defer os.Remove(back.Name())
	got, err := io.ReadAll(back)
	return made, bytes.Equal(got, content), err
}

func run() error {
	client, ctx, err := connect()
	if err != nil {
		return err
	}
	workflow := millrace.NewWorkflowCreate("go client")
	workflow.SetSteps([]millrace.Step{*step("greet", "log", map[string]interface{}{"message": "Hello, {{trigger.name}}"})})
	made, _, err := client.WorkflowsAPI.CreateWorkflow(ctx).WorkflowCreate(*workflow).Execute()
	if err != nil {
		return err
	}
	input := millrace.NewWorkflowExecute()
	input.SetInput(map[string]interface{}{"name": "Ada"})
	accepted, _, err := client.WorkflowsAPI.ExecuteWorkflow(ctx, id(made.Id)).Wait(60).WorkflowExecute(*input).Execute()
	if err != nil {
		return err
	}
	one, _, err := client.RunsAPI.GetRun(ctx, id(accepted.RunId)).Execute()
	if err != nil {
		return err
	}
	page, _, err := client.RunsAPI.ListRunSteps(ctx, id(one.Id)).Execute()
	if err != nil {
		return err
	}
	steps := [][]interface{}{}
	for _, s := range page.Items {
		steps = append(steps, []interface{}{s.GetStepName(), s.GetStatus(), s.GetOutputData()})
	}
	names, err := allNames(ctx, client)
	if err != nil {
		return err
	}
	code, err := refused(ctx, client, made.Name)
	if err != nil {
		return err
	}
	file, same, err := upload(ctx, client, []byte("one,two\r\n1,2\r\n"))
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]interface{}{
		"workflow": made.Name, "status": one.Status, "steps": steps, "names": names, "error": code,
		"file": []interface{}{file.Name, file.Size, same},
	})
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
