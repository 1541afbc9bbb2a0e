// Swagger UI, signed in as whom "Try it" remembers. Without this script, read /openapi.json.
const docs = document.querySelector("#docs");
const dark = matchMedia("(prefers-color-scheme: dark)");
const colour = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
colour();
dark.addEventListener("change", colour);
const ui = SwaggerUIBundle({
  domNode: docs,
  url: "/openapi.json",
  deepLinking: true,
  validatorUrl: null,
  onComplete: () => docs.dataset.token && ui.preauthorizeApiKey("bearer", docs.dataset.token),
});
