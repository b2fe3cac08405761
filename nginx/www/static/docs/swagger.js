// Starts Swagger UI. A file of its own: the page's policy allows no script inside of it.
"use strict";

window.ui = window.SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#viewer",
  presets: [window.SwaggerUIBundle.presets.apis],
  layout: "BaseLayout",
  deepLinking: true,
  displayOperationId: true,
  displayRequestDuration: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  filter: true,
  // keys that were typed in are gone with the page
  persistAuthorization: false,
  // null: the description is shown to nobody else's validator
  validatorUrl: null,
});
