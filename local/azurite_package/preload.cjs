"use strict";
// Given to Node before Azurite's own main.js. Two things that Azurite has no option for.

const http = require("node:http");
const { createRequire } = require("node:module");

const STOP_MILLISECONDS = 5000;
const CHANGING = new Set(["DELETE", "PATCH", "POST", "PUT"]);

// Whoever started us holds our standard input, which ends when he does, however that is.
process.stdin.on("end", stop).on("error", stop).resume().unref();

function stop() {
  setTimeout(() => process.exit(1), STOP_MILLISECONDS).unref();
  process.kill(process.pid, "SIGTERM");
}

// Azurite writes what blobs there are to the disk every five seconds, and a kill forgets those of the last ones. Here a
// request that changed something is answered when that is written.
if (!process.argv.includes("--inMemoryPersistence")) {
  const Loki = createRequire(process.argv[1])("lokijs");
  const databases = new Set();
  const end = http.ServerResponse.prototype.end;

  for (const name of ["addCollection", "loadDatabase"]) {
    const original = Loki.prototype[name];
    Loki.prototype[name] = function (...given) {
      databases.add(this);
      return original.apply(this, given);
    };
  }

  const written = (database) =>
    new Promise((resolve, reject) => database.saveDatabase((error) => (error ? reject(error) : resolve())));

  http.ServerResponse.prototype.end = function (...given) {
    if (!CHANGING.has(this.req.method) || this.statusCode >= 400) {
      return end.apply(this, given);
    }
    Promise.all([...databases].map(written)).then(
      () => end.apply(this, given),
      (error) => this.destroy(error),
    );
    return this;
  };
}
