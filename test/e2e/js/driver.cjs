// Makes the calls that come as lines of JSON on standard input, and answers each with a line.
"use strict";

const readline = require("node:readline");
const sdk = require(require.resolve("@aws-sdk/client-directory-service", { paths: [process.env.E2E_MODULES] }));

const clients = {};

async function make(call) {
  clients[call.region] ??= new sdk.DirectoryServiceClient({
    region: call.region,
    endpoint: process.env.E2E_ENDPOINT,
    maxAttempts: Number(process.env.E2E_ATTEMPTS || 1),
  });
  try {
    const output = await clients[call.region].send(new sdk[call.operation + "Command"](call.input));
    const { $metadata, ...members } = output;
    return { Status: $metadata.httpStatusCode, RequestID: $metadata.requestId, Output: members };
  } catch (error) {
    // The exception's own class, or "" where the SDK knows only the name.
    const typed = sdk[error.name] !== undefined && error instanceof sdk[error.name];
    return {
      Exception: error.name,
      Typed: typed,
      Message: error.Message ?? error.message,
      Status: error.$metadata?.httpStatusCode ?? 0,
      RequestID: error.$metadata?.requestId ?? "",
      MemberID: error.RequestId ?? "",
    };
  }
}

async function main() {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    process.stdout.write(JSON.stringify(await make(JSON.parse(line))) + "\n");
  }
}

main();
