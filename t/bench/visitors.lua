-- wrk: each request comes from one of the visitors of a file.
--
--   BENCH_VISITORS  lines "COOKIE INSIDE OUTSIDE"
--   BENCH_REQUEST   stranger  an address outside, and a cookie of the site's
--                   outside   an address outside, and the visitor cookie
--                   inside    an address inside the EEA, and the cookie
--   BENCH_ORDER     random; walk: one after the other
--   BENCH_SEED      of random: a number
--   BENCH_HEADERS   browser; few
--   BENCH_COUNT     also count the values of X-Consent-Cache
--
-- The last line of output is "bench KEY=VALUE ...".

local requests, at = {}, 0

local browser = {
    ["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) "
                     .. "Gecko/20100101 Firefox/140.0",
    ["Accept"] = "text/html,application/xhtml+xml,application/xml;q=0.9,"
                 .. "*/*;q=0.8",
    ["Accept-Language"] = "de,en-US;q=0.7,en;q=0.3",
    ["Accept-Encoding"] = "gzip, deflate",
    ["Sec-Fetch-Dest"] = "document",
    ["Sec-Fetch-Mode"] = "navigate",
    ["Sec-Fetch-Site"] = "none",
}

counts = { hit = 0, miss = 0, stale = 0, bypass = 0 }

local function headers_of(kind, cookie, inside, outside)
    local h = { ["X-Real-IP"] = kind == "inside" and inside or outside }

    h["Cookie"] = (kind == "stranger" and "session=" or "consent=") .. cookie

    if os.getenv("BENCH_HEADERS") ~= "few" then
        for name, value in pairs(browser) do
            h[name] = value
        end
    end

    return h
end

function init()
    local kind = os.getenv("BENCH_REQUEST")

    for line in io.lines(os.getenv("BENCH_VISITORS")) do
        local cookie, inside, outside = line:match("^(%S+) (%S+) (%S+)$")

        requests[#requests + 1] = wrk.format("GET", "/index.html",
            headers_of(kind, cookie, inside, outside))
    end

    math.randomseed(tonumber(os.getenv("BENCH_SEED")))
end

if os.getenv("BENCH_ORDER") == "walk" then

    function request()
        at = at % #requests + 1
        return requests[at]
    end

else

    function request()
        return requests[math.random(#requests)]
    end
end

if os.getenv("BENCH_COUNT") then

    function response(status, headers)
        local word = headers["X-Consent-Cache"] or "none"

        counts[word] = (counts[word] or 0) + 1
    end
end

local main_thread

function setup(thread)
    main_thread = thread
end

function done(summary, latency)
    local e = summary.errors
    local line = string.format("bench requests=%d bytes=%d us=%d p50=%d "
        .. "p99=%d errors=%d", summary.requests, summary.bytes,
        summary.duration, latency:percentile(50), latency:percentile(99),
        e.connect + e.read + e.write + e.status + e.timeout)

    for word, n in pairs(main_thread:get("counts")) do
        line = line .. string.format(" %s=%d", word, n)
    end

    print(line)
end
