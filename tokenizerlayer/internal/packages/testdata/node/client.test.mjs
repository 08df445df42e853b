// Tests of what only Node has. The vectors beside the extension test what the clients have in common.
import assert from "node:assert/strict";
import http from "node:http";
import { createRequire } from "node:module";
import { after, before, describe, test } from "node:test";
import { format, inspect } from "node:util";

const CARD = "4111111111111111";
const TOKEN = "f81d4fae-7dec-41d0-a765-00a0c91e6bf6";
const client = await import(process.env.CLIENT);
const { detokenize, ping, seal, Secret, tokenize, tokenizeBatch, TokenizerError, validate } = client;

// answers are given by path. A test may set another.
let answer, connections = 0;
const server = http.createServer((request, response) => {
  const chunks = [];
  request.on("data", (chunk) => chunks.push(chunk));
  request.on("end", () => response.end(JSON.stringify(answer(request.url, JSON.parse(Buffer.concat(chunks).toString() || "{}")))));
});
server.on("connection", () => { connections += 1; });
before(async () => {
  await new Promise((resolve) => { server.listen(0, "127.0.0.1", resolve); });
  Object.assign(process.env, { TOKENIZER_PORT: String(server.address().port), AWS_SESSION_TOKEN: "the-session-token" });
});
after(() => { server.close(); server.closeAllConnections(); });

const rejection = (promise) => promise.then(() => assert.fail("it was not refused"), (error) => error);

describe("Secret", () => {
  test("shows its text to reveal only", () => {
    const secret = new Secret(CARD);
    const shown = [
      String(secret), `${secret}`, secret + "", JSON.stringify({ secret }), inspect(secret), inspect({ a: [secret] }, { showHidden: true }),
      format("%s %j %o %O", secret, secret, secret, secret), JSON.stringify(structuredClone(secret)), Object.keys(secret).join(),
    ].join();
    assert.doesNotMatch(shown, /4111/);
    assert.equal(secret.reveal(), CARD);
  });

  test("holds nothing but text", () => {
    assert.throws(() => new Secret(4111111111111111), TokenizerError);
  });
});

describe("results", () => {
  test("do not show token or data when they are inspected", async () => {
    const row = { table_name: "T", item: { Hash_Key: { S: TOKEN }, C: { B: "AAEC" } }, condition_expression: "c" };
    answer = () => ({ token: TOKEN, row, data: CARD, redaction: "PLAIN_TEXT" });
    const results = [await tokenize(CARD), await seal(new Secret(CARD)), await detokenize(TOKEN, { redaction: "PLAIN_TEXT" })];
    assert.doesNotMatch(inspect(results, { depth: 9 }), /4111|f81d4fae/);
    assert.deepEqual(results[1].put.Put.Item, { Hash_Key: { S: TOKEN }, C: { B: new Uint8Array([0, 1, 2]) } });
    assert.equal(JSON.parse(JSON.stringify(results[0])).token, TOKEN);
  });
});

describe("errors", () => {
  test("show nothing of the request", async () => {
    for (const call of [
      () => tokenize(CARD, { [CARD]: 1 }),
      () => tokenize(CARD, { [`c${CARD}`]: 1 }),
      () => tokenize(CARD, { idempotencyKey: `${CARD}\n` }),
      () => tokenize(`\ud800${CARD}`, { type: "text" }),
      () => tokenize({ toString: () => CARD }),
      () => tokenize(CARD, { ttl: 10n }),
      () => tokenize(CARD, { context: new Map([["order", CARD]]) }),
      () => tokenize(CARD, { context: { order: Symbol(CARD) } }),
      () => tokenize(CARD, CARD),
      () => tokenize(CARD, { get ttl() { return CARD; } }),
    ]) {
      const error = await rejection(call());
      assert.ok(error instanceof TokenizerError, error.constructor.name);
      assert.equal(error.code, "invalid-request");
      assert.doesNotMatch(inspect(error) + error.stack + JSON.stringify(error), /4111|the-session-token/);
    }
  });
});

