// Carries out the vectors with the Node client: reads JSON from standard input, and writes what came of each call.
// A string like "<name>" in an argument is the token that an earlier call of the vector has saved.
import net from "node:net";
import { text } from "node:stream/consumers";
import { inspect } from "node:util";

const client = await import(process.env.CLIENT);

const SPECIAL = {
  nan: NaN, infinity: Infinity, surrogate: "\ud800", bytes: Buffer.from("4111111111111111"), long: "x".repeat(40000),
  many: Array(101).fill({ data: "4111111111111111" }), large: Array(100).fill({ data: "x".repeat(12000) }),
};
const now = Date.now;
let hoursAhead = 0;
Date.now = () => now() + hoursAhead * 3_600_000;

const camel = (name) => name.replace(/_(.)/g, (_, letter) => letter.toUpperCase());
const snake = (name) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

function argument(value, saved) {
  if (Array.isArray(value)) return value.map((member) => argument(member, saved));
  if (value === null || typeof value !== "object") return saved.get(value) ?? value;
  if ("$" in value) return SPECIAL[value.$];
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [camel(name), argument(member, saved)]));
}

// shown is a result as the vectors have it: without members that are not there.
function shown(value) {
  if (value instanceof client.TokenizerError) return { error: failure(value) };
  if (Array.isArray(value)) return value.map(shown);
  if (value instanceof client.Secret) return { secret: value.reveal() };
  if (value instanceof Date) return value.toISOString().replace(/\.\d+Z$/, "Z");
  if (value === null || typeof value !== "object") return value;
  if ("Put" in value) return `the put of ${value.Put.TableName}`;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [snake(name), name === "metadata" ? member : shown(member)]));
}

function failure(error) {
  const told = {};
  for (const name of ["code", "status", "detail", "field", "retryAfter"]) if (error[name]) told[snake(name)] = error[name];
  return error.cause === undefined ? told : { ...told, chain: true };
}

// end waits for an end of the server's connections, which this one tells by its own.
const end = () => new Promise((resolve) => {
  net.connect(Number(process.env.BARRIER), "127.0.0.1").on("close", resolve).resume();
});

async function run(call, saved) {
  if (call.verb === "await") return end().then(() => ({}));
  const { data, token, items, lambdaRemainingMs, timeout, ...options } = argument(call.arguments ?? {}, saved);
  if (lambdaRemainingMs !== undefined) options.lambdaContext = { getRemainingTimeInMillis: () => lambdaRemainingMs };
  if (timeout !== undefined) options.timeout = typeof timeout === "number" ? timeout * 1000 : timeout;
  const verb = client[camel(call.verb)];
  const first = [data, token, items].find((value) => value !== undefined);
  try {
    const result = await (call.verb === "ping" ? verb(options) : verb(first, options));
    if (call.save) saved.set(`<${call.save}>`, result.token);
    return { result: shown(result), text: Array.isArray(result) ? "" : inspect(result) };
  } catch (error) {
    if (!(error instanceof client.TokenizerError)) throw error;
    return { error: failure(error), text: inspect(error) + JSON.stringify(error) };
  }
}

const outcomes = [];
for (const vector of JSON.parse(await text(process.stdin))) {
  Object.assign(process.env, vector.environment);
  hoursAhead = 0;
  const saved = new Map();
  const done = [];
  for (const call of vector.calls) {
    hoursAhead += call.hours_later ?? 0;
    done.push(await run(call, saved));
  }
  outcomes.push(done);
}
console.log(JSON.stringify(outcomes));
