// An Express application for the tests: it runs the JavaScript that is POSTed to it, with the request and its session.
//
// PORT; STORE: mongodb, redis or file; STORE_OPTIONS and SESSION_OPTIONS: those of the store and of
// express-session, as JSON. It finds its packages in the folder it is started in.
import { createRequire } from "node:module";

const require = createRequire(`${process.cwd()}/`);
const express = require("express");
const session = require("express-session");

const STORES = {
  mongodb: (options) => new (require("connect-mongo").MongoStore)(options),
  async redis(options) {
    const client = await require("redis").createClient(options).connect();
    return new (require("connect-redis").RedisStore)({ client });
  },
  file: (options) => new (require("session-file-store")(session))({ ...options, retries: 0, logFn() {} }),
};
const { PORT, STORE, STORE_OPTIONS, SESSION_OPTIONS } = process.env;
const store = await STORES[STORE](JSON.parse(STORE_OPTIONS));

// What express-session asked the store to do, as "set <id>".
const asked = [];
for (const method of ["set", "touch", "destroy"]) {
  const original = store[method];
  store[method] = (id, ...rest) => {
    asked.push(`${method} ${id}`);
    return original.call(store, id, ...rest);
  };
}

// What a script can use.
const tools = (req) => ({
  req,
  asked,
  // await done("regenerate"): a method of the session that takes a callback.
  done: (method) =>
    new Promise((resolve, reject) => req.session[method]((error) => (error ? reject(error) : resolve()))),
});
const AsyncFunction = (async () => {}).constructor;

const app = express();
app.use(session({ store, ...JSON.parse(SESSION_OPTIONS) }));
app.post("/", express.text(), async (req, res) => {
  const given = tools(req);
  const value = await new AsyncFunction(...Object.keys(given), req.body)(...Object.values(given));
  res.json({ value });
});
app.listen(Number(PORT), "127.0.0.1");
