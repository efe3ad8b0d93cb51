// An absolute address: a browser fetches nothing from one that holds the credentials which it may have been given.
const here = location.origin + location.pathname;
SwaggerUIBundle({ url: new URL("openapi.json", here).href, dom_id: "#swagger-ui", deepLinking: true, validatorUrl: null });
