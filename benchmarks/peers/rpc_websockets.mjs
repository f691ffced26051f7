// rpc-websockets, the server side.
import { Server } from "rpc-websockets";

const server = new Server({ host: "127.0.0.1", port: Number(process.argv[2]) });
server.register("bench.echo", async ([text]) => text);
