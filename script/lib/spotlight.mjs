// Sentry's Spotlight, bound to loopback: node spotlight.mjs DIRECTORY HOST:PORT
//
// DIRECTORY is that of the npm package. Its own command listens on every interface and reports home; its server alone, which is
// imported here, does neither once it is told where to listen. The first line on standard output is its address.

import { readFileSync } from "node:fs";
import net from "node:net";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [directory, listen] = process.argv.slice(2);
const [, host, port] = /^\[?(.*?)\]?:(\d+)$/.exec(listen);

const anywhere = net.Server.prototype.listen;
net.Server.prototype.listen = function (where, ...rest) {
  return anywhere.call(this, { port: typeof where === "object" ? where.port : where, host }, ...rest.filter((a) => typeof a === "function"));
};

const ui = join(directory, "dist/ui");
const files = { "index.html": readFileSync(join(ui, "index.html")) };
for (const { file } of Object.values(JSON.parse(readFileSync(join(ui, "manifest.json"), "utf8")))) {
  files[file] = readFileSync(join(ui, file));
}
const { startServer } = await import(pathToFileURL(join(directory, "dist/server/main.js")));
const server = await startServer({ port: Number(port), filesToServe: files, normalizedAllowedOrigins: [] });
process.on("SIGTERM", () => process.exit(0));
console.log(`http://${host.includes(":") ? `[${host}]` : host}:${server.address().port}`);
