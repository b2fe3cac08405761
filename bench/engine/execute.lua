-- For wrk: starts a run with each request. WORKFLOW and TOKEN come from the environment.
wrk.method = "POST"
wrk.path = "/api/v1/workflows/" .. os.getenv("WORKFLOW") .. "/execute"
wrk.headers["Authorization"] = "Bearer " .. os.getenv("MILLRACE_KEY")
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{"input":{"n":1}}'

function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("%d %d\n", summary.requests, e.connect + e.read + e.write + e.status + e.timeout))
end
