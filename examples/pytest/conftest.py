"""A Latchkey server for the tests: started once, put back to its seed before each test."""

import json
import os
import subprocess
from pathlib import Path

import boto3
import pytest

LATCHKEY = os.environ.get("LATCHKEY", "latchkey")
SEED = Path(__file__).with_name("seed.yaml")
KEY = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}


@pytest.fixture(scope="session")
def server():
    """Where the server is: its ready line."""
    command = [LATCHKEY, "serve", "--dev", "--free-ports", "--seed", str(SEED), "--log-level", "warn"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        yield json.loads(process.stdout.readline())
        process.terminate()


@pytest.fixture
def dev(server):
    """Runs latchkey dev … against the server."""
    environment = {**os.environ, "LATCHKEY_ENDPOINT_URL": server["api"], "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    return lambda *args: subprocess.run([LATCHKEY, "dev", *args], check=True, env=environment, stdout=subprocess.DEVNULL)


@pytest.fixture
def ds(server, dev):
    """A client of the server, which is as its seed has it."""
    dev("reset")
    return boto3.client("ds", endpoint_url=server["api"], **KEY)
