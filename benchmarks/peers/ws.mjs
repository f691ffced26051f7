// `ws` and a ten-line JSON-RPC dispatcher.
import { WebSocketServer } from "ws";

const methods = new Map([["bench.echo", async (text) => text]]);

const server = new WebSocketServer({ host: "127.0.0.1", port: Number(process.argv[2]) });
server.on("connection", (socket) => {
  socket.on("message", async (message) => {
    const { method, params, id } = JSON.parse(message);
    const result = await methods.get(method)(...params);
    socket.send(JSON.stringify({ jsonrpc: "2.0", result, id }));
  });
});