describe("limits and bindings", () => {
  for (const name of ["ttl", "maxUses", "purpose", "context"]) {
    test(`${name} must not be undefined`, async () => {
      const error = await rejection(tokenize(CARD, { [name]: undefined }));
      assert.equal(error.detail, "must not be null: leave it out");
    });
  }
  test("an idempotencyKey that is undefined is not given", async () => {
    answer = () => ({ token: TOKEN });
    assert.equal((await tokenize(CARD, { idempotencyKey: undefined, metadata: undefined })).token, TOKEN);
  });
});

// What is not a member of its own would be lost, and a limit with it.
describe("options and items", () => {
  class Limits { get maxUses() { return 1; } }
  for (const [name, options] of [
    ["a Map", new Map([["maxUses", 1]])],
    ["URLSearchParams", new URLSearchParams("maxUses=1")],
    ["an object that inherits", Object.create({ maxUses: 1 })],
    ["an object that inherits from one without a prototype", Object.create({ __proto__: null, maxUses: 1 })],
    ["an instance with getters", new Limits()],
    ["an object with a symbol", { [Symbol("maxUses")]: 1 }],
  ]) {
    test(`must not be ${name}`, async () => {
      answer = () => ({ token: TOKEN, items: [{ token: TOKEN }] });
      assert.equal((await rejection(tokenize(CARD, options))).code, "invalid-request");
      options.data = CARD;
      const [result] = await tokenizeBatch([options]).catch((error) => [error]);
      assert.equal(result.code, "invalid-request");
    });
  }

  test("may have members that are not enumerable, or no prototype", async () => {
    const bodies = [];
    answer = (_, body) => { bodies.push(body); return { token: TOKEN }; };
    await tokenize(CARD, Object.defineProperty({}, "maxUses", { value: 1 }));
    await tokenize(CARD, { __proto__: null, maxUses: 1 });
    assert.deepEqual(bodies, [{ data: CARD, max_uses: 1 }, { data: CARD, max_uses: 1 }]);
  });

  test("must not be left out of a list", async () => {
    assert.equal((await rejection(tokenizeBatch([{ data: CARD }, , { data: CARD }]))).field, "items[1]");
  });
});

describe("a signal", () => {
  test("ends a call before and while it waits", async () => {
    const waiting = http.createServer(() => controller.abort());
    const controller = new AbortController();
    await new Promise((resolve) => { waiting.listen(0, "127.0.0.1", resolve); });
    const port = process.env.TOKENIZER_PORT;
    process.env.TOKENIZER_PORT = String(waiting.address().port);
    try {
      for (const signal of [AbortSignal.abort(), controller.signal]) {
        const error = await rejection(validate(TOKEN, { signal }));
        assert.match(error.message, /: the call was cancelled before the extension answered$/);
      }
    } finally {
      process.env.TOKENIZER_PORT = port;
      waiting.close();
      waiting.closeAllConnections();
    }
  });

  test("must be one", async () => {
    assert.equal((await rejection(ping({ signal: true }))).field, "signal");
  });
});

describe("concurrent calls", () => {
  test("get their own answers", async () => {
    answer = (_, body) => ({ data: `*${body.token}`, redaction: "MASKED" });
    const tokens = Array.from({ length: 200 }, (_, number) => `token-${number}`);
    const shown = await Promise.all(tokens.map((token) => detokenize(token)));
    assert.deepEqual(shown.map(({ data }) => data), tokens.map((token) => `*${token}`));
  });

  test("one after the other share a connection", async () => {
    answer = () => ({ live: true });
    await validate(TOKEN);
    const before = connections;
    for (let call = 0; call < 10; call += 1) await validate(TOKEN);
    assert.equal(connections, before);
  });
});

test("require and import give the same classes", () => {
  const required = createRequire(import.meta.url)(process.env.CLIENT.replace(".mjs", ".cjs"));
  assert.deepEqual(Object.keys(required).sort(), Object.keys(client).sort());
  for (const name of Object.keys(client)) assert.equal(required[name], client[name], name);
});

test("an object that is no Lambda context is refused", async () => {
  for (const lambdaContext of [{}, 5, { getRemainingTimeInMillis: 5 }, { getRemainingTimeInMillis: () => "soon" }]) {
    assert.equal((await rejection(ping({ lambdaContext }))).field, "lambdaContext");
  }
});
