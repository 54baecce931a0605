// Tests of a function that rotates a password, against a Latchkey server of their own.
const { spawn, execFileSync } = require("node:child_process");
const readline = require("node:readline");
const path = require("node:path");
const { DirectoryServiceClient, ResetUserPasswordCommand } = require("@aws-sdk/client-directory-service");

const latchkey = process.env.LATCHKEY ?? "latchkey";
const seed = path.join(__dirname, "../pytest/seed.yaml");
let server, ready, ds;

const dev = (...args) =>
  execFileSync(latchkey, ["dev", ...args], {
    env: { ...process.env, LATCHKEY_ENDPOINT_URL: ready.api, AWS_ACCESS_KEY_ID: "test", AWS_SECRET_ACCESS_KEY: "test" },
  });

beforeAll(async () => {
  server = spawn(latchkey, ["serve", "--dev", "--free-ports", "--seed", seed, "--log-level", "warn"], { stdio: ["ignore", "pipe", "inherit"] });
  const lines = readline.createInterface({ input: server.stdout });
  ready = await new Promise((resolve) => lines.once("line", (line) => resolve(JSON.parse(line))));
  lines.close();
  ds = new DirectoryServiceClient({ endpoint: ready.api, region: "us-east-1", credentials: { accessKeyId: "test", secretAccessKey: "test" } });
}, 60000);

beforeEach(() => dev("reset"));

afterAll(async () => {
  ds.destroy();
  server.kill();
  await new Promise((resolve) => server.once("exit", resolve));
});

// The code under test.
const rotate = (user, password) => ds.send(new ResetUserPasswordCommand({ DirectoryId: "d-1234567890", UserName: user, NewPassword: password }));

test("a password is rotated", async () => {
  await rotate("jane", "New-Password-2");
});

test("throttling is tried again", async () => {
  dev("fault", "add", "--operation", "ResetUserPassword", "--code", "ThrottlingException", "--times", "2");
  await rotate("jane", "New-Password-2");
});

test("a weak password is refused", async () => {
  await expect(rotate("jane", "weak")).rejects.toMatchObject({ name: "InvalidPasswordException" });
});
