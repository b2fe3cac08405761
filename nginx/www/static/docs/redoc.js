// Starts Redoc. A file of its own: the page's policy allows no script inside of it.
"use strict";

const sans = "system-ui, sans-serif";

window.Redoc.init("/openapi.json", {
  hideDownloadButton: false,
  expandResponses: "200,201,202",
  pathInMiddlePanel: true,
  requiredPropsFirst: true,
  sortTagsAlphabetically: false,
  theme: {
    typography: {
      fontFamily: sans,
      headings: { fontFamily: sans },
      code: { fontFamily: "ui-monospace, monospace" },
    },
  },
}, document.getElementById("viewer"));
