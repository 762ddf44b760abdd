-- ngxtap kit for OpenResty and for Nginx with the Lua module: the two variables of ngxtap.js, in the same form.
--
-- Differences to the kit for njs: names are in lower case and sorted, for Lua's tables keep no order. Values of a name that comes more
-- than once stay in their order of arrival.

local _M = {}

local concat, sort, format = table.concat, table.sort, string.format

-- What each byte that must be escaped is written as: below 0x20, 0x7f and above, and % & = " \
local written = {}
for b = 0, 255 do
    written[string.char(b)] = format("%%%02X", b)
end

local function escape(s)
    return (s:gsub('[%z\1-\31\127-\255%%&="\\]', written))
end

-- End-to-end response headers that Nginx keeps outside its list of headers, or takes out of it. Content-Type and Content-Length are
-- added by Lua itself.
local outside = {
    ["content-type"] = "sent_http_content_type",
    ["content-length"] = "sent_http_content_length",
    ["last-modified"] = "sent_http_last_modified",
    ["location"] = "sent_http_location",
}

-- Written by Nginx after the log has its variables; Lua guesses them. The kit for njs can't see them either.
local hop = { ["connection"] = true, ["transfer-encoding"] = true }

-- join returns headers (name to value, or to an array of values) in the form of the kit.
function _M.join(headers)
    local names = {}
    for name in pairs(headers) do
        names[#names + 1] = name
    end
    sort(names)
    local parts = {}
    for _, name in ipairs(names) do
        local values, escaped = headers[name], escape(name)
        if type(values) ~= "table" then
            values = { values }
        end
        for _, value in ipairs(values) do
            -- Lua gives true for a header without a value.
            parts[#parts + 1] = escaped .. "=" .. (value == true and "" or escape(tostring(value)))
        end
    end
    return concat(parts, "&")
end

-- log fills the two variables. It belongs into log_by_lua_block, where all headers are there; the access log is written after it.
function _M.log()
    local var = ngx.var
    var.ngxtap_request_headers = _M.join(ngx.req.get_headers(0))
    local sent = {}
    for name, value in pairs(ngx.resp.get_headers(0)) do
        if not hop[name] then
            sent[name] = value
        end
    end
    for name, variable in pairs(outside) do
        if sent[name] == nil then
            sent[name] = var[variable]
        end
    end
    var.ngxtap_response_headers = _M.join(sent)
end

return _M
