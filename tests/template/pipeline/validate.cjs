// Validates the entities of a YAML file as Backstage does: node validate.cjs FILE
const { readFileSync } = require("node:fs");
const { join } = require("node:path");
const { createRequire } = require("node:module");

const load = createRequire(join(process.cwd(), "package.json"));
const model = load("@backstage/catalog-model");
const scaffolder = load("@backstage/plugin-scaffolder-common");
const { parseAllDocuments } = load("yaml");

const kinds = {
  API: model.apiEntityV1alpha1Validator,
  Component: model.componentEntityV1alpha1Validator,
  Location: model.locationEntityV1alpha1Validator,
  System: model.systemEntityV1alpha1Validator,
  Template: scaffolder.templateEntityV1beta3Validator,
};
const policies = model.EntityPolicies.allOf([
  new model.SchemaValidEntityPolicy(),
  new model.FieldFormatEntityPolicy(),
  new model.NoForeignRootFieldsEntityPolicy(),
]);

async function main(file) {
  for (const document of parseAllDocuments(readFileSync(file, "utf8"))) {
    if (document.errors.length) throw document.errors[0];
    const entity = document.toJS();
    // Backstage puts the content of a file where `$text` names it, before it validates.
    if (entity.spec?.definition?.$text) entity.spec.definition = "{}";
    await policies.enforce(entity);
    if (!(await kinds[entity.kind].check(entity))) throw new Error(`${entity.kind} is not accepted`);
    for (const owner of [entity.spec.owner, entity.spec.system, ...(entity.spec.dependsOn ?? [])]) {
      if (owner) model.parseEntityRef(owner, { defaultKind: "group" });
    }
    console.log(`${entity.kind} ${entity.metadata.name}`);
  }
}

main(process.argv[2]).catch((error) => {
  console.error(`${process.argv[2]}: ${error.message}`);
  process.exit(1);
});
