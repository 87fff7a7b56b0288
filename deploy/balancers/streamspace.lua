-- Asks a gateway whether the request may enter, and at which gateway: the transaction gets
-- streamspace_status, streamspace_host and streamspace_port.
core.register_action("streamspace", { "http-req" }, function(txn, ingress)
	local headers = txn.http:req_get_headers()
	local function first(name) return headers[name] and headers[name][0] end
	local asked = {
		["host"] = { first("host") or "" },
		["x-original-uri"] = { txn.sf:url() },
	}
	if first("origin") then asked["origin"] = { first("origin") } end
	local answer = core.httpclient():get{ url = ingress .. "/auth", headers = asked, timeout = 2000 }
	txn:set_var("txn.streamspace_status", answer and answer.status or 503)
	local upstream = answer and answer.headers and answer.headers["x-streamspace-upstream"]
	if upstream then
		local host, port = upstream[0]:match("^(.*):(%d+)$")
		txn:set_var("txn.streamspace_host", host)
		txn:set_var("txn.streamspace_port", tonumber(port))
	end
end, 1)
