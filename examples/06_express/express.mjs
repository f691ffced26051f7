// The Express side: log in, log out, who am I. app.py starts it and sets PORT, PAGE, SECRET and SESSIONS.
import express from "express";
import session from "express-session";
import sessionFileStore from "session-file-store";

const { PORT, PAGE, SECRET, SESSIONS } = process.env;
const FileStore = sessionFileStore(session);

const app = express();
app.use(
  session({
    store: new FileStore({ path: SESSIONS, retries: 0 }), // look once for a session; one may not be stored yet
    secret: SECRET,
    resave: false,
    saveUninitialized: false,
    cookie: { maxAge: 30 * 24 * 3600 * 1000, sameSite: "lax" },
  }),
);
app.use((req, res, next) => {
  // The page comes from another port: let it read what is answered here.
  res.set({ "Access-Control-Allow-Origin": PAGE, "Access-Control-Allow-Credentials": "true" });
  next();
});

app.get("/me", (req, res) => res.json(req.session.userId ?? null));

app.post("/login", express.urlencoded(), (req, res, next) => {
  req.session.regenerate((error) => {
    if (error) return next(error);
    req.session.userId = req.body.name; // what the other side knows as session.user_id
    req.session.save((error) => (error ? next(error) : res.redirect(303, PAGE)));
  });
});

app.post("/logout", (req, res, next) => {
  req.session.destroy((error) => (error ? next(error) : res.redirect(303, PAGE)));
});

app.listen(PORT, "127.0.0.1");
