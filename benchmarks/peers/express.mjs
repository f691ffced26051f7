// Express with express-session in memory: a route that reads the session, and one that writes it.
import express from "express";
import session from "express-session";

console.warn = () => {}; // the store says at each start that it is not for production

const app = express();
app.disable("x-powered-by");
app.use(
  session({
    secret: "only for benchmarks on 127.0.0.1",
    resave: false,
    saveUninitialized: false,
    cookie: { maxAge: 30 * 24 * 3600 * 1000, sameSite: "lax" },
    store: new session.MemoryStore(),
  }),
);

app.get("/read", async (req, res) => {
  res.json({ n: req.session.n });
});

app.get("/write", async (req, res) => {
  req.session.n = 1;
  res.json(true);
});

app.listen(Number(process.argv[2]), "127.0.0.1");
