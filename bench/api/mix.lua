-- Sends the requests of a file in turn (a line each: method, path, the body's type, the body with %XX, by tabs), and writes down how often each status
-- came. With PAUSE each connection waits so many milliseconds on average before its next request, by chance. With SHARES each of so many threads has
-- requests of its own. With ONCE each request is sent once, and the time that is told ends with the last answer; a thread has so many connections.
--   wrk -s mix.lua URL -- FILE KEY OUT PAUSE SHARES ONCE
local threads = {}
local CONNECT_MS, NEVER_MS = 200, 1e9
function setup(thread)
	table.insert(threads, thread)
	thread:set("number", #threads)
end
local function read(path, key, shares)
	local requests, n = {}, 0
	for line in io.lines(path) do
		n = n + 1
		if shares == 0 or n % shares == number % shares then
			local method, path, kind, body = line:match("^([^\t]*)\t([^\t]*)\t([^\t]*)\t(.*)$")
			local headers = { ["Authorization"] = "Bearer " .. key, ["Content-Type"] = kind }
			body = body:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end)
			table.insert(requests, wrk.format(method, path, headers, body ~= "" and body or nil))
		end
	end
	return requests
end
-- A clock of the machine, in seconds: os.clock() counts only while this thread computes.
local function clock()
	local ffi = require("ffi")
	ffi.cdef("struct mix_time { long s, ns; }; int clock_gettime(int, struct mix_time *);")
	local t = ffi.new("struct mix_time")
	return function()
		ffi.C.clock_gettime(1, t)
		return tonumber(t.s) + tonumber(t.ns) / 1e9
	end
end
-- wrk asks for a delay before each request, but not before the one that it looks at and doesn't send. The first of each connection is
-- delayed until all of them are connected, so that no handshake is measured; who finds nothing left waits for the end.
local function each_once(connections)
	local now, asked, sent, answered, count = clock(), 0, 0, 0, response
	delay = function()
		asked = asked + 1
		return asked > #requests and NEVER_MS or asked <= connections and CONNECT_MS or 0
	end
	request = function()
		if asked > 0 then
			began, sent = began or now(), sent + 1
		end
		return requests[sent] or requests[1]
	end
	response = function(status)
		count(status)
		ended, answered = now(), answered + 1
		if answered == #requests then wrk.thread:stop() end
	end
end
function init(args)
	statuses, requests = {}, read(args[1], args[2], tonumber(args[5]))
	at = number * 7
	out = args[3]
	local pause = tonumber(args[4])
	if pause > 0 then
		math.randomseed(number)
		delay = function() return math.random(0, 2 * pause) end
	end
	if args[6] ~= "0" then each_once(tonumber(args[6])) end
end
function request()
	at = at + 1
	return requests[at % #requests + 1]
end
function response(status)
	statuses[status] = (statuses[status] or 0) + 1
end
-- From the first request to the last answer, where each was sent once; else as long as wrk ran.
local function seconds(summary)
	local first, last
	for _, thread in ipairs(threads) do
		local began, ended = thread:get("began"), thread:get("ended")
		if ended then first, last = math.min(first or began, began), math.max(last or ended, ended) end
	end
	return first and last - first or summary.duration / 1e6
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
	f:write("requests ", summary.requests, "\nseconds ", seconds(summary), "\n")
	for _, p in ipairs({ 50, 90, 99, 99.9 }) do f:write("p", p, " ", latency:percentile(p) / 1000, "\n") end
	f:close()
end
