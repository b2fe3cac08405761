-- Sends the requests of a file in turn (a line each: method, path, the body's type, the body with %XX, by tabs), and writes down how often each status
-- came. With PAUSE each connection waits so many milliseconds on average before its next request, by chance.
--   wrk -s mix.lua URL -- FILE KEY OUT PAUSE
local threads = {}
function setup(thread)
	table.insert(threads, thread)
	thread:set("number", #threads)
end
function init(args)
	requests, statuses = {}, {}
	for line in io.lines(args[1]) do
		local method, path, kind, body = line:match("^([^\t]*)\t([^\t]*)\t([^\t]*)\t(.*)$")
		local headers = { ["Authorization"] = "Bearer " .. args[2], ["Content-Type"] = kind }
		body = body:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end)
		table.insert(requests, wrk.format(method, path, headers, body ~= "" and body or nil))
	end
	at = number * 7
	out = args[3]
	local pause = tonumber(args[4])
	if pause > 0 then
		math.randomseed(number)
		delay = function() return math.random(0, 2 * pause) end
	end
end
function request()
	at = at + 1
	return requests[at % #requests + 1]
end
function response(status)
	statuses[status] = (statuses[status] or 0) + 1
end
function done(summary, latency)
	local sum = {}
	for _, thread in ipairs(threads) do
		for status, n in pairs(thread:get("statuses")) do
			sum[status] = (sum[status] or 0) + n
		end
	end
	local f = io.open(threads[1]:get("out"), "w")
	for status, n in pairs(sum) do f:write("status ", status, " ", n, "\n") end
	for what, n in pairs(summary.errors) do
		if what ~= "status" then f:write("error ", what, " ", n, "\n") end
	end
	f:write("requests ", summary.requests, "\nseconds ", summary.duration / 1e6, "\n")
	for _, p in ipairs({ 50, 90, 99, 99.9 }) do f:write("p", p, " ", latency:percentile(p) / 1000, "\n") end
	f:close()
end
