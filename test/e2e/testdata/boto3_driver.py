"""Makes the calls that come as lines of JSON on standard input, and answers each with a line."""

import json
import os
import re
import sys

import boto3
import botocore.config
import botocore.exceptions

clients = {}


def client_of(region):
    if region not in clients:
        clients[region] = boto3.client(
            "ds",
            region_name=region,
            endpoint_url=os.environ["E2E_ENDPOINT"],
            config=botocore.config.Config(retries={"total_max_attempts": int(os.environ.get("E2E_ATTEMPTS", "1")), "mode": "standard"}),
        )
    return clients[region]


def make(call):
    client = client_of(call["region"])
    method = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", call["operation"]).lower()
    try:
        output = getattr(client, method)(**call["input"])
        metadata = output.pop("ResponseMetadata")
        return {"Status": metadata["HTTPStatusCode"], "RequestID": metadata.get("RequestId", ""), "Output": output}
    except botocore.exceptions.ClientError as error:
        code = error.response["Error"]["Code"]
        # The exception's own class, or False where boto3 knows only the name.
        try:
            typed = isinstance(error, getattr(client.exceptions, code))
        except AttributeError:
            typed = False
        metadata = error.response["ResponseMetadata"]
        return {
            "Exception": code,
            "Typed": typed,
            "Message": error.response["Error"]["Message"],
            "Status": metadata["HTTPStatusCode"],
            "RequestID": metadata.get("RequestId", ""),
            "MemberID": error.response.get("RequestId", ""),
        }


for line in sys.stdin:
    print(json.dumps(make(json.loads(line)), default=str), flush=True)
