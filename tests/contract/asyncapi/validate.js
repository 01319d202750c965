// Prints what the official AsyncAPI parser says of the document on stdin, as JSON: [{severity, path, message}], and what it found in it.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

// The packages lie in a folder of their own (the second argument), not beside this file.
const { Parser } = createRequire(pathToFileURL(`${process.argv[2]}/`))("@asyncapi/parser");
const { document, diagnostics } = await new Parser().parse(readFileSync(0, "utf8"));
const severities = ["error", "warning", "information", "hint"];
console.log(
  JSON.stringify({
    version: document?.version() ?? null,
    channels: document?.channels().all().map((channel) => channel.address()) ?? [],
    messages: document?.allMessages().all().map((message) => message.name()) ?? [],
    operations: document?.operations().all().map((operation) => operation.id()) ?? [],
    diagnostics: diagnostics.map(({ severity, path, message, code }) => ({
      severity: severities[severity],
      code,
      path: path.join("/"),
      message,
    })),
  }),
);
