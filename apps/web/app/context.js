/** What the server hands to every loader and action; the pages know the domain only through it. */
import "@remix-run/node";
//# sourceMappingURL=context.js.map
