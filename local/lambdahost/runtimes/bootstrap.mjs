// Runs a Node handler as Lambda's runtime does: over the Runtime API, with Node's own modules alone.
//
// Node is started as: node bootstrap.mjs OPT, where OPT is the directory of the layers, or empty. Imports of /opt/...
// are read from there. The environment variables are those that Lambda sets.
import { existsSync, readFileSync } from "node:fs";
import http from "node:http";
import Module, { createRequire, register } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";

const task = process.env.LAMBDA_TASK_ROOT;
const require = createRequire(path.join(task, "index.js"));

class Failure extends Error {
  constructor(type, message) {
    super(message);
    this.name = type;
    this.stack = "";
  }
}

// The server of this execution environment. Without it there is nothing left to do.
const [hostname, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");
const agent = new http.Agent({ keepAlive: true });

function call(method, route, body, headers) {
  return new Promise((resolve) => {
    const options = { hostname, port, agent, method, path: `/2018-06-01/runtime/${route}`, headers };
    const request = http.request(options, (response) => {
      const parts = [];
      response.on("data", (part) => parts.push(part));
      response.on("end", () => resolve({ headers: response.headers, body: Buffer.concat(parts).toString() }));
      response.on("error", () => process.exit(1));
    });
    request.on("error", () => process.exit(1));
    request.end(body);
  });
}

function fail(route, error) {
  const known = error instanceof Error;
  const described = {
    errorType: known ? error.name : typeof error,
    errorMessage: known ? error.message : String(error),
    trace: known ? (error.stack ?? "").split("\n") : [],
  };
  console.error(known && error.stack ? error : `${described.errorType}: ${described.errorMessage}`);
  return call("POST", route, JSON.stringify(described), { "Lambda-Runtime-Function-Error-Type": described.errorType });
}

// readLayersFrom makes /opt/... mean a directory of this machine, in import and in require.
function readLayersFrom(opt) {
  const hook = `
    import { existsSync } from "node:fs";
    import { pathToFileURL } from "node:url";
    const opt = ${JSON.stringify(opt)};
    export function resolve(specifier, context, next) {
      const inLayer = /^(?:file:\\/\\/)?\\/opt(\\/.*)$/.exec(specifier);
      const here = inLayer && opt + inLayer[1];
      return next(here && existsSync(here) ? pathToFileURL(here).href : specifier, context);
    }`;
  register(`data:text/javascript,${encodeURIComponent(hook)}`);
  const resolveFilename = Module._resolveFilename;
  Module._resolveFilename = (request, ...others) => {
    const here = request.startsWith("/opt/") ? opt + request.slice("/opt".length) : "";
    return resolveFilename.call(Module, here && existsSync(here) ? here : request, ...others);
  };
}

// isModule tells whether a .js file is an ES module: the nearest package.json says so.
function isModule(file) {
  for (let dir = path.dirname(file); dir.startsWith(task); dir = path.dirname(dir)) {
    const settings = path.join(dir, "package.json");
    if (existsSync(settings)) return JSON.parse(readFileSync(settings, "utf8")).type === "module";
  }
  return false;
}

// importFile loads the file that a handler names without its extension.
async function importFile(name) {
  for (const extension of [".js", ".mjs", ".cjs"]) {
    const file = path.join(task, name + extension);
    if (!existsSync(file)) continue;
    const isESM = extension === ".mjs" || (extension === ".js" && isModule(file));
    return isESM ? import(pathToFileURL(file).href) : require(file);
  }
  throw new Failure("Runtime.ImportModuleError", `Cannot find ${name}.js, ${name}.mjs or ${name}.cjs in the function's code`);
}

const client = "nodejs/node_modules/@lambda-tokenizer/client/index.mjs"; // in the tokenizer's layer

// advise says what to do about a package that is not there.
function advise(missing) {
  if (!missing.includes("@lambda-tokenizer/client")) {
    return "Put the package into the folder of the function, or into a layer. Lambda itself has only the AWS SDK";
  }
  if (opt && existsSync(path.join(opt, client))) {
    return `The layer has it, but an import does not look there: import /opt/${client}, or bundle the package`;
  }
  return "It comes with the tokenizer's layer: attach the layer to the function";
}

// load returns the function that a handler such as index.handler or src/app.handlers.pay names.
async function load(handler) {
  const [, name, member] = /^((?:.*\/)?[^/.]+)\.([^/]+)$/.exec(handler) ?? [];
  if (!member) throw new Failure("Runtime.MalformedHandlerName", `Bad handler ${handler}: name a file and a function, such as index.handler`);
  let loaded;
  try {
    loaded = await importFile(name);
  } catch (error) {
    if (error instanceof SyntaxError) throw new Failure("Runtime.UserCodeSyntaxError", `${error.name}: ${error.message}`);
    if (error?.code !== "ERR_MODULE_NOT_FOUND" && error?.code !== "MODULE_NOT_FOUND") throw error;
    const missing = error.message.split("\n")[0];
    throw new Failure("Runtime.ImportModuleError", `${missing}. ${advise(missing)}`);
  }
  const find = (from) => member.split(".").reduce((value, key) => value?.[key], from);
  const found = find(loaded) ?? find(loaded.default);
  if (typeof found !== "function") throw new Failure("Runtime.HandlerNotFound", `${handler} is undefined or not exported`);
  return found;
}

let current; // the invocation that has no answer yet

function context(headers) {
  const deadline = Number(headers["lambda-runtime-deadline-ms"]);
  return {
    awsRequestId: headers["lambda-runtime-aws-request-id"],
    invokedFunctionArn: headers["lambda-runtime-invoked-function-arn"],
    functionName: process.env.AWS_LAMBDA_FUNCTION_NAME,
    functionVersion: process.env.AWS_LAMBDA_FUNCTION_VERSION,
    memoryLimitInMB: process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: process.env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: process.env.AWS_LAMBDA_LOG_STREAM_NAME,
    callbackWaitsForEmptyEventLoop: true,
    getRemainingTimeInMillis: () => Math.max(0, deadline - Date.now()),
  };
}

// answer runs the handler. A handler that neither returns a promise nor calls back answers null, as on Lambda, when
// nothing is left to run.
function answer(handler, event, about) {
  return new Promise((resolve, reject) => {
    current = { id: about.awsRequestId, resolve };
    const callback = (error, result) => (error ? reject(error) : resolve(result));
    const returned = handler(event, about, callback);
    if (typeof returned?.then === "function") returned.then(resolve, reject);
    else if (handler.length < 3) resolve(null);
  });
}

async function die(type, error) {
  const failure = new Failure(type, error?.message ?? String(error));
  await fail(current ? `invocation/${current.id}/error` : "init/error", failure);
  process.exit(1);
}

process.on("unhandledRejection", (error) => die("Runtime.UnhandledPromiseRejection", error));
process.on("uncaughtException", (error) => die(error?.name ?? "Error", error));
process.on("beforeExit", () => current?.resolve(null));

const opt = process.argv[2];
if (opt) readLayersFrom(opt);
let handler;
try {
  handler = await load(process.env._HANDLER);
} catch (error) {
  await fail("init/error", error);
  process.exit(1);
}
for (;;) {
  const { headers, body } = await call("GET", "invocation/next");
  const about = context(headers);
  process.env._X_AMZN_TRACE_ID = headers["lambda-runtime-trace-id"] ?? "";
  const route = `invocation/${about.awsRequestId}`;
  let result;
  try {
    result = JSON.stringify((await answer(handler, JSON.parse(body), about)) ?? null);
  } catch (error) {
    current = undefined;
    await fail(`${route}/error`, error);
    continue;
  }
  current = undefined;
  await call("POST", `${route}/response`, result);
}
