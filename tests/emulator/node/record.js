// Records one stream with an official Node client and prints, as JSON, what Live said to each step.
// usage: node record.js openapi-client|pop-core http://127.0.0.1:PORT STREAM COMMAND...
"use strict";

const [client, address, stream, ...commands] = process.argv.slice(2);
const named = { DomainName: "live.example.com", AppName: "app", StreamName: stream };
const keys = { accessKeyId: "dev", accessKeySecret: "dev-secret" };

// ACS3-HMAC-SHA256, parameters in the query
function openapiClient() {
  const { default: Client, Config, OpenApiRequest, Params } = require("@alicloud/openapi-client");
  const { RuntimeOptions } = require("@alicloud/tea-util");
  const live = new Client(
    new Config({ ...keys, endpoint: new URL(address).host, protocol: "HTTP" }),
  );
  const params = new Params({
    action: "RealTimeRecordCommand",
    version: "2016-11-01",
    protocol: "HTTP",
    pathname: "/",
    method: "POST",
    authType: "AK",
    style: "RPC",
    reqBodyType: "formData",
    bodyType: "json",
  });
  return (query) => live.callApi(params, new OpenApiRequest({ query }), new RuntimeOptions({}));
}

// HMAC-SHA1, parameters in a form body
function popCore() {
  const { RPCClient } = require("@alicloud/pop-core");
  const live = new RPCClient({ ...keys, endpoint: address, apiVersion: "2016-11-01" });
  return (query) => live.request("RealTimeRecordCommand", query, { method: "POST" });
}

async function main() {
  const send = { "openapi-client": openapiClient, "pop-core": popCore }[client]();
  const said = [];
  for (const Command of commands) {
    said.push(await send({ ...named, Command }).then(() => "OK", (error) => error.code));
  }
  console.log(JSON.stringify(said));
}

main();
