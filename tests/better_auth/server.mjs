// The Better Auth that the tests sign in at: the real one, on a free port of this machine.
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { betterAuth } from "better-auth";
import { getMigrations } from "better-auth/db/migration";
import { toNodeHandler } from "better-auth/node";
import { admin, bearer, jwt } from "better-auth/plugins";
import { SqliteDialect } from "kysely";
import Database from "libsql";

const database = new Database(":memory:");
const server = createServer((request, response) => handle(request, response));
let handle;

server.listen(0, "127.0.0.1", async () => {
  const baseURL = `http://127.0.0.1:${server.address().port}`;
  const options = {
    baseURL,
    secret: "only-for-tests-".padEnd(48, "x"),
    database: { dialect: new SqliteDialect({ database }), type: "sqlite" },
    emailAndPassword: { enabled: true },
    rateLimit: { enabled: false },
    telemetry: { enabled: false },
    plugins: [
      bearer(),
      admin(),
      jwt({
        jwks: {
          keyPairConfig: { alg: "EdDSA", crv: "Ed25519" },
          rotationInterval: 2592000,
          gracePeriod: 604800,
        },
        jwt: {
          issuer: baseURL,
          audience: "rag-api",
          expirationTime: "5m",
          definePayload: ({ user, session }) => ({ email: user.email, banned: user.banned, sid: session.id }),
        },
      }),
    ],
  };
  const { runMigrations } = await getMigrations(options);
  await runMigrations();
  handle = toNodeHandler(betterAuth(options));
  console.log(JSON.stringify({ url: baseURL }));
});

// What time and operators do elsewhere: a key that is due to be replaced, or is gone.
createInterface({ input: process.stdin }).on("line", (line) => {
  // Expired a moment ago: its grace is not over.
  if (line === "rotate") database.prepare("UPDATE jwks SET expiresAt = ?").run(new Date(Date.now() - 1000).toISOString());
  if (line === "forget") database.exec("DELETE FROM jwks");
  console.log(JSON.stringify({ done: line }));
}).on("close", () => process.exit(0));
