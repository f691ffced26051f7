// socket.io; the acknowledgement is the reply.
import { createServer } from "node:http";
import { Server } from "socket.io";

const http = createServer();
const io = new Server(http, { transports: ["websocket"] });
io.on("connection", (socket) => {
  socket.on("bench.echo", async (text, reply) => reply(text));
});
http.listen(Number(process.argv[2]), "127.0.0.1");
