-- For wrk: makes a workflow with each request, under a name of its own.
local made, threads = 0, 0

function setup(thread)
  threads = threads + 1
  thread:set("mine", threads)
end

function request()
  made = made + 1
  return wrk.format("POST", "/api/v1/workflows", {
    ["Authorization"] = "Bearer " .. os.getenv("MILLRACE_TOKEN"),
    ["Content-Type"] = "application/json",
  }, string.format(os.getenv("DEFINITION"), os.getenv("PREFIX") .. "-" .. mine .. "-" .. made))
end
