// Validates what operators read, as their custom resource definitions say: node operators.mjs FILE
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const { parseAllDocuments } = createRequire(join(process.cwd(), "package.json"))("yaml");

for (const document of parseAllDocuments(readFileSync(process.argv[2], "utf8"))) {
  const manifest = document.toJS();
  const [group] = manifest.apiVersion.split("/");
  const models = { "external-secrets.io": "external-secrets", "monitoring.coreos.com": "prometheus-operator" };
  if (!(group in models)) continue;
  const file = join("node_modules/@kubernetes-models", models[group], manifest.apiVersion, "index.js");
  const { [manifest.kind]: Model } = await import(pathToFileURL(file));
  new Model(manifest).validate();
  console.log(`${manifest.kind} ${manifest.metadata.name}`);
}
