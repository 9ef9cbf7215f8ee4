// Reads an AsyncAPI document with the official parser. Exits with 1 and the findings if it is not valid.
import { readFile } from "node:fs/promises";
import { Parser } from "@asyncapi/parser";

const ERROR = 0;
const WARNING = 1;

const source = await readFile(process.argv[2], "utf8");
const { document, diagnostics } = await new Parser().parse(source);
const serious = diagnostics.filter(({ severity }) => severity === ERROR || severity === WARNING);
for (const { code, message, path, severity } of serious) {
  console.error(`${severity === ERROR ? "error" : "warning"} ${code} at ${path.join(".")}: ${message}`);
}
if (document && serious.length === 0) {
  const counts = { channels: document.channels().length, operations: document.operations().length };
  console.log(JSON.stringify({ version: document.version(), ...counts }));
}
process.exit(document && serious.length === 0 ? 0 : 1);
