// Starts @firestore-emulator/server on loopback: node firestore_npm.js FOLDER PORT.
// Its own `start` listens on every address, and it cannot be emptied from outside.
"use strict";

const path = require("node:path");
const [folder, port] = process.argv.slice(2);
const packages = path.join(folder, "node_modules");
const grpc = require(path.join(packages, "@grpc/grpc-js"));
const { FirestoreServer } = require(path.join(packages, "@firestore-emulator/server"));

const firestore = new FirestoreServer();
const bytes = (value) => value;
const method = (name) => ({
  path: `/clef.Control/${name}`,
  requestStream: false,
  responseStream: false,
  requestSerialize: bytes,
  requestDeserialize: bytes,
  responseSerialize: bytes,
  responseDeserialize: bytes,
});
firestore.server.addService({ Ping: method("Ping"), Clear: method("Clear") }, {
  Ping: (_, answer) => answer(null, Buffer.from("here")),
  Clear: (_, answer) => {
    firestore.state.clear();
    answer(null, Buffer.from("here"));
  },
});
firestore.server.bindAsync(`127.0.0.1:${port}`, grpc.ServerCredentials.createInsecure(), (error) => {
  if (error) {
    console.error(error.message);
    process.exit(1);
  }
});
